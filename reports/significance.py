"""Every variant against the spec's baseline, on the same test images: ``significance.csv``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from harness.contracts import Cell, Results
from reports.records import Records
from reports.statistics import (
    FEWEST_GROUPS,
    FEWEST_TRAININGS,
    NO_INTERVAL,
    SIGNIFICANT,
    Discordant,
    Estimate,
    count_of,
    estimate,
    holm,
    leaves_range,
    singletons,
    stars,
)

COLUMNS = [
    "dataset",
    "classifier",
    "seed",
    "variant_a",
    "level_a",
    "variant_b",
    "level_b",
    "test",
    "family",
    "n",
    "discordant_a",
    "discordant_b",
    "difference",
    "lo",
    "hi",
    "p",
    "p_holm",
    "stars",
    "trainings",
    "trained",
    "groups",
    "lo_simultaneous",
    "hi_simultaneous",
    "alike",
    "margin",
    "p_same",
    "p_same_holm",
    "verdict",
    "judge",
]
ACROSS_SEEDS, ONE_TRAINING, INDEPENDENT = "two-part-t", "cluster-t", "mcnemar-midp"
TESTS_IN_WORDS = {ACROSS_SEEDS: "two-part t", ONE_TRAINING: "t over sources", INDEPENDENT: "McNemar's mid-p"}
TOO_FEW = "too few sources"
DEFAULT_MARGIN = 0.01
Pair = tuple[Cell, Cell]
Found = Estimate | Discordant | None


def significance_table(results: Results, records: Records) -> pd.DataFrame:
    """One row for each variant, level and seed against the baseline, and one across seeds where there are several.

    a is the variant, b the baseline: ``difference`` is accuracy_a - accuracy_b, ``lo`` and ``hi`` its 95 % interval,
    ``discordant_a`` counts the images only a got right, ``n`` the judged pairs (across seeds: images times seeds).
    Holm adjusts within dataset x judge, rows of single seeds and rows across seeds each in a family of their own.
    ``lo_simultaneous`` and ``hi_simultaneous``: intervals that hold at 95 % for all ``alike`` rows of a family at one
    level together (Bonferroni). ``p_same``: of "the difference is beyond the margin". The verdicts ``better`` and
    ``worse``, and stars, go by ``p_holm``; stars need three trainings.
    """
    margin = margin_of(results)
    rows = []
    found: list[Found] = []
    for together in _comparisons(pairs(results)):
        singles: list[list[Pair]] = [[pair] for pair in together]
        for seeds in [*singles, *([together] if len(together) > 1 else [])]:
            compared = _compare(seeds, records)
            across = "across seeds" if len(seeds) > 1 else "per seed"
            rows.append(row_of(seeds, compared, f"{seeds[0][0].dataset} x {seeds[0][0].judged_by}, {across}"))
            found.append(compared.found)
    return judged(rows, found, margin)


def margin_of(results: Results) -> float:
    """Two variants whose difference lies within it count as the same; a fraction."""
    return float(results.spec.get("margin") or DEFAULT_MARGIN)


def judged(
    rows: list[dict[str, Any]], found: Sequence[Found], margin: float, sizes: Mapping[str, int] = MappingProxyType({})
) -> pd.DataFrame:
    """The table of such rows: with Holm's adjustment and wider intervals within each family, stars and verdicts.

    Args:
        rows: Of ``row_of``.
        found: What each of them is tested by.
        margin: As a fraction.
        sizes: How many comparisons each family has of which not all were made.
    """
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"seed": "Int64", "level_a": "Int64", "level_b": "Int64"})
    table["margin"] = margin
    table["p_same"] = [math.nan if d is None else d.p_within(margin) for d in found]
    for p, adjusted in (("p", "p_holm"), ("p_same", "p_same_holm")):
        table[adjusted] = math.nan
        for family, values in table.groupby("family", sort=False)[p]:
            table.loc[values.index, adjusted] = holm(values, sizes.get(str(family), 0))
    at_one_level = table.groupby(["family", "level_a"], sort=False, dropna=False)
    made = at_one_level["p"].transform("size").astype(int)
    table["alike"] = [sizes.get(family, k) for family, k in zip(table["family"], made, strict=True)]
    table["alike"] = table["alike"].astype(int)
    wide = [
        NO_INTERVAL if d is None else d.interval(SIGNIFICANT / k) for d, k in zip(found, table["alike"], strict=True)
    ]
    table["lo_simultaneous"], table["hi_simultaneous"] = np.array(wide, float).reshape(-1, 2).T
    table["stars"] = [
        stars(p) if trainings >= FEWEST_TRAININGS else ""
        for p, trainings in zip(table["p_holm"], table["trainings"], strict=True)
    ]
    table["verdict"] = [_verdict(*row) for row in zip(*(table[c] for c in _JUDGED), strict=True)]
    return table


_JUDGED = ("difference", "p_holm", "p_same_holm")


def _verdict(difference: float, p: float, p_same: float) -> str:
    """``better``, ``worse``, ``same`` (within the margin), ``not separated``, or that nothing can be said."""
    if math.isnan(p):
        return TOO_FEW
    if p < SIGNIFICANT:
        return "better" if difference > 0 else "worse"
    return "same" if p_same < SIGNIFICANT else "not separated"


def pairs(results: Results) -> list[Pair]:
    """The finished cells that can be compared, each with its baseline cell, sorted.

    They share dataset, judge, split and seed, and have the same level; a baseline without a level
    (the original) is compared at every level.
    """
    ok = [cell for cell in results.cells if cell.status == "ok"]
    name = results.spec.get("baseline")
    base = {(*_place(cell), *_level(cell)): cell for cell in ok if cell.label == name}
    found = []
    for cell in ok:
        partner = base.get((*_place(cell), *_level(cell)), base.get((*_place(cell), "none", -1)))
        if partner is not None and cell.label != name:
            found.append((cell, partner))
    return sorted(found, key=lambda pair: (*_comparison(pair), pair[0].seed))


def _place(cell: Cell) -> tuple[Any, ...]:
    return *cell.task, cell.split, cell.seed


def _level(cell: Cell) -> tuple[str, int]:
    return cell.level_kind, -1 if cell.level is None else cell.level


def _comparison(pair: Pair) -> tuple[Any, ...]:
    """What two pairs have in common if they differ in the seed only."""
    a, b = pair
    return *a.task, *_level(a), a.label, a.split, a.precision, b.label


def _comparisons(found: Iterable[Pair]) -> Iterator[list[Pair]]:
    for _, together in itertools.groupby(found, key=_comparison):
        yield list(together)


def _trained(a: Cell, b: Cell) -> str:
    """What every training of a comparison has anew."""
    learned = ["quantizer"] if a.fitted_on or b.fitted_on else []
    parts = ["classifier", *learned, *(["retrained classifiers"] if a.judge == "retrained" else [])]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


@dataclass(frozen=True)
class Compared:
    """What the images say of a pair, over one seed or several.

    Attributes:
        only_a: Judged pairs of images that only a got right.
        only_b: Likewise.
        n: Judged pairs: images times seeds.
        difference: Accuracy of a less that of b.
        trainings: How many of the seeds are different trainings.
        sources: Of the images.
        test: By its name in tables.
        found: What the interval and p come from; None where there are too few sources.
    """

    only_a: int
    only_b: int
    n: int
    difference: float
    trainings: int
    sources: int
    test: str
    found: Found


def _compare(seeds: list[Pair], records: Records) -> Compared:
    """One comparison, a single seed's or that of all seeds together."""
    correct = records.correct([cell for pair in seeds for cell in pair])
    sides, groups = (correct[0::2], correct[1::2]), records.groups(seeds[0][0])
    difference = sides[0] - sides[1]
    only_a, only_b = int((difference > 0).sum()), int((difference < 0).sum())
    sources = count_of(groups)
    found: Found = None
    if len(seeds) == 1 and singletons(groups):
        test, found = INDEPENDENT, Discordant(only_a, only_b, difference.size)
    else:
        test = ACROSS_SEEDS if len(seeds) > 1 else ONE_TRAINING
        if sources >= FEWEST_GROUPS and not any(leaves_range(side, groups) for side in sides):
            found = estimate(difference, groups)
    trainings = len({row.tobytes() for row in np.concatenate(sides, axis=1)})
    return Compared(only_a, only_b, difference.size, difference.mean(), trainings, sources, test, found)


def row_of(seeds: Sequence[Pair], compared: Compared, family: str) -> dict[str, Any]:
    """A row of ``significance.csv``, but for what all rows of its family together decide."""
    a, b = seeds[0]
    lo, hi = NO_INTERVAL if compared.found is None else compared.found.interval()
    return {
        "dataset": a.dataset,
        "classifier": a.classifier,
        "seed": a.seed if len(seeds) == 1 else None,
        "variant_a": a.label,
        "level_a": a.level,
        "variant_b": b.label,
        "level_b": b.level,
        "test": compared.test,
        "family": family,
        "n": compared.n,
        "discordant_a": compared.only_a,
        "discordant_b": compared.only_b,
        "difference": compared.difference,
        "lo": lo,
        "hi": hi,
        "p": math.nan if compared.found is None else compared.found.p(),
        "trainings": compared.trainings,
        "trained": _trained(a, b),
        "groups": compared.sources,
        "judge": a.judge,
    }
