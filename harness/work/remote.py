"""A store in an object store or on any file system that fsspec knows, with a cache on each machine.

An artifact is one object ``<uri>/<stage>/<key>.tar`` with its manifest inside: it is there whole or not at all, and the
first writer wins. A machine unpacks what it needs into its cache, where every file is held against the manifest.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from harness import full_disks
from harness.complaints import one_line
from harness.contracts import BadInput
from harness.naming import checked_key, is_key
from harness.spec.schema import Stage
from harness.work.bucket import Bucket, StoreRefused, StoreUnreachable
from harness.work.cache import Cache
from harness.work.leases import Leases
from harness.work.remote_leases import LEASES, RemoteLeases
from harness.work.store import CHECKPOINTS, HISTORY, DamagedArtifact, Store, changed_in, checked_stage, damaged

MARK = "fewcolors-store.json"
UNPACKED = "unpacked"
KEEP_SECONDS = 30.0
"""A training tries to send its checkpoint at most so often."""
WATCH_SECONDS = 10.0
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def open_store(place: str | Path) -> Store:
    """The store at a folder or a URI (``s3://bucket/folder``, ``gs://...``). Raises BadInput for an unknown kind."""
    return RemoteStore(str(place)) if is_uri(str(place)) else Store(Path(place))


def is_uri(place: str) -> bool:
    """Whether it names a store that is not a folder of this machine."""
    return _URI.match(place) is not None


class RemoteStore(Store):
    """Artifacts at a URI. ``root`` is this machine's cache of them; ``path`` brings what is missing there."""

    distant = True

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self._bucket = Bucket(self.uri)
        self._cache = Cache.of(self.uri)
        self._there: set[tuple[Stage, str]] = set()
        self._kept: dict[str, float] = {}
        self._watched: dict[str, float] = {}
        super().__init__(self._cache.folder)

    @property
    def name(self) -> str:
        return self.uri

    def __str__(self) -> str:
        return self.uri

    def is_there(self) -> bool:
        with self._refusal_is_bad_input():
            return self._bucket.has(MARK)

    def create(self) -> None:
        """Writes its mark even where that is there already: who may not write should hear it before anything runs."""
        try:
            super().create()
            with self._refusal_is_bad_input():
                self._bucket.write(MARK, json.dumps({"layout": 1}).encode())
        except OSError as error:
            raise BadInput(f"--store {self.uri}: cannot be written to: {one_line(error)}.") from None

    def has(self, stage: Stage, key: str) -> bool:
        if (stage, key) not in self._there:
            if self._bucket.has(_object(stage, key)):
                self._there.add((stage, key))
            elif super().has(stage, key) and self._is_sound(stage, key):
                self._written(stage, key)  # it was computed here and could not be sent
        return (stage, key) in self._there

    def sizes(self, stage: Stage) -> dict[str, int]:
        with self._refusal_is_bad_input():
            packed = self._bucket.sizes(stage).items()
        found = {name.removesuffix(".tar"): size for name, size in packed if name.endswith(".tar")}
        return {key: size for key, size in found.items() if is_key(key)}

    def verify(self, stage: Stage, key: str) -> bool:
        """Whether the artifact is there. What it holds is verified when it is brought here, and each time after."""
        if super().has(stage, key) and not self._is_sound(stage, key):
            self._cache.drop(self._place(stage, key))
        return self.has(stage, key)

    def there(self, places: Iterable[tuple[Stage, str]]) -> dict[str, bool]:
        wanted = list(places)
        for stage in dict.fromkeys(stage for stage, _ in wanted):
            with self._refusal_is_bad_input():
                names = self._bucket.names_in(stage)
            self._there |= {(stage, name.removesuffix(".tar")) for name in names if name.endswith(".tar")}
        return {key: (stage, key) in self._there for stage, key in wanted}

    def look_up(self, places: Iterable[tuple[Stage, str]]) -> dict[str, bool | DamagedArtifact]:
        """Which artifacts are there, as ``verify`` says it."""
        return dict(self.there(places))

    def path(self, stage: Stage, key: str) -> Path:
        """Raises DamagedArtifact where what is stored is not what was written; it is then removed from the store."""
        folder = self._place(stage, key)
        if super().has(stage, key):
            self._cache.touch(folder)
        elif self.has(stage, key):
            self._fetch(stage, key)
        return folder

    @contextlib.contextmanager
    def borrow(self, stage: Stage, key: str) -> Iterator[Path]:
        """The same, of what lies at the URI, whatever the cache holds; it is gone from this machine afterwards."""
        wrong: list[str] = []
        for _ in range(2):
            with self._cache.room() as room:
                found = self._unpack_in(room, stage, key)
                if found is None:
                    raise damaged(stage, key, ["it is gone"])
                wrong = found
                if not wrong:
                    yield room / UNPACKED
                    return
        raise damaged(stage, key, wrong)

    def let_go(self, stage: Stage, key: str) -> None:
        self._cache.drop(self._place(stage, key))

    def remove(self, stage: Stage, key: str) -> None:
        super().remove(stage, key)
        self._bucket.remove(_object(stage, key))
        self._there.discard((stage, key))

    def is_left(self, stage: Stage, key: str) -> bool:
        return self._bucket.has(_object(stage, key))

    def is_checkpoint_left(self, key: str) -> bool:
        return any(self._bucket.has(f"{CHECKPOINTS}/{checked_key(key)}{ending}") for ending in (".tar", ".json"))

    def forget(self, key: str) -> None:
        super().forget(key)
        shutil.rmtree(self._watched_in(key), ignore_errors=True)
        self._watched.pop(key, None)
        for ending in (".tar", ".json"):
            self._bucket.remove(f"{CHECKPOINTS}/{key}{ending}")
        self._kept.pop(key, None)

    def checkpoint_sizes(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for name, size in self._bucket.sizes(CHECKPOINTS).items():
            key = name.removesuffix(".tar").removesuffix(".json")
            found[key] = found.get(key, 0) + size
        return {key: size for key, size in found.items() if is_key(key)}

    def fetch_checkpoints(self, key: str) -> Path:
        folder = self.checkpoints(key)
        with self._cache.room() as room:
            packed = room / "checkpoints.tar"
            if self._bucket.fetch(f"{CHECKPOINTS}/{key}.tar", packed):
                with contextlib.suppress(tarfile.TarError, OSError):  # a damaged one is made again, as everywhere
                    _unpack(packed, room / UNPACKED)
                    shutil.rmtree(folder, ignore_errors=True)
                    folder.parent.mkdir(parents=True, exist_ok=True)
                    (room / UNPACKED).rename(folder)
        return folder

    def keep_checkpoints(self, key: str) -> None:
        folder = self.checkpoints(key)
        if time.monotonic() - self._kept.get(key, -KEEP_SECONDS) < KEEP_SECONDS or not folder.is_dir():
            return
        with contextlib.suppress(StoreUnreachable):  # one that cannot be sent is left out, a later one is sent
            with self._cache.room() as room:
                _pack(folder, room / "checkpoints.tar")
                self._bucket.send(room / "checkpoints.tar", f"{CHECKPOINTS}/{key}.tar", replace=True)
            for history in folder.glob(HISTORY):
                self._bucket.send(history, f"{CHECKPOINTS}/{key}.json", replace=True)
        self._kept[key] = time.monotonic()

    def watched(self, key: str) -> Path:
        folder = self._watched_in(key)
        if time.monotonic() - self._watched.get(key, -WATCH_SECONDS) >= WATCH_SECONDS:
            self._watched[key] = time.monotonic()
            with contextlib.suppress(OSError):  # it is only looked at
                folder.mkdir(parents=True, exist_ok=True)
                if not self._bucket.fetch(f"{CHECKPOINTS}/{key}.json", folder / HISTORY):
                    (folder / HISTORY).unlink(missing_ok=True)
        return folder

    def _watched_in(self, key: str) -> Path:
        return self.root / "watched" / checked_key(key)

    def read_note(self, name: str) -> bytes | None:
        return self._bucket.read(name)

    def write_note(self, name: str, content: bytes) -> None:
        self._bucket.write(name, content)

    def leases(self, worth: Callable[[str], bool]) -> Leases:
        return RemoteLeases(self._bucket, self.root / LEASES, worth)

    @contextlib.contextmanager
    def _refusal_is_bad_input(self) -> Iterator[None]:
        """For what is asked before anything runs."""
        try:
            yield
        except StoreRefused as error:
            raise BadInput(f"--store {error}.") from None

    def _is_sound(self, stage: Stage, key: str) -> bool:
        try:
            return super().verify(stage, key)
        except DamagedArtifact:
            return False

    def _written(self, stage: Stage, key: str) -> None:
        with self._cache.room() as room:
            packed = room / "artifact.tar"
            _pack(self._place(stage, key), packed)
            if not self._bucket.send(packed, _object(stage, key)):
                self._cache.drop(self._place(stage, key))  # another was first: its artifact is the one that counts
        self._there.add((stage, key))

    def _fetch(self, stage: Stage, key: str) -> None:
        """Brings an artifact into the cache; one that arrives damaged is fetched once more, then removed."""
        place, wrong = self._place(stage, key), list[str]()
        for _ in range(2):
            with self._cache.room() as room:
                found = self._unpack_in(room, stage, key)
                if found is None:
                    self._there.discard((stage, key))
                    return
                wrong = found
                if not wrong:
                    self._cache.accept(room / UNPACKED, place)
                    if super().has(stage, key):
                        self._cache.shrink()
                        return
                    self._cache.drop(place)
        if not wrong:
            raise OSError(f"the artifact {stage}/{key[:12]} could not be moved to its place in {self._cache.folder}")
        self.remove(stage, key)
        raise DamagedArtifact(
            f"{stage}/{key[:12]} was damaged in {self.uri} and is removed there; start again to compute it anew"
        )

    def _unpack_in(self, room: Path, stage: Stage, key: str) -> list[str] | None:
        """Brings an artifact to ``room / UNPACKED``. Gives what of it is not what was written, None where it is gone.

        Raises OSError where this machine cannot hold it, which says nothing of what is stored.
        """
        with full_disks.told(self._cache.folder, f"the artifact {stage}/{key[:12]}", room):
            if not self._bucket.fetch(_object(stage, key), room / "artifact.tar"):
                return None
            try:
                _unpack(room / "artifact.tar", room / UNPACKED)
                wrong = changed_in(room / UNPACKED)
            except (tarfile.TarError, ValueError) as error:
                wrong = [one_line(error)]
            (room / "artifact.tar").unlink()
            return wrong


def _object(stage: Stage, key: str) -> str:
    return f"{checked_stage(stage)}/{checked_key(key)}.tar"


def _pack(folder: Path, packed: Path) -> None:
    """A folder's files in one, the same bytes for the same files."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
        return member

    with tarfile.open(packed, "w") as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, str(path.relative_to(folder)), recursive=False, filter=plain)


def _unpack(packed: Path, folder: Path) -> None:
    """Raises TarError where a member is anything but a file or folder below ``folder``."""

    def plain(member: tarfile.TarInfo, place: str) -> tarfile.TarInfo:
        if not (member.isdir() or member.isreg()) or member.issparse():
            raise tarfile.SpecialFileError(member)
        return tarfile.data_filter(member, place)

    folder.mkdir()
    with tarfile.open(packed, "r:") as tar:
        tar.extractall(folder, filter=plain)
