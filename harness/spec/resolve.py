"""The spec: what a user asks for in YAML, checked against the plugins, with every default written out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.complaints import Complaints, did_you_mean
from harness.contracts import MAX_COLORS, MIN_COLORS, BadInput, BitsKind, JudgeKind, Level
from harness.registry import Kind, Plugin, Registry
from harness.spec.choices import SCALES, Choice, check_distinct, check_levels, labels, read_choices
from harness.spec.reading import read_file
from harness.spec.schema import (
    DEFAULT_COLORS,
    Headline,
    Precisions,
    Resources,
    RetrainingSettings,
    SearchSettings,
    SpecFile,
    Stage,
)
from harness.spec.space import LISTED, grid, starting_with
from harness.spec.traps import TEACHERS

__all__ = ["DEFAULT_SEEDS", "FRESH_SEEDS", "SCALES", "Choice", "Spec", "resolve"]

DEFAULT_SEEDS, FRESH_SEEDS = [0], [1, 2, 3, 4, 5]
"""Of a run, and of the comparison after a search."""

_OF_STAGE: Mapping[str, Kind] = {
    "datasets": "dataset",
    "classifiers": "classifier",
    "quantizers": "method",
    "applied": "method",
    "cells": "classifier",
}
"""Of which kind the plugins are that a stage's jobs run."""


@dataclass(frozen=True, eq=False)
class Spec:
    """A validated spec."""

    name: str
    datasets: tuple[Choice, ...]
    classifiers: tuple[Choice, ...]
    methods: tuple[Choice, ...]
    seeds: tuple[int, ...]
    baseline: str | None
    recognized: float
    margin: float
    headline: Headline | None
    precision: Precisions
    judges: tuple[JudgeKind, ...]
    retraining: RetrainingSettings
    bits: BitsKind
    metrics: tuple[Choice, ...]
    reports: tuple[Plugin, ...]
    resources: Mapping[str, Resources]
    search: SearchSettings

    @property
    def searched(self) -> tuple[Choice, ...]:
        """The methods whose parameters are searched."""
        return tuple(choice for choice in self.methods if choice.space is not None)

    def resources_of(self, stage: Stage, plugin: str) -> Resources:
        """What is stated of a plugin's jobs of a stage: of it by name, else of the whole stage."""
        all_, own = self.resources.get(stage, Resources()), self.resources.get(f"{stage}/{plugin}", Resources())
        return all_.model_copy(update=own.model_dump(exclude_none=True))

    def written_out(self) -> dict[str, Any]:
        """A spec file's content that runs the same, all defaults written out."""

        def entry(choice: Choice) -> dict[str, Any]:
            return {"name": choice.name, "params": dict(choice.params)}

        def dataset(choice: Choice) -> dict[str, Any]:
            limits = {"train_images": choice.train_images, "test_images": choice.test_images}
            label = {"label": choice.short} if choice.label else {}
            return entry(choice) | label | {limit: n for limit, n in limits.items() if n is not None}

        def method(choice: Choice) -> dict[str, Any]:
            kind, space = choice.plugin.mark.level_kind, choice.space
            levels = {} if kind == "none" else {kind: list(choice.levels)}
            if space is None:
                return entry(choice) | levels | _taught_by(choice)
            fixed = {name: value for name, value in choice.params.items() if name not in space}
            search = {name: domain.written_out() for name, domain in space.items()}
            return {"name": choice.name, "params": fixed, "search": search} | levels

        search = {"search": self.search.model_dump()} if self.searched else {}
        return {
            "name": self.name,
            "datasets": [dataset(choice) for choice in self.datasets],
            "classifiers": [entry(choice) for choice in self.classifiers],
            "methods": [method(choice) for choice in self.methods],
            "seeds": list(self.seeds),
            "baseline": self.baseline,
            "recognized": self.recognized,
            "margin": self.margin,
            "headline": None if self.headline is None else self.headline.model_dump(),
            "precision": self.precision.written_out(),
            **_judge(self),
            "bits": self.bits,
            "metrics": [entry(choice) for choice in self.metrics],
            "reports": [plugin.name for plugin in self.reports],
            "resources": {key: r.model_dump(exclude_none=True) for key, r in self.resources.items()},
            **search,
        }


def resolve(content: Mapping[str, Any], registry: Registry, scale: str | None = None, called: str = "the spec") -> Spec:
    """Validates a spec's content against the registry. Raises BadInput with everything that is wrong.

    Args:
        content: As ``read_spec`` gives it.
        registry: The plugins there are.
        scale: One of ``SCALES``; what plugins state for it takes the place of their defaults.
        called: What the spec is called where it has several errors.
    """
    complaints = Complaints(called)
    if scale is not None and scale not in SCALES:
        guess = did_you_mean(scale, SCALES)
        complaints.add(f"--scale: unknown scale {scale!r}{guess} (known: {', '.join(SCALES)}).")
    reading = read_file(content, complaints)
    file, before = reading.file, len(complaints)
    with complaints.gathering():
        check_levels("colors", file.colors, (MIN_COLORS, MAX_COLORS))
    colors = file.colors if len(complaints) == before else DEFAULT_COLORS
    datasets = read_choices("dataset", file.datasets, registry, scale, complaints)
    before = len(complaints)
    classifiers = read_choices("classifier", file.classifiers, registry, scale, complaints)
    all_classifiers = len(complaints) == before and "classifiers" not in reading.faulty
    before = len(complaints)
    methods = read_choices("method", file.methods, registry, scale, complaints, colors)
    all_methods = len(complaints) == before and "methods" not in reading.faulty
    if all_classifiers:
        _check_teachers(methods, classifiers, complaints)
        _check_retraining(file, classifiers, complaints)
    levels = {name: choice.levels for choice in methods for name in labels(choice, classifiers)}
    all_variants = all_methods and (all_classifiers or all(choice.taught_by == "own" for choice in methods))
    if all_variants and file.baseline is not None and file.baseline not in levels:
        guess = did_you_mean(file.baseline, levels)
        complaints.add(f"baseline: no variant is called {file.baseline!r}{guess} (here: {', '.join(levels)}).")
    headline = _headline(file, levels, complaints) if all_variants else None
    searched = [choice for choice in methods if choice.space is not None]
    seeds = file.seeds or (FRESH_SEEDS if searched else DEFAULT_SEEDS)
    with complaints.gathering():
        check_distinct("seeds", seeds)
    _check_search(file.search, searched, seeds if "seeds" not in reading.faulty else [], all_methods, complaints)
    metrics = read_choices("metric", file.metrics, registry, scale, complaints)
    reports = _reports(file.reports, registry, complaints)
    _check_resources(file.resources, registry, complaints)
    complaints.raise_if_any()
    return Spec(
        name=file.name if scale is None else f"{file.name}-{scale}",
        datasets=datasets,
        classifiers=classifiers,
        methods=methods,
        seeds=tuple(seeds),
        baseline=file.baseline,
        recognized=file.recognized,
        margin=file.margin,
        headline=headline,
        judges=tuple(file.judge),
        retraining=file.retraining,
        bits=file.bits,
        precision=file.precision,
        metrics=metrics,
        reports=reports,
        resources=file.resources,
        search=file.search or SearchSettings(),
    )


def _taught_by(choice: Choice) -> dict[str, Any]:
    """As a spec has it, where it is stated."""
    stated = choice.taught_by
    return {} if stated == "own" else {"taught_by": stated if isinstance(stated, str) else list(stated)}


def _judge(spec: Spec) -> dict[str, Any]:
    """As a spec has it: one word where there is one judge, and how it is retrained only where it is."""
    if "retrained" not in spec.judges:
        return {"judge": "frozen"}
    judge = list(spec.judges) if len(spec.judges) > 1 else spec.judges[0]
    return {"judge": judge, "retraining": spec.retraining.model_dump()}


def _check_teachers(methods: Sequence[Choice], classifiers: Sequence[Choice], complaints: Complaints) -> None:
    known = [classifier.short for classifier in classifiers]
    for choice in methods:
        for name in choice.taught_by if isinstance(choice.taught_by, tuple) else ():
            if name not in known:
                guess, where = did_you_mean(name, [*known, *TEACHERS]), f"{choice.where}.taught_by"
                complaints.add(f"{where}: no classifier is called {name!r}{guess} (here: {', '.join(known)}).")


def _check_retraining(file: SpecFile, classifiers: Sequence[Choice], complaints: Complaints) -> None:
    """A classifier that has no number of epochs cannot say what a tenth of them is."""
    with complaints.gathering():
        check_distinct("judge", file.judge)
    for choice in classifiers if "retrained" in file.judge else ():
        for name in ("epochs", "rate"):
            if getattr(file.retraining, name) is None and not isinstance(choice.params.get(name), int | float):
                complaints.add(
                    f"retraining.{name}: {choice.name!r} has no parameter {name} of which a tenth could be taken; "
                    f"state retraining.{name}."
                )


def _headline(file: SpecFile, variants: Mapping[str, tuple[Level, ...]], complaints: Complaints) -> Headline | None:
    """The comparison to speak of, its level filled in; what is wrong with it is complained of."""
    stated = file.headline
    if stated is None:
        return None
    if file.baseline is None:
        complaints.add("headline: it is compared with the baseline, and the spec names none; add baseline.")
        return None
    known = {name: levels for name, levels in variants.items() if name != file.baseline}
    if stated.method not in known:
        guess = did_you_mean(stated.method, known)
        complaints.add(
            f"headline.method: no variant beside the baseline is called {stated.method!r}{guess} "
            f"(here: {', '.join(known) or 'none'})."
        )
        return None
    levels = known[stated.method]
    level = stated.level if stated.level is not None else levels[0]
    if level not in levels:
        has = ", ".join(map(str, levels)) if levels != (None,) else "no level"
        complaints.add(f"headline.level: {stated.method!r} is not run at {level} (it has {has}).")
        return None
    return Headline(method=stated.method, level=level)


def _reports(names: Sequence[str], registry: Registry, complaints: Complaints) -> tuple[Plugin, ...]:
    with complaints.gathering():
        check_distinct("reports", names)
    found = []
    for index, name in enumerate(names):
        with complaints.gathering():
            found.append(registry.get("report", name, f"reports[{index}]"))
    return tuple(found)


def _check_resources(stated: Iterable[str], registry: Registry, complaints: Complaints) -> None:
    for key in stated:
        stage, by_name, name = key.partition("/")
        if by_name:
            with complaints.gathering():
                plugin = registry.get(_OF_STAGE[stage], name, f"resources.{key}")
                if stage == "quantizers" and not plugin.learns:
                    raise BadInput(f"resources.{key}: {name!r} learns nothing, so that nothing of it is fitted.")


def _check_search(
    stated: SearchSettings | None,
    searched: Sequence[Choice],
    seeds: Sequence[int],
    all_methods: bool,
    complaints: Complaints,
) -> None:
    if stated is not None and not searched and all_methods:
        complaints.add(
            "search: no method says what to try; give one a search, such as search: {gamma: {choice: [0, 1]}}."
        )
    settings = stated or SearchSettings()
    if searched and settings.seed in seeds:
        complaints.add(
            f"search.seed: {settings.seed} is one of seeds too; the comparison after the search needs fresh ones."
        )
    for choice in searched:
        _check_algorithm(choice, settings, complaints)


def _check_algorithm(choice: Choice, settings: SearchSettings, complaints: Complaints) -> None:
    """A grid has every combination once, so it needs lists, and room for all of them."""
    if settings.algorithm != "grid" or choice.space is None:
        return
    ranges = {name: domain.kind for name, domain in choice.space.items() if domain.kind not in LISTED}
    for name, kind in ranges.items():
        complaints.add(
            f"{choice.where}.search.{name}: algorithm grid tries listed values, use grid or choice instead of {kind}."
        )
    if ranges or settings.trials is None:
        return
    needed = len(starting_with({n: choice.params[n] for n in choice.space}, grid(choice.space)))
    if settings.trials < needed:
        complaints.add(
            f"search.trials: the grid at {choice.where}.search has {needed} combinations with the one it starts from, "
            f"{settings.trials} trials are too few; leave trials out or name fewer values."
        )
