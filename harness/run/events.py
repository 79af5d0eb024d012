"""What happened to which job, one JSON line each, and its listeners."""

from __future__ import annotations

import datetime
import json
import os
import socket
import weakref
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pydantic

from harness.plan import Job
from harness.writing import SEAL, parsed, plain_json, seal_of

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
    "outdated",
    "warned",
    "interrupted",
    "run-ended",
]


@pydantic.with_config({"extra": "forbid"})
@dataclass(frozen=True)
class Event:
    """Something that happened to a job or to the run.

    time: UTC, ISO 8601, by the driver's clock. job: its name, empty for the run itself. host: where that was, empty
    where a job was lost before it could say so. seconds: how long it took, where it ended. began: when its worker began
    with it, by that host's clock; ``seconds`` later it was done, even if its task had more to do. log: on that
    host, the files to which its worker printed, less the ``.out`` and ``.err`` at their ends.
    """

    time: str
    job: str
    event: EventKind
    host: str = ""
    seconds: float | None = None
    message: str = ""
    traceback: str = ""
    stage: str = ""
    key: str = ""
    began: str = ""
    log: str = ""


_SEAL_LENGTH = 16
_EVENTS = pydantic.TypeAdapter(Event)

Listener = Callable[[Event], None]


class EventLog:
    """Appends to ``events.jsonl``, below a line that a crash cut short, and tells the listeners.

    The file stays open. No buffer holds lines back, so a process that is forked has none to write a second time.
    """

    def __init__(self, path: Path, *listeners: Listener) -> None:
        self.path, self.listeners = path, listeners
        self._file = -1
        self._close: Callable[[], object] = lambda: None
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
        host: str | None = None,
        seconds: float | None = None,
        began: str = "",
        log: str = "",
    ) -> None:
        noted = Event(
            time=utc_now(),
            job=job.name if job else "",
            event=event,
            host=socket.gethostname() if host is None else host,
            seconds=None if seconds is None else round(seconds, 3),
            message=message,
            traceback=traceback,
            stage=job.stage if job else "",
            key=job.key if job else "",
            began=began,
            log=log,
        )
        line = asdict(noted)
        self._append(f"{json.dumps(line | {SEAL: seal_of(line)[:_SEAL_LENGTH]})}\n".encode())
        for listener in self.listeners:
            listener(noted)

    def _append(self, line: bytes) -> None:
        try:
            if self._file < 0 or not os.fstat(self._file).st_nlink:  # or somebody has removed it
                self._open()
            while line:
                line = line[os.write(self._file, line) :]
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def _open(self) -> None:
        self._close()
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self._close = weakref.finalize(self, os.close, self._file)


def utc_now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def moment(time: str) -> datetime.datetime:
    """When that was. Raises ValueError where it is no time."""
    found = datetime.datetime.fromisoformat(time)
    try:
        return found.astimezone(datetime.UTC) if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    except OverflowError:
        raise ValueError(f"{time} is beyond the first or the last year") from None


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
        content = parsed(line)
        seal = content.pop(SEAL, None)
        event = _EVENTS.validate_json(plain_json(content), strict=True)
        moment(event.time)
    except (ValueError, TypeError, AttributeError):
        return None
    return event if seal is None or seal == seal_of(content)[:_SEAL_LENGTH] else None
