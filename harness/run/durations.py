"""How long jobs take: what was measured, in this run or in those before it, and a guess where nothing was."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Annotated, Any

import pydantic

from harness.spec.schema import TRAINED, Stage
from harness.work.store import Store
from harness.writing import sealed, unsealed

KEPT = "durations.json"
"""A store's file of what jobs took."""
MOST_KEPT = 2000
"""Of how many kinds of jobs a store keeps it; those that were not seen for longest are dropped."""
GUESSED: Mapping[Stage, float] = {
    "datasets": 10.0,
    "classifiers": 10.0,
    "quantizers": 30.0,
    "applied": 5.0,
    "cells": 5.0,
}
"""Seconds of a job, or of each epoch of one, where nothing was measured. Only their order is meant."""


@dataclass(frozen=True)
class Kind:
    """Jobs that take about equally long. dataset: a key. cpus, gpus: what each occupies. epochs: of a training."""

    stage: Stage
    plugin: str
    dataset: str
    cpus: float
    gpus: float
    epochs: int = 0


_Amount = Annotated[float, pydantic.Field(ge=0, le=1e9, allow_inf_nan=False)]
_Count = Annotated[int, pydantic.Field(ge=0, le=10**9)]
_Text = Annotated[str, pydantic.Field(max_length=1000)]
_ROW = pydantic.TypeAdapter(
    tuple[Stage, _Text, _Text, _Amount, _Amount, _Count, _Amount, Annotated[_Count, pydantic.Field(gt=0)]]
)


def epochs_in(stage: Stage, params: Mapping[str, Any]) -> int:
    """How many epochs a job with these parameters trains for."""
    epochs = params.get("epochs") if stage in TRAINED else 0
    return epochs if isinstance(epochs, int) and not isinstance(epochs, bool) and epochs > 0 else 0


class Durations:
    """Seconds that jobs took, by their kind."""

    def __init__(self) -> None:
        self._totals: dict[Kind, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._totals)

    def __contains__(self, kind: object) -> bool:
        return kind in self._totals

    def add(self, kind: Kind, seconds: float, count: int = 1) -> None:
        """seconds: of ``count`` jobs together."""
        total, before = self._totals.pop(kind, (0.0, 0))
        self._totals[kind] = total + seconds, before + count

    def copy(self) -> Durations:
        other = Durations()
        other._totals = dict(self._totals)
        return other

    def usual(self, kind: Kind) -> float | None:
        """The mean of its kind, else of its plugin on any dataset, else of its stage; None where nothing is known.

        Of trainings it is the mean of an epoch, as often as there are epochs.
        """
        if kind in self._totals:
            seconds, count = self._totals[kind]
            return seconds / count
        same_plugin = [one for one in self._totals if (one.stage, one.plugin) == (kind.stage, kind.plugin)]
        same_stage = [one for one in self._totals if one.stage == kind.stage]
        for alike in (same_plugin, same_stage):
            if alike:
                rounds = sum(self._totals[one][1] * max(one.epochs, 1) for one in alike)
                return sum(self._totals[one][0] for one in alike) / rounds * max(kind.epochs, 1)
        return None

    def expected(self, kind: Kind) -> float:
        """The same, else a guess."""
        usual = self.usual(kind)
        return GUESSED[kind.stage] * max(kind.epochs, 1) if usual is None else usual

    @classmethod
    def kept_in(cls, store: Store) -> Durations:
        """Those of runs before; what cannot be read is as if it were not there: it decides only what goes first."""
        found = cls()
        with contextlib.suppress(OSError, ValueError, RecursionError):
            rows = unsealed(store.read_note(KEPT) or b"{}").get("kinds")
            for row in rows[-MOST_KEPT:] if isinstance(rows, list) else ():
                with contextlib.suppress(pydantic.ValidationError):
                    kept = _ROW.validate_python(row)
                    found.add(Kind(*kept[:6]), kept[6], kept[7])
        return found

    def keep_in(self, store: Store) -> None:
        """Adds these to those of runs before."""
        both = self.kept_in(store)
        for kind, (seconds, count) in self._totals.items():
            both.add(kind, seconds, count)
        kinds = [[*astuple(kind), *total] for kind, total in both._totals.items()]
        with contextlib.suppress(OSError):
            store.write_note(KEPT, json.dumps(sealed({"kinds": kinds[-MOST_KEPT:]})).encode())
