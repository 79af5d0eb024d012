"""The images on which one of the headline's two methods is right and the other wrong."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.contracts import Cell, Level, LevelKind
from reports.gallery import class_name, data_uri
from reports.points import Comparison, Task
from reports.records import Records

MOST_NAMED = 20
"""So many images a side are named, those that the two differ on most."""
MOST_EXPLAINED = 8
"""How many images a command asks for."""
MOST_PICTURED = 8
"""How many images a side are shown, those that the two differ on most; fewer of large ones."""
PIXELS_PICTURED = 2**18
MOST_CLASSES = 20


@dataclass(frozen=True)
class Image:
    """A test image that only one of two methods leaves recognizable.

    Attributes:
        number: Of the image.
        name: Its file's, empty where it has none.
        truth: Its class.
        taken_for: What it is taken for after the loser.
        p_winner: Probability of the true class after the winner.
        p_loser: Likewise.
        pictures: Original, after the winner, after the loser, as data; empty where there are none.
    """

    number: int
    name: str
    truth: str
    taken_for: str
    p_winner: float
    p_loser: float
    pictures: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """The images only ``winner`` leaves recognizable. count: over all seeds. in_seed: how many in the duel's seed.
    pictured: the first of them that there are pictures of; named: the first by difference in the true class's
    probability. command: what shows
    the first of them, as both methods leave them and with what the network looks at."""

    winner: str
    loser: str
    count: int
    in_seed: int
    pictured: tuple[Image, ...]
    named: tuple[Image, ...]
    command: str


@dataclass(frozen=True)
class Duel:
    """Two methods at one level of one task.

    Attributes:
        level_kind: Of the first one.
        level: Of the first one.
        seeds: How many both have.
        seed: The lowest of them, which images are shown of.
        images: Of the test set.
        sides: Images that only the first, and only the second, leaves recognizable.
        classes: The class, and how often only the first and only the second was right, over all seeds; the
            classes where this happened most come first.
        more_classes: How many further classes there are where it happened.
    """

    level_kind: LevelKind
    level: Level
    seeds: int
    seed: int
    images: int
    sides: tuple[Side, Side]
    classes: tuple[tuple[str, int, int], ...]
    more_classes: int


def duel(task: Task, subject: Comparison, classes: tuple[str, ...], records: Records) -> Duel | None:
    """The headline's comparison, image by image; None where its two methods differ on no image."""
    a = task.finished(subject.variant_a, subject.level_kind, subject.level)
    b = task.finished(subject.variant_b, subject.level_kind, subject.level)
    b = b or task.finished(subject.variant_b, "none", None)
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        return None
    correct = [records.correct([side[seed] for seed in seeds]) for side in (a, b)]
    only = correct[0] > correct[1], correct[1] > correct[0]
    if not (only[0].any() or only[1].any()):
        return None
    first = a[seeds[0]], b[seeds[0]]
    names = subject.variant_a, subject.variant_b
    labels = records.labels(first[0])
    counts = [np.bincount(np.broadcast_to(labels, side.shape)[side], minlength=labels.max() + 1) for side in only]
    in_order = sorted(np.flatnonzero(counts[0] + counts[1]), key=lambda c: (-(counts[0][c] + counts[1][c]), c))
    return Duel(
        subject.level_kind,
        subject.level,
        len(seeds),
        seeds[0],
        len(labels),
        (
            _side(first, names, (int(only[0].sum()), only[0][0]), classes, records, task),
            _side(first[::-1], names[::-1], (int(only[1].sum()), only[1][0]), classes, records, task),
        ),
        tuple((class_name(int(c), classes), int(counts[0][c]), int(counts[1][c])) for c in in_order[:MOST_CLASSES]),
        max(len(in_order) - MOST_CLASSES, 0),
    )


def _side(
    cells: tuple[Cell, Cell],
    names: tuple[str, str],
    wins: tuple[int, Sequence[bool]],
    classes: tuple[str, ...],
    records: Records,
    task: Task,
) -> Side:
    """cells, names: of the winner, of the loser. wins: how many over all seeds, and of these cells, image by image."""
    count, here = wins
    rows = np.flatnonzero(here)
    p_winner, p_loser = (records.column(cell, "p_true") for cell in cells)
    rows = rows[np.argsort(-(p_winner - p_loser)[rows], kind="stable")]
    numbers, labels, taken_for = (
        records.numbers(cells[0]),
        records.labels(cells[0]),
        records.column(cells[1], "predicted"),
    )
    files = records.names(cells[0])

    def image(row: int, pictures: tuple[bytes, ...] = ()) -> Image:
        number = int(numbers[row])
        return Image(
            number,
            files[row],
            class_name(int(labels[row]), classes),
            class_name(int(taken_for[row]), classes),
            float(p_winner[row]),
            float(p_loser[row]),
            tuple(map(data_uri, pictures)),
        )

    most = max(1, min(MOST_PICTURED, PIXELS_PICTURED // cells[0].notes["pixels"]))
    shown = ((int(row), _pictures(cells, int(numbers[row]))) for row in rows)
    pictured = itertools.islice(((row, pictures) for row, pictures in shown if pictures), most)
    named = tuple(image(int(row)) for row in rows[:MOST_NAMED])
    asked = [("--image", str(one.number)) for one in named[:MOST_EXPLAINED]]
    asked += [("--method", name) for name in names]
    asked += [("--dataset", task.dataset), ("--classifier", task.classifier), ("--seed", str(cells[0].seed))]
    command = shlex.join(["fewcolors", "explain", "RUN", *itertools.chain.from_iterable(asked)])
    return Side(*names, count, len(rows), tuple(itertools.starmap(image, pictured)), named, command)


def _pictures(cells: tuple[Cell, Cell], number: int) -> tuple[bytes, ...]:
    """PNG files of a test image: itself, after the winner, after the loser; empty where there are none."""
    if all(number in cell.gallery for cell in cells):
        first, second = (cell.gallery[number] for cell in cells)
        return tuple(path.read_bytes() for path in (first.original, first.decoded, second.decoded))
    found = [cell.picture and cell.picture(number) for cell in cells]
    return (*found[0], found[1][1]) if found[0] and found[1] else ()
