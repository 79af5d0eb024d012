"""Which code a job runs that is not built in, so that it gets worker processes of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.discovery import ORIGIN_BUILT_IN
from harness.plan import Job
from harness.registry import Kind, Plugin, Registry
from harness.spec.schema import Stage

_KINDS: Mapping[Stage, Kind] = {
    "datasets": "dataset",
    "classifiers": "classifier",
    "quantizers": "method",
    "applied": "method",
    "cells": "classifier",
}
"""What a job's own plugin is."""


@dataclass(frozen=True)
class ForeignCode:
    """The plugins that are not built in whose code a job runs: their names, and where they came from.

    Jobs of which this is the same may share a worker process; where nothing is in it, all is built in.
    """

    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


def foreign_code_of(job: Job, jobs: Mapping[str, Job], registry: Registry) -> ForeignCode:
    """The code that is not built in which ``job`` runs.

    Args:
        job: The job.
        jobs: By key, those it rests on among them.
        registry: Where all their plugins are known.
    """
    foreign = [plugin for plugin in _run_by(job, jobs, registry) if plugin.origin != ORIGIN_BUILT_IN]
    return ForeignCode(
        tuple(sorted(f"{plugin.mark.kind} {plugin.name}" for plugin in foreign)),
        tuple(sorted({plugin.origin for plugin in foreign})),
    )


def _run_by(job: Job, jobs: Mapping[str, Job], registry: Registry) -> Iterator[Plugin]:
    """Its own plugin; metrics; what a method learns from; the method a classifier is retrained with; a cell's codec."""
    yield _plugin(job, registry)
    yield from (registry.get("metric", metric.plugin, job.name) for metric in job.metrics)
    if job.stage == "quantizers":
        yield from (_plugin(jobs[key], registry) for stage, key in job.inputs.values() if stage == "classifiers")
    if job.retraining is not None:
        yield registry.get("method", job.retraining.plugin, job.name)
    if job.stage == "cells":
        method = _plugin(jobs[job.inputs["applied"][1]], registry)
        if method.mark.level_kind != "colors":
            yield method


def _plugin(job: Job, registry: Registry) -> Plugin:
    return registry.get(_KINDS[job.stage], job.plugin, job.name)
