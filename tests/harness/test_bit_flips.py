"""Single bits flipped in a finished run: every command that reads it says so in a sentence, and a run mends it.

``python tests/support/flipping.py 34`` flips more of them.
"""

from __future__ import annotations

import random
import shutil

import pytest
from flipping import KINDS, Bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Bench(tmp_path_factory.mktemp("bench"), monkeypatch)


@pytest.fixture(autouse=True)
def restored(bench, monkeypatch):
    monkeypatch.chdir(bench.folder)
    yield
    bench.restore()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("manifests", "plan", "events", "searches")])
def test_what_is_damaged_in_the_store_is_said_and_mended(bench, kind):
    place = bench.flip(kind, random.Random(kind))
    told = bench.complaints(["plan", "status", "report", "quantize", "export", "explain"])
    assert "damaged, to run" in told["plan"], place
    assert "status" not in told, "it does not look into artifacts"
    if kind == "cells":
        assert "was damaged" in told["report"]
        assert "fewcolors run" in told["report"]
    if kind == "quantizers":
        assert {"quantize", "export", "explain"} <= set(told)
    mended = bench.outcome("run")
    assert mended.code == 0
    assert "it is computed again" in mended.said
    assert "1 of " in mended.said, "nothing else runs again"
    assert bench.is_mended()


@pytest.mark.parametrize("draw", range(3))
@pytest.mark.parametrize("kind", ["manifests", "plan", "events", "searches"])
def test_no_flip_changes_what_a_command_gives_in_silence(bench, kind, draw):
    place = bench.flip(kind, random.Random(draw))
    told = bench.complaints(["plan", "status", "report", "quantize", "export", "explain"])
    assert told or bench.harmless(place), place
    if kind != "searches":
        assert bench.outcome("run").code == 0
        assert bench.is_mended()


@pytest.mark.parametrize("file", ["training.safetensors", "history.json"])
def test_a_damaged_checkpoint_costs_time_and_changes_nothing(bench, file):
    place, _, same = bench.resume_damaged(file, random.Random(file))
    assert same, place


def test_what_was_removed_on_purpose_is_not_made_again(bench):
    """Datasets take room; cells that are sound need them no more."""
    shutil.rmtree(bench.folder / "store" / "datasets")
    assert "not needed" in bench.outcome("plan").said
    again = bench.outcome("run")
    assert (again.code, "all stored already" in again.said) == (0, True)
    assert not (bench.folder / "store" / "datasets").exists()
