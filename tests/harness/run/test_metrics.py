"""What Prometheus would see of a run, with meters that only remember."""

from harness.plan import make_plan
from harness.run.events import EventLog
from harness.run.metrics import RunMetrics


class Meter:
    """Stands for one of Ray's: the tags it was made for, and what it was told."""

    def __init__(self, name, description, tag_keys, boundaries=None):
        assert name.startswith("fewcolors_job")
        assert description
        assert boundaries is None or boundaries == sorted(boundaries)
        self.tag_keys, self.told = tag_keys, []

    def note(self, value, tags):
        assert set(tags) == set(self.tag_keys)
        self.told.append((value, tags))

    inc = observe = set = note


class Meters:
    Counter = Histogram = Gauge = Meter


def test_jobs_are_counted_by_stage_and_outcome(make_spec, tmp_path):
    jobs = {job.stage: job for job in make_plan(make_spec(methods=["flat"], colors=2)).jobs.values()}
    metrics = RunMetrics("toy", len(jobs), Meters)
    log = EventLog(tmp_path / "events.jsonl", metrics)
    log("run-started")
    log("started", jobs["datasets"])
    log("retried", jobs["datasets"], message="its node was lost")
    log("done", jobs["datasets"], seconds=2.5)
    log("failed", jobs["classifiers"], message="no", seconds=1.0)
    log("blocked", jobs["cells"], message="no")
    log("run-ended")
    assert [(tags["stage"], tags["outcome"]) for _, tags in metrics._jobs.told] == [
        ("datasets", "retried"),
        ("datasets", "done"),
        ("classifiers", "failed"),
        ("cells", "blocked"),
    ]
    assert metrics._seconds.told == [(2.5, {"run": "toy", "stage": "datasets"})]
    assert [value for value, _ in metrics._left.told] == [4, 3, 2, 1]
