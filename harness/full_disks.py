"""A full disk in a sentence: which one, how much was wanted of it, and what to do."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)


class FullDisk(OSError):
    """A file could not be written, as a disk is full, or the user's share of it."""


def is_full(error: OSError) -> bool:
    """Whether it says that a disk is full."""
    return isinstance(error, FullDisk) or error.errno in _FULL


def in_words(folder: Path, what: str, written: int = 0) -> str:
    """Which disk is full, and what to do.

    Args:
        folder: Where something was to be written; it need not be there.
        what: Was to be written.
        written: Bytes that it had on the disk when there was no more room.
    """
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    disk = shutil.disk_usage(there)
    wanted = f"{what} needs more than {size_in_words(written)} there" if written else f"{what} cannot be written"
    room = f"{size_in_words(disk.free)} of {size_in_words(disk.total)} are free"
    return (
        f"the disk of {folder} is full ({room}): {wanted}. Make room or "
        "give another folder, and start again: what is finished is kept"
    )


@contextlib.contextmanager
def told(folder: Path, what: str, partial: Path) -> Iterator[None]:
    """Raises FullDisk for an OSError that says so. partial: what is being written, a folder."""
    try:
        yield
    except OSError as error:
        if not is_full(error) or isinstance(error, FullDisk):
            raise
        written = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        raise FullDisk(in_words(folder, what, written)) from error


def size_in_words(number: int) -> str:
    """Bytes as ``1.23 GB``."""
    for unit, bytes_of_one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= bytes_of_one:
            return f"{number / bytes_of_one:.3g} {unit}"
    return f"{number} bytes"
