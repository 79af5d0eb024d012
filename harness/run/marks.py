"""What a worker tells of a task: that it has begun and where, that it came to a job, that it was asked to end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from types import FrameType
from typing import Protocol


class Board(Protocol):
    """Where driver and workers read and write short texts by name. Its methods raise OSError where it cannot be had."""

    def read(self, name: str) -> str:
        """The text, empty where there is none."""

    def write(self, name: str, text: str) -> None: ...

    def remove(self, name: str) -> None:
        """Removes the text if there is one."""


@dataclass(frozen=True)
class Worker:
    """Where a task runs; all is empty where it has not begun.

    Attributes:
        node: The node's id in Ray.
        host: As in an event.
        log: Where it prints, as in an event.
        at_a_job: Whether its libraries are loaded and a job has been begun.
        asked_to_end: Whether it got SIGTERM.
    """

    node: str = ""
    host: str = ""
    log: str = ""
    at_a_job: bool = False
    asked_to_end: bool = False


@dataclass(frozen=True)
class Mark:
    """One task's text on the board; it is there once the task has begun."""

    board: Board
    name: str

    @property
    def begun(self) -> bool:
        return bool(self.board.read(self.name))

    @property
    def worker(self) -> Worker:
        text = self.board.read(self.name)
        return Worker(**json.loads(text)) if text else Worker()

    def remove(self) -> None:
        self.board.remove(self.name)

    @contextlib.contextmanager
    def working(self, worker: Worker) -> Iterator[Callable[[], None]]:
        """Within it the task is under way; what it gives is called when the worker comes to its first job.

        SIGTERM, by which batch systems and clouds take a machine back, is noted and ends the process; it would else
        raise SystemExit in whatever a plugin does.
        """
        self._write(worker)
        owner = os.getpid()

        def leave(number: int, _frame: FrameType | None) -> None:
            if os.getpid() == owner:  # and not a process that it has forked
                with contextlib.suppress(OSError):
                    self._write(replace(worker, asked_to_end=True))
            os._exit(128 + number)

        def at_a_job() -> None:
            with contextlib.suppress(OSError):  # untold, the job counts as not begun
                self._write(replace(worker, at_a_job=True))

        if threading.current_thread() is not threading.main_thread():
            yield at_a_job
            return
        before = signal.signal(signal.SIGTERM, leave)
        try:
            yield at_a_job
        finally:
            signal.signal(signal.SIGTERM, before)

    def _write(self, worker: Worker) -> None:
        self.board.write(self.name, json.dumps(asdict(worker)))
