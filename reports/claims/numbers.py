"""Whether numbers that an article states are met, allowing for the spread of its own training.

The article trained once. Its recipe is taken to spread as ours does: one training has the variance s^2 = S A of our S
trainings, A the part of our mean's variance that comes from them (``Estimate``). Then, with d = ours - stated,

    met      if the 95 % interval of d, which has our own uncertainty alone, lies within ± (margin + 1.96 s)
    not met  if the interval of d for one further training, A + s^2 in place of A, lies wholly beyond ± margin

Between the two the data do not tell. Test images are counted as a sample in both, although the article's may be the
same ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from scipy import special

from harness.contracts import ACCURACY, ClaimRow, Part, Verdict, VerdictWord
from reports.claims.verdicts import CONTRADICTED, OPEN, SUPPORTED
from reports.statistics import CONFIDENCE, SIGNIFICANT, Estimate, Interval

_WHAT = "ours less the stated one"
_Z = float(special.ndtri((1 + CONFIDENCE) / 2))


@dataclass(frozen=True)
class Measured:
    """What came out here, and what an article states of it, in the part's unit.

    margin: so far apart two numbers count as the same. departures: where our recipe is not the article's.
    """

    part: Part
    stated: float
    margin: float
    departures: tuple[str, ...] = ()

    @property
    def difference(self) -> float:
        """Ours less the stated one."""
        return self.part.mean - self.stated

    @property
    def ours(self) -> Estimate | None:
        """The difference with our own uncertainty; None where nothing may be said."""
        found = self.part.evidence
        if not isinstance(found, Estimate) or self.departures:
            return None
        return replace(found, mean=self.difference)

    @property
    def why(self) -> str:
        """Why nothing may be said, if so."""
        departs = f"the recipe departs from the paper's: {'; '.join(self.departures)}" if self.departures else ""
        return departs or self.part.why


def reach(ours: Estimate, margin: float) -> float:
    """How far from its mean a single training of such a spread may lie, with the margin: margin + 1.96 s."""
    return margin + _Z * math.sqrt(ours.trainings * ours.of_trainings)


def another(ours: Estimate) -> Estimate:
    """The difference from one further training instead of from a known number."""
    return replace(ours, of_trainings=ours.of_trainings * (ours.trainings + 1))


def p_met(ours: Estimate, margin: float) -> float:
    """Two-sided: below 0.05 where the 95 % interval lies within ± ``reach``."""
    return min(1.0, 2 * ours.p_within(reach(ours, margin)))


def p_not_met(ours: Estimate, margin: float) -> float:
    """Two-sided: below alpha where the interval for a further training lies wholly beyond ± margin."""
    if abs(ours.mean) <= margin:
        return 1.0
    return another(ours).p(math.copysign(margin, ours.mean))


def all_met(numbers: Sequence[Measured], missing: Iterable[str] = ()) -> Verdict:
    """Whether all numbers are met (intersection-union); contradicted where one is not, allowing for their number."""
    alpha = SIGNIFICANT / max(1, len(numbers))
    rows = tuple(_row(number, alpha) for number in numbers)
    lacking = [*missing, *(number.why for number in numbers if number.ours is None)]
    told = [(number, number.ours) for number in numbers if number.ours is not None]
    if any(row.verdict == CONTRADICTED for row in rows):
        verdict = CONTRADICTED
    elif rows and not lacking and all(row.verdict == SUPPORTED for row in rows):
        verdict = SUPPORTED
    else:
        verdict = OPEN
        if rows and not lacking:
            lacking.append(f"not separated in {sum(row.verdict == OPEN for row in rows)} of {len(rows)} numbers")
    if not rows or (verdict == OPEN and len(told) < len(rows)):
        furthest = max(numbers, key=lambda number: abs(number.difference) / (number.margin or 1), default=None)
        effect, unit = (furthest.difference, furthest.part.unit) if furthest else (math.nan, ACCURACY)
        return Verdict(verdict, effect, unit, rows=rows, missing=tuple(dict.fromkeys(lacking)), what=_WHAT)
    number, ours = max(told, key=lambda one: (p_met(one[1], one[0].margin), -p_not_met(one[1], one[0].margin)))
    if verdict == CONTRADICTED:
        number, ours = min(told, key=lambda one: p_not_met(one[1], one[0].margin))
    p = p_met(ours, number.margin)
    if verdict == CONTRADICTED:
        p = min(1.0, len(numbers) * p_not_met(ours, number.margin))
    lo, hi = another(ours).interval(alpha if verdict == CONTRADICTED else SIGNIFICANT)
    return Verdict(verdict, ours.mean, number.part.unit, lo, hi, p, rows, tuple(dict.fromkeys(lacking)), _WHAT)


def _row(number: Measured, alpha: float) -> ClaimRow:
    part, ours = number.part, number.ours
    if ours is None:
        note = "; ".join(filter(None, [_both(number), number.why]))
        return ClaimRow(
            part.where, part.what, OPEN, number.difference, part.unit, math.nan, math.nan, math.nan, part.cells, note
        )
    verdict, p = _verdict(ours, number.margin, alpha)
    lo, hi = another(ours).interval()
    note = f"{_both(number)}; met within ± {_apart(reach(ours, number.margin), part.unit)}"
    return ClaimRow(part.where, part.what, verdict, ours.mean, part.unit, lo, hi, p, part.cells, note)


def _verdict(ours: Estimate, margin: float, alpha: float) -> tuple[VerdictWord, float]:
    lo, hi = another(ours).interval(alpha)
    if lo > margin or hi < -margin:
        return CONTRADICTED, p_not_met(ours, margin)
    return (SUPPORTED if within(ours.interval(), reach(ours, margin)) else OPEN), p_met(ours, margin)


def within(interval: Interval, bound: float) -> bool:
    """Whether an interval lies inside of ± bound."""
    return -bound < interval[0] and interval[1] < bound


def _both(number: Measured) -> str:
    ours, stated = (_shown(value, number.part.unit) for value in (number.part.mean, number.stated))
    return f"ours {ours}, stated {stated}"


def _shown(value: float, unit: str) -> str:
    return f"{100 * value:.1f}\u202f%" if unit == ACCURACY else f"{value:.3g} {unit}"


def _apart(distance: float, unit: str) -> str:
    return f"{100 * distance:.1f} points" if unit == ACCURACY else f"{distance:.3g} {unit}"
