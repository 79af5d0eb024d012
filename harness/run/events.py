"""What happened to which job, one JSON line each, and its listeners."""

from __future__ import annotations

import datetime
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pydantic

from harness.plan import Job
from harness.writing import SEAL, seal_of, unique

EventKind = Literal[
    "run-started",
    "cached",
    "started",
    "elsewhere",
    "done",
    "retried",
    "failed",
    "blocked",
    "damaged",
    "warned",
    "interrupted",
    "run-ended",
]


@pydantic.with_config({"extra": "forbid"})
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


_SEAL_LENGTH = 16
_EVENTS = pydantic.TypeAdapter(Event)

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
        line = asdict(noted)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | {SEAL: seal_of(line)[:_SEAL_LENGTH]}) + "\n")
        for listener in self.listeners:
            listener(noted)


def last_run(path: Path, say: Callable[[str], None] = lambda _sentence: None) -> Iterator[Event]:
    """The events since the newest ``run-started``. A line that is damaged is passed over, and said how many are."""
    events: list[Event] = []
    damaged = 0
    for line in path.read_bytes().split(b"\n") if path.is_file() else []:
        event = _event(line)
        if event is None:
            damaged += bool(line.strip())
            continue
        if event.event == "run-started":
            events.clear()
            damaged = 0
        events.append(event)
    if damaged:
        say(f"{path}: {damaged} damaged {'line is' if damaged == 1 else 'lines are'} passed over; run the spec again.")
    yield from events


def _event(line: bytes) -> Event | None:
    """A line's event; None where it is damaged, or cut short by a crash. One without a checksum is taken as it is."""
    try:
        content = json.loads(line, object_pairs_hook=unique)
        seal = content.pop(SEAL, None)
        event = _EVENTS.validate_json(json.dumps(content), strict=True)
    except (ValueError, TypeError, AttributeError):
        return None
    return event if seal is None or seal == seal_of(content)[:_SEAL_LENGTH] else None
