"""How often the page's tests err and its intervals miss, by simulation on the project's own functions.

``python benchmarks/calibration.py [--replicates 1000] [--out FILE]``, from the root, prints Markdown tables.

Two methods are judged on the same images, in S trainings each. Whether image i of group g is recognized after method m
in training s is a probit mixed model: a latent sum of the method's mean, the classifier's training (shared by both
methods), the method's own training, the image's and the group's difficulty, what is particular to a method on an image
and on a group, and noise. The spread between trainings is that of the true difference, in percentage points of
accuracy; ``heavy`` draws it from Student's t with 3 degrees of freedom instead of a normal.

True accuracies have closed forms (normal) or are integrated numerically (heavy tails). For one training the truth is
that of the networks which were trained, as the page says; for several it is the mean over all trainings there could be.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, special, stats

from reports.statistics import (
    SIGNIFICANT,
    Discordant,
    Estimate,
    accuracy_interval,
    estimate,
    holm,
    singletons,
)

IMAGE, GROUP, OWN_IMAGE, OWN_GROUP, CLASSIFIER, NOISE = 1.0, 0.7, 0.5, 0.4, 0.1, 0.5
"""Standard deviations of the latent parts."""
ACCURACY = 0.75
PAIRS = (
    "trainings",
    "sources",
    "images a source",
    "spread",
    "effect",
    "error %",
    "coverage %",
    "accuracy's coverage %",
    "half-width",
    "misses",
)
FAMILIES = (
    "trainings",
    "sources",
    "images a source",
    "spread",
    "rows",
    "family-wise error %",
    "coverage of the chosen row's interval %",
    "replicates",
)


@dataclass(frozen=True)
class Design:
    """trainings: S. sources: G. sizes: images a source, ``one``, ``five`` or ``unequal`` (1 to 20). spread: between
    trainings, in points. effect: the true difference in points."""

    trainings: int
    sources: int
    sizes: str = "one"
    spread: float = 1.0
    heavy: bool = False
    effect: float = 0.0

    @property
    def grouped(self) -> bool:
        return self.sizes != "one"

    @property
    def deviation(self) -> float:
        """Of the latent sum over images, groups and noise, for one method in one training."""
        parts = [IMAGE, OWN_IMAGE, NOISE] + ([GROUP, OWN_GROUP] if self.grouped else [])
        return math.hypot(*parts)

    @property
    def slope(self) -> float:
        """Latent units per point of accuracy, near ``ACCURACY``."""
        return self.deviation / stats.norm.pdf(special.ndtri(ACCURACY)) / 100


@dataclass(frozen=True)
class Judged:
    """correct: ``[2, S, N]`` of method a and b; groups ``[N]``; truth: of a and b."""

    correct: NDArray[np.int64]
    groups: NDArray[np.int64]
    truth: tuple[float, float]


def judge(design: Design, rng: np.random.Generator, variants: int = 2) -> Judged:
    """One simulated experiment; the last of ``variants`` methods is the baseline, without effect."""
    sizes = {
        "one": lambda: np.ones(design.sources, int),
        "five": lambda: np.full(design.sources, 5),
        "unequal": lambda: rng.geometric(0.2, design.sources).clip(1, 20),
    }[design.sizes]()
    groups = np.repeat(np.arange(design.sources), sizes)
    images, trainings = len(groups), design.trainings
    shared = rng.normal(0, IMAGE, images)
    own = rng.normal(0, OWN_IMAGE, (variants, 1, images))
    if design.grouped:
        shared = shared + rng.normal(0, GROUP, design.sources)[groups]
        own = own + rng.normal(0, OWN_GROUP, (variants, 1, design.sources))[..., groups]
    drawn = (
        rng.standard_t(3, (variants, trainings)) / math.sqrt(3)
        if design.heavy
        else rng.normal(size=(variants, trainings))
    )
    training = drawn * design.spread * design.slope / math.sqrt(2) + rng.normal(0, CLASSIFIER, trainings)
    mean = special.ndtri(ACCURACY) * design.deviation + np.zeros((variants, 1))
    mean[:-1] += design.effect * design.slope
    latent = (mean + training)[..., None] + shared + own
    correct = (latent + rng.normal(0, NOISE, (variants, trainings, images)) > 0).astype(np.int64)
    if trainings == 1:
        truth = tuple(special.ndtr((mean + training)[:, 0] / design.deviation))
    else:
        truth = tuple(_mean_accuracy(float(m[0]), design) for m in mean)
    return Judged(correct, groups, truth)


_CACHE: dict[tuple[float, Design], float] = {}


def _mean_accuracy(mean: float, design: Design) -> float:
    """The accuracy over all trainings there could be."""
    key = (mean, replace(design, trainings=0, sources=0))
    if key not in _CACHE:
        scale, rest = design.spread * design.slope / math.sqrt(2), math.hypot(design.deviation, CLASSIFIER)
        if design.heavy and scale:
            density = stats.t(3, scale=scale / math.sqrt(3)).pdf
            _CACHE[key] = integrate.quad(
                lambda x: special.ndtr((mean + x) / rest) * density(x), -50, 50, limit=500, points=[0]
            )[0]
        else:
            _CACHE[key] = float(special.ndtr(mean / math.hypot(rest, scale)))
    return _CACHE[key]


def difference(a: NDArray[np.int64], b: NDArray[np.int64], groups: NDArray[np.int64]) -> Estimate | Discordant:
    """What the page tests a pair by."""
    if len(a) == 1 and singletons(groups):
        return Discordant(int((a > b).sum()), int((a < b).sum()), a.shape[1])
    return estimate(a - b, groups)


@dataclass(frozen=True)
class Rates:
    """Shares of replicates. error: the true difference rejected. width: half the mean interval of the difference, in
    points."""

    error: float
    coverage: float
    accuracy_coverage: float
    width: float


def rates(design: Design, replicates: int, seed: int) -> Rates:
    """Simulates one design."""
    rng = np.random.default_rng(seed)
    error = covered = accurate = 0
    widths = []
    for _ in range(replicates):
        run = judge(design, rng)
        truth = run.truth[0] - run.truth[1]
        found = difference(run.correct[0], run.correct[1], run.groups)
        lo, hi = found.interval()
        inside = lo <= truth <= hi
        rejected = found.p(truth) < SIGNIFICANT if isinstance(found, Estimate) else not inside
        if isinstance(found, Discordant) and abs(truth) < 1e-12:
            rejected = found.p() < SIGNIFICANT
        error, covered = error + rejected, covered + inside
        low, high = accuracy_interval(run.correct[0], run.groups)
        accurate += low <= run.truth[0] <= high
        widths.append(100 * (hi - lo) / 2)
    return Rates(error / replicates, covered / replicates, accurate / replicates, float(np.mean(widths)))


def family(design: Design, rows: int, replicates: int, seed: int) -> tuple[float, float]:
    """Family-wise error of ``rows`` equal variants under Holm, and coverage of the simultaneous interval of the one
    that is furthest from the baseline."""
    rng = np.random.default_rng(seed)
    wrong = covered = 0
    for _ in range(replicates):
        run = judge(design, rng, rows + 1)
        found = [difference(run.correct[k], run.correct[-1], run.groups) for k in range(rows)]
        wrong += bool(holm([one.p() for one in found]).min() < SIGNIFICANT)
        chosen = max(range(rows), key=lambda k: abs(found[k].mean))
        lo, hi = found[chosen].interval(SIGNIFICANT / rows)
        covered += lo <= run.truth[chosen] - run.truth[-1] <= hi
    return wrong / replicates, covered / replicates


def designs() -> Iterator[Design]:
    """The cells of the table."""
    shapes = [(40, "five"), (72, "unequal"), (360, "five"), (360, "unequal"), (1800, "one"), (10_000, "one")]
    for (sources, sizes), trainings, spread in itertools.product(shapes, (1, 2, 3, 5, 10), (0.0, 1.0, 2.0)):
        if trainings > 1 or spread == 0.0:
            yield Design(trainings, sources, sizes, spread)
    for trainings in (3, 5, 10):
        yield Design(trainings, 1800, "one", 2.0, heavy=True)
        yield Design(trainings, 360, "five", 2.0, heavy=True)
    for trainings in (1, 3, 5):
        yield Design(trainings, 1800, "one", 1.0 if trainings > 1 else 0.0, effect=5.0)
        yield Design(trainings, 360, "unequal", 1.0 if trainings > 1 else 0.0, effect=5.0)


def misses(design: Design, found: Rates, replicates: int) -> list[str]:
    """What of the goal a cell misses, beyond what chance in the simulation explains (two standard errors)."""
    slack = 2 * math.sqrt(0.05 * 0.95 / replicates)
    said = []
    if found.error > 0.06 + slack:
        said.append("error above 6 %")
    if min(found.coverage, found.accuracy_coverage) < 0.94 - slack:
        said.append("coverage below 94 %")
    if design.trainings >= 5 and (found.error < 0.03 - slack or found.coverage > 0.98 + slack):
        said.append("wider than needed")
    return said


def table(header: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """The lines of a Markdown table."""
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def pairs(pool: Executor, replicates: int) -> Iterator[Sequence[str]]:
    """One row a design of two methods."""
    cells = list(designs())
    for design, found in zip(cells, pool.map(rates, cells, repeat(replicates), range(len(cells))), strict=True):
        yield (
            str(design.trainings),
            f"{design.sources:,}",
            design.sizes,
            f"{design.spread:g}{' heavy' if design.heavy else ''}",
            f"{design.effect:g}",
            *(f"{100 * share:.1f}" for share in (found.error, found.coverage, found.accuracy_coverage)),
            f"{found.width:.1f}",
            ", ".join(misses(design, found, replicates)),
        )


def families(pool: Executor, replicates: int) -> Iterator[Sequence[str]]:
    """One row a family of equal variants."""
    shapes = [
        Design(1, 1800, "one", 0.0),
        Design(3, 1800, "one", 1.0),
        Design(5, 360, "five", 1.0),
        Design(5, 1800, "one", 2.0),
    ]
    cells = [(design, rows) for design in shapes for rows in (18, 250)]
    counts = [max(100, 9 * replicates // rows) for _, rows in cells]
    found = pool.map(family, *zip(*cells, strict=True), counts, range(1000, 1000 + len(cells)))
    for (design, rows), count, (wrong, covered) in zip(cells, counts, found, strict=True):
        shares = f"{100 * wrong:.1f}", f"{100 * covered:.1f}"
        yield (
            str(design.trainings),
            f"{design.sources:,}",
            design.sizes,
            f"{design.spread:g}",
            str(rows),
            *shares,
            str(count),
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--replicates", type=int, default=1000)
    replicates = parser.parse_args(arguments).replicates
    with ProcessPoolExecutor() as pool:
        for header, rows in ((PAIRS, pairs(pool, replicates)), (FAMILIES, families(pool, replicates))):
            for line in table(header, rows):
                print(line, flush=True)
            print()


if __name__ == "__main__":
    main()
