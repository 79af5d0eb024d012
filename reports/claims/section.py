"""What the page says of claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.claims.judged import Judged
from reports.claims.verdicts import CONTRADICTED, OPEN, SUPPORTED

MARKS: Mapping[str, str] = {SUPPORTED: "✓", CONTRADICTED: "✗", OPEN: "·"}


@dataclass(frozen=True)
class ClaimsSection:
    """measured: claims of which the run has numbers. others: those of which it has none. marks: of verdicts."""

    measured: tuple[Judged, ...]
    others: tuple[Judged, ...]
    outcome: str
    marks: Mapping[str, str]


def claims_section(judged: Sequence[Judged]) -> ClaimsSection | None:
    """The section, or None where the run has numbers for no claim."""
    measured = tuple(one for one in judged if one.measured)
    if not measured:
        return None
    count = Counter(one.verdict.verdict for one in measured)
    said = [f"{count[verdict]} {verdict}" for verdict in (SUPPORTED, CONTRADICTED) if count[verdict]]
    said += [f"{count[OPEN]} with not enough data"] if count[OPEN] else []
    others = tuple(one for one in judged if not one.measured)
    return ClaimsSection(measured, others, ", ".join(said), MARKS)
