"""One trial in its worker, without Tune."""

from types import SimpleNamespace

import pytest

from harness.contracts import VALIDATION_ACCURACY
from harness.run.losses import BLAMELESS_RETRIES, LONGEST_PAUSE_SECONDS, PAUSE_SECONDS
from harness.run.marks import Worker
from harness.search import trials
from harness.search.hooks import RETRIED
from harness.work.bucket import StoreUnreachable


class Board:
    """Nobody reads it here."""

    def write(self, name, text):
        """Nor writes."""


@pytest.fixture
def train(monkeypatch):
    """Runs a trial of two epochs, whose store is away at first: its reports and pauses."""

    def run(away):
        reports, pauses, tries = [], [], []

        def run_job(_job, context):
            context.on_epoch(1, 2, {VALIDATION_ACCURACY: 0.5})
            tries.append(1)
            if len(tries) <= away:
                raise ValueError("no images") from StoreUnreachable("s3://x cannot be reached")

        def enter(_on_gpu, on_epoch):
            plugin = SimpleNamespace(make=lambda *_: None)
            store = SimpleNamespace(has_whole=lambda *_: False)
            return SimpleNamespace(store=store, registry=SimpleNamespace(get=lambda *_: plugin), on_epoch=on_epoch)

        for name, stand_in in {
            "tune": SimpleNamespace(
                report=reports.append, get_context=lambda: SimpleNamespace(get_trial_id=lambda: "a1")
            ),
            "time": SimpleNamespace(sleep=pauses.append),
            "ClusterBoard": Board,
            "this_worker": Worker,
            "load_libraries": lambda _job: None,
            "trial_job": lambda *_: SimpleNamespace(stage="quantizers", key="k", params={}, name="trial"),
            "cycle_of": lambda _: 1,
            "fit_history": lambda *_: ([], 2),
            "run_job": run_job,
            "validation_accuracy": lambda *_: 0.75,
        }.items():
            monkeypatch.setattr(trials, name, stand_in)
        first = SimpleNamespace(plugin="toy", name="toy", stage="quantizers")
        trials._train({}, first, SimpleNamespace(enter=enter), False)
        return reports, pauses

    return run


@pytest.mark.parametrize("away", [0, 1, BLAMELESS_RETRIES])
def test_a_trial_outlives_a_store_that_cannot_be_reached_for_a_while(train, away):
    reports, pauses = train(away)
    assert [report[RETRIED] for report in reports if RETRIED in report] == [
        f"the store could not be reached; retry {times} of 11" for times in range(1, away + 1)
    ]
    assert pauses == [min(PAUSE_SECONDS * 2**number, LONGEST_PAUSE_SECONDS) for number in range(away)]
    assert reports[-1][VALIDATION_ACCURACY] == 0.75
    assert reports[-1]["finished"]
    assert reports[-1]["ended"]
    assert "error" not in reports[-1]
    assert [report.get("ended", False) for report in reports].count(True) == 1


def test_it_fails_where_the_store_stays_away(train):
    reports, pauses = train(BLAMELESS_RETRIES + 1)
    assert len(pauses) == BLAMELESS_RETRIES
    assert reports[-1]["error"] == "the store could not be reached in 12 tries: ValueError: no images"
    assert "s3://x cannot be reached" in reports[-1]["traceback"]
    assert reports[-1]["ended"]
    assert "finished" not in reports[-1]
