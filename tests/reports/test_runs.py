"""Reports of several runs: the page's section on runs, and the index of a folder of them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.contracts import Difference, Origin, Results
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
