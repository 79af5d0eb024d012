"""Every variant against the spec's baseline, on the same test images: ``significance.csv``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from harness.contracts import Cell, Results
from reports.records import Records, label
from reports.statistics import (
    bootstrap_means,
    bootstrap_p,
    holm,
    mcnemar_midp,
    percentile_interval,
    random_seed,
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
]
ACROSS_SEEDS = "crossed-bootstrap"
Pair = tuple[Cell, Cell]


def significance_table(results: Results, records: Records) -> pd.DataFrame:
    """One row for each variant, level and seed against the baseline, and one across seeds where there are several.

    a is the variant, b the baseline: ``difference`` is accuracy_a - accuracy_b, ``lo`` and ``hi`` its 95 % interval,
    ``discordant_a`` counts the images only a got right, ``n`` the judged pairs (across seeds: images times seeds).
    Holm adjusts within dataset x classifier, rows of single seeds and rows across seeds each in a family of their own.
    """
    rows = []
    for together in _comparisons(pairs(results)):
        rows += [_row([pair], records) for pair in together]
        if len(together) > 1:
            rows.append(_row(together, records))
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"seed": "Int64", "level_a": "Int64", "level_b": "Int64"})
    table["p_holm"] = table.groupby("family", sort=False)["p"].transform(lambda p: holm(p)).astype(float)
    table["stars"] = [stars(p) for p in table["p_holm"]]
    return table


def pairs(results: Results) -> list[Pair]:
    """The finished cells that can be compared, each with its baseline cell, sorted.

    They share dataset, classifier, split, precision and seed, and have the same level; a baseline without a level
    (the original) is compared at every level.
    """
    ok = [cell for cell in results.cells if cell.status == "ok"]
    name = results.spec.get("baseline")
    base = {(*_place(cell), *_level(cell)): cell for cell in ok if label(cell) == name}
    found = []
    for cell in ok:
        partner = base.get((*_place(cell), *_level(cell)), base.get((*_place(cell), "none", -1)))
        if partner is not None and label(cell) != name:
            found.append((cell, partner))
    return sorted(found, key=lambda pair: (*_comparison(pair), pair[0].seed))


def _place(cell: Cell) -> tuple[Any, ...]:
    return cell.dataset, cell.classifier, cell.split, cell.precision, cell.seed


def _level(cell: Cell) -> tuple[str, int]:
    return cell.level_kind, -1 if cell.level is None else cell.level


def _comparison(pair: Pair) -> tuple[Any, ...]:
    """What two pairs have in common if they differ in the seed only."""
    a, b = pair
    return a.dataset, a.classifier, *_level(a), label(a), a.split, a.precision, label(b)


def _comparisons(found: Iterable[Pair]) -> Iterator[list[Pair]]:
    for _, together in itertools.groupby(found, key=_comparison):
        yield list(together)


def _row(seeds: list[Pair], records: Records) -> dict[str, Any]:
    """One comparison: a single seed's, or that of all seeds together."""
    a, b = seeds[0]
    cells = [cell for pair in seeds for cell in pair]
    correct = records.correct(cells)
    difference = correct[0::2] - correct[1::2]
    groups = records.groups(a)
    only_a, only_b = int((difference > 0).sum()), int((difference < 0).sum())
    lo = hi = p = math.nan
    if groups.min() < groups.max():
        replicates = bootstrap_means(difference, groups, random_seed(*(cell.key for cell in cells)))
        (lo, hi), p = percentile_interval(replicates), bootstrap_p(replicates)
    test, scope = (ACROSS_SEEDS, "across seeds") if len(seeds) > 1 else ("group-bootstrap", "per seed")
    if len(seeds) == 1 and singletons(groups):
        test, p = "mcnemar-midp", mcnemar_midp(only_a, only_b)
    return {
        "dataset": a.dataset,
        "classifier": a.classifier,
        "seed": a.seed if len(seeds) == 1 else None,
        "variant_a": label(a),
        "level_a": a.level,
        "variant_b": label(b),
        "level_b": b.level,
        "test": test,
        "family": f"{a.dataset} x {a.classifier}, {scope}",
        "n": difference.size,
        "discordant_a": only_a,
        "discordant_b": only_b,
        "difference": difference.mean(),
        "lo": lo,
        "hi": hi,
        "p": p,
    }
