"""What accuracy costs in bits: the kinds of bits, each variant's points, and how they differ from the baseline's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.contracts import BitsKind
from reports.bjontegaard import FEWEST_POINTS, USUAL_POINTS, Curve, Delta, bd_accuracy, bd_rate, rising
from reports.pareto import front, near_front
from reports.points import Point, Task
from reports.records import level_words
from reports.wording import percent, share

COLUMNS = [
    "dataset",
    "classifier",
    "bits",
    "variant",
    "baseline",
    "points",
    "baseline_points",
    "front",
    "near_front",
    "bd_rate",
    "accuracy_from",
    "accuracy_to",
    "accuracy_share",
    "bd_accuracy",
    "bits_from",
    "bits_to",
    "bits_share",
    "remarks",
    "judge",
]
"""Of ``bits.csv``."""


@dataclass(frozen=True)
class Bits:
    """A kind of bits. column: of ``cells.csv``, in bits per pixel. words: what is counted."""

    kind: BitsKind
    column: str
    words: str


KINDS = (
    Bits("file", "bpp_file", "the file"),
    Bits("payload", "bpp_payload", "the payload"),
    Bits("entropy", "bpp_entropy", "the entropy"),
)


@dataclass(frozen=True)
class TradeOff:
    """What one variant's accuracies cost in bits of one kind.

    points: its points with such bits. on_front, near: those of them that no point of the task beats, and those that
    are beaten within their intervals only. rate, accuracy: its differences from the baseline, None for itself and where
    there is none. remarks: what to know of these, in sentences.
    """

    variant: str
    points: tuple[Point, ...]
    baseline_points: int
    on_front: tuple[Point, ...]
    near: tuple[Point, ...]
    rate: Delta | None
    accuracy: Delta | None
    remarks: tuple[str, ...]


def first_kind(spec: Mapping[str, Any]) -> BitsKind:
    """The kind of bits that a report shows first."""
    kind: BitsKind = spec.get("bits") or "file"
    return kind


def with_bits(task: Task, bits: Bits) -> list[Point]:
    """The points of a task that have such bits."""
    return [point for point in task.points if point.ok and point.mean(bits.column) > 0]


def without_bits(task: Task, bits: Bits) -> list[str]:
    """The variants of which something was measured, but no bits of this kind."""
    measured = dict.fromkeys(point.variant for point in task.points if point.ok)
    return [variant for variant in measured if variant not in {point.variant for point in with_bits(task, bits)}]


def front_of(task: Task, bits: Bits) -> list[Point]:
    """The points that no point of the task beats, by bits."""
    points = with_bits(task, bits)
    return [points[i] for i in front(_curve(points, bits))]


def trade_offs(task: Task, bits: Bits, baseline: str | None) -> tuple[TradeOff, ...]:
    """Every variant of a task that has such bits, in the order of the task's points."""
    points = with_bits(task, bits)
    on_front = front_of(task, bits)
    near = [points[i] for i in near_front(_curve(points, bits), [(p.lo, p.hi) for p in points])]
    base = _of(baseline, points)
    found = []
    for variant in dict.fromkeys(point.variant for point in points):
        own = _of(variant, points)
        rate = accuracy = None
        remarks: list[str] = []
        if base and variant != baseline:
            curve, other = _curve(own, bits), _curve(base, bits)
            rate, accuracy = bd_rate(curve, other), bd_accuracy(curve, other)
            remarks = [*_remarks(curve, other, rate, accuracy), *_too_flat(rate, own + base)]
        elif baseline is not None and variant != baseline:
            remarks = [f"{baseline} has no such bits"]
        found.append(
            TradeOff(
                variant, own, len(base), _of(variant, on_front), _of(variant, near), rate, accuracy, tuple(remarks)
            )
        )
    return tuple(found)


def _of(variant: str | None, points: Iterable[Point]) -> tuple[Point, ...]:
    return tuple(sorted((p for p in points if p.variant == variant), key=lambda p: (p.level_kind, p.level or 0)))


def _curve(points: Iterable[Point], bits: Bits) -> list[tuple[float, float]]:
    return [(point.mean(bits.column), point.accuracy) for point in points]


def _remarks(curve: Curve, baseline: Curve, rate: Delta, accuracy: Delta) -> Iterator[str]:
    """What to know of the two numbers, in sentences."""
    lines = (("its", curve), ("the baseline's", baseline))
    for whose, line in lines:
        if len(line) < FEWEST_POINTS:
            yield f"{whose} one point is no curve"
            return
    fewest = min(len(rising(curve)), len(rising(baseline)))
    if FEWEST_POINTS <= fewest < USUAL_POINTS:
        yield f"few points: a curve has {fewest}, {USUAL_POINTS} are usual"
    for whose, line in lines:
        left_out = len(line) - len(rising(line))
        if left_out:
            yield f"BD-rate leaves out {left_out} of {whose} {len(line)} points: fewer bits recognize as many"
    if fewest < FEWEST_POINTS:
        whose = next(whose for whose, line in lines if len(rising(line)) < FEWEST_POINTS)
        yield f"no BD-rate: one of {whose} points is left"
    elif math.isnan(rate.value):
        ranges = (f"{percent(line[0][1])} to {percent(line[-1][1])}" for line in (rising(curve), rising(baseline)))
        yield "no BD-rate: no range of accuracies in common ({}; baseline {})".format(*ranges)
    elif rate.short:
        yield f"BD-rate over a short range: {share(rate.share)} of the shorter curve's accuracies"
    if math.isnan(accuracy.value):
        ranges = (f"{min(line)[0]:.3g} to {max(line)[0]:.3g}" for line in (curve, baseline))
        yield "no BD-accuracy: no range of bits in common ({}; baseline {})".format(*ranges)
    elif accuracy.short:
        yield f"BD-accuracy over a short range: {share(accuracy.share)} of the shorter curve's bits"


def _too_flat(rate: Delta, points: Sequence[Point]) -> Iterator[str]:
    """Where accuracies differ by less than they are known to, it is luck which bits belong to which."""
    width = sum(point.hi - point.lo for point in points) / len(points)
    if rate.hi - rate.lo < width:
        yield (
            f"BD-rate over {100 * (rate.hi - rate.lo):.1f} points of accuracy, and a 95\u202f% interval is "
            f"{100 * width:.1f} wide, so it says little"
        )


def trade_off_table(tasks: Iterable[Task], baseline: str | None) -> pd.DataFrame:
    """One row for each task, kind of bits and variant: ``bits.csv``. Accuracies and both deltas are fractions."""
    rows = [
        {"dataset": task.dataset, "classifier": task.classifier, "bits": bits.kind, "baseline": baseline}
        | _row(found)
        | {"judge": task.judge}
        for task in tasks
        for bits in KINDS
        for found in trade_offs(task, bits, baseline)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(found: TradeOff) -> dict[str, Any]:
    def levels(points: Iterable[Point]) -> str:
        return "; ".join(level_words(p.level_kind, p.level) or "no level" for p in points)

    row: dict[str, Any] = {
        "variant": found.variant,
        "points": len(found.points),
        "baseline_points": found.baseline_points,
        "front": levels(found.on_front),
        "near_front": levels(found.near),
        "remarks": "; ".join(found.remarks),
    }
    for name, along, delta in (("bd_rate", "accuracy", found.rate), ("bd_accuracy", "bits", found.accuracy)):
        if delta is not None:
            row |= {
                name: delta.value,
                f"{along}_from": delta.lo,
                f"{along}_to": delta.hi,
                f"{along}_share": delta.share,
            }
    return row
