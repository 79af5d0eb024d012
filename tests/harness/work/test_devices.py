from __future__ import annotations

from pathlib import Path

import pytest
from workplace import EXAMPLES

from harness import environment
from harness.discovery import discover
from harness.plan import make_plan
from harness.sources import read_source
from harness.spec.resolve import resolve
from harness.work.jobs import Context, read_about, run_job
from harness.work.store import Store

SPEC = {
    "name": "devices",
    "datasets": [{"name": "stripes", "params": {"images": 24, "side": 8}}],
    "classifiers": [{"name": "tiny-net", "params": {"epochs": 1, "batch_size": 20}}],
    "methods": ["median-cut", {"name": "colorcnn", "params": {"width": 2, "epochs": 1}}],
    "colors": [2],
}


@pytest.mark.parametrize("applied_on", ["cpu", "cuda"])
def test_where_a_method_that_learned_nothing_is_applied_does_not_set_its_cells_apart(
    applied_on: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = discover([read_source(str(EXAMPLES / "my_task.py"))], tmp_path)
    plan, store = make_plan(resolve(SPEC, registry)), Store(tmp_path / "store")
    store.create()
    for job in plan.jobs.values():
        kind = applied_on if job.stage == "applied" else "cuda"
        monkeypatch.setattr(environment, "devices", lambda _, kind=kind: {kind: f"a {kind}"})
        run_job(job, Context(store, registry))
    about = {cell.method: read_about(store, "cells", cell.key) for cell in plan.cells}
    assert about["median-cut"]["device"] == "cuda"
    assert about["colorcnn"]["device"] == "+".join(sorted({applied_on, "cuda"}))
    assert {name: "cpu" in said["devices"] for name, said in about.items()} == dict.fromkeys(about, applied_on == "cpu")
