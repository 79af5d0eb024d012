"""What a worker tells of a task that it has begun: on which node it runs, and that its process was asked to end."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

_ASKED_TO_END = "asked to end"


class Board(Protocol):
    """Where driver and workers read and write short texts by name. Its methods raise OSError where it cannot be had."""

    def read(self, name: str) -> str:
        """The text, empty where there is none."""

    def write(self, name: str, text: str) -> None: ...

    def remove(self, name: str) -> None:
        """Removes the text if there is one."""


@dataclass(frozen=True)
class Mark:
    """One task's text on the board; it is there once the task has begun."""

    board: Board
    name: str

    @property
    def begun(self) -> bool:
        return bool(self.board.read(self.name))

    @property
    def node(self) -> str:
        """The id of the node that the task runs on, empty where it has not begun."""
        return self.board.read(self.name).partition("\n")[0]

    @property
    def preempted(self) -> bool:
        """Whether the task's process was asked to end."""
        return self.board.read(self.name).endswith(f"\n{_ASKED_TO_END}")

    def remove(self) -> None:
        self.board.remove(self.name)

    @contextlib.contextmanager
    def working(self, node: str) -> Iterator[None]:
        """Within it the task is under way. SIGTERM, by which batch systems and clouds take a machine back, is noted
        and ends the process; it would else raise SystemExit in whatever a plugin does."""
        self.board.write(self.name, node)
        owner = os.getpid()

        def leave(number: int, _frame: FrameType | None) -> None:
            if os.getpid() == owner:  # and not a process that it has forked
                with contextlib.suppress(OSError):
                    self.board.write(self.name, f"{node}\n{_ASKED_TO_END}")
            os._exit(128 + number)

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, leave)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
