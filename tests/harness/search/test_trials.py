"""A trial in its worker: what it tells Tune, and that it outlives a store that is away."""

import json
import math
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from harness.contracts import VALIDATION_ACCURACY
from harness.run.losses import BLAMELESS_RETRIES, LONGEST_PAUSE_SECONDS, PAUSE_SECONDS
from harness.run.marks import Worker
from harness.search.hooks import RETRIED, NeedsWholeGpu, pause_of
from harness.search.plan import plan_searches, trial_job
from harness.work.bucket import StoreUnreachable
from harness.work.jobs import HISTORY, Context
from harness.work.store import Store

trials = pytest.importorskip("harness.search.trials")
VALUES = {"gamma": 0.3}


class Board:
    """What workers and the driver write, in this process."""

    texts: ClassVar[dict[str, str]] = {}

    def read(self, name):
        return self.texts.get(name, "")

    def write(self, name, text):
        self.texts[name] = text

    def remove(self, name):
        self.texts.pop(name, None)


@pytest.fixture
def trial(make_spec, registry, tmp_path, monkeypatch):
    """Runs a trial, whose store is away at first; with its job, its store, what it told Tune, trainings and pauses."""
    spec = make_spec(methods=[{"name": "learned", "search": {"gamma": {"uniform": [0, 1]}}}], baseline=None)
    first = plan_searches(spec)[1][0].first
    monkeypatch.setattr(Board, "texts", {})
    store, told, trained, pauses, missed = Store(tmp_path / "store"), [], [], [], []
    gpus, needed = [0.0], [0.0]
    store.create()
    job = trial_job(first, registry.get("method", "learned", ""), VALUES)

    def run_job(job, context):
        trained.append(job.key)
        if needed[0] > gpus[0]:
            raise ValueError("step 1 failed") from torch.OutOfMemoryError("CUDA out of memory.")
        context.on_epoch(3, 3, {VALIDATION_ACCURACY: 0.3})
        if len(trained) <= len(missed):
            raise ValueError("no images") from StoreUnreachable("s3://x cannot be reached")
        finish(store, job)

    for name, stand_in in {
        "time": SimpleNamespace(sleep=pauses.append),
        "ClusterBoard": Board,
        "this_worker": Worker,
        "load_libraries": lambda _job: None,
        "run_job": run_job,
        "validation_accuracy": lambda *_: 0.5,
    }.items():
        monkeypatch.setattr(trials, name, stand_in)
    monkeypatch.setattr(trials.tune, "report", told.append)
    resources = SimpleNamespace(required_resources={"CPU": 1.0, "GPU": 0.5})
    context = SimpleNamespace(get_trial_id=lambda: "a1", get_trial_resources=lambda: resources)
    monkeypatch.setattr(trials.tune, "get_context", lambda: context)
    setup = SimpleNamespace(enter=lambda _on_gpu, on_epoch: Context(store, registry, "cpu", on_epoch))

    def run(away=0, gpu=0.0, needs=0.0):
        missed.extend(range(away))
        gpus[0], needed[0], resources.required_resources["GPU"] = gpu, needs, gpu
        trials._train(VALUES, first, setup, on_gpu=gpu > 0)

    return SimpleNamespace(run=run, job=job, store=store, told=told, trained=trained, pauses=pauses)


def epochs(count):
    return [{VALIDATION_ACCURACY: number / 10, "seconds": 1.0} for number in range(1, count + 1)]


def finish(store, job):
    with store.write(job.stage, job.key) as folder:
        (folder / HISTORY).write_text(json.dumps(epochs(3)))


def ends(told):
    return [report.get("ended", False) for report in told]


@pytest.mark.parametrize("away", [0, 1, BLAMELESS_RETRIES])
def test_it_is_trained_also_where_the_store_is_away_for_a_while(trial, away):
    trial.run(away)
    assert trial.trained == [trial.job.key] * (away + 1)
    assert [report[RETRIED] for report in trial.told if RETRIED in report] == [
        f"the store could not be reached; retry {times} of 11" for times in range(1, away + 1)
    ]
    assert trial.pauses == [min(PAUSE_SECONDS * 2**number, LONGEST_PAUSE_SECONDS) for number in range(away)]
    assert ends(trial.told) == [False] * (len(trial.told) - 1) + [True]
    assert trial.told[-1] == {
        VALIDATION_ACCURACY: 0.5,
        "finished": True,
        "epoch": 3,
        "epochs": 3,
        "cycles": 3,
        "ended": True,
    }


def test_it_asks_for_a_whole_gpu_where_the_memory_of_a_shared_one_does_not_suffice(trial):
    with pytest.raises(NeedsWholeGpu, match="step 1 failed"):
        trial.run(gpu=0.5, needs=1.0)
    assert trial.told == []
    trial.run(gpu=1.0, needs=1.0)
    assert trial.told[-1]["finished"]


def test_it_fails_with_advice_where_a_whole_gpu_does_not_suffice(trial):
    trial.run(gpu=1.0, needs=2.0)
    (last,) = trial.told
    assert last["error"] == "a whole GPU has too little memory for it: lower its batch size or width"
    assert math.isnan(last[VALIDATION_ACCURACY]), "of which the sampler learns nothing"
    assert "CUDA out of memory" in last["traceback"]


def test_the_next_worker_of_one_that_was_lost_waits_first(trial):
    Board().write(pause_of("a1"), "2.0")
    trial.run()
    assert trial.pauses == [2.0]
    assert pause_of("a1") not in Board.texts


def test_it_fails_where_the_store_stays_away(trial):
    trial.run(BLAMELESS_RETRIES + 1)
    assert len(trial.pauses) == BLAMELESS_RETRIES
    last = trial.told[-1]
    assert last["error"] == "the store could not be reached in 12 tries: ValueError: no images"
    assert "s3://x cannot be reached" in last["traceback"]
    assert last["ended"]
    assert "finished" not in last
