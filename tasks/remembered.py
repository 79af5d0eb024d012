"""Digests of many files that were read before, kept in the user's cache folder: as good as gone, it costs time only."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

State = tuple[object, ...]
"""A file's path and all that changes with its content: size and times."""


def state_of(path: Path) -> State:
    """What tells whether a file has changed since: its size, and when its content and its entry were changed, in ns."""
    found = path.stat()
    return os.fspath(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns


def remembered(about: str, files: Iterable[State], compute: Callable[[], str]) -> str:
    """A digest of files together, computed only if one of them is new or has changed.

    Args:
        about: What is computed, and by which versions of what.
        files: Each file's path and all that changes with its content.
        compute: Reads the files.

    Returns:
        What ``compute`` returns, or has returned for the same files. What is kept carries a hash of its own: damaged,
        it is computed anew.
    """
    state = hashlib.sha256(about.encode())
    for file in files:
        state.update(repr(file).encode(errors="surrogatepass") + b"\n")
    key = state.hexdigest()
    kept = _kept(key)
    if kept is not None:
        return kept
    digest = compute()
    _keep(key, digest)
    return digest


def remember(about: str, text: str) -> None:
    """Keeps a short text about what does not change."""
    _keep(_key(about), text)


def recalled(about: str) -> str | None:
    """What ``remember`` was given; None where it is not kept any more, or never was."""
    return _kept(_key(about))


def remembered_each(
    about: str,
    files: Sequence[State],
    compute: Callable[[Path], str],
    for_each: Callable[[Callable[[str], None], Sequence[str]], None],
) -> list[str]:
    """A digest of each file, computed only for those that are new or have changed.

    Args:
        about: What is computed of which folder, and by which versions of what.
        files: Each file's path and all that changes with its content.
        compute: Reads a file.
        for_each: Calls a function with each of several strings, in whatever order.

    Returns:
        The digests, in the order of the files. Where ``compute`` raises, what was computed before is kept.
    """
    key = _key(about)
    known: dict[str, str] = json.loads(_kept(key) or "{}")
    names = [hashlib.sha256(repr(file).encode(errors="surrogatepass")).hexdigest() for file in files]
    missing = {name: Path(str(file[0])) for name, file in zip(names, files, strict=True) if name not in known}

    def look(name: str) -> None:
        known[name] = compute(missing[name])

    if missing:
        try:
            for_each(look, list(missing))
        finally:
            _keep(key, json.dumps({name: known[name] for name in names if name in known}))
    return [known[name] for name in names]


def _folder() -> Path:
    stated = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(stated) / "fewcolors" / "digests"


def _key(about: str) -> str:
    return hashlib.sha256(about.encode(errors="surrogatepass")).hexdigest()


def _check(key: str, text: str) -> str:
    return hashlib.sha256(f"{key} {text}".encode()).hexdigest()


def _kept(key: str) -> str | None:
    """The text that is kept under a key; None where there is none, or it is damaged."""
    with contextlib.suppress(OSError, ValueError):  # nothing is kept, or it is no text
        check, _, text = (_folder() / key).read_text(encoding="ascii").partition(" ")
        if check == _check(key, text):
            return text
    return None


def _keep(key: str, text: str) -> None:
    path = _folder() / key
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    with contextlib.suppress(OSError):  # no folder to write to: the files are read again next time
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            partial.write_text(f"{_check(key, text)} {text}", encoding="ascii")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
