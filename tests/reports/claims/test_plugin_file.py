"""Claims of one's own: those of docs/plugins.md as plugin files, and ones that break."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.contracts import StatedClaim, Verdict
from harness.registry import Registry
from harness.run.execute import with_claims
from harness.sources import import_source, read_source
from reports.claims.judged import judge_claims
from reports.claims.view import View
from reports.records import Records
from reports.significance import significance_table
from reports.summary import summarize
from reports.tables import cells_table
from tests.reports.claims.conftest import IMAGES, Study

DOCS = Path(__file__).parents[3] / "docs" / "plugins.md"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "own_claims.py").write_text("".join(block for block in blocks if "@fc.claim" in block))
    registry = Registry()
    registry.add_module(import_source(read_source(str(tmp_path / "own_claims.py")), tmp_path), "own_claims.py")
    return registry


def test_claims_of_a_file_are_judged_like_the_built_in_ones(study: Study, registry: Registry) -> None:
    cells = study.seeds("wu", 4, 0.6) + study.seeds("median-cut", 4, 0.4)
    cells += study.seeds("median-cut", 64, 0.6, colors=[64] * IMAGES) + study.seeds(
        "colorcnn", 64, 0.5, colors=[9] * IMAGES
    )
    results = with_claims(study.bench.results(cells), registry)
    records = Records()
    tasks = summarize(results, cells_table(results, records), significance_table(results, records), records)
    ahead, fewer = judge_claims(results, tasks, records)
    assert (ahead.claim.name, ahead.claim.source) == ("wu-ahead", "our expectation")
    assert (ahead.verdict.verdict, ahead.verdict.effect) == ("supported", pytest.approx(0.2))
    assert (fewer.verdict.verdict, fewer.verdict.effect, fewer.verdict.unit) == ("supported", 55, "colors per image")

    def fails(_: object) -> Verdict:
        raise ZeroDivisionError("no\nwonder")

    def answers(_: object) -> Verdict:
        return "yes"  # type: ignore[return-value]

    broken = [StatedClaim("breaks", "", "", fails), StatedClaim("returns", "", "", answers)]
    found = judge_claims(replace(results, claims=(*broken, *results.claims)), tasks, records)
    assert [one.verdict.missing for one in found[:2]] == [
        ("its code failed: ZeroDivisionError: no wonder",),
        ("its code failed: TypeError: judge returned str, it must return a Verdict",),
    ]
    assert [one.verdict for one in found[2:]] == [ahead.verdict, fewer.verdict], "one that breaks costs only itself"


def test_nothing_can_be_changed_through_the_view(study: Study) -> None:
    results = study.bench.results(study.seeds("wu", 4, 0.6))
    records = Records()
    tasks = summarize(results, cells_table(results, records), significance_table(results, records), records)
    view = View(results, tasks, records)
    cells = view.cells(view.tasks[0], "wu", 4)
    before = view.values(cells).mean()
    view.values(cells)[:] = 0
    assert view.values(cells).mean() == before == pytest.approx(0.6)
