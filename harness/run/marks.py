"""A file for each task that a worker has begun: on which node, and whether its process was asked to end meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

_ASKED_TO_END = "asked to end"


@dataclass(frozen=True)
class Mark:
    """Driver and worker share the file; it is there once the task has begun."""

    path: Path

    @property
    def begun(self) -> bool:
        return self.path.exists()

    @property
    def node(self) -> str:
        """The id of the node that the task runs on, empty where it has not begun."""
        return self._lines()[0]

    @property
    def preempted(self) -> bool:
        """Whether the task's process was asked to end."""
        return _ASKED_TO_END in self._lines()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def working(self, node: str) -> Iterator[None]:
        """Within it the task is under way. SIGTERM, by which batch systems and clouds take a machine back, is noted
        and ends the process; it would else raise SystemExit in whatever a plugin does."""
        self.path.write_text(node)
        owner = os.getpid()

        def leave(number: int, _frame: FrameType | None) -> None:
            if os.getpid() == owner:  # and not a process that it has forked
                with contextlib.suppress(OSError):
                    self.path.write_text(f"{node}\n{_ASKED_TO_END}")
            os._exit(128 + number)

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, leave)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text().splitlines() or [""]
        except FileNotFoundError:
            return [""]
