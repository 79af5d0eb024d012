"""What the article states, next to what a run measured: ``published.yaml`` and the points it concerns."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from harness.contracts import JudgedTask, Level
from reports.points import Point, Task

_FILE = Path(__file__).with_name("published.yaml")
_ORIGINAL = "original_accuracy"


@dataclass(frozen=True)
class Published:
    """One stated value. Accuracies are fractions; method, params and level are empty for an untouched image's.

    params: those of the method that the value depends on; they must be equal for a comparison.
    """

    where: str
    quantity: str
    dataset: str
    classifier: str
    value: float
    method: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    level: Level = None

    @property
    def is_share(self) -> bool:
        return self.quantity.endswith("accuracy")


@dataclass(frozen=True)
class Beside:
    """A stated value and ours. point: None for untouched images. lo, hi: our 95 % interval, NaN where there is none.

    departures: where our recipe is not the article's, except for the very setting that the value is about.
    """

    published: Published
    point: Point | None
    ours: float
    lo: float
    hi: float
    departures: tuple[str, ...]

    @property
    def difference(self) -> float:
        """Ours less the article's."""
        return self.ours - self.published.value

    @property
    def inside(self) -> bool | None:
        """Whether the article's value lies in our interval; None where there is no interval."""
        return None if math.isnan(self.lo) else self.lo <= self.published.value <= self.hi


@functools.cache
def stated() -> tuple[str, tuple[Published, ...]]:
    """The article and its values, as in ``published.yaml``."""
    content = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    values = (Published(**entry) for entry in content["values"])
    return content["article"], tuple(replace(v, value=v.value / 100) if v.is_share else v for v in values)


def original_published(task: Task, recipes: Sequence[Mapping[str, Any]]) -> Published | None:
    """What the article states for the classifier on the dataset's untouched images. recipes: as in Results."""
    return next((value for value in _of(task, recipes) if value.quantity == _ORIGINAL), None)


def beside(task: Task, recipes: Sequence[Mapping[str, Any]]) -> Iterator[Beside]:
    """Every value that the article states for something this task measured. recipes: as in Results."""
    for value in _of(task, recipes):
        if value.quantity == _ORIGINAL:
            if not math.isnan(task.original):
                departures = departures_of(value.params, task, None, recipes)
                yield Beside(value, None, task.original, task.original_lo, task.original_hi, departures)
            continue
        for point in task.points:
            if point.ok and _speaks_of(value, point, task):
                departures = departures_of(value.params, task, point.variant, recipes)
                if value.is_share:
                    yield Beside(value, point, point.accuracy, point.lo, point.hi, departures)
                else:
                    yield Beside(value, point, point.mean(value.quantity), math.nan, math.nan, departures)


def _of(task: Task, recipes: Sequence[Mapping[str, Any]]) -> Iterator[Published]:
    if task.judge != "frozen":
        return iter(())
    names = plugin_of("dataset", task.dataset, recipes), plugin_of("classifier", task.classifier, recipes)
    return (value for value in stated()[1] if (value.dataset, value.classifier) == names)


def plugin_of(what: str, short: str, recipes: Sequence[Mapping[str, Any]]) -> str:
    """The plugin behind a name in tables: by its recipe, else by the name, ``alexnet`` of ``alexnet epochs=10``."""
    known = (r["plugin"] for r in recipes if (r["what"], r["name"]) == (what, short) and "plugin" in r)
    return next(known, short.split(" ", 1)[0])


def _speaks_of(value: Published, point: Point, task: Task) -> bool:
    cell = point.cell
    return (
        (cell.method, cell.level_kind, cell.level) == (value.method, "colors", value.level)
        and cell.fitted_on in ("", task.classifier)
        and all(name in cell.params and cell.params[name] == wanted for name, wanted in value.params.items())
    )


def departures_of(
    named: Collection[str], task: Task | JudgedTask, variant: str | None, recipes: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """A sentence begins with the parameter it is about; those that a stated value itself names are no departure."""
    used = {("dataset", task.dataset), ("classifier", task.classifier), ("quantizer", variant)}
    differs = (sentence for r in recipes if (r["what"], r["name"]) in used for sentence in r.get("differs", ()))
    return tuple(sentence for sentence in differs if sentence.split(" ", 1)[0] not in named)
