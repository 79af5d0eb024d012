"""The spec: what a user asks for in YAML, held against the plugins, with every default written out."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.complaints import did_you_mean
from harness.contracts import MAX_COLORS, MIN_COLORS, BadInput, Level, Precision
from harness.registry import Kind, Plugin, Registry
from harness.spec.schema import DatasetEntry, Entry, MethodEntry, Resources, SearchSettings, SpecFile, Stage, read_file
from harness.spec.space import LISTED, Domain, grid, read_space, start_of, starting_with

DEFAULT_SEEDS, FRESH_SEEDS = [0], [1, 2, 3, 4, 5]
"""Of a run, and of the comparison after a search."""
SCALES: Mapping[str, int] = {"small": 4000}
"""How many training images are used at most at each scale; plugins say what their parameters are there."""


@dataclass(frozen=True, eq=False)
class Choice:
    """One plugin with all its parameters.

    where: its entry in the spec. short: the name that tells it from its siblings in tables. levels: a method's.
    train_images: how many of a dataset's training images are used at most. space: what a search may try; the
    parameters are then those it starts with.
    """

    plugin: Plugin
    instance: Any
    params: Mapping[str, Any]
    where: str
    short: str
    levels: tuple[Level, ...] = ()
    train_images: int | None = None
    space: Mapping[str, Domain] | None = None

    @property
    def name(self) -> str:
        return self.plugin.name


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
    precision: Precision
    metrics: tuple[Choice, ...]
    reports: tuple[Plugin, ...]
    resources: Mapping[Stage, Resources]
    search: SearchSettings

    @property
    def searched(self) -> tuple[Choice, ...]:
        """The methods whose parameters are searched."""
        return tuple(choice for choice in self.methods if choice.space is not None)

    def written_out(self) -> dict[str, Any]:
        """A spec file's content that runs the same, all defaults written out."""

        def entry(choice: Choice) -> dict[str, Any]:
            return {"name": choice.name, "params": dict(choice.params)}

        def dataset(choice: Choice) -> dict[str, Any]:
            return entry(choice) | ({} if choice.train_images is None else {"train_images": choice.train_images})

        def method(choice: Choice) -> dict[str, Any]:
            kind, space = choice.plugin.mark.level_kind, choice.space
            levels = {} if kind == "none" else {kind: list(choice.levels)}
            if space is None:
                return entry(choice) | levels
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
            "precision": self.precision,
            "metrics": [entry(choice) for choice in self.metrics],
            "reports": [plugin.name for plugin in self.reports],
            "resources": {stage: r.model_dump(exclude_none=True) for stage, r in self.resources.items()},
            **search,
        }


def resolve(content: Mapping[str, Any], registry: Registry, scale: str | None = None) -> Spec:
    """Validates a spec's content against the registry. Raises BadInput with one sentence.

    scale: one of ``SCALES``; what plugins state for it takes the place of their defaults.
    """
    if scale is not None and scale not in SCALES:
        raise BadInput(f"--scale: unknown scale {scale!r}{did_you_mean(scale, SCALES)} (known: {', '.join(SCALES)}).")
    file = read_file(content)
    _check_levels("colors", file.colors, (MIN_COLORS, MAX_COLORS))
    methods = _choices("method", "methods", file.methods, registry, scale)
    levels = [_levels(file, choice, index) for index, choice in methods]
    named = _merge([replace(choice, levels=own) for (_, choice), own in zip(methods, levels, strict=True)])
    if file.baseline is not None and file.baseline not in (known := [choice.short for choice in named]):
        raise BadInput(
            f"baseline: no variant is called {file.baseline!r}{did_you_mean(file.baseline, known)} "
            f"(here: {', '.join(known)})."
        )
    _check_distinct("reports", file.reports)
    searched = [choice for choice in named if choice.space is not None]
    seeds = file.seeds or (FRESH_SEEDS if searched else DEFAULT_SEEDS)
    _check_distinct("seeds", seeds)
    settings = _search_settings(file.search, searched, seeds)
    return Spec(
        name=file.name if scale is None else f"{file.name}-{scale}",
        datasets=_merge(_datasets(file.datasets, registry, scale)),
        classifiers=_merge([c for _, c in _choices("classifier", "classifiers", file.classifiers, registry, scale)]),
        methods=named,
        seeds=tuple(seeds),
        baseline=file.baseline,
        recognized=file.recognized,
        precision=file.precision,
        metrics=_merge([c for _, c in _choices("metric", "metrics", file.metrics, registry, scale)]),
        reports=tuple(registry.get("report", name, f"reports[{i}]") for i, name in enumerate(file.reports)),
        resources=file.resources,
        search=settings,
    )


def _search_settings(stated: SearchSettings | None, searched: Sequence[Choice], seeds: Sequence[int]) -> SearchSettings:
    if stated is not None and not searched:
        raise BadInput(
            "search: no method says what to try; give one a search, such as search: {gamma: {choice: [0, 1]}}."
        )
    settings = stated or SearchSettings()
    if searched and settings.seed in seeds:
        raise BadInput(
            f"search.seed: {settings.seed} is one of seeds too; the comparison after the search needs fresh ones."
        )
    for choice in searched:
        _check_algorithm(choice, settings)
    return settings


def _check_algorithm(choice: Choice, settings: SearchSettings) -> None:
    """A grid has every combination once, so it needs lists, and room for all of them."""
    if settings.algorithm != "grid" or choice.space is None:
        return
    for name, domain in choice.space.items():
        if domain.kind not in LISTED:
            raise BadInput(
                f"{choice.where}.search.{name}: algorithm grid tries listed values, use grid or choice instead of "
                f"{domain.kind}."
            )
    needed = len(starting_with({n: choice.params[n] for n in choice.space}, grid(choice.space)))
    if settings.trials is not None and settings.trials < needed:
        raise BadInput(
            f"search.trials: the grid at {choice.where}.search has {needed} combinations with the one it starts from, "
            f"{settings.trials} trials are too few; leave trials out or name fewer values."
        )


def _check_distinct(where: str, values: Iterable[object]) -> None:
    for value, times in Counter(values).items():
        if times > 1:
            raise BadInput(f"{where}: {value!r} stands {times} times, once is enough.")


def _check_levels(where: str, levels: Sequence[int], allowed: tuple[int, int]) -> None:
    low, high = allowed
    for level in levels:
        if not low <= level <= high:
            raise BadInput(f"{where}: {level} is out of range, it must be from {low} to {high}.")
    _check_distinct(where, levels)


def _levels(file: SpecFile, choice: Choice, index: int) -> tuple[Level, ...]:
    entry, mark, where = file.methods[index], choice.plugin.mark, f"methods[{index}]"
    stated = {"colors": entry.colors, "quality": entry.quality}
    for kind, levels in stated.items():
        if levels is not None and kind != mark.level_kind:
            rather = f"leave {kind} out" if mark.level_kind == "none" else f"it takes {mark.level_kind}"
            raise BadInput(f"{where}.{kind}: {mark.name!r} has no {kind}, {rather}.")
    if mark.level_kind == "none" or mark.levels is None:
        return (None,)
    default = file.colors if mark.level_kind == "colors" else list(mark.default_levels or ())
    own = stated[mark.level_kind]
    _check_levels(f"{where}.{mark.level_kind}", default if own is None else own, mark.levels)
    return tuple(sorted(default if own is None else own))


def _datasets(entries: Sequence[DatasetEntry], registry: Registry, scale: str | None) -> list[Choice]:
    choices = []
    for index, choice in _choices("dataset", "datasets", entries, registry, scale):
        limits = [entries[index].train_images, None if scale is None else SCALES[scale]]
        choices.append(replace(choice, train_images=min((n for n in limits if n is not None), default=None)))
    return choices


def _choices(
    kind: Kind, where: str, entries: Sequence[Entry], registry: Registry, scale: str | None
) -> list[tuple[int, Choice]]:
    """Each entry's variants (a list as a parameter's value expands), with the entry's index."""
    found = []
    for index, entry in enumerate(entries):
        at = f"{where}[{index}]"
        plugin = registry.get(kind, entry.name, at)
        stated = dict(entry.params)
        space = _space(entry, plugin, at)
        start = start_of(space, plugin, stated, f"{at}.search") if space else {}
        scaled = {name: v for name, v in plugin.scales.get(scale or "", {}).items() if name not in start}
        for params in _expand(plugin, scaled | stated, f"{at}.params"):
            instance = plugin.make(params | start, f"{at}.params")
            written = plugin.defaults_written_out(instance)
            found.append((index, Choice(plugin, instance, written, at, entry.name, space=space)))
    return found


def _space(entry: Entry, plugin: Plugin, where: str) -> dict[str, Domain] | None:
    stated = entry.search if isinstance(entry, MethodEntry) else None
    return None if stated is None else read_space(stated, plugin, f"{where}.search")


def _expand(plugin: Plugin, params: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    options = []
    for name, value in params.items():
        if isinstance(value, list) and not plugin.accepts(name, value):
            if not value:
                raise BadInput(f"{where}.{name}: the list is empty, at least one value is needed.")
            _check_distinct(f"{where}.{name}", map(str, value))
            options.append([(name, item) for item in value])
        else:
            options.append([(name, value)])
    return [dict(combination) for combination in itertools.product(*options)]


def _merge(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """Choices with their short names; the same plugin with the same parameters twice becomes one with all levels."""
    distinct: dict[str, Choice] = {}
    for choice in choices:
        identity = repr((choice.name, sorted(choice.params.items()), choice.train_images, choice.space))
        if identity in distinct and not choice.levels:
            first = distinct[identity].where
            raise BadInput(f"{choice.where}: {choice.name!r} with the same parameters stands at {first} already.")
        present = distinct.get(identity, choice)
        levels = {*present.levels, *choice.levels}
        ordered = tuple(sorted(levels, key=lambda level: -1 if level is None else level))
        distinct[identity] = replace(present, levels=ordered)
    merged = list(distinct.values())
    named = tuple(replace(choice, short=_short_name(choice, merged)) for choice in merged)
    _check_names(choice for choice in named if choice.space is None)  # two searches differ in what they try
    return named


def _check_names(choices: Iterable[Choice]) -> None:
    places: dict[str, str] = {}
    for choice in choices:
        if choice.short in places:
            raise BadInput(
                f"{choice.where}: it would be called {choice.short!r} in tables, like the one at "
                f"{places[choice.short]}; leave one out."
            )
        places[choice.short] = choice.where


def _short_name(choice: Choice, siblings: Iterable[Choice]) -> str:
    """The plugin's name, with those parameters that siblings set otherwise and that are not at their default."""
    same = [other for other in siblings if other.name == choice.name]
    defaults = {p.name: p.value for p in choice.plugin.parameters}
    differing = [
        name
        for name, value in choice.params.items()
        if value != defaults[name] and any(other.params[name] != value for other in same)
    ]
    parts = [f"{name}={_shown(choice.params[name])}" for name in differing]
    if choice.train_images is not None and any(other.train_images != choice.train_images for other in same):
        parts.append(f"train_images={choice.train_images}")
    return " ".join([choice.name, *parts])


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
