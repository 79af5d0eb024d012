"""In which form a published set is there: as its authors' files, or as class folders, and whether these hold it."""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import PIL

from harness.contracts import BadInput
from tasks.class_folders import ClassFolders, class_folders_at, decode, list_images
from tasks.contents import Part, digest, entry
from tasks.places import nearest
from tasks.progress import told
from tasks.published import Expected, has_files, published
from tasks.remembered import recalled, remember, remembered


@dataclass(frozen=True)
class Found:
    """folder: of the authors' files, there or to be downloaded; images: those in class folders, if these are read.

    notes: sentences for the user on where and how the set was found.
    """

    folder: Path
    images: ClassFolders | None = None
    notes: tuple[str, ...] = ()


def find(expected: Expected, stated: Path, download: bool) -> Found:
    """Looks in the stated folder, above and in it; the authors' files are preferred in a folder that has both.

    download: class folders that are not complete, and what is not in the stated folder itself, don't count then.

    Raises:
        BadInput: Class folders are not complete, or the set is in several places.
    """

    def holds(root: Path) -> bool:
        return has_files(expected, root) or class_folders_at(root, expected) is not None

    folder, note = (stated, "") if download else nearest(stated, holds, expected.title)
    notes: tuple[str, ...] = (note,) if note else ()
    root = None if has_files(expected, folder) else class_folders_at(folder, expected)
    if root is None:
        return Found(folder, notes=notes)
    try:
        images = list_images(root, expected)
    except BadInput:
        if download:
            return Found(folder)
        raise
    if images.test_name != "test":
        notes += (
            f"{expected.title}: {root} has {images.test_name} and no test: {images.test_name} is the test split.",
        )
    elif (root / "val").is_dir():
        notes += (f"{expected.title}: {root / 'val'} is not used: test is the test split.",)
    return Found(folder, images, notes)


def digest_of(images: ClassFolders, expected: Expected) -> str:
    """The digest of all pixels and labels, remembered for as long as no file changes; BadInput names a damaged file."""
    splits = images.train, images.test

    def compute() -> str:
        count = len(images.train) + len(images.test)
        sentence = f"reading the {count:,} images in {images.folder}, once, to tell whether they are {expected.title}'s"
        print(f"fewcolors: {sentence} ...", file=sys.stderr, flush=True)
        done = told(itertools.chain(*splits), count, f"reading the images in {images.folder}")
        entries = [entry(decode(file, expected), file.label) for file in done]
        return digest(entries[: len(images.train)], entries[len(images.train) :])

    about = f"pixels and labels of {expected.name}, 2, Pillow {PIL.__version__}"
    return remembered(about, (file for files in splits for file in files), compute)


def known_digest(expected: Expected) -> str | None:
    """The digest of the published content: as listed, or as the authors' files had it when they were read here."""
    return expected.digest or recalled(_content_of(expected))


def learn_digest(expected: Expected, *parts: Part) -> None:
    """Keeps the digest of what was read from the authors' files, if it is listed nowhere; parts: train and test."""
    if expected.digest is None:
        entries = [[entry(*each) for each in zip(*part, strict=True)] for part in parts]
        remember(_content_of(expected), digest(*entries))


def doubt(images: ClassFolders, expected: Expected, found: str) -> str:
    """Says, without a full stop, that class folders with this digest do not, or may not, hold the published set."""
    known = known_digest(expected)
    if known is None:
        return (
            f"images in {images.folder} could not be compared with {expected.title}'s (digest {found[:16]}), whose "
            "digest is known only once the authors' files were read on this machine"
        )
    return (
        f"images in {images.folder} are not those of {expected.title} (their digest is {found[:16]}, "
        f"{known[:16]} was expected): results are not comparable with the paper's"
    )


def _content_of(expected: Expected) -> str:
    return f"content of {expected.name}, {published(expected)}"
