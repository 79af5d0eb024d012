"""What Prometheus sees of a run, through the metrics that Ray exports from every node."""

from __future__ import annotations

from typing import Any

from harness.run.events import Event

ENDED = ("done", "failed", "blocked")
COUNTED = (*ENDED, "retried", "interrupted")
SECONDS = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0, 30_000.0, 100_000.0]
"""Bounds of the histogram: from a job that judges small images to a training of a day."""


class RunMetrics:
    """A listener of events: jobs by stage and outcome, the seconds they took, and how many are still to end.

    Args:
        run: The run's name.
        pending: How many jobs it has to do.
        kinds: Where ``Counter``, ``Histogram`` and ``Gauge`` are; Ray's unless it is given.
    """

    def __init__(self, run: str, pending: int, kinds: Any = None) -> None:
        if kinds is None:
            import ray.util.metrics as kinds
        self._run, self._pending = run, pending
        self._jobs = kinds.Counter(
            "fewcolors_jobs", description="Jobs by stage and outcome.", tag_keys=("run", "stage", "outcome")
        )
        self._seconds = kinds.Histogram(
            "fewcolors_job_seconds", description="How long jobs took.", boundaries=SECONDS, tag_keys=("run", "stage")
        )
        self._left = kinds.Gauge(
            "fewcolors_jobs_pending", description="Jobs that have not ended yet.", tag_keys=("run",)
        )
        self._left.set(pending, tags={"run": run})

    def __call__(self, event: Event) -> None:
        if event.event in COUNTED and event.stage:
            self._jobs.inc(1, tags={"run": self._run, "stage": event.stage, "outcome": event.event})
        if event.event == "done" and event.seconds is not None:
            self._seconds.observe(event.seconds, tags={"run": self._run, "stage": event.stage})
        if event.event in ENDED and event.stage:
            self._pending -= 1
            self._left.set(self._pending, tags={"run": self._run})
