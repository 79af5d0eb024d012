"""Digests of many files that were read before, kept in the user's cache folder: as good as gone, it costs time only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path


def remembered(about: str, files: Iterable[tuple[object, ...]], compute: Callable[[], str]) -> str:
    """A digest of files, computed only if one of them is new or has changed.

    Args:
        about: What is computed, and by which versions of what.
        files: Each file's path and all that changes with its content: size and times.
        compute: Reads the files.

    Returns:
        What ``compute`` returns, or has returned for the same files. What is kept carries a hash of its own: damaged,
        it is computed anew.
    """
    state = hashlib.sha256(about.encode())
    for file in files:
        state.update(repr(file).encode(errors="surrogatepass") + b"\n")
    key = state.hexdigest()
    path = _folder() / key
    with contextlib.suppress(OSError, ValueError):  # nothing is kept, or it is no text
        digest, _, check = path.read_text(encoding="ascii").partition(" ")
        if check == _check(key, digest):
            return digest
    digest = compute()
    with contextlib.suppress(OSError):  # no folder to write to: the files are read again next time
        _keep(path, f"{digest} {_check(key, digest)}")
    return digest


def _folder() -> Path:
    stated = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(stated) / "fewcolors" / "digests"


def _check(key: str, digest: str) -> str:
    return hashlib.sha256(f"{key} {digest}".encode()).hexdigest()


def _keep(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        partial.write_text(text, encoding="ascii")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
