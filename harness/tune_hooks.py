"""What Tune asks along the way: which trial to stop, whether to go on at all, and whom to tell."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

METRIC = "validation_accuracy"
HOPELESS = 5
"""A search ends when so many trials have failed and none has succeeded."""
Listener = Callable[[str, int, Mapping[str, Any], int], None]
"""Called with what happened (``started``, ``epoch``, ``ended``, ``lost``), the trial's number and its last report, and
how many trials have ended."""
LISTENERS: dict[str, Listener] = {}
"""By a search's folder: the callback that Tune stores with a search cannot hold a terminal."""


def numbered(trial: Any) -> str:
    """The trial's number, as Tune's generators count (from 1 where a searcher draws, else from 0), for sorting."""
    return f"{int(trial.experiment_tag.partition('_')[0]):05}"


class Rungs(AsyncHyperBandScheduler):
    """ASHA (Li et al. 2020) with rungs at the ends of the schedule's 1st, f-th, f^2-th ... cycle.

    Notes which trials it stops: Tune itself does not tell them from those that ended.
    """

    _ENDLESS = 1 << 30

    def __init__(self, stops: Path, factor: int) -> None:
        super().__init__(time_attr="cycles", max_t=self._ENDLESS, grace_period=1, reduction_factor=factor)
        self._stops = stops

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if result.get("ended"):
            return str(TrialScheduler.CONTINUE)
        decision = str(super().on_trial_result(tune_controller, trial, result))
        if decision == TrialScheduler.STOP:
            with self._stops.open("a") as file:
                file.write(f"{numbered(trial)}\n")
        return decision


class Budget(tune.Stopper):
    """Ends a search after so many seconds, all its sessions together, or when it is hopeless."""

    def __init__(self, seconds: float | None, spent: Path) -> None:
        self._seconds, self._path = seconds, spent
        self._failed, self._sound = set[str](), False
        self._began: float | None = None
        self._earlier = self._noted = 0.0

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        if result.get("error"):
            self._failed.add(trial_id)
        elif METRIC in result:
            self._sound = True
        return False

    def stop_all(self) -> bool:
        now = time.monotonic()
        if self._began is None:
            self._began = now
            self._earlier = float(json.loads(self._path.read_text())) if self._path.exists() else 0.0
        spent = self._earlier + now - self._began
        if spent - self._noted > 1:
            self._path.write_text(json.dumps(spent))
            self._noted = spent
        hopeless = not self._sound and len(self._failed) >= HOPELESS
        return hopeless or (self._seconds is not None and spent > self._seconds)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_began": None}


class Told(tune.Callback):
    """Hands what happens to the listener of this process; the callback itself is stored with the search."""

    def __init__(self, name: str, algorithm: str) -> None:
        self._name, self._first = name, 1 if algorithm == "optuna" else 0

    def _tell(self, what: str, trial: Any, trials: list[Any]) -> None:
        listener = LISTENERS.get(self._name)
        if listener is not None:
            ended = sum(other.is_finished() for other in trials if other is not trial) + (what in ("ended", "lost"))
            report = {**trial.config, **(trial.last_result or {})}
            listener(what, int(numbered(trial)) - self._first, report, ended)

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        self._tell("started", trial, trials)

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **_: Any) -> None:  # noqa: ARG002
        self._tell("epoch", trial, trials)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        self._tell("ended", trial, trials)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        self._tell("lost", trial, trials)
