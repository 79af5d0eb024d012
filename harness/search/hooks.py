"""What Tune asks during a search: which trial to stop, whether to continue, and which listeners to notify."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from harness.contracts import VALIDATION_ACCURACY
from harness.writing import write_json

MAX_INITIAL_FAILURES = 5
"""A search ends when all of its first trials, this many, have failed."""
Listener = Callable[[str, int, Mapping[str, Any], int], None]
"""Called with what happened (``started``, ``epoch``, ``ended``, ``lost``; ``earlier``: it ended before this session),
the trial's number, its last report (under ``config`` what was drawn), and how many trials have ended."""


@dataclass(frozen=True)
class RunningSearch:
    """The folder and the listener of the search that runs in this process.

    Tune stores neither with a search, so that it can continue in another folder and on another terminal. announced: the
    numbers of the trials the listener knows; lost: Tune's ids of trials given up because their workers kept dying.
    """

    folder: Path
    listener: Listener
    announced: set[int] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)

    @property
    def stops(self) -> Path:
        """Which trials were stopped early, one number a line."""
        return self.folder / "stops.txt"

    @property
    def rungs(self) -> Path:
        """What trials had reached when ASHA judged them, in order: Tune's id, cycles, accuracy."""
        return self.folder / "rungs.json"

    @property
    def spent(self) -> Path:
        """The seconds that all sessions took."""
        return self.folder / "seconds.json"


CURRENT: ContextVar[RunningSearch] = ContextVar("CURRENT")


def numbered(trial: Any) -> str:
    """The trial's number, as Tune's generators count (from 1 where a searcher draws, else from 0), for sorting."""
    return f"{int(trial.experiment_tag.partition('_')[0]):05}"


class Rungs(AsyncHyperBandScheduler):
    """ASHA (Li et al. 2020) with rungs at the ends of the schedule's 1st, f-th, f^2-th ... cycle.

    Records which trials it stops, because Tune does not distinguish them from those that ended. Also records what it
    judged: Tune saves nothing of a scheduler, so a search that is continued would ignore earlier trials.
    """

    _ENDLESS = 1 << 30

    def __init__(self, factor: int) -> None:
        super().__init__(time_attr="cycles", max_t=self._ENDLESS, grace_period=1, reduction_factor=factor)

        self._judged: list[list[Any]] | None = None

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        if self._judged is None:
            path = CURRENT.get().rungs
            self._judged = json.loads(path.read_text()) if path.exists() else []
            for trial_id, cycles, accuracy in self._judged:
                earlier: Any = SimpleNamespace(trial_id=trial_id)
                super().on_trial_add(tune_controller, earlier)
                super().on_trial_result(tune_controller, earlier, {"cycles": cycles, VALIDATION_ACCURACY: accuracy})
        super().on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if result.get("ended"):
            return str(TrialScheduler.CONTINUE)
        decision = str(super().on_trial_result(tune_controller, trial, result))
        if self._judged is not None and {"cycles", VALIDATION_ACCURACY} <= result.keys():
            judged = [trial.trial_id, result["cycles"], result[VALIDATION_ACCURACY]]
            if judged not in self._judged:
                self._judged.append(judged)
                write_json(CURRENT.get().rungs, self._judged)
        if decision == TrialScheduler.STOP:
            with CURRENT.get().stops.open("a") as file:
                file.write(f"{numbered(trial)}\n")
        return decision


class Budget(tune.Stopper):
    """Ends a search after a number of seconds, all its sessions together, or when its first trials have all failed."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._failed = dict[str, bool]()
        self._began: float | None = None
        self._earlier = self._noted = 0.0

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        self._failed[trial_id] = bool(result.get("error"))
        return False

    def stop_all(self) -> bool:
        now, path = time.monotonic(), CURRENT.get().spent
        if self._began is None:
            self._began = now
            self._earlier = float(json.loads(path.read_text())) if path.exists() else 0.0
        spent = self._earlier + now - self._began
        if spent - self._noted > 1:
            write_json(path, spent)
            self._noted = spent
        self._failed |= dict.fromkeys(CURRENT.get().lost, True)  # a lost trial reports nothing
        first = list(self._failed.values())[:MAX_INITIAL_FAILURES]
        all_failed = len(first) == MAX_INITIAL_FAILURES and all(first)
        return all_failed or (self._seconds is not None and spent > self._seconds)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_began": None}


class TrialEvents(tune.Callback):
    """Hands what happens to the listener of this process."""

    def __init__(self, algorithm: str) -> None:
        self._first = 1 if algorithm == "optuna" else 0

    def _announce(self, what: str, trial: Any, trials: list[Any]) -> None:
        current = CURRENT.get()
        over = [other for other in trials if other is not trial and other.is_finished()]
        ended = len(over) + (what in ("ended", "lost"))
        earlier = [("earlier", other) for other in over if self._number(other) not in current.announced]
        for happened, each in (*earlier, (what, trial)):
            current.announced.add(self._number(each))
            current.listener(happened, self._number(each), {**(each.last_result or {}), "config": each.config}, ended)

    def _number(self, trial: Any) -> int:
        return int(numbered(trial)) - self._first

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        self._announce("started", trial, trials)

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **_: Any) -> None:  # noqa: ARG002
        self._announce("epoch", trial, trials)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        self._announce("ended", trial, trials)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        CURRENT.get().lost.append(trial.trial_id)
        self._announce("lost", trial, trials)
