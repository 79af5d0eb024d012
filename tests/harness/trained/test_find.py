"""Finding what a run trained: by names, with the choice said where there is one, and read back from the store."""

import json
import re

import numpy as np
import pytest
from safetensors.numpy import save_file

import fewcolors as fc
from harness.contracts import BadInput
from harness.plan import make_plan
from harness.run.results import write_plan
from harness.trained.exporting import export_name
from harness.trained.find import Selection, find_trained, find_variant, narrowed, open_run, ready_method
from harness.work.artifacts import STATE
from harness.work.store import Store

SEVERAL = {
    "datasets": ["dots", {"name": "dots", "params": {"n": 6}}],
    "classifiers": ["net", {"name": "net", "params": {"epochs": 2}}],
    "methods": ["flat", {"name": "learned", "params": {"gamma": [1.0, 2.0]}}, {"name": "joint", "colors": [2, 8]}],
    "seeds": [3, 1],
}


@pytest.fixture
def written(tmp_path, make_spec, registry):
    """Writes the plan of a spec; gives the run opened."""

    def write(**changes):
        spec = make_spec(**changes)
        store = Store(tmp_path / "store")
        store.create()
        (tmp_path / "run").mkdir(exist_ok=True)
        write_plan(tmp_path / "run", spec, make_plan(spec), store)
        return open_run(tmp_path / "run", None, registry)

    return write


def train(run, cell):
    key = run.key("quantizers", cell.key)
    with run.store.write("quantizers", key) as folder:
        save_file({"weight": np.array([1.5], np.float32)}, folder / STATE)
        (folder / "about.json").write_text("{}")
    return key


def test_a_cell_leads_to_what_it_rests_on(written):
    run = written(**SEVERAL)
    cell = find_trained(run, "learned gamma=2", 4, Selection("dots n=6", "net epochs=2", 3))
    assert (cell.params["gamma"], cell.level, cell.dataset, cell.fitted_on) == (2.0, 4, "dots n=6", "net epochs=2")
    job = run.jobs[run.key("quantizers", cell.key)]
    assert job["name"] == "learned gamma=2 at 4 colors on dots n=6, net epochs=2, seed 3"
    assert run.jobs[run.key("datasets", cell.key)]["name"] == "dots n=6"
    assert run.key("quantizers", find_variant(run, "flat")[0].key) is None


def test_the_lowest_seed_is_meant_unless_one_is_stated(written):
    run = written(methods=["learned"], seeds=[3, 1])
    assert find_trained(run, "learned", 2, Selection()).seed == 1
    assert find_trained(run, "learned", 2, Selection(seed=3)).seed == 3


def test_color_counts_trained_together_share_what_was_trained(written):
    run = written(methods=[{"name": "joint", "colors": [2, 8]}])
    two, eight = (find_trained(run, "joint", colors, Selection()) for colors in (2, 8))
    assert run.key("quantizers", two.key) == run.key("quantizers", eight.key)


@pytest.mark.parametrize(
    ("variant", "colors", "which", "sentence"),
    [
        ("lerned", 2, Selection(), "has no such variant.* (it has: flat, learned, learned gamma=2, joint)."),
        ("learned gamma=3", 2, Selection(), "did you mean 'learned gamma=2'?"),
        ("learned", 2, Selection(), "for more than one dataset; choose with --dataset (dots, dots n=6)."),
        (
            "learned",
            2,
            Selection("dots"),
            "for more than one classifier; choose with --classifier (net, net epochs=2).",
        ),
        ("learned", 2, Selection("dits", "net"), "--dataset dits: .* (it has: dots, dots n=6)."),
        ("learned", 2, Selection("dots", "nut"), "--classifier nut: .* (it has: net, net epochs=2)."),
        ("learned", 2, Selection("dots", "net", 0), "--seed 0: .* (it has: 3, 1)."),
        ("joint", 4, Selection("dots", "net"), "--colors 4: 'joint' was trained for 2, 8 colors in "),
    ],
)
def test_what_cannot_be_meant_lists_what_can(written, variant, colors, which, sentence):
    pattern = re.escape(sentence).replace(re.escape(".*"), ".*")
    with pytest.raises(BadInput, match=pattern):
        find_trained(written(**SEVERAL), variant, colors, which)


def test_a_classifier_is_looked_for_on_the_dataset_that_was_stated(written):
    run = written(**SEVERAL)
    left = narrowed(run, run.cells, Selection("dots", seed=1))
    assert {(cell.dataset, cell.seed) for cell in left} == {("dots", 1)}
    assert {cell.classifier for cell in left} == {"net", "net epochs=2"}


def test_a_trained_method_gets_its_state(written, registry, monkeypatch):
    run = written(methods=["learned"])
    cell = find_trained(run, "learned", 2, Selection())
    with pytest.raises(BadInput, match=r"'learned at 2 colors .*' \(quantizers\) is not in .*; it failed or has not"):
        ready_method(run, cell, "cpu")
    key = train(run, cell)
    loaded = {}
    cls = registry.get("method", "learned", "").cls
    monkeypatch.setattr(cls, "load", lambda _self, state, device: loaded.update(state, device=device))
    assert isinstance(ready_method(run, cell, "cpu"), cls)
    assert float(loaded["weight"]) == 1.5
    assert loaded["device"] == "cpu"

    def refuse(_self, _state, _device):
        raise KeyError("head.weight")

    monkeypatch.setattr(cls, "load", refuse)
    with pytest.raises(BadInput, match=r"cannot load it \(KeyError: 'head.weight'\); run the spec again"):
        ready_method(run, cell, "cpu")
    (run.store.path("quantizers", key) / STATE).write_bytes(b"x")
    with pytest.raises(BadInput, match=r"was damaged .*; run the spec again"):
        ready_method(run, cell, "cpu")


def test_a_method_that_learns_nothing_needs_no_store(written):
    run = written(methods=["flat"])
    assert ready_method(run, run.cells[0], "cpu").steps == 3


def test_a_plugin_that_is_not_there_is_asked_for(written, registry):
    run = written(methods=["flat"])
    registry._plugins.pop(("method", "flat"))
    with pytest.raises(BadInput, match=r"was it run with a --plugin\?\): there is no method 'flat'"):
        ready_method(run, run.cells[0], "cpu")


def test_names_of_exports_tell_trained_methods_apart(written):
    run = written(**SEVERAL)
    learned = [cell for cell in run.cells if cell.method != "flat"]
    names = {export_name(cell) for cell in learned}
    assert len(names) == len(learned)
    assert "learned-gamma=2-4-colors-dots-n=6-net-epochs=2-seed-3" in names


CARD = {"state_sha256": "0", "method": "learned", "params": {}}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: No such file"),
        ("{", "not the card of an exported method"),
        ("[]", "not the card of an exported method"),
        (json.dumps({"state": "a.safetensors", "state_sha256": "0"}), "not the card of an exported method"),
        (json.dumps(CARD | {"state": "a.safetensors"}), "a.safetensors: not the file that card.json"),
        (json.dumps(CARD | {"state": "b.safetensors"}), "b.safetensors: cannot be read: No such file"),
    ],
)
def test_a_card_that_cannot_be_used_is_one_sentence(tmp_path, content, sentence):
    (tmp_path / "a.safetensors").write_bytes(b"weights")
    if content is not None:
        (tmp_path / "card.json").write_text(content)
    with pytest.raises(BadInput, match=sentence):
        fc.load_exported(tmp_path / "card.json")
