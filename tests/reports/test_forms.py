"""The tables in other forms: LaTeX, Markdown, Parquet, JSON."""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from harness.contracts import ClaimRow, Failure, Results, StatedClaim, Verdict, VerdictWord
from reports import as_json, glossary, latex, markdown
from reports.grids import grids
from reports.pairs import separated
from reports.parquet import write_parquet
from reports.tables import tabulate, write_tables
from reports.units import UNITS, type_of

HOSTILE = r"50%_of $x$ & {a}^b~#\end <b>|*`[2]--'\"'"


@pytest.fixture
def run(bench, right) -> Results:
    shares = {"median-cut": 0.5, "octree": 0.55, "net": 0.8, HOSTILE: 0.81}
    cells = [
        bench.cell(bench.frame(right(300, share + 0.02 * level, level + 7 * i)), variant, level)
        for i, (variant, share) in enumerate(shares.items())
        for level in (2, 4)
    ]
    cells.append(bench.cell(bench.frame(right(300, 0.95, 99)), "original", None))
    cells.append(bench.cell(None, "octree", 8, error="MemoryError"))
    return bench.results(cells, failures=(Failure("cells: a|b", "ValueError: <x>", "Traceback", 1, "0f" * 32),))


def test_who_shares_the_lead_by_mcnemar_and_holm_over_all_pairs(run) -> None:
    made = tabulate(run)
    (task,), records = made.tasks, made.records
    (grid,) = grids(task, separated(made.tables["pairs"]))
    assert (grid.kind, grid.levels, [point.variant for point in grid.flat]) == ("colors", (2, 4, 8), ["original"])
    marked = {
        (variant, entry.point.level): (entry.best, entry.alike)
        for variant, entries in grid.rows
        for entry in entries
        if entry is not None and entry.point.ok
    }
    for level in (2, 4):
        right = {c.label: records.correct([c])[0] for c in run.cells if c.status == "ok" and c.level == level}
        best = max(right, key=lambda variant: right[variant].mean())
        pairs = list(itertools.combinations(right, 2))
        p = [_midp(right[a], right[b]) for a, b in pairs]
        adjusted = dict(zip(map(frozenset, pairs), multipletests(p, method="holm")[1], strict=True))
        for variant in right:
            alike = variant != best and adjusted[frozenset((variant, best))] >= 0.05
            assert marked[variant, level] == (variant == best, alike)
    assert {alike for _, alike in marked.values()} == {True, False}, "both occur"


def _midp(a: np.ndarray, b: np.ndarray) -> float:
    """McNemar's mid-p: the exact p less the probability of what was found."""
    only_a, only_b = int((a > b).sum()), int((a < b).sum())
    exact = mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue
    n = only_a + only_b
    return float(exact - math.comb(n, only_a) * 0.5**n)


def test_equal_accuracies_share_the_lead_and_what_cannot_be_tested_is_not_separated(bench) -> None:
    one_source = dict.fromkeys(("a", "b", "c"), np.zeros(200, int))
    shares = {"a": 0.9, "b": 0.9, "c": 0.1}
    cells = [
        bench.cell(bench.frame(np.arange(200) < 200 * shares[v], groups), v, 2) for v, groups in one_source.items()
    ]
    results = bench.results(cells)
    made = tabulate(results)
    (grid,) = grids(made.tasks[0], separated(made.tables["pairs"]))
    assert {v: (e.best, e.alike) for v, (e,) in grid.rows} == {
        "a": (True, False),
        "b": (True, False),
        "c": (False, True),
    }


def columns_of(line: str) -> int:
    """How many columns a line of a tabular fills; one that is escaped separates nothing."""
    spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
    return len(re.findall(r"(?<!\\)&", line)) + 1 + sum(spans) - len(spans)


def test_latex_is_whole(run, tmp_path: Path) -> None:
    shown = latex.write_latex(run, tmp_path)
    names = ["accuracy-colors-toys-tinynet", "comparison-toys-tinynet"]
    assert re.findall(r"\\input\{(.*?)\}", shown.read_text()) == names
    assert re.findall(r"\\usepackage\{(.*?)\}", shown.read_text()) == ["booktabs"]
    assert sorted(path.name for path in shown.parent.iterdir()) == [*(f"{name}.tex" for name in names), "tables.tex"]
    for name in names:
        text = (shown.parent / f"{name}.tex").read_text()
        assert f"\\label{{tab:{name}}}" in text
        opened: list[str] = []
        for what, environment in re.findall(r"\\(begin|end)\{(\w+)\}", text):
            assert what == "begin" or opened.pop() == environment
            opened += [environment] if what == "begin" else []
        assert opened == []
        bare = re.sub(r"\\[{}$&#%_\\]", "", text)
        assert bare.count("{") == bare.count("}")
        assert bare.count("$") % 2 == 0
        assert "#" not in bare
        (columns,) = re.findall(r"\\begin\{tabular\}\{@\{\}(.*)@\{\}\}", text)
        columns = re.sub(r"p\{\w+\}", "p", columns)
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert {columns_of(line.removesuffix(r" \\")) for line in rows} == {len(columns)}
        assert len(rows) > 4


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex with booktabs")
def test_latex_is_compiled_and_fits_an_article(run, bench, right, tmp_path: Path) -> None:
    further = [("median-cut dither=floyd-steinberg-clipped", level) for level in (2, 4, 8, 16, 32, 64)]
    further += [("median-cut", level) for level in (8, 16, 32, 64)]
    cells = [bench.cell(bench.frame(right(300, 0.6, level)), variant, level) for variant, level in further]
    shown = latex.write_latex(bench.results([*run.cells, *cells]), tmp_path)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", shown.name]
    ended = subprocess.run(command, cwd=shown.parent, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout
    assert "Overfull" not in ended.stdout, ended.stdout
    assert "Float too large" not in ended.stdout


def test_latex_of_many_comparisons_goes_over_pages_by_whole_levels(bench) -> None:
    variants = ["median-cut", *(f"variant {number}" for number in range(9))]
    cells = [bench.plain(variant, level, 0.5) for variant in variants for level in (2, 4, 8, 16)]
    texts = latex.latex_tables(bench.results(cells))
    parts = [texts[f"comparison-toys-tinynet{end}"] for end in ("", "-2")]
    assert [re.findall(r"\\emph\{(.*?)\}", text) for text in parts] == [
        ["2 colors", "4 colors", "8 colors"],
        ["16 colors"],
    ]
    assert [len(re.findall("^variant [0-9]", text, re.MULTILINE)) for text in parts] == [27, 9]
    assert ["Part 1 of 2." in parts[0], "Part 2 of 2." in parts[1]] == [True, True]


def test_latex_marks_the_best_and_says_how(run) -> None:
    text = latex.latex_tables(run)["accuracy-colors-toys-tinynet"]
    (line,) = (line for line in text.splitlines() if line.startswith("octree"))
    assert line.endswith(r"-- \\"), "8 colors failed"
    assert "textbf" not in line
    assert text.count(r"\textbf") == 2
    assert r"\underline" in text
    assert "Bold: the best at a level; underlined: no test separates it" in text
    assert r"accuracy, \%, by colors per image, at most" in text
    assert r"50\%\_of \$x\$ \& \{a\}\textasciicircum{}b\textasciitilde{}\#\textbackslash{}end" in text


def test_latex_of_tasks_that_would_share_a_file(bench) -> None:
    cells = [bench.plain("median-cut", 2, 0.5, dataset=name) for name in ("A b", "a-b")]
    assert list(latex.latex_tables(bench.results(cells))) == [
        "accuracy-colors-a-b-tinynet",
        "accuracy-colors-a-b-tinynet-2",
    ]
    stale = [bench.plain("jpeg", 10, 0.5, level_kind="quality"), bench.plain("jpeg", None, 0.5, dataset="flat only")]
    assert list(latex.latex_tables(bench.results(stale))) == [
        "accuracy-flat-only-tinynet",
        "accuracy-quality-toys-tinynet",
    ]


def test_latex_p_values() -> None:
    shown = {
        0.5: "0.50",
        0.0503: "0.0503",
        0.0497: "0.0497",
        0.0123: "0.012",
        2.5e-8: r"$2.5\cdot10^{-8}$",
        1e-20: "$<10^{-15}$",
        math.nan: "not tested",
    }
    assert {p: latex.p_value(p) for p in shown} == shown


def test_markdown_says_what_the_page_says(run) -> None:
    text = markdown.render(run)
    assert text == markdown.render(run)
    assert "# small run\n" in text
    assert "**At 2 colors" in text
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert len(tables) == 3, "accuracies, comparisons, bits"
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1, "as many columns in every row"
    assert "p by McNemar's mid-p, adjusted by Holm. Not separated" in text
    assert "<b>" not in text
    assert r"50%\_of \$x\$ &amp; {a}^b\~\#\\end &lt;b&gt;\|\*\`\[2\]--" in text
    assert "- cells: a\\|b: ValueError: &lt;x&gt; (fewcolors status RUN --job 0f0f0f0f0f0f)\n" in text


def test_markdown_of_nothing(bench) -> None:
    assert "nothing to tell" in markdown.render(bench.results([]))
    assert "Nothing was measured" in markdown.render(bench.results([bench.cell(None, "net", 2)]))


def test_parquet_holds_the_numbers_of_the_csv_with_types(run, tmp_path: Path) -> None:
    write_tables(run, tmp_path)
    assert write_parquet(run, tmp_path) == tmp_path / "cells.parquet"
    for name in ("cells", "significance", "bits"):
        table = pq.read_table(tmp_path / f"{name}.parquet")
        csv = pd.read_csv(tmp_path / f"{name}.csv")
        assert table.column_names == list(csv.columns)
        for column in csv.columns:
            field = table.schema.field(column)
            if column in UNITS:
                assert field.metadata == {b"unit": UNITS[column].encode()}
            if str(field.type) != "string":
                stored = table[column].to_pandas().to_numpy(float, na_value=np.nan)
                np.testing.assert_allclose(stored, csv[column].to_numpy(float), rtol=1e-7)
    cells = pq.read_schema(tmp_path / "cells.parquet")
    types = {name: str(cells.field(name).type) for name in ("level", "seed", "n", "accuracy", "variant", "error")}
    whole, words = dict.fromkeys(("level", "seed", "n"), "int64"), dict.fromkeys(("variant", "error"), "string")
    assert types == whole | words | {"accuracy": "double"}


def test_parquet_of_nothing_has_the_same_types(run, bench, tmp_path: Path) -> None:
    write_parquet(run, tmp_path / "some")
    write_parquet(bench.results([]), tmp_path / "none")
    for name in ("cells", "significance", "bits"):
        some, none = (pq.read_schema(tmp_path / folder / f"{name}.parquet") for folder in ("some", "none"))
        assert some == none


def test_json_is_strict_and_complete(run, bench, tmp_path: Path) -> None:
    lossless = bench.cell(bench.frame([1] * 50, psnr=np.full(50, math.inf)), "original", None, dataset="same")
    run = bench.results([*run.cells, lossless], failures=run.failures)
    text = as_json.render(run)
    read = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    assert text == as_json.render(run)
    assert list(read) == [
        "format", "name", "spec", "environment", "answers", "tables", "searches", "failures", "recipes", "classes"
    ]  # fmt: skip
    assert read["answers"][1]["headline"].startswith("At 2 colors")
    write_tables(run, tmp_path)
    for name, table in read["tables"].items():
        csv = pd.read_csv(tmp_path / f"{name}.csv")
        assert [column["name"] for column in table["columns"]] == list(csv.columns)
        assert len(table["rows"]) == len(csv)
        for column in table["columns"]:
            values = [row[column["name"]] for row in table["rows"]]
            kinds = {"integer": int, "number": (int, float), "string": str, "object": dict}[column["type"]]
            assert all(value is None or isinstance(value, kinds) for value in values), column
    (same,) = (row for row in read["tables"]["cells"]["rows"] if row["dataset"] == "same")
    assert (same["psnr"], same["lossless_share"], same["params"]) == (None, 1.0, {"a": [2], "b": 1})
    assert {row["verdict"] for row in read["tables"]["significance"]["rows"]} <= {
        "better",
        "worse",
        "same",
        "not separated",
    }


def test_every_number_of_a_table_has_a_unit(run, bench) -> None:
    retrained = bench.plain("net", 2, 0.9, judge="retrained", dataset="d")
    tables = tabulate(bench.results([*run.cells, bench.plain("net", 2, 0.8, dataset="d"), retrained])).tables
    free = {"level", "level_a", "level_b", "seed"}
    for table in tables.values():
        numbers = {name for name in table.columns if type_of(str(name), table[name]) != "string"}
        assert numbers - UNITS.keys() <= free
    named = {
        n.strip() for entry in (glossary.CELLS, glossary.TESTS, glossary.BITS) for n, _ in entry for n in n.split(",")
    }
    assert {"accuracy", "bd_rate", "p_holm"} <= named & UNITS.keys()


def judged(effect: float, unit: str, verdict: VerdictWord = "supported", p: float = 0.01) -> Verdict:
    row = ClaimRow("toys", "net", verdict, effect, unit, effect - 0.1, effect + 0.1, p, ("key",))
    return Verdict(verdict, effect, unit, effect - 0.1, effect + 0.1, p, rows=(row,))


@pytest.fixture
def claiming(run) -> Results:
    """Claims of accuracies, of colors, with a hostile statement, and one that the run has no numbers for."""
    verdicts = {
        "net beats median-cut": judged(0.3, "accuracy"),
        "few colors are used": judged(-1.2, "colors per image", "contradicted"),
        HOSTILE: judged(0.02, "bits per pixel", "not enough data", math.nan),
        "of what is missing": Verdict("not enough data", missing=("no octree",)),
    }
    claims = [
        StatedClaim(f"claim-{i}", said, "Table 1", lambda _view, verdict=verdict: verdict)
        for i, (said, verdict) in enumerate(verdicts.items())
    ]
    return replace(run, claims=tuple(claims))


def test_claims_have_the_unit_of_their_row(claiming, tmp_path: Path) -> None:
    write_parquet(claiming, tmp_path)
    fields = {field.name: field.metadata for field in pq.read_schema(tmp_path / "claims.parquet")}
    assert {fields[name] for name in ("effect", "lo", "hi")} == {None}
    assert fields["p"] == {b"unit": b"probability"}
    assert pq.read_schema(tmp_path / "significance.parquet").field("lo").metadata == {b"unit": b"fraction"}
    columns = json.loads(as_json.render(claiming))["tables"]["claims"]["columns"]
    assert {column["name"]: column["unit"] for column in columns if column["name"] in ("lo", "p")} == {
        "lo": None,
        "p": "probability",
    }
    write_parquet(replace(claiming, claims=()), tmp_path)
    assert not (tmp_path / "claims.parquet").exists()


def test_json_has_the_searches(run, searches) -> None:
    found = searches.of([*searches.drawn(4), searches.trial(4, math.nan)])
    (read,) = json.loads(as_json.render(replace(run, searches=(found,))))["searches"]
    assert (read["variant"], read["best"], read["start_words"]) == ("net", found.best, "the paper's setting")
    assert [trial["accuracy"] for trial in read["trials"]] == [*(t.accuracy for t in found.trials[:4]), None]
    assert read["trials"][0]["history"] == [dict(metrics) for metrics in found.trials[0].history]


def test_markdown_says_what_became_of_claims(claiming, run) -> None:
    text = markdown.render(claiming)
    (table,) = (part for part in text.split("\n\n") if part.startswith("| claim |"))
    rows = table.splitlines()[2:]
    assert [re.search(r"[✓✗·] ([a-z ]+) \|", row)[1] for row in rows] == [
        "supported",
        "contradicted",
        "not enough data",
    ]
    assert "net beats median-cut (Table 1)" in rows[0]
    assert "| +30.0 points | \\[+20.0, +40.0\\] | 0.01 |" in rows[0]
    assert "−1.2 colors per image" in rows[1]
    assert rows[2].endswith("| – |")
    assert "<b>" not in text
    assert "The run has no numbers for 1 more." in text
    assert "## Claims" not in markdown.render(run)


def test_latex_has_the_claims(claiming, run, tmp_path: Path) -> None:
    text = latex.latex_tables(claiming)["claims"]
    assert "claims" not in latex.latex_tables(run)
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {columns_of(line.removesuffix(r" \\")) for line in rows} == {4}
    assert r"$-$1.2 colors per image {[}$-$1.3, $-$1.1]" in rows[2]
    assert r"50\%\_of" in rows[3]
    assert rows[3].endswith(r"& -- \\")
    assert "of what is missing" not in text
    many = latex.latex_tables(replace(claiming, claims=claiming.claims[:3] * 8))
    assert [name for name in many if name.startswith("claims")] == ["claims", "claims-2", "claims-3"]
    assert r"\input{claims}" in latex.write_latex(claiming, tmp_path).read_text()
