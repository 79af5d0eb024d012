"""A full disk in a sentence: which one, how much was wanted of it, and what to do."""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SAYS_SO = re.compile(r"No space left|Disk quota exceeded|os error (28|122)\b|\d+ requested and \d+ written")
"""What safetensors and numpy say, whose errors have no number."""
_NOTHING_BYTES = 1 << 16
"""Less is free on a disk that is full: what is written in blocks may leave that much."""


class FullDisk(OSError):
    """A file could not be written, as a disk is full, or the user's share of it."""


def is_full(error: BaseException) -> bool:
    """Whether it says that a disk is full."""
    if isinstance(error, FullDisk) or (isinstance(error, OSError) and error.errno in _FULL):
        return True
    return getattr(error, "errno", None) is None and _SAYS_SO.search(str(error)) is not None


def _comes_of_it(error: Exception, folder: Path) -> bool:
    """Whether it came while the disk was full, without a number or a word of it, as torch's writer fails."""
    if not isinstance(error, RuntimeError | OSError) or getattr(error, "errno", None) is not None:
        return False
    return shutil.disk_usage(_there(folder)).free < _NOTHING_BYTES


def in_words(folder: Path, what: str, least: int = 0) -> str:
    """Which disk is full, and what to do.

    Args:
        folder: Where something was to be written; it need not be there.
        what: Was to be written.
        least: More bytes than these it needs; 0 where that is not known.
    """
    disk = shutil.disk_usage(_there(folder))
    wanted = f"{what} needs more than {size_in_words(least)} there" if least else f"{what} cannot be written"
    room = f"{size_in_words(disk.free)} of {size_in_words(disk.total)} are free"
    return (
        f"the disk of {folder} is full ({room}): {wanted}. Make room or "
        "give another folder, and start again: what is finished is kept"
    )


def _there(folder: Path) -> Path:
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())


@contextlib.contextmanager
def told(folder: Path, what: str, partial: Path) -> Iterator[None]:
    """Raises FullDisk for an error that says so, or comes of it. partial: what is being written, a folder."""
    try:
        yield
    except Exception as error:
        if isinstance(error, FullDisk) or not (is_full(error) or _comes_of_it(error, folder)):
            raise
        least = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        if getattr(error, "errno", None) != errno.EDQUOT:  # of a user's share, what is free of the disk says nothing
            least += shutil.disk_usage(_there(folder)).free
        raise FullDisk(in_words(folder, what, least)) from error


def size_in_words(number: int) -> str:
    """Bytes as ``1.23 GB``."""
    for unit, bytes_of_one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= bytes_of_one:
            return f"{number / bytes_of_one:.3g} {unit}"
    return f"{number} bytes"
