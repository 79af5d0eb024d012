"""Reports of several runs: the page's section on runs, and the index of a folder of them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.contracts import Cell, Difference, Origin, Results
from reports import index_page
from reports.page import render
from reports.runs_section import runs_view
from reports.tables import tabulate


@pytest.fixture
def merged(bench, tmp_path: Path) -> Results:
    """Two runs with median-cut in common, whose net is another one in each."""
    common = bench.plain("median-cut", 2, 0.5)
    first, second = bench.plain("net", 2, 0.7), bench.plain("net (two)", 2, 0.9)
    lost = bench.cell(None, "octree", 2, error="MemoryError: <b>")
    runs = {"one": bench.results([common, first], name="one"), "two": bench.results([common, second, lost], name="two")}
    origins = [
        Origin(
            name,
            tmp_path / "runs" / f"{name} & more",
            "2026-03-01T12:30:00.000+00:00",
            run,
            ("margin 0.02, not null",) * i,
        )
        for i, (name, run) in enumerate(runs.items())
    ]
    difference = Difference(
        "net (two) on toys × tinynet", "net on toys × tinynet", "two", "one", 1, ("net: <i> is 2, not 1",)
    )
    together = bench.results([common, first, second, lost], name="one + two")
    return replace(together, origins=tuple(origins), differences=(difference,))


def test_where_cells_come_from(merged) -> None:
    view = runs_view(merged)
    assert view is not None
    assert [(row.cells, row.finished, row.alone) for row in view.rows] == [(2, 2, 1), (3, 2, 2)]
    assert view.shared == 1
    assert {row.variant: row.cells for row in view.sources} == {
        "median-cut": (1, 1),
        "net": (1, 0),
        "net (two)": (0, 1),
        "octree": (0, 1),
    }


def test_the_page_says_where_runs_differ(merged) -> None:
    page = render(merged)
    (section,) = re.findall(r'<section id="runs">.*?</section>', page, re.DOTALL)
    assert "1 cell is in more than one of them, under the same key: the same number, shown once." in section
    assert "net: &lt;i&gt; is 2, not 1" in section
    assert "margin 0.02, not null" in section
    assert "2026-03-01 12:30" in section
    assert '<a href="#runs">Runs</a> says where and why' in page


def test_the_page_says_how_each_run_was_computed(merged) -> None:
    def recorded(origin: Origin, number: int) -> Origin:
        code = {"commit": f"{number}" * 40, "dirty": number == 2}
        made = {"date": "2026-03-01T12:30:00", "command": f"fewcolors run {number}.yaml", "code": code, "plugins": []}
        environment = {"devices": [f"cpu ({number})"], "versions": {"numpy": f"{number}.0"}, "run": made}
        cells = tuple(replace(cell, seed=number) for cell in origin.results.cells)
        return replace(origin, results=replace(origin.results, environment=environment, cells=cells))

    origins = tuple(recorded(origin, number) for number, origin in enumerate(merged.origins, 1))
    page = render(replace(merged, origins=origins))
    (section,) = re.findall(r'<section id="runs">.*?</section>', page, re.DOTALL)
    first, second = re.findall(r"<tr><th scope=\"row\">(?:one|two)</th>.*?</tr>", section)
    for row, said in ((first, ("<td>1</td>", "cpu (1)", "<code>111111111111</code>")), (second, ("2222222+</code>",))):
        assert all(words in row for words in said), row
    (environment,) = re.findall(r'<section id="environment">.*?</section>', page, re.DOTALL)
    one, two = re.findall(r"<details><summary><h3>(?:one|two)</h3>.*?</details>", environment, re.DOTALL)
    assert f"git checkout {'1' * 40}" in one
    assert "<code>fewcolors run 1.yaml</code>" in one
    assert "1.0" in one
    assert "2.0" not in one
    assert "To reproduce" in two
    assert "changes that no commit holds" in two
    assert "Nothing was recorded" in render(merged)


def test_seeds_are_counted_by_task_where_tasks_differ(bench) -> None:
    def facts(*cells: Cell) -> str:
        page = render(bench.results(cells, spec={"baseline": None}))
        return re.findall(r'<p class="facts">(.*?)</p>', page)[0]

    few = [bench.plain("net", 2, 0.5, dataset="few", seed=seed) for seed in (1, 2, 3)]
    many = [bench.plain("net", 2, 0.5, dataset="many", seed=seed) for seed in (1, 2)]
    assert "3 seeds on few · 2 seeds on many · " in facts(*few, *many)
    assert " · 3 seeds · " in facts(*few)
    assert "one seed (2) on many" in facts(*few, many[1])
    other = [bench.plain("net", 2, 0.5, dataset="few", classifier="bignet", seed=seed) for seed in (1, 2)]
    assert "3 seeds on few × tinynet · 2 seeds on few × bignet and many" in facts(*few, *other, *many)


def test_a_single_run_has_no_such_section(merged) -> None:
    page = render(replace(merged, origins=(), differences=()))
    assert 'id="runs"' not in page
    assert 'href="#runs"' not in page


def test_the_index_links_runs_and_ranks_their_variants(merged, tmp_path: Path) -> None:
    report = merged.origins[0].folder / "report"
    report.mkdir(parents=True)
    (report / "index.html").touch()
    index = index_page.render(merged, tmp_path / "runs")
    assert index == index_page.render(merged, tmp_path / "runs")
    links = [link for link in re.findall(r'href="([^"]*)"', index) if not link.startswith("#")]
    assert links == ["one%20%26%20more/report/index.html"], "relative, and none to a page that is not there"
    assert not re.findall(r'(?:src|href)="(?:https?:|//|/)', index)
    assert index.count("At 2 colors net") == 2, "each run's own answer"
    (board,) = re.findall(r'<table class="board">.*?</table>', index, re.DOTALL)
    ranked = re.findall(r"<span>([^<]*)</span></span></td>", board)
    assert ranked == ["net (two)", "net", "median-cut"]
    assert "[85.1, 93.4]" in board
    assert re.findall(r'<td class="wrapped">([^<]*)<', board) == ["two", "one", "one, two"]
    assert "Nothing is tested here" in index


def test_a_board_names_the_best_and_counts_the_others(bench) -> None:
    cells = [bench.plain(f"v{i}", 2, i / 10) for i in range(1, 9)] + [
        bench.plain("jpeg", 30, 0.5, level_kind="quality")
    ]
    run = bench.results(cells)
    (task,) = tabulate(run).tasks
    few, quality = index_page.boards(task, run)
    assert [point.variant for point, _ in few.rows] == ["v8", "v7", "v6", "v5", "v4"]
    assert (few.level, few.more, quality.level, quality.more) == ("2 colors", 3, "quality 30", 0)
