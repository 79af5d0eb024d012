"""Data sets as their authors published them: where their files are looked for, verified and downloaded."""

from __future__ import annotations

import hashlib
import http.client
import os
import posixpath
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.contracts import BadInput, Images, Split

ROOT_VARIABLE = "FEWCOLORS_DATA_ROOT"
DEFAULT_ROOT = "data"


@dataclass(frozen=True)
class Download:
    """A file that the authors offer, by the name it has in ``data_root``. bytes: its size."""

    name: str
    md5: str
    bytes: int
    url: str


@dataclass(frozen=True)
class Expected:
    """What is published, and what must be found in it.

    files: those that are read, relative to ``data_root``, with their published md5 (None: none is published). Those
    that are no download themselves are taken out of the one tar archive among the downloads. classes, train, test:
    how many; side: of the square images, in pixels. name: the plugin's. names: the classes in the order of their
    labels, as folders of images are named after them; digest: of the decoded content (``contents.digest``), None where
    it is not known.
    """

    name: str
    title: str
    home: str
    downloads: tuple[Download, ...]
    files: Mapping[str, str | None]
    classes: int
    train: int
    test: int
    side: int
    names: tuple[str, ...] = ()
    digest: str | None = None


@dataclass(kw_only=True, eq=False)
class PublishedSet:
    """A dataset that is published as files of known content.

    Args:
        download: Missing or damaged files are downloaded when the images are first needed.
        data_root: The folder of the files; null: that of --data-root or the environment variable FEWCOLORS_DATA_ROOT,
            or else ``data`` in the folder in which the program is started.
    """

    download: bool = False
    data_root: str | None = None

    fingerprinted: ClassVar[tuple[str, ...]] = ("download", "data_root")
    expected: ClassVar[Expected]
    batch_size: ClassVar[int] = 128

    def known_sizes(self) -> tuple[int, int]:
        """As published."""
        return self.expected.classes, self.expected.test

    def known_batch_size(self) -> int:
        """As in the paper."""
        return self.batch_size

    @property
    def folder(self) -> Path:
        return Path(self.data_root or os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT).expanduser()


def published(expected: Expected) -> str:
    """Names the published content: the same whether it is extracted, in its archive or still to be downloaded."""
    return "published " + " ".join(f"{name}:{md5}" for name, md5 in sorted(expected.files.items()))


def has_files(expected: Expected, folder: Path) -> bool:
    """Whether any of the files, or of the downloads, is in the folder, whole or not."""
    names = {*expected.files, *(offered.name for offered in expected.downloads)}
    return any((folder / name).exists() for name in names)


def check_files(expected: Expected, folder: Path, download: bool) -> None:
    """BadInput unless all files, or the archive they come in, are in the folder or may be downloaded into it.

    Files are checked against their md5, an archive against its size only.
    """
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"data_root: {folder} is not a folder.")
    if not download and (flaws := _flaws(expected, folder)):
        for _, sentence in _unusable(expected, folder, flaws, thorough=False):
            raise BadInput(sentence)


def fetch(expected: Expected, folder: Path, download: bool) -> None:
    """Leaves every file in the folder as published, out of its archive or downloaded if need be; else BadInput."""
    flaws = _flaws(expected, folder)
    if not flaws:
        return
    for offered, sentence in _unusable(expected, folder, flaws, thorough=True):
        if not download:
            raise BadInput(sentence)
        _get(expected, offered, folder)
    if flaws.keys() - {offered.name for offered in expected.downloads}:
        _extract(expected, folder)
        for name, flaw in _flaws(expected, folder).items():
            raise BadInput(f"{folder / name}, out of {expected.downloads[0].name}, {flaw}.")


def how_to_get(expected: Expected, offered: Download | None = None) -> str:
    """The end of a sentence about a missing or damaged file."""
    return f"get {(offered or expected.downloads[0]).name} from {expected.home}, or set its parameter download: true"


def _unusable(
    expected: Expected, folder: Path, flaws: Mapping[str, str], thorough: bool
) -> Iterator[tuple[Download, str]]:
    """The downloads that are not there as they should be, each with a sentence on what is wrong and how to get it.

    flaws: of the files, as ``_flaws`` finds them. thorough: whether an archive's md5 is computed too.
    """
    file, file_flaw = next(iter(flaws.items()))
    for offered in expected.downloads:
        path, is_read = folder / offered.name, offered.name in expected.files
        if flaw := _flaw(path, offered.md5 if thorough or is_read else None, offered.bytes):
            what = f"{path} {flaw}"
            if not is_read and not path.exists():
                what = f"{folder / file} {file_flaw}, and there is no archive {path}"
            yield offered, f"{what}; {how_to_get(expected, offered)}."


def _flaws(expected: Expected, folder: Path) -> dict[str, str]:
    found = ((name, _flaw(folder / name, md5)) for name, md5 in expected.files.items())
    return {name: flaw for name, flaw in found if flaw}


def _flaw(path: Path, md5: str | None, size: int | None = None) -> str:
    """What is wrong with a file, as the end of a sentence that starts with its path; nothing where all is well."""
    if not path.is_file():
        return "is missing"
    if size is not None and (length := path.stat().st_size) != size:
        return f"is no complete copy: it has {length:,} bytes, {size:,} were expected"
    if md5 is not None and (has := _md5(path)) != md5:
        return f"is damaged or another version: its md5 is {has}, {md5} was expected"
    return ""


def _md5(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _get(expected: Expected, offered: Download, folder: Path) -> None:
    """Downloads one file under a temporary name; torchvision checks it against the md5."""
    from torchvision.datasets.utils import download_url

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as scratch:
            download_url(offered.url, scratch, offered.name, offered.md5)
            os.replace(Path(scratch) / offered.name, folder / offered.name)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise BadInput(
            f"{offered.name} could not be downloaded from {offered.url} ({getattr(error, 'reason', error)}); "
            f"get it from {expected.home} and put it into {folder}."
        ) from None


def _extract(expected: Expected, folder: Path) -> None:
    """Takes the files, and nothing else, out of the archive, each whole or not at all, in one pass."""
    archive, wanted = folder / expected.downloads[0].name, set(expected.files)
    try:
        with tarfile.open(archive) as tar, tempfile.TemporaryDirectory(prefix=".extract-", dir=folder) as scratch:
            for member in tar:
                name = posixpath.normpath(member.name)
                if name not in wanted or (content := tar.extractfile(member)) is None:
                    continue
                with (Path(scratch) / "file").open("wb") as copy:
                    shutil.copyfileobj(content, copy, 1 << 20)
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(copy.name, folder / name)
                wanted.remove(name)
                if not wanted:
                    break
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise BadInput(f"{archive} cannot be extracted into {folder} ({error}).") from None


def splits(
    expected: Expected,
    folder: Path,
    *parts: tuple[Images, NDArray[np.int64]],
    classes: tuple[str, ...],
    names: tuple[Sequence[str], Sequence[str]] = ((), ()),
) -> tuple[Split, Split]:
    """Train and test, each image a group of its own; BadInput where numbers or sizes are not the published ones.

    names: of the training and of the test images, where they have any.
    """
    here = f"{expected.title} in {folder}"
    if len(classes) != expected.classes:
        raise BadInput(f"{here} names {len(classes)} classes, {expected.classes} were expected.")
    for name, (images, labels), count in zip(("train", "test"), parts, (expected.train, expected.test), strict=True):
        if len(images) != count or len(labels) != count:
            found = f"{len(images):,} {name} images and {len(labels):,} labels"
            raise BadInput(f"{here} has {found}, {count:,} were expected; {how_to_get(expected)}.")
        if images.shape[1:3] != (expected.side, expected.side):
            size = "x".join(map(str, images.shape[1:3]))
            raise BadInput(f"{here} has {size} {name} images, {expected.side}x{expected.side} were expected.")
    (train, train_labels), (test, test_labels) = parts
    own = np.arange(len(train) + len(test))
    return (
        Split.of(train, train_labels, own[: len(train)], names[0]),
        Split.of(test, test_labels, own[len(train) :], names[1]),
    )
