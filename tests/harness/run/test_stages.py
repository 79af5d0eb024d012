"""What the stages of a cell took, from what their artifacts say."""

import pytest

from harness.run.stages import abouts_in, stages_in
from harness.work.store import Store
from harness.writing import write_json

NEEDS = {"cpus": 2.0, "gpus": 0.5, "memory": 1, "seconds": 9.0}
JOBS = {
    "q": {"inputs": {"classifier": ["classifiers", "c"]}, "needs": NEEDS},
    "a": {"inputs": {"dataset": ["datasets", "d"], "quantizer": ["quantizers", "q"]}, "needs": NEEDS},
    "j": {"inputs": {"applied": ["applied", "a"], "classifier": ["classifiers", "c"]}, "needs": NEEDS},
    "plain": {"inputs": {"dataset": ["datasets", "d"]}, "needs": NEEDS | {"gpus": 0}},
    "k": {"inputs": {"applied": ["applied", "plain"]}, "needs": NEEDS | {"gpus": "required"}},
}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    store.create()
    for stage, key, seconds, device in (
        ("quantizers", "q", 100.0, "cuda"),
        ("applied", "a", 130.0, "cuda"),
        ("cells", "j", 131.5, "cuda"),
        ("applied", "plain", 4.0, "cpu"),
        ("cells", "k", 5.0, "cuda"),
    ):
        with store.write(stage, key) as folder:
            write_json(folder / "about.json", {"seconds": seconds, "devices": {device: "a model"}})
    return store


def test_each_stage_has_its_own_seconds_and_share(store):
    stages = stages_in(JOBS, abouts_in(store))
    on_gpu = {"device": "cuda", "share": 0.5}
    assert stages("j") == {
        "fit": {"key": "q", "seconds": 100.0, **on_gpu},
        "apply": {"key": "a", "seconds": 30.0, **on_gpu},
        "judge": {"key": "j", "seconds": 1.5, **on_gpu},
    }
    assert stages("k") == {
        "apply": {"key": "plain", "seconds": 4.0, "device": "cpu", "share": 2.0},
        "judge": {"key": "k", "seconds": 1.0, "device": "cuda", "share": 1.0},
    }


def test_nothing_is_said_where_an_artifact_is_gone(store):
    store.remove("applied", "a")
    stages = stages_in(JOBS, abouts_in(store))
    assert stages("j") == {}
    assert set(stages("k")) == {"apply", "judge"}
