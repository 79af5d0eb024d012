"""A file in a run's folder by which others see whether the process that drives the run is still at work."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import math
import os
import socket
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import pydantic

from harness.complaints import one_line, printable
from harness.contracts import BadInput
from harness.run.events import moment, utc_now
from harness.writing import read_sealed, write_sealed

DRIVER = "driver.json"
BEAT_SECONDS = 5.0
SILENT_SECONDS = 60.0
"""A driver on another machine that has not written for so long counts as gone."""


@dataclass(frozen=True)
class Driver:
    """The process that drives a run, as of its last heartbeat.

    host, machine, process, born: where it runs, which boot and which container of that host, its number, and when the
    kernel says it was started (empty where the system does not tell). since, beat: when the run started, and the last
    sign of life; UTC, ISO 8601. ended: empty while it is at work. cpus, gpus: of the cluster, 0 as long as it has none.
    """

    host: str
    machine: str
    process: int
    born: str
    since: str
    beat: str
    ended: str = ""
    cpus: float = 0.0
    gpus: float = 0.0

    def is_gone(self, now: datetime.datetime) -> bool:
        """Whether it was killed: on this machine the process is not there, on another it is silent for long."""
        if self.ended:
            return False
        if self.machine == _machine() and self.born:
            return _born(self.process) != self.born
        if self.machine == _machine() and not _is_there(self.process):
            return True
        return (now - moment(self.beat)).total_seconds() > SILENT_SECONDS


_DRIVERS = pydantic.TypeAdapter(Driver)


def read_driver(folder: Path) -> Driver | None:
    """Who drives, or drove, the run in ``folder``; None where nothing says so or it is damaged."""
    try:
        driver = _DRIVERS.validate_python(read_sealed(folder / DRIVER))
        moment(driver.since), moment(driver.beat)
    except (OSError, ValueError):
        return None
    return driver if math.isfinite(driver.cpus) and math.isfinite(driver.gpus) else None


def refuse_another(folder: Path) -> None:
    """Raises BadInput where another process is at work in ``folder``, or in one directly in it, as of a search."""
    for place in (folder, *(path.parent for path in folder.glob(f"*/{DRIVER}"))):
        driver = read_driver(place)
        if driver is None or driver.ended or driver.is_gone(datetime.datetime.now(datetime.UTC)):
            continue
        if (driver.machine, driver.process) != (_machine(), os.getpid()):
            raise BadInput(
                f"--out {folder}: process {driver.process} on {printable(driver.host)} works in it; choose another "
                f"--out, or start again {SILENT_SECONDS:.0f} seconds after it was killed."
            )


class Heartbeat:
    """While it is entered, a thread writes ``driver.json`` every few seconds; on leaving, how the run ended.

    capacity: CPUs and GPUs of the cluster; it may be set at any time. A folder that cannot be written to is none of its
    business: whoever needs the folder finds out.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.capacity = (0.0, 0.0)
        self._driver = Driver(socket.gethostname(), _machine(), os.getpid(), _born(os.getpid()), utc_now(), utc_now())
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self.beat()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        stopped = "interrupted" if kind is KeyboardInterrupt else one_line(error) if error is not None else "at its end"
        self.beat(ended=stopped)

    def beat(self, ended: str = "") -> None:
        """Writes a sign of life."""
        cpus, gpus = self.capacity
        seen = dataclasses.replace(self._driver, beat=utc_now(), ended=ended, cpus=cpus, gpus=gpus)
        with contextlib.suppress(OSError):
            write_sealed(self.folder / DRIVER, dataclasses.asdict(seen))

    def _beat_on(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            self.beat()


@cache
def _machine() -> str:
    """Which boot of which host, and which of its containers: only there is a process known by its number."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    return " ".join(parts)


def _is_there(process: int) -> bool:
    """Whether a process has this number now, as far as the system tells."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _born(process: int) -> str:
    """When a process was started, in the kernel's ticks since boot; empty where there is no such process (any more)."""
    try:
        state, *rest = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return ""
    return "" if state in ("Z", "X") else rest[18]
