"""Folders of runs at a URI: a driver works on this machine's disk, and what changes is sent after it.

What a folder of a run or a search holds is small, and only its driver writes there: workers need the store alone. So it
is brought here once, worked in as any other, and copied back every few seconds and at the end. A driver that is lost
loses those seconds: trainings and results are in the store.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from harness.complaints import one_line
from harness.contracts import BadInput
from harness.work.bucket import Bucket, StoreUnreachable
from harness.work.cache import caches
from harness.work.remote import is_uri

MARKS = ("driver.json", "search.yaml", "plan.json")
"""A folder of a run or a search has one of these from the beginning."""
SEND_SECONDS = 10.0
_PROBE = "writable"


@contextlib.contextmanager
def working_folder(
    place: str | Path,
    store: str = "",
    check: Callable[[Path], None] = lambda _folder: None,
    leave: Sequence[str] = (),
) -> Iterator[Path]:
    """A run's folder to work in; of one at a URI, this machine's copy.

    Args:
        place: A folder or a URI.
        store: The name of the run's store, in which the folder may not lie, nor the other way round.
        check: Is given the folder, or the copy of one at a URI, before it is worked in; it may raise BadInput.
        leave: Names of folders within it that stay on this machine.

    Raises:
        BadInput: The URI cannot be read or written, holds something else, or another process of this machine works in
            it. What else is raised meanwhile is passed on, and says the URI in place of the copy.
        StoreUnreachable: What was written last could not be sent; it is kept beside the copy. Where something else was
            raised, this is a warning.
    """
    if not is_uri(str(place)):
        check(Path(place))
        yield Path(place)
        return
    uri = str(place).rstrip("/")
    here = _copy_of(uri)
    if _lies_in(uri, store) or _lies_in(store, uri):
        raise BadInput(f"--out {uri}: one of it and the store, {store}, lies in the other; choose another --out.")
    here.parent.mkdir(parents=True, exist_ok=True)
    with here.parent.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadInput(f"--out {uri}: another process of this machine works in it; choose another --out.") from None
        bucket = Bucket(uri, "--out")
        try:
            if not any(map(bucket.has, MARKS)) and set(bucket.names_in("")) - {"", _PROBE}:
                raise BadInput(f"--out {uri}: holds something, but neither a run nor a search; choose another --out.")
            bucket.write(_PROBE, b"")
            bucket.remove(_PROBE)
            shutil.rmtree(here, ignore_errors=True)
            _bring(bucket, here)
        except OSError as error:
            raise BadInput(f"--out {uri}: cannot be used: {one_line(error)}.") from None
        with _called(uri, here):
            check(here)
            with _Sender(bucket, here, leave):
                yield here


@contextlib.contextmanager
def read_folder(place: str, names: Collection[str], *, below: bool = False) -> Iterator[Path]:
    """A run's folder to read; of one at a URI, a copy of the files with these names, for as long as it is entered.

    below: also of those in folders within it.

    Raises BadInput where it cannot be read. What else is raised meanwhile is passed on, as of ``working_folder``.
    """
    if not is_uri(place):
        yield Path(place)
        return
    uri = place.rstrip("/")
    with tempfile.TemporaryDirectory(prefix="fewcolors-") as room:
        here = Path(room)
        try:
            bucket = Bucket(uri, "the run")
            wanted = [name for name in bucket.names_below() if name.rpartition("/")[2] in names] if below else names
            _fetch(bucket, wanted, here)
        except OSError as error:
            raise BadInput(f"{uri}: cannot be read: {one_line(error)}.") from None
        with _called(uri, here):
            yield here


@contextlib.contextmanager
def _called(uri: str, here: Path) -> Iterator[None]:
    """A BadInput says the URI in place of the copy."""
    try:
        yield
    except BadInput as error:
        raise BadInput(str(error).replace(str(here), uri)) from None


def _copy_of(uri: str) -> Path:
    name = uri.rpartition("/")[2]
    if name in (".", "..") or not is_uri(uri):
        raise BadInput(f"--out {uri}: does not end in the name of a folder.")
    return caches() / "runs" / hashlib.sha256(uri.encode()).hexdigest()[:16] / name


def _lies_in(inner: str, outer: str) -> bool:
    return f"{inner}/".startswith(f"{outer.rstrip('/')}/") if outer else False


def _bring(bucket: Bucket, folder: Path) -> None:
    folder.mkdir(parents=True)
    _fetch(bucket, bucket.names_below(), folder)


def _fetch(bucket: Bucket, names: Iterable[str], folder: Path) -> None:
    for name in names:
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        bucket.fetch(name, path)


class _Sender:
    """While it is entered, a thread sends what has changed in a folder; on leaving, all of it is there."""

    def __init__(self, bucket: Bucket, folder: Path, leave: Sequence[str]) -> None:
        self._bucket, self._folder, self._leave = bucket, folder, set(leave)
        self._sent = self._look()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send_on, name="sender", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        try:
            self._thread.join()
            self._send()
        except (OSError, KeyboardInterrupt) as error:
            kept = self._put_aside()
            if isinstance(error, KeyboardInterrupt):
                raise
            sentence = f"{one_line(error)}; what could not be sent is on this machine, {kept}"
            if kind is None:
                raise StoreUnreachable(sentence) from None
            warnings.warn(sentence, stacklevel=2)  # why it ended is passed on

    def _put_aside(self) -> Path:
        """The copy under another name: the next start makes a new one."""
        kept = self._folder.with_name(f"{self._folder.name}-unsent-{time.strftime('%Y%m%d-%H%M%S')}")
        return self._folder.rename(kept)

    def _send_on(self) -> None:
        while not self._over.wait(SEND_SECONDS):
            with contextlib.suppress(OSError):  # sent the next time
                self._send()

    def _look(self) -> dict[str, tuple[int, int]]:
        """The files by name, with what tells whether they changed."""
        found = {}
        for path in self._folder.rglob("[!.]*"):
            parts = path.relative_to(self._folder).parts
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and not self._leave.intersection(parts):
                    seen = path.stat()
                    found["/".join(parts)] = (seen.st_mtime_ns, seen.st_size)
        return found

    def _send(self) -> None:
        there = self._look()
        changed = [name for name, seen in there.items() if self._sent.get(name) != seen]
        for name in sorted(changed, key=lambda name: name not in MARKS):
            with contextlib.suppress(FileNotFoundError):
                self._bucket.send(self._folder / name, name, replace=True)
                self._sent[name] = there[name]
        for name in [name for name in self._sent if name not in there]:
            self._bucket.remove(name)
            del self._sent[name]
