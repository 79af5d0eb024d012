"""All claims of a run with their verdicts, and ``claims.csv``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from harness.contracts import ACCURACY, ClaimRow, Results, RunView, StatedClaim, Verdict
from reports.claims.verdicts import OPEN
from reports.claims.view import View
from reports.points import Task
from reports.records import Records

COLUMNS = [
    "claim",
    "statement",
    "source",
    "verdict",
    "effect",
    "unit",
    "lo",
    "hi",
    "p",
    "parts",
    "cells",
    "missing",
]
"""Of ``claims.csv``."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A claim and what the run says of it."""

    claim: StatedClaim
    verdict: Verdict

    @property
    def measured(self) -> bool:
        """Whether the run has any number for it."""
        return bool(self.verdict.rows)


def judge_claims(results: Results, tasks: Sequence[Task], records: Records) -> tuple[Judged, ...]:
    """The verdict of each of the run's claims, in their order."""
    view = View(results, tasks, records)
    return tuple(Judged(claim, _verdict(claim, view)) for claim in results.claims)


def _verdict(claim: StatedClaim, view: RunView) -> Verdict:
    """What a claim says of a run; one that breaks costs only itself."""
    try:
        verdict: object = claim.judge(view)
        if not isinstance(verdict, Verdict):
            raise TypeError(f"judge returned {type(verdict).__name__}, it must return a Verdict")
    except Exception as error:  # noqa: BLE001 - a third-party claim may fail in any way
        reason = " ".join(str(error).split())
        return Verdict(OPEN, missing=(f"its code failed: {type(error).__name__}: {reason}"[:500],))
    return verdict


def claims_table(judged: Sequence[Judged]) -> pd.DataFrame:
    """``claims.csv``: one row a claim; accuracies are fractions."""
    rows = [
        {
            "claim": one.claim.name,
            "statement": one.claim.statement,
            "source": one.claim.source,
            "verdict": one.verdict.verdict,
            "effect": one.verdict.effect,
            "unit": one.verdict.unit,
            "lo": one.verdict.lo,
            "hi": one.verdict.hi,
            "p": one.verdict.p,
            "parts": "; ".join(map(in_words, one.verdict.rows)),
            "cells": " ".join(one.verdict.cells),
            "missing": "; ".join(one.verdict.missing),
        }
        for one in judged
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def in_words(row: ClaimRow) -> str:
    """A part with its numbers, accuracies as fractions."""
    tested = "" if math.isnan(row.lo) else f" [{row.lo:.4g}, {row.hi:.4g}] p {row.p:.2g}"
    unit = "" if row.unit == ACCURACY else f" {row.unit}"
    return f"{row.where}: {row.what} {row.effect:.4g}{unit}{tested} {row.verdict}"
