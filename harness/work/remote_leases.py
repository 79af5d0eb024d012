"""Leases at a URI, where each request takes its time: what they cost does not grow with the jobs.

A driver keeps one object fresh, ``leases/drivers/<number>``; its leases are good for as long as that is. What is long
has an object of its own beside it, ``leases/<key>``, which only one driver can create. Short jobs are listed in their
driver's object, a whole task's at once. A driver has a job when it looked after listing it and saw it listed by nobody
else: of two at least one sees the other. Of two that see each other one gives way, and the other has the job when it
looks again.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.naming import checked_key, is_key
from harness.work.bucket import Bucket
from harness.work.leases import EXPIRES_SECONDS, REFRESH_SECONDS, Holder, Leases, read_holder
from harness.writing import parsed

LEASES = "leases"
DRIVERS = f"{LEASES}/drivers"
LOOK_SECONDS = 1.0
"""How old what is known of other drivers may be when it is asked whether a short job is free."""


def _object(key: str) -> str:
    return f"{LEASES}/{checked_key(key)}"


@dataclass(frozen=True)
class _Driver:
    """Another driver, and the short jobs that it has, each since when."""

    holder: Holder
    since: dict[str, float]


class RemoteLeases(Leases):
    """One driver's leases. Threads may share them; what several want to write or to know at once is asked once.

    worth: which keys are long, so that a lease of their own is worth its requests.
    """

    def __init__(self, bucket: Bucket, folder: Path, worth: Callable[[str], bool]) -> None:
        super().__init__(folder)
        self._bucket, self._worth = bucket, worth
        self._own = f"{DRIVERS}/{self.me.number}"
        self._given_back: set[str] = set()
        self._since: dict[str, float] = {}  # short jobs that are listed
        self._taken: set[str] = set()  # those of them that are this driver's
        self._version = self._sent = 0
        self._written = self._looked = -math.inf
        self._others: dict[str, _Driver] = {}
        self._state, self._writing, self._looking = threading.Lock(), threading.Lock(), threading.Lock()

    def take(self, key: str) -> bool:
        return key in self.take_free([key])

    def take_free(self, keys: Iterable[str]) -> set[str]:
        wanted = list(keys)
        with self._state:
            kept = self._given_back.intersection(wanted)
            self._given_back -= kept
            self._held |= kept
            taken = {key for key in wanted if key in self._held or key in self._taken}
        further = [key for key in wanted if key not in taken]
        try:
            taken |= {key for key in further if self._worth(key) and self._take_long(key)}
            return taken | self._take_short([key for key in further if not self._worth(key)])
        except OSError:
            return set(wanted)  # what keeps a lease from being written will be said of the artifact

    def holder(self, key: str) -> Holder | None:
        if self._worth(key):
            return super().holder(key)
        return next((other.holder for other in self._others.values() if key in other.since), None)

    def names(self) -> list[str]:
        self._look(time.monotonic() - LOOK_SECONDS)
        named = (name for name in self._bucket.names_in(LEASES) if name != Path(DRIVERS).name and is_key(name))
        long = [name for name in named if self.is_held(name)]
        return sorted({*long, *(key for other in self._others.values() for key in other.since)})

    def is_held(self, key: str) -> bool:
        return self._bucket.has(_object(key)) and not self._is_abandoned(key)

    def refresh(self) -> None:
        """Also tells the store what was given back."""
        with self._state:
            over, self._given_back = self._given_back, set()
        for key in over:
            self._give_back(key)
        age = time.monotonic() - self._written
        if (self._held or self._since) and age > REFRESH_SECONDS:
            self._note(anew=True)
        elif self._sent < self._version and age > LOOK_SECONDS:
            self._note()

    def release(self, keys: Iterable[str]) -> None:
        """Asks nothing of the store: ``refresh`` and ``close`` do."""
        with self._state:
            over = set(keys)
            self._given_back |= over & self._held
            self._held -= over
            self._drop(over)

    def close(self) -> None:
        self.release(self._held | set(self._since))
        for key in self._given_back:
            self._give_back(key)
        self._given_back.clear()
        if self._sent:
            with contextlib.suppress(OSError):
                self._bucket.remove(self._own)

    def _take_long(self, key: str) -> bool:
        if time.monotonic() - self._written > REFRESH_SECONDS:
            self._write(anew=True)
        name = _object(key)
        taken = self._bucket.write(name, self._content(), replace=False)
        if not taken and (holder := super().holder(key)) != self.me:
            if not self._is_abandoned(key, holder):
                return False
            self._bucket.remove(name)
            if not self._bucket.write(name, self._content(), replace=False):
                return False
        with self._state:
            self._held.add(key)
        return True

    def _take_short(self, keys: list[str]) -> set[str]:
        if not keys:
            return set()
        self._look(time.monotonic() - LOOK_SECONDS)
        with self._state:
            wanted = {key for key in keys if key in self._since or not self._is_listed(key)}
            further = wanted - self._since.keys()
            self._since |= dict.fromkeys(further, time.time())
            self._version += bool(further)
        if not wanted:
            return set()
        self._write()
        self._look(time.monotonic())
        with self._state:
            taken = {key for key in wanted if not self._is_listed(key)}
            self._taken |= taken
            given_way = {key for key in wanted - taken if self._gives_way(key)}
            self._drop(given_way)
        if given_way:
            self._write()
        return taken

    def _is_listed(self, key: str) -> bool:
        return any(key in other.since for other in self._others.values())

    def _gives_way(self, key: str) -> bool:
        mine = self._since[key], self.me.number
        return any((other.since.get(key, math.inf), number) < mine for number, other in self._others.items())

    def _drop(self, keys: set[str]) -> None:
        for key in keys & self._since.keys():
            del self._since[key]
            self._version += 1
        self._taken -= keys

    def _note(self, *, anew: bool = False) -> None:
        with contextlib.suppress(OSError):
            self._write(anew=anew)

    def _write(self, *, anew: bool = False) -> None:
        """This driver's object, unless it, or another thread meanwhile, has written what there is to say.

        anew: also where nothing has changed.
        """
        with self._state:
            self._version += anew
            wanted = self._version
        with self._writing:
            if self._sent >= wanted:
                return
            with self._state:
                version, content = self._version, vars(self.me) | {"since": self._since}
                packed = json.dumps(content).encode()
            self._bucket.write(self._own, packed)
            self._sent, self._written = version, time.monotonic()

    def _look(self, since: float) -> None:
        """What other drivers have, as of a time or later."""
        with self._looking:
            if self._looked >= since:
                return
            began = time.monotonic()
            names = [name for name in self._bucket.names_in(DRIVERS) if name != self.me.number]
            found = {name: self._read_driver(name) for name in names}
            self._others = {name: driver for name, driver in found.items() if driver is not None}
            self._looked = began

    def _read_driver(self, number: str) -> _Driver | None:
        """A driver that is there; the object of one that is not is cleared away."""
        name = f"{DRIVERS}/{number}"
        age = self._bucket.age(name)
        if age is None:
            return None
        try:
            content = parsed(self._bucket.read(name) or b"")
            since = {str(key): float(then) for key, then in content["since"].items()}
            driver = _Driver(read_holder(content), since)
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError):
            driver = None
        if age > EXPIRES_SECONDS or (driver is not None and self._is_gone(driver.holder)):
            with contextlib.suppress(OSError):
                self._bucket.remove(name)
            return None
        return driver

    def _is_abandoned(self, key: str, holder: Holder | None = None) -> bool:
        """Whether the driver that created a lease is there no more, which a fresh lease does not ask."""
        holder = holder or super().holder(key)
        if self._is_gone(holder):
            return True
        self._look(time.monotonic() - LOOK_SECONDS)
        if holder is not None and holder.number in self._others:
            return False
        age = self._bucket.age(_object(key))
        return age is not None and age > EXPIRES_SECONDS

    def _read(self, key: str) -> bytes:
        return self._bucket.read(_object(key)) or b""

    def _give_back(self, key: str) -> None:
        if super().holder(key) == self.me:
            with contextlib.suppress(OSError):
                self._bucket.remove(_object(key))
