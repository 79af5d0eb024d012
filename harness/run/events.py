"""What happened to which job, one JSON line each, and its listeners."""

from __future__ import annotations

import datetime
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from harness.plan import Job

EventKind = Literal[
    "run-started", "cached", "started", "done", "retried", "failed", "blocked", "damaged", "interrupted", "run-ended"
]


@dataclass(frozen=True)
class Event:
    """time: UTC, ISO 8601. job: its name, empty for the run itself. seconds: how long it took, where it ended."""

    time: str
    job: str
    event: EventKind
    host: str = ""
    seconds: float | None = None
    message: str = ""
    traceback: str = ""
    stage: str = ""
    key: str = ""


Listener = Callable[[Event], None]


class EventLog:
    """Appends to ``events.jsonl``, below a line that a crash cut short, and tells the listeners."""

    def __init__(self, path: Path, *listeners: Listener) -> None:
        self.path, self.listeners = path, listeners
        if path.is_file() and path.read_bytes()[-1:] not in (b"", b"\n"):
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")

    def __call__(
        self,
        event: EventKind,
        job: Job | None = None,
        *,
        message: str = "",
        traceback: str = "",
        host: str = "",
        seconds: float | None = None,
    ) -> None:
        noted = Event(
            time=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            job=job.name if job else "",
            event=event,
            host=host or socket.gethostname(),
            seconds=None if seconds is None else round(seconds, 3),
            message=message,
            traceback=traceback,
            stage=job.stage if job else "",
            key=job.key if job else "",
        )
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(noted)) + "\n")
        for listener in self.listeners:
            listener(noted)


def last_run(path: Path) -> Iterator[Event]:
    """The events since the newest ``run-started``. A line cut short by a crash is passed over."""
    events: list[Event] = []
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in lines:
        try:
            event = Event(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if event.event == "run-started":
            events.clear()
        events.append(event)
    yield from events
