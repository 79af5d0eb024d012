"""The entries of a spec checked against the plugins: what each means, with all its parameters."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.complaints import Complaints
from harness.contracts import BadInput, Level
from harness.registry import Kind, Plugin, Registry
from harness.spec.schema import DatasetEntry, Entry, MethodEntry
from harness.spec.space import Domain, read_space, start_of
from harness.spec.traps import TEACHERS

SCALES: Mapping[str, int] = {"small": 4000}
"""How many training images are used at most at each scale; plugins say what their parameters are there."""
MOST_VARIANTS = 100_000
"""Of one entry."""
_LIMITS = "train_images", "test_images"


@dataclass(frozen=True, eq=False)
class Choice:
    """One plugin with all its parameters.

    Attributes:
        plugin: What is chosen.
        instance: The plugin with its parameters.
        params: All of them, defaults written out.
        where: Its entry in the spec.
        short: The name that tells it from its siblings in tables.
        levels: A method's.
        label: What a dataset is called instead of its plugin's name, or empty.
        train_images: How many of a dataset's training images are used at most.
        test_images: Likewise of its test images.
        space: What a search may try; the parameters are then those it starts with.
        taught_by: Which classifiers a learned method is trained through: ``own``, ``each``, ``all``, or their names.
    """

    plugin: Plugin
    instance: Any
    params: Mapping[str, Any]
    where: str
    short: str
    levels: tuple[Level, ...] = ()
    label: str = ""
    train_images: int | None = None
    test_images: int | None = None
    space: Mapping[str, Domain] | None = None
    taught_by: str | tuple[str, ...] = "own"

    @property
    def name(self) -> str:
        return self.plugin.name

    def teachers(self, judge: Choice, classifiers: Sequence[Choice]) -> tuple[tuple[Choice, ...], ...]:
        """Says through which classifiers the quantizers were trained that one of them judges.

        Args:
            judge: One of the spec's classifiers.
            classifiers: All of them.

        Returns:
            For each quantizer its classifiers, by name; a method that learns nothing has a single one, without any.
        """
        if not self.plugin.learns:
            return ((),)
        if self.taught_by == "own":
            return ((judge,),)
        if self.taught_by == "each":
            return tuple((classifier,) for classifier in classifiers)
        named = [c for c in classifiers if self.taught_by == "all" or c.short in self.taught_by]
        return (tuple(sorted(named, key=lambda classifier: classifier.short)),)


def called(classifiers: Iterable[Choice]) -> str:
    """Several classifiers as one name; empty where there is none."""
    return "+".join(classifier.short for classifier in classifiers)


def label_of(method: Choice, teachers: Sequence[Choice], judge: Choice) -> str:
    """What a method is called in the tables of a judge."""
    elsewhere = called(teachers) not in ("", judge.short)
    return f"{method.short} fitted on {called(teachers)}" if elsewhere else method.short


def labels(method: Choice, classifiers: Sequence[Choice]) -> list[str]:
    """What a method is called in the tables of any of the classifiers."""
    found = [
        label_of(method, teachers, judge) for judge in classifiers for teachers in method.teachers(judge, classifiers)
    ]
    return list(dict.fromkeys(found)) or [method.short]


def check_distinct(where: str, values: Iterable[object]) -> None:
    """Raises BadInput with every value that is listed twice."""
    complaints = Complaints(where)
    complaints.add(
        *(f"{where}: {value!r} is listed {n} times; list it once." for value, n in Counter(values).items() if n > 1)
    )
    complaints.raise_if_any()


def check_levels(where: str, levels: Sequence[int], allowed: tuple[int, int]) -> None:
    """Raises BadInput with every level that is out of range or listed twice."""
    (low, high), complaints = allowed, Complaints(where)
    for level in levels:
        if not low <= level <= high:
            complaints.add(f"{where}: {level} is out of range, it must be from {low} to {high}.")
    with complaints.gathering():
        check_distinct(where, levels)
    complaints.raise_if_any()


def _levels(entry: MethodEntry, plugin: Plugin, colors: Sequence[int]) -> tuple[Level, ...]:
    mark, where = plugin.mark, entry.where
    stated = {"colors": entry.colors, "quality": entry.quality}
    for kind, levels in stated.items():
        if levels is not None and kind != mark.level_kind:
            rather = f"leave {kind} out" if mark.level_kind == "none" else f"it takes {mark.level_kind}"
            raise BadInput(f"{where}.{kind}: {mark.name!r} has no {kind}, {rather}.")
    if mark.level_kind == "none" or mark.levels is None:
        return (None,)
    default = colors if mark.level_kind == "colors" else list(mark.default_levels or ())
    own = stated[mark.level_kind]
    check_levels(f"{where}.{mark.level_kind}", default if own is None else own, mark.levels)
    if lacking := plugin.lacks(default if own is None else own):
        rather = (
            f"; give it colors of its own, such as colors: {list(plugin.color_counts or ())}" if own is None else ""
        )
        raise BadInput(f"{where}.colors: {lacking}{rather}.")
    return tuple(sorted(default if own is None else own))


def read_choices(
    kind: Kind,
    entries: Sequence[Entry],
    registry: Registry,
    scale: str | None,
    complaints: Complaints,
    colors: Sequence[int] = (),
) -> tuple[Choice, ...]:
    """The variants that entries of a spec describe, each once and with its short name.

    A list as a parameter's value expands. What is wrong is complained of; an entry with something wrong in it has no
    part in the result.

    Args:
        kind: Of which kind the plugins are.
        entries: The entries in the spec.
        registry: The plugins there are.
        scale: What plugins state for it takes the place of their defaults.
        complaints: Where to say what is wrong.
        colors: The color counts of quantizers that state none.
    """
    found = []
    for entry in entries:
        before, beside = len(complaints), dict[str, Any]()
        with complaints.gathering():
            plugin = registry.get(kind, entry.name, entry.where)
            with complaints.gathering():
                beside = _beside(entry, plugin, scale, colors)
            choices = _variants(entry, plugin, scale, complaints)
            if entry.whole and len(complaints) == before:
                found += [replace(choice, **beside) for choice in choices]
    return _merge(found, complaints)


def _beside(entry: Entry, plugin: Plugin, scale: str | None, colors: Sequence[int]) -> dict[str, Any]:
    """What a method or a dataset has besides its parameters."""
    if isinstance(entry, MethodEntry):
        return {"levels": _levels(entry, plugin, colors), "taught_by": _taught_by(entry, plugin)}
    if isinstance(entry, DatasetEntry):
        limits = [entry.train_images, SCALES.get(scale or "")]
        at_most = min((n for n in limits if n is not None), default=None)
        return {"label": entry.label or "", "train_images": at_most, "test_images": entry.test_images}
    return {}


def _taught_by(entry: MethodEntry, plugin: Plugin) -> str | tuple[str, ...]:
    stated, where = entry.taught_by, f"{entry.where}.taught_by"
    if stated == "own":
        return stated
    if not plugin.learns:
        raise BadInput(f"{where}: {plugin.name!r} learns nothing, leave taught_by out.")
    if entry.search is not None:
        raise BadInput(f"{where}: a search trains through the classifier that judges; leave taught_by or search out.")
    if isinstance(stated, str):
        return stated if stated in TEACHERS else (stated,)
    check_distinct(where, stated)
    return tuple(sorted(stated))


def _variants(entry: Entry, plugin: Plugin, scale: str | None, complaints: Complaints) -> list[Choice]:
    at, stated, found = entry.where, dict(entry.params), list[Choice]()
    space = _space(entry, plugin, at)
    start = start_of(space, plugin, stated, f"{at}.search") if space else {}
    scaled = {name: v for name, v in plugin.scales.get(scale or "", {}).items() if name not in start}
    for params in _expand(plugin, scaled | stated, f"{at}.params", complaints):
        with complaints.gathering():
            instance = plugin.make(params | start, f"{at}.params")
            plugin.least_memory(instance, f"{at}.params")
            for name, values in ((name, domain.values) for name, domain in (space or {}).items()):
                for value in values:
                    tried = f"{at}.search.{name}"
                    plugin.least_memory(plugin.make(params | start | {name: value}, tried), tried)
            written = plugin.defaults_written_out(instance)
            found.append(Choice(plugin, instance, written, at, entry.name, space=space))
    return found


def _space(entry: Entry, plugin: Plugin, where: str) -> dict[str, Domain] | None:
    stated = entry.search if isinstance(entry, MethodEntry) else None
    return None if stated is None else read_space(stated, plugin, f"{where}.search")


def _expand(plugin: Plugin, params: Mapping[str, Any], where: str, complaints: Complaints) -> list[dict[str, Any]]:
    options = []
    for name, value in params.items():
        if isinstance(value, list) and not plugin.accepts(name, value):
            if not value:
                raise BadInput(f"{where}.{name}: the list is empty, at least one value is needed.")
            with complaints.gathering():
                check_distinct(f"{where}.{name}", map(str, value))
            options.append([(name, item) for item in value])
        else:
            options.append([(name, value)])
    if (count := math.prod(map(len, options))) > MOST_VARIANTS:
        raise BadInput(f"{where}: its lists make {count:,} variants, at most {MOST_VARIANTS:,} can be.")
    return [dict(combination) for combination in itertools.product(*options)]


def _merge(choices: Sequence[Choice], complaints: Complaints) -> tuple[Choice, ...]:
    """Choices with their short names; the same plugin with the same parameters twice becomes one with all levels."""
    distinct: dict[str, Choice] = {}
    for choice in choices:
        limits = choice.train_images, choice.test_images
        identity = repr((choice.name, sorted(choice.params.items()), limits, choice.space, choice.taught_by))
        if identity in distinct and not choice.levels:
            first = distinct[identity].where
            complaints.add(f"{choice.where}: {choice.name!r} with the same parameters is already listed at {first}.")
        present = distinct.get(identity, choice)
        levels = {*present.levels, *choice.levels}
        ordered = tuple(sorted(levels, key=lambda level: -1 if level is None else level))
        distinct[identity] = replace(present, levels=ordered)
    merged = list(distinct.values())
    named = tuple(replace(choice, short=short) for choice, short in zip(merged, _short_names(merged), strict=True))
    _check_names(
        (choice for choice in named if choice.space is None), complaints
    )  # two searches differ in what they try
    return named


def _check_names(choices: Iterable[Choice], complaints: Complaints) -> None:
    met = dict[tuple[str, str | tuple[str, ...]], Choice]()
    for choice in choices:
        if (other := met.get((choice.short, choice.taught_by))) is not None:
            called = f"{choice.where}: it would be called {choice.short!r} in tables, like the one at {other.where}"
            rather = "give each a label of its own" if choice.label or other.label else "leave one out"
            complaints.add(f"{called}; {rather}.")
        met[choice.short, choice.taught_by] = choice


def _short_names(choices: Sequence[Choice]) -> list[str]:
    """For each the plugin's name, with those parameters that siblings set otherwise and that are not at their default.

    A label takes the plugin's place; siblings are then those of the same entry.
    """
    families = dict[tuple[str, bool], list[Choice]]()
    for choice in choices:
        families.setdefault(_family(choice), []).append(choice)
    differing = {family: _differing(siblings) for family, siblings in families.items()}
    return [_short_name(choice, *differing[_family(choice)]) for choice in choices]


def _family(choice: Choice) -> tuple[str, bool]:
    """The same for siblings."""
    return (choice.where, True) if choice.label else (choice.name, False)


def _differing(siblings: Sequence[Choice]) -> tuple[list[str], list[str], Mapping[str, Any]]:
    """The parameters and the limits in which siblings differ, and the parameters' defaults."""
    first = siblings[0]
    params = [name for name in first.params if any(each.params[name] != first.params[name] for each in siblings)]
    limits = [limit for limit in _LIMITS if any(getattr(each, limit) != getattr(first, limit) for each in siblings)]
    return params, limits, {p.name: p.value for p in first.plugin.parameters}


def _short_name(choice: Choice, params: Sequence[str], limits: Sequence[str], defaults: Mapping[str, Any]) -> str:
    values = {name: choice.params[name] for name in params}
    parts = [f"{name}={_shown(value)}" for name, value in values.items() if value != defaults[name]]
    stated = {limit: getattr(choice, limit) for limit in limits}
    parts += [f"{limit}={count}" for limit, count in stated.items() if count is not None]
    return " ".join([choice.label or choice.name, *parts])


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
