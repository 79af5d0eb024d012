"""From the parts of a claim to its verdict: an intersection-union test with an interval.

A claim holds if each of its K parts does: mean k lies above its bound. It is supported where the 95 % interval of each
lies above it, which needs no allowance for K (Berger 1982), and contradicted where the interval of one, at confidence
1 - 0.05 / K, lies below it. The same in one interval, of the smallest mean:

    [ min over k of lo_k(0.05),  min over k of hi_k(0.05 / K) ]

It misses the smallest true mean below in at most 2.5 % of all runs, as only the part with that mean can make it, and
above in at most K x 2.5 % / K.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness.contracts import ACCURACY, ClaimRow, Part, Verdict, VerdictWord
from reports.statistics import SIGNIFICANT
from reports.wording import effect

SUPPORTED: VerdictWord = "supported"
CONTRADICTED: VerdictWord = "contradicted"
OPEN: VerdictWord = "not enough data"


def every(parts: Sequence[Part], missing: Iterable[str] = (), against: Sequence[Part] = ()) -> Verdict:
    """Whether all parts are as the claim says; see ``RunView.every``."""
    both = (*parts, *against)
    alpha = SIGNIFICANT / max(1, len(both))
    rows = tuple(_row(part, alpha) for part in both)
    lacking = [*missing, *(part.why for part in both if part.evidence is None)]
    untold = bool(lacking) or not parts
    if any(row.verdict == CONTRADICTED for row in rows):
        verdict = CONTRADICTED
    elif not untold and all(row.verdict == SUPPORTED for row in rows[: len(parts)]):
        verdict = SUPPORTED
    else:
        verdict = OPEN
        if parts and not untold:
            lacking.append(_not_separated(rows[: len(parts)]))
    missing = tuple(dict.fromkeys(lacking))
    told = [part for part in parts if part.evidence is not None]
    if verdict == CONTRADICTED and not any(row.verdict == CONTRADICTED for row in rows[: len(parts)]):
        told = [part for part in against if part.evidence is not None]
    elif untold and verdict == OPEN:
        effect, unit = _least([part for part in parts if not math.isnan(part.mean)])
        return Verdict(verdict, effect, unit, rows=rows, missing=missing)
    weakest = max(told, key=_doubt)
    alike = [part for part in told if (part.unit, part.bound) == (weakest.unit, weakest.bound)]
    lo = min(_interval(part, SIGNIFICANT)[0] for part in alike)
    hi = min(_interval(part, alpha)[1] for part in alike)
    p = min(1.0, _p(weakest) * len(both)) if verdict == CONTRADICTED else min(1.0, 2 * _doubt(weakest))
    return Verdict(verdict, min(part.mean for part in alike), weakest.unit, lo, hi, p, rows, missing)


def _least(parts: Sequence[Part]) -> tuple[float, str]:
    """The smallest mean, and its unit; of several units, that of the first part."""
    if not parts:
        return math.nan, ACCURACY
    unit = parts[0].unit
    return min(part.mean for part in parts if part.unit == unit), unit


def _row(part: Part, alpha: float) -> ClaimRow:
    """One part. alpha: what its opposite is shown at."""
    if part.evidence is None:
        note = "; ".join(filter(None, [part.why, part.note]))
        nan = math.nan
        return ClaimRow(part.where, part.what, OPEN, part.mean, part.unit, nan, nan, nan, part.cells, note)
    lo, hi = _interval(part, SIGNIFICANT)
    verdict = SUPPORTED if lo > part.bound else OPEN
    if _interval(part, alpha)[1] < part.bound:
        verdict = CONTRADICTED
    note = "; ".join(filter(None, [_bound(part, hi, verdict), part.note]))
    return ClaimRow(part.where, part.what, verdict, part.mean, part.unit, lo, hi, _p(part), part.cells, note)


def _bound(part: Part, hi: float, verdict: VerdictWord) -> str:
    """What the part is to lie above, where that is not 0, and that it leans the other way."""
    said = f"shown above {effect(part.bound, part.unit)}" if part.bound else ""
    if verdict == OPEN and hi < part.bound:
        said = "; ".join(filter(None, [said, "leans the other way, not at 5\u202f% shared by all parts"]))
    return said


def _interval(part: Part, alpha: float) -> tuple[float, float]:
    return (math.nan, math.nan) if part.evidence is None else part.evidence.interval(alpha)


def _p(part: Part) -> float:
    """Two-sided, of the bound."""
    return math.nan if part.evidence is None else part.evidence.p(part.bound)


def _doubt(part: Part) -> float:
    """One-sided p of "the mean is not above the bound": small where the claim holds."""
    p = _p(part) / 2
    return p if part.mean > part.bound else 1 - p


def _not_separated(rows: Sequence[ClaimRow]) -> str:
    count = sum(row.verdict == OPEN for row in rows)
    return "not separated" if len(rows) == 1 else f"not separated in {count} of {len(rows)} parts"
