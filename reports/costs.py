"""What the trainings of learned methods took: epochs, images, time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from harness.contracts import Cell
from reports.points import Task


@dataclass(frozen=True)
class Cost:
    """The trainings of one variant on one dataset through the same classifiers, all of as many epochs and images.

    levels: the color counts of one training, in words. images: how many one training was shown, each as often as it
    was. seconds: mean over its trainings, of all epochs. trainings: how many there are, over seeds and levels.
    """

    dataset: str
    variant: str
    taught_by: str
    epochs: int
    images: int
    seconds: float
    trainings: int
    levels: str


def costs(tasks: Sequence[Task]) -> tuple[Cost, ...]:
    """One for each learned variant, dataset and set of classifiers it was trained through, and where its trainings are
    of unequal length one for each length, that of the fewest colors first."""
    found: dict[tuple[str, str, str], dict[tuple[Any, ...], Cell]] = {}
    for task in tasks:
        for cell in task.cells:
            training = cell.notes.get("training")
            if training:
                one = (cell.seed, tuple(training["levels"]))
                found.setdefault((task.dataset, cell.variant, cell.fitted_on), {}).setdefault(one, cell)
    return tuple(
        _cost(*place, *length, alike)
        for place, cells in sorted(found.items())
        for length, alike in _by_length(cells.values())
    )


def _by_length(cells: Iterable[Cell]) -> list[tuple[tuple[int, int], list[Mapping[str, Any]]]]:
    """Trainings with the epochs and images that they have in common, in the order of their color counts."""
    found: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for training in sorted((cell.notes["training"] for cell in cells), key=lambda training: min(training["levels"])):
        found.setdefault((training["epochs"], training["images"]), []).append(training)
    return list(found.items())


def _cost(
    dataset: str, variant: str, taught_by: str, epochs: int, images: int, trainings: Sequence[Mapping[str, Any]]
) -> Cost:
    together = {tuple(training["levels"]) for training in trainings}
    one_each = all(len(levels) == 1 for levels in together)
    levels = sorted({level for levels in together for level in levels})
    words = ", ".join(map(str, levels))
    return Cost(
        dataset,
        variant,
        taught_by,
        epochs=epochs,
        images=images,
        seconds=fmean(training["seconds"] for training in trainings),
        trainings=len(trainings),
        levels=f"each of {words}" if one_each and len(levels) > 1 else words if one_each else f"{words} together",
    )
