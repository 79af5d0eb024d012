"""From a spec to its searches: what each tries first, and the jobs they need. Pure, as the plan is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.plan import Job, PlanBuilder, fingerprint_of, make_job, resolved_on
from harness.registry import Plugin
from harness.spec.resolve import Choice, Spec
from harness.spec.schema import SearchSettings
from harness.spec.space import Domain, grid, starting_with

DEFAULT_TRIALS = 20


@dataclass(frozen=True, eq=False)
class PlannedSearch:
    """One search: what is searched where, and its trial 0, whose job all others differ from in parameters only."""

    dataset: Choice
    classifier: Choice
    method: Choice
    level: int
    first: Job

    @property
    def space(self) -> Mapping[str, Domain]:
        return self.method.space or {}

    @property
    def start(self) -> dict[str, Any]:
        """The searched parameters of trial 0."""
        return {name: self.method.params[name] for name in self.space}

    @property
    def published(self) -> tuple[str, ...]:
        """The searched parameters that the method's paper states."""
        return tuple(name for name in self.space if name in self.method.plugin.paper)

    def points(self, settings: SearchSettings) -> list[dict[str, Any]]:
        """What is tried before anything is drawn: the start and, in a grid, everything else."""
        return starting_with(self.start, grid(self.space) if settings.algorithm == "grid" else [])

    def count(self, settings: SearchSettings) -> int:
        """How many trials there will be at most."""
        if settings.algorithm == "grid":
            return len(self.points(settings))
        return settings.trials or DEFAULT_TRIALS


def cycle_of(method: Any) -> int:
    """After how many epochs, and multiples, trainings of this method can be compared."""
    return max(1, int(method.cycle()))


def plan_searches(spec: Spec) -> tuple[dict[str, Job], tuple[PlannedSearch, ...]]:
    """The jobs that come before a spec's searches, and the searches: each task x searched method x color count.

    Their datasets hold a share of the training images out in the place of the test images, which are not in them.
    """
    builder = PlanBuilder(spec)
    seed, searches = spec.search.seed, []
    before: dict[str, Job] = {}
    for dataset in spec.datasets:
        data = builder.dataset(dataset, held_out=(spec.search.validation, seed))
        for classifier in spec.classifiers:
            network = builder.classifier(classifier, dataset, data, seed)
            before |= {data.key: data, network.key: network}
            for method in spec.searched:
                for level in method.levels:
                    assert level is not None
                    where = f"{method.short} at {level} colors on {dataset.short}, {classifier.short}"
                    first = builder.quantizer(method, (level,), seed, data, [network], where)
                    searches.append(PlannedSearch(dataset, classifier, method, level, first))
    return before, tuple(searches)


def trial_job(first: Job, plugin: Plugin, values: Mapping[str, Any]) -> Job:
    """A search's training with other values of its parameters than trial 0, of the same code: also on a worker."""
    method = plugin.make({**first.params, **values}, first.name)
    params = plugin.defaults_written_out(method)
    assert first.task is not None
    return make_job(
        first.stage,
        plugin,
        first.name,
        params,
        first.inputs,
        first.needs,
        seed=first.seed,
        levels=first.levels,
        precision=first.precision,
        task=first.task,
        fingerprint=fingerprint_of(method, first.name),
        source=first.source,
        resolved=resolved_on(first.task, first.levels, method, params, first.name),
        least_memory=plugin.least_memory(method, first.name),
        batch_size=first.batch_size,
    )
