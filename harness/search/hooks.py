"""What Tune asks during a search: which trial to stop, whether to continue, and which listeners to notify."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from harness.contracts import VALIDATION_ACCURACY
from harness.run.losses import ALONE_ON_A_GPU, ASKED_TO_END, NODE_LOST, Losses, LostTask, why_actor_died
from harness.run.marks import Board, Mark
from harness.search.table import TrialTable, damaged
from harness.writing import read_sealed, write_sealed

_LIST = "list"
RETRIED = "retried"
"""In a report: why the trial begins again in the same process, in a sentence."""
MAX_INITIAL_FAILURES = 5
"""A search ends when all of its first trials, this many, have failed."""


class NeedsWholeGpu(Exception):
    """Raised by a trial that ran out of the memory of a GPU that it shared."""


Listener = Callable[[str, int, Mapping[str, Any], int], None]
"""Called with what happened (``started``, ``epoch``, ``retried``, ``ended``, ``lost``; ``earlier``: it ended before
this session), the trial's number, its last report (under ``config`` what was drawn, under ``reason`` why it was lost or
retried), and how many trials have ended."""


@dataclass(frozen=True)
class RunningSearch:
    """The folder, the listener and the trials of the search that runs in this process.

    numbers: of the trials of this session, by Tune's ids; announced: the numbers of the trials the listener knows.
    epochs_of: how many epochs the trial of a number has done. losses: of the trials of this session, by number.
    board: where their workers leave marks.
    """

    folder: Path
    listener: Listener
    table: TrialTable
    board: Board
    numbers: dict[str, int] = field(default_factory=dict)
    announced: set[int] = field(default_factory=set)
    epochs_of: Callable[[int], int] = lambda number: 0  # noqa: ARG005
    losses: dict[int, Losses] = field(default_factory=dict)

    @property
    def rungs(self) -> Path:
        """What trials had reached when ASHA judged them, in order: number, cycles, accuracy."""
        return self.folder / "rungs.json"

    @property
    def spent(self) -> Path:
        """The seconds that all sessions took."""
        return self.folder / "seconds.json"


CURRENT: ContextVar[RunningSearch] = ContextVar("CURRENT")


def number_of(trial: Any) -> int:
    """The number that the table has given one of Tune's trials."""
    return CURRENT.get().numbers[trial.trial_id]


def mark_of(board: Board, trial_id: str) -> Mark:
    """Of the trial, by Tune's id: what its worker tells of itself."""
    return Mark(board, f"trial {trial_id}")


def pause_of(trial_id: str) -> str:
    """Under which name the board has how many seconds the next worker of a trial waits before it begins."""
    return f"pause of trial {trial_id}"


def numbered(trial: Any) -> str:
    """The name of the trial's folder."""
    return f"{number_of(trial):05}"


def read_list(path: Path) -> list[Any]:
    """A sealed list, empty where there is no file. Raises BadInput where it is damaged."""
    try:
        content = read_sealed(path)[_LIST] if path.exists() else []
    except (OSError, ValueError, KeyError):
        raise damaged(path) from None
    if not isinstance(content, list):
        raise damaged(path)
    return content


def write_list(path: Path, content: list[Any]) -> None:
    """Writes a list as JSON with its checksum."""
    write_sealed(path, {_LIST: content})


class InOrder(FIFOScheduler):
    """Every trial to its end, in the order in which they were drawn, but for those that were given up."""

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        _give_whole_gpu(trial)
        super().on_trial_error(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        _stop_lost(tune_controller)
        return super().choose_trial_to_run(tune_controller)


def _give_whole_gpu(trial: Any) -> None:
    """Where a trial asks for it: Tune takes what it occupies from the trial as soon as it waits again."""
    if _asks_for_whole_gpu(trial):
        (bundle,) = trial.placement_group_factory.bundles
        trial.update_resources(tune.PlacementGroupFactory([{**bundle, "GPU": 1.0}]))


def _asks_for_whole_gpu(trial: Any) -> bool:
    return NeedsWholeGpu.__name__ in _last_error(trial)


def _stop_lost(tune_controller: Any) -> None:
    """Stops the trials that are given up, which Tune would start again; a callback could not."""
    for trial in tune_controller.get_trials():
        if trial.status == trial.PENDING and CURRENT.get().table.rows[number_of(trial)].state == "lost":
            tune_controller.stop_trial(trial)


class Rungs(AsyncHyperBandScheduler):
    """ASHA (Li et al. 2020) with rungs at the ends of the schedule's 1st, f-th, f^2-th ... cycle.

    Records which trials it stops, because Tune does not distinguish them from those that ended. Also records what it
    judged, under the trials' own numbers, so that a search that is continued judges by earlier trials too.
    """

    _ENDLESS = 1 << 30

    def __init__(self, factor: int) -> None:
        super().__init__(time_attr="cycles", max_t=self._ENDLESS, grace_period=1, reduction_factor=factor)

        self._judged: list[list[Any]] | None = None

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        if self._judged is None:
            self._judged = read_list(CURRENT.get().rungs)
            for number, cycles, accuracy in self._judged:
                earlier: Any = SimpleNamespace(trial_id=number)
                super().on_trial_add(tune_controller, earlier)
                super().on_trial_result(tune_controller, earlier, {"cycles": cycles, VALIDATION_ACCURACY: accuracy})
        super().on_trial_add(tune_controller, _by_number(trial))

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        super().on_trial_complete(tune_controller, _by_number(trial), result)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        _give_whole_gpu(trial)
        super().on_trial_error(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_remove(tune_controller, _by_number(trial))

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        _stop_lost(tune_controller)
        return super().choose_trial_to_run(tune_controller)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if result.get("ended") or RETRIED in result:
            return str(TrialScheduler.CONTINUE)
        decision = str(super().on_trial_result(tune_controller, _by_number(trial), result))
        if self._judged is not None and {"cycles", VALIDATION_ACCURACY} <= result.keys():
            judged = [number_of(trial), result["cycles"], result[VALIDATION_ACCURACY]]
            if judged not in self._judged:
                self._judged.append(judged)
                write_list(CURRENT.get().rungs, self._judged)
        if decision == TrialScheduler.STOP:
            CURRENT.get().table.report(number_of(trial), result)
            CURRENT.get().table.end(number_of(trial), "stopped")
        return decision


def _by_number(trial: Any) -> Any:
    """A trial as ASHA knows it, the same in every session."""
    return SimpleNamespace(trial_id=number_of(trial))


class Budget(tune.Stopper):
    """Ends a search after a number of seconds, all its sessions together, or when its first trials have all failed."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._failed = dict[int, bool]()
        self._began: float | None = None
        self._earlier = self._noted = 0.0

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        self._failed[CURRENT.get().numbers[trial_id]] = bool(result.get("error"))
        return False

    def stop_all(self) -> bool:
        now, path = time.monotonic(), CURRENT.get().spent
        if self._began is None:
            self._began = now
            self._earlier = sum(map(float, read_list(path)))
            before = (row for row in CURRENT.get().table.rows if row.is_over)
            self._failed = {row.number: row.has_failed for row in before} | self._failed
        spent = self._earlier + now - self._began
        if spent - self._noted > 1:
            write_list(path, [spent])
            self._noted = spent
        lost = (row.number for row in CURRENT.get().table.rows if row.state == "lost")
        self._failed |= dict.fromkeys(lost, True)  # a lost trial reports nothing
        first = list(self._failed.values())[:MAX_INITIAL_FAILURES]
        all_failed = len(first) == MAX_INITIAL_FAILURES and all(first)
        return all_failed or (self._seconds is not None and spent > self._seconds)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_began": None}


class TrialEvents(tune.Callback):
    """Writes down what happens, and hands it to the listener of this process."""

    def _announce(self, what: str, trial: Any, reason: str = "") -> None:
        current, number = CURRENT.get(), number_of(trial)
        over = [row for row in current.table.rows if row.is_over and row.number != number]
        ended = len(over) + (what in ("ended", "lost"))
        for row in over:
            if row.number not in current.announced:
                current.announced.add(row.number)
                current.listener("earlier", row.number, {**row.last, "config": row.config}, ended)
        current.announced.add(number)
        report = {**(trial.last_result or {}), "config": trial.config, "reason": reason}
        current.listener(what, number, report, ended)

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        CURRENT.get().table.start(number_of(trial))
        self._announce("started", trial)

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **_: Any) -> None:  # noqa: ARG002
        CURRENT.get().table.report(number_of(trial), result)
        self._announce("retried" if RETRIED in result else "epoch", trial, result.get(RETRIED, ""))

    def on_trial_recover(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        """Its worker was lost, and Tune would start it again for ever; or it begins again on a whole GPU."""
        current, number = CURRENT.get(), number_of(trial)
        if _asks_for_whole_gpu(trial):
            mark_of(current.board, trial.trial_id).remove()
            self._announce("retried", trial, ALONE_ON_A_GPU)
            return
        decided = current.losses.setdefault(number, Losses()).add(_lost(trial), current.epochs_of(number))
        if decided.given_up:
            current.table.end(number, "lost", decided.why)
        else:
            current.board.write(pause_of(trial.trial_id), str(decided.seconds))
            self._announce("retried", trial, decided.why)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        row = CURRENT.get().table.rows[number_of(trial)]
        mark_of(CURRENT.get().board, trial.trial_id).remove()
        CURRENT.get().board.remove(pause_of(trial.trial_id))
        self._announce("lost" if row.state == "lost" else "ended", trial, row.error)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        CURRENT.get().table.end(number_of(trial), "lost")
        self._announce("lost", trial)


def _lost(trial: Any) -> LostTask:
    """How its worker was lost. Its mark goes too: the next one has not begun."""
    mark = mark_of(CURRENT.get().board, trial.trial_id)
    worker = mark.worker
    mark.remove()
    reason = why_actor_died(_last_error(trial))
    blamed = worker.at_a_job and reason != NODE_LOST
    return LostTask(reason, worker.host, worker.log, blamed, preempted=reason == ASKED_TO_END)


def _last_error(trial: Any) -> str:
    """What Ray said last of it, less what it said of earlier losses."""
    try:
        return Path(trial.error_file).read_text(encoding="utf-8").rpartition("Failure # ")[2]
    except (OSError, TypeError):
        return ""
