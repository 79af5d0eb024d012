"""Who computes what: runs that share a store wait for each other's jobs instead of computing them again.

A lease is a file ``<store>/leases/<key>``. Its holder keeps it fresh; one that has not been for a minute is nobody's,
and so is that of a process of this host that is gone: a holder that dies delays others by a minute at most. Leases save
work and decide nothing: an artifact is written once, whoever computes it. A run or a search at work also has a lease of
its own, by which ``store gc`` sees that between its jobs and of what these rest on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.naming import checked_key, is_key
from harness.writing import parsed

EXPIRES_SECONDS = 60.0
REFRESH_SECONDS = 10.0
MOST_PROCESSES = 2**31 - 1
"""What a system can number."""
_RUN = "run-"


@dataclass(frozen=True)
class Holder:
    """A run's driver: host and process, and a number of its own."""

    host: str
    process: int
    number: str

    @classmethod
    def this_process(cls) -> Holder:
        return cls(socket.gethostname(), os.getpid(), uuid.uuid4().hex)

    def __str__(self) -> str:
        return f"{self.host}, process {self.process}"


def read_holder(content: object) -> Holder:
    """What a lease says of its holder. Raises ValueError where it is damaged."""
    match content:
        case {"host": str(host), "process": int(process), "number": str(number)}:
            if process is not True and 0 < process <= MOST_PROCESSES:
                return Holder(host, process, number)
    raise ValueError("it names no holder")


class Leases:
    """One driver's leases in a store's folder ``leases``.

    Hosts whose clocks differ by more than some forty seconds take leases over that are not abandoned, and compute
    things twice.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.me = folder, Holder.this_process()
        self._held: set[str] = set()
        self._refreshed = time.monotonic()

    def take(self, key: str) -> bool:
        """Whether this driver has the lease from now on; an abandoned one is taken over."""
        if key in self._held:
            return True
        path = self._place(key)
        try:
            if self._is_abandoned(key):
                self._clear_away(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(self._content())
        except FileExistsError:
            return False
        except OSError:
            return True  # nobody has it, and what keeps the lease from being written will be said of the artifact
        self._held.add(key)
        return True

    def take_free(self, keys: Iterable[str]) -> set[str]:
        """Those of several that this driver has from now on."""
        return {key for key in keys if self.take(key)}

    def is_held(self, key: str) -> bool:
        """Whether it is somebody's."""
        return (self._place(key)).exists() and not self._is_abandoned(key)

    def names(self) -> list[str]:
        """Of the leases that are somebody's: keys of jobs, and what ``name_of_run`` gives, with endings."""
        try:
            there = sorted(os.listdir(self.folder))
        except OSError:
            return []
        return [name for name in there if is_key(name) and self.is_held(name)]

    def holder(self, key: str) -> Holder | None:
        """Who has the lease; None where nobody has, or it cannot be read."""
        try:
            return read_holder(parsed(self._read(key)))
        except (OSError, ValueError):
            return None

    def refresh(self) -> None:
        """Keeps this driver's leases fresh; to be called every few seconds."""
        if time.monotonic() - self._refreshed < REFRESH_SECONDS:
            return
        self._refreshed = time.monotonic()
        for key in self._held:
            with contextlib.suppress(OSError):  # one that was taken over, or is on a disk that is gone, stays lost
                os.utime(self._place(key))

    def release(self, keys: Iterable[str]) -> None:
        """Gives leases back."""
        for key in set(keys) & self._held:
            self._held.discard(key)
            if self.holder(key) == self.me:
                with contextlib.suppress(OSError):
                    (self._place(key)).unlink()

    def close(self) -> None:
        """Gives all of this driver's leases back."""
        self.release(set(self._held))

    def _place(self, key: str) -> Path:
        return self.folder / checked_key(key)

    def _content(self) -> bytes:
        return json.dumps(vars(self.me)).encode()

    def _read(self, key: str) -> bytes:
        return (self._place(key)).read_bytes()

    def _is_abandoned(self, key: str) -> bool:
        try:
            expired = time.time() - (self._place(key)).stat().st_mtime > EXPIRES_SECONDS
        except FileNotFoundError:
            return False
        return expired or self._is_gone(self.holder(key))

    def _is_gone(self, holder: Holder | None) -> bool:
        """Whether it was a process of this host; of one of another host nothing can be told."""
        if holder is None or holder.host != self.me.host:
            return False
        try:
            os.kill(holder.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False

    def _clear_away(self, path: Path) -> None:
        """Of several that find a lease abandoned one moves it away; the others find it gone."""
        aside = path.with_name(f".partial-{uuid.uuid4().hex}")
        with contextlib.suppress(FileNotFoundError):
            path.rename(aside)
            aside.unlink()


def name_of_run(keys: Iterable[str]) -> str:
    """What the lease of a run begins with that has jobs of these keys."""
    return f"{_RUN}{hashlib.sha256(' '.join(sorted(keys)).encode()).hexdigest()[:16]}"


def new_lease_of_run(keys: Iterable[str]) -> str:
    """The name of a lease for such a run; several may be at work at once."""
    return f"{name_of_run(keys)}-{uuid.uuid4().hex[:8]}"


@contextlib.contextmanager
def at_work(leases: Leases, keys: Iterable[str]) -> Iterator[None]:
    """Within it a run with jobs of these keys has its lease, which a thread keeps fresh."""
    ended = threading.Event()

    def hold() -> None:
        leases.take(new_lease_of_run(keys))
        while not ended.wait(1.0):
            leases.refresh()

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        leases.close()
