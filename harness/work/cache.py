"""Artifacts of a distant store on this machine's disk: bounded, what was used longest ago goes first."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness.contracts import BadInput
from harness.spec.schema import STAGES

FOLDER, LIMIT = "FEWCOLORS_CACHE", "FEWCOLORS_CACHE_GB"
"""Environment variables: where caches are, and how large each may grow."""
_LIMIT_GB = 50.0
_IN_USE_SECONDS = 3600.0
"""What was used within this time stays: a job may be about to read it."""
_LEFT_SECONDS = {
    ".room-*": 24 * 3600.0,
    "checkpoints/*": 24 * 3600.0,
    "watched/*": 24 * 3600.0,
    "*/.partial-*": 7 * 24 * 3600.0,
}
"""What processes leave that are killed, and for how long nothing of it has changed when it goes. A job may keep what it
is writing for days."""


def caches() -> Path:
    """The folder of all caches of this user."""
    return Path(os.environ.get(FOLDER) or Path.home() / ".cache" / "fewcolors")


class Cache:
    """One store's cache.

    Args:
        folder: Where it is.
        limit: Bytes that it may take; more where all artifacts were used within the last hour.
    """

    def __init__(self, folder: Path, limit: float) -> None:
        self.folder, self.limit = folder, limit

    @classmethod
    def of(cls, uri: str) -> Cache:
        """The cache of the store at ``uri``. Raises BadInput where the environment's limit is no number."""
        given = os.environ.get(LIMIT, str(_LIMIT_GB))
        try:
            limit = float(given)
        except ValueError:
            raise BadInput(f"{LIMIT} should be a number of gigabytes, got {given!r}.") from None
        return cls(caches() / hashlib.sha256(uri.encode()).hexdigest()[:16], limit * 1e9)

    @contextlib.contextmanager
    def room(self) -> Iterator[Path]:
        """A folder on the same disk to work in, gone afterwards."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".room-", ignore_cleanup_errors=True) as room:
            yield Path(room)

    def accept(self, folder: Path, place: Path) -> None:
        """Moves what was brought here to its place; another process may have done so first."""
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(place)
        except OSError:
            if not place.is_dir():
                raise
        self.touch(place)

    def touch(self, place: Path) -> None:
        """Notes that an artifact is used."""
        with contextlib.suppress(OSError):
            os.utime(place)

    def drop(self, place: Path) -> None:
        shutil.rmtree(place, ignore_errors=True)

    def shrink(self) -> None:
        """Drops what killed processes left, then what was used longest ago until the rest fits.

        Files that a process has open stay readable for it.
        """
        found = []
        for place in (place for stage in STAGES for place in self.folder.glob(f"{stage}/[!.]*")):
            with contextlib.suppress(OSError):
                found.append((place.stat().st_mtime, _size_and_change(place)[0], place))
        total = sum(size for _, size, _ in found) + self._drop_left()
        for used, size, place in sorted(found):
            if total <= self.limit or time.time() - used < _IN_USE_SECONDS:
                return
            self.drop(place)
            total -= size

    def _drop_left(self) -> int:
        """Drops what was left long ago; gives the bytes of what may still be at work."""
        total = 0
        for pattern, seconds in _LEFT_SECONDS.items():
            for place in self.folder.glob(pattern):
                with contextlib.suppress(OSError):
                    size, changed = _size_and_change(place)
                    if time.time() - changed > seconds:
                        self.drop(place)
                    else:
                        total += size
        return total


def _size_and_change(folder: Path) -> tuple[int, float]:
    """Its bytes, and when it, or anything in it, last changed."""
    about = [path.stat() for path in (folder, *folder.rglob("*"))]
    return sum(each.st_size for each in about if stat.S_ISREG(each.st_mode)), max(each.st_mtime for each in about)
