"""The store: artifacts under the hash of everything that changes them, written completely or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from harness import full_disks
from harness.complaints import printable, shown
from harness.contracts import BadInput
from harness.naming import checked_key, is_key
from harness.spec.schema import STAGES, TRAINED, Stage
from harness.work.leases import Leases
from harness.writing import parsed, write_json, write_whole

MANIFEST, ABOUT, HISTORY, CHECKPOINTS = "manifest.json", "about.json", "history.json", "checkpoints"
_READERS = 8
_ABANDONED_SECONDS = 7 * 24 * 3600


class DamagedArtifact(BadInput):
    """An artifact's files are not what was written."""


class Store:
    """A folder of artifacts, ``<root>/<stage>/<key>/``; several processes and hosts may share it.

    distant: whether what is asked of it may take long, so that nothing that is urgent should wait for the answer.
    """

    distant = False

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def name(self) -> str:
        """Where it is, as ``open_store`` takes it."""
        return str(self.root.resolve())

    def __str__(self) -> str:
        return str(self.root)

    def is_there(self) -> bool:
        """Whether anything was ever stored in it."""
        return self.root.is_dir()

    def create(self) -> None:
        """Makes the folders that are not there yet and removes what crashed writers left. Raises BadInput."""
        try:
            for stage in STAGES:
                (self.root / stage).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"--store {self.root}: cannot be made: {error.strerror}.") from None
        for left in self.root.glob("*/.partial-*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()

    def path(self, stage: Stage, key: str) -> Path:
        """The folder with the artifact's files, on a disk of this machine."""
        return self._place(stage, key)

    def _place(self, stage: Stage, key: str) -> Path:
        return self.root / checked_stage(stage) / checked_key(key)

    def checkpoints(self, key: str) -> Path:
        """Where a training under way keeps what it resumes from; removed when its artifact is written."""
        return self.root / CHECKPOINTS / checked_key(key)

    def checkpoint_sizes(self) -> dict[str, int]:
        """The bytes of each checkpoint, by its training's key."""
        folders = (self.root / CHECKPOINTS).glob("*/")
        return {folder.name: _size_of(folder) for folder in folders if is_key(folder.name)}

    def fetch_checkpoints(self, key: str) -> Path:
        """The same, with what another machine has left there."""
        return self.checkpoints(key)

    def keep_checkpoints(self, key: str) -> None:
        """Called when a training has written them: other machines can go on from there, if they could be sent."""

    def watched(self, key: str) -> Path:
        """Where the history of a training under way on any machine can be read; it may be some seconds old."""
        return self.checkpoints(key)

    def read_note(self, name: str) -> bytes | None:
        """A small file of the store's own; None where there is none. Raises OSError."""
        path = self.root / name
        return path.read_bytes() if path.is_file() else None

    def write_note(self, name: str, content: bytes) -> None:
        """Writes one. Raises OSError."""
        write_whole(self.root / name, content)

    def leases(self, worth: Callable[[str], bool]) -> Leases:  # noqa: ARG002
        """New leases of this process. worth: which keys are of long jobs, where each lease costs time."""
        return Leases(self.root / "leases")

    def has(self, stage: Stage, key: str) -> bool:
        return (self._place(stage, key) / MANIFEST).is_file()

    def there(self, places: Iterable[tuple[Stage, str]]) -> dict[str, bool]:
        """Whether there is such an artifact, by its key: each stage is listed once, and no artifact is looked into."""
        asked = list(places)
        listed = {stage: _names_in(self.root / stage) for stage in {stage for stage, _ in asked}}
        return {key: key in listed[stage] for stage, key in asked}

    def sizes(self, stage: Stage) -> dict[str, int]:
        """The bytes of each artifact of a stage, by its key, also of one that has lost its manifest."""
        return {path.name: _size_of(path) for path in (self.root / stage).glob("*/") if is_key(path.name)}

    def verify(self, stage: Stage, key: str) -> bool:
        """Whether the artifact is there, with every file as it was written. Raises DamagedArtifact where one is not."""
        folder = self._place(stage, key)
        if not folder.is_dir():
            return False
        if wrong := wrong_in(folder):
            raise damaged(stage, key, wrong)
        return True

    @contextlib.contextmanager
    def borrow(self, stage: Stage, key: str) -> Iterator[Path]:
        """The folder with the artifact's files, for as long as it is entered. Raises DamagedArtifact, as ``verify``."""
        if not self.verify(stage, key):
            raise damaged(stage, key, ["it is gone"])
        yield self._place(stage, key)

    def look_up(self, places: Iterable[tuple[Stage, str]]) -> dict[str, bool | DamagedArtifact]:
        """What ``verify`` says of each artifact, by its key; several are read at a time."""

        def look(place: tuple[Stage, str]) -> tuple[str, bool | DamagedArtifact]:
            try:
                return place[1], self.verify(*place)
            except DamagedArtifact as error:
                return place[1], error

        asked = list(places)
        found: dict[str, bool | DamagedArtifact] = {key: False for _, key in asked}
        there = [place for place in asked if self.path(*place).is_dir()]
        with ThreadPoolExecutor(_READERS) as readers:
            return found | dict(readers.map(look, there))

    def read(self, stage: Stage, key: str, name: str) -> bytes:
        """One file of an artifact. Raises DamagedArtifact where it is not as it was written."""
        folder = self.path(stage, key)
        try:
            content, digest = _content_of(folder / name), read_manifest(folder).get(name)
        except (OSError, ValueError) as error:
            raise damaged(stage, key, [_in_words(error)]) from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise damaged(stage, key, [name])
        return content

    def has_whole(self, stage: Stage, key: str) -> bool:
        """Whether the artifact is there and sound; one that is damaged is thrown away."""
        try:
            return self.verify(stage, key)
        except DamagedArtifact:
            self.remove(stage, key)
            return False

    def remove(self, stage: Stage, key: str) -> None:
        """Throws an artifact away."""
        shutil.rmtree(self._place(stage, key), ignore_errors=True)

    def is_left(self, stage: Stage, key: str) -> bool:
        """Whether anything of an artifact lies there, sound or not."""
        return os.path.lexists(self._place(stage, key))

    def is_checkpoint_left(self, key: str) -> bool:
        """The same of a training's checkpoint."""
        return os.path.lexists(self.checkpoints(key))

    def let_go(self, stage: Stage, key: str) -> None:
        """Called for an artifact that this machine will not read soon."""

    def forget(self, key: str) -> None:
        """Throws a training's checkpoint away."""
        shutil.rmtree(self.checkpoints(key), ignore_errors=True)

    @contextlib.contextmanager
    def write(self, stage: Stage, key: str) -> Iterator[Path]:
        """A folder to fill; on leaving it becomes the artifact in one step. The first writer wins."""
        partial = self._place(stage, key).with_name(f".partial-{key[:12]}-{uuid.uuid4().hex}")
        try:
            with full_disks.told(self.root, f"the artifact {stage}/{key[:12]}", partial):
                partial.mkdir(parents=True)
                yield partial
                files = sorted(p for p in partial.rglob("*") if p.is_file())
                manifest = {str(p.relative_to(partial)): digest_of(p) for p in files}
                write_json(partial / MANIFEST, manifest)
            with contextlib.suppress(OSError):
                # Fails where another writer was first; what it wrote is the same.
                partial.rename(self._place(stage, key))
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        if not (self._place(stage, key) / MANIFEST).is_file():
            raise OSError(f"the artifact {stage}/{key[:12]} could not be moved to its place")
        self._written(stage, key)
        if stage in TRAINED:
            self.forget(key)

    def _written(self, stage: Stage, key: str) -> None:
        """Called when an artifact is complete in its place."""


def checked_stage(stage: Stage) -> Stage:
    """The stage. Raises BadInput where there is no such stage."""
    if stage not in STAGES:
        raise BadInput(f"{shown(stage)} is not a stage (known: {', '.join(STAGES)}).")
    return stage


def _names_in(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except FileNotFoundError:
        return frozenset()


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def wrong_in(folder: Path) -> list[str]:
    """The files of an artifact's folder that are not as they were written, or why that cannot be told."""
    try:
        return changed_in(folder)
    except OSError as error:
        return [_in_words(error)]


def changed_in(folder: Path) -> list[str]:
    """The same, but raises OSError where a file that is there cannot be read."""
    try:
        manifest = read_manifest(folder)
        if ABOUT not in manifest:
            return [f"{MANIFEST}: it does not name {ABOUT}"]
        return [name for name, digest in manifest.items() if digest_of(folder / name) != digest]
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError) as error:
        return [_in_words(error)]


def damaged(stage: Stage, key: str, wrong: Sequence[str]) -> DamagedArtifact:
    return DamagedArtifact(f"{stage}/{key[:12]} was damaged ({', '.join(wrong)})")


def _in_words(error: Exception) -> str:
    """What could not be read, without where the store lies."""
    if isinstance(error, OSError):
        return f"{Path(str(error.filename)).name}: {error.strerror}"
    return printable(f"{MANIFEST}: {error}", 200)


def read_manifest(folder: Path) -> dict[str, str]:
    """Each file's digest by its path. Raises OSError, and ValueError where the manifest is damaged."""
    manifest = parsed(_content_of(folder / MANIFEST))
    if not isinstance(manifest, dict):
        raise ValueError("it holds no mapping")
    for name in manifest:
        if "\0" in name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError("it names no file of the artifact")
    return manifest


def digest_of(path: Path) -> str:
    """Of a file's content. Raises OSError, and ValueError for what is no file."""
    _check_is_file(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _content_of(path: Path) -> bytes:
    _check_is_file(path)
    return path.read_bytes()


def _check_is_file(path: Path) -> None:
    """Raises ValueError for a link, a device or a pipe, which may have no end."""
    if not stat.S_ISREG(mode := path.lstat().st_mode) and not stat.S_ISDIR(mode):
        raise ValueError(f"{path.name} is not a file")
