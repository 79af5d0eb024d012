"""The files of tiny-imagenet-200, extracted or not: which image belongs where, and their pixels."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.contracts import BadInput, Images
from harness.encoding import in_threads
from tasks.image_files import open_rgb
from tasks.published import Expected, how_to_get

NAME = "tiny-imagenet-200"
CLASSES, WORDS, ANNOTATIONS = "wnids.txt", "words.txt", "val/val_annotations.txt"
DECODED_TOGETHER = 256


class Tree(Protocol):
    """Files by their names below ``tiny-imagenet-200``. where: how messages call it."""

    @property
    def where(self) -> str: ...
    def sizes(self) -> dict[str, int]: ...
    def read(self, name: str) -> bytes: ...


@dataclass(frozen=True)
class Folder:
    """The extracted tree."""

    root: Path

    @property
    def where(self) -> str:
        return str(self.root)

    def sizes(self) -> dict[str, int]:
        found: dict[str, int] = {}
        pending = ["train", "val"]
        while pending:
            folder = pending.pop()
            if not (self.root / folder).is_dir():
                continue
            for entry in os.scandir(self.root / folder):
                name = f"{folder}/{entry.name}"
                if entry.is_dir():
                    pending.append(name)
                else:
                    found[name] = entry.stat().st_size
        return found

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()


@dataclass(frozen=True)
class Zipped:
    """The archive, open; its files can be read in threads."""

    archive: zipfile.ZipFile

    @property
    def where(self) -> str:
        return f"{self.archive.filename}: {NAME}"

    def sizes(self) -> dict[str, int]:
        return {info.filename.removeprefix(f"{NAME}/"): info.file_size for info in self.archive.infolist()}

    def read(self, name: str) -> bytes:
        return self.archive.read(f"{NAME}/{name}")


@dataclass(frozen=True, eq=False)
class Found:
    """The images of both splits by name, with their labels, and the sizes of all files in bytes."""

    classes: tuple[str, ...]
    train: list[str]
    train_labels: NDArray[np.int64]
    test: list[str]
    test_labels: NDArray[np.int64]
    sizes: dict[str, int]

    def digest(self, tree: Tree) -> str:
        """sha256 over the images' names and sizes and the contents of the lists."""
        listing = "".join(f"{name}\0{self.sizes[name]}\0" for name in (*self.train, *self.test))
        texts = (tree.read(name) for name in (CLASSES, WORDS, ANNOTATIONS))
        return hashlib.sha256(b"\0".join([listing.encode(), *texts])).hexdigest()


def list_images(tree: Tree, expected: Expected) -> Found:
    """Finds every image and its label without decoding any; BadInput names what is missing or too much."""
    sizes, per_class = tree.sizes(), expected.train // expected.classes
    wnids = sorted({*_text(tree, CLASSES, expected).split()})
    if len(wnids) != expected.classes:
        raise _incomplete(tree, CLASSES, f"names {len(wnids)} classes, {expected.classes} were expected", expected)
    by_folder = defaultdict(list)
    for name in sorted(sizes):
        folder, _, file = name.rpartition("/")
        if file.endswith(".JPEG"):
            by_folder[folder].append(name)
    for wnid in wnids:
        if (count := len(by_folder[f"train/{wnid}/images"])) != per_class:
            what = f"holds {count:,} images, {per_class:,} were expected"
            raise _incomplete(tree, f"train/{wnid}/images", what, expected)
    annotated = _pairs(tree, ANNOTATIONS, expected)
    if len(annotated) != expected.test:
        what = f"lists {len(annotated):,} images, {expected.test:,} were expected"
        raise _incomplete(tree, ANNOTATIONS, what, expected)
    number = {wnid: label for label, wnid in enumerate(wnids)}
    for file, wnid in annotated.items():
        if f"val/images/{file}" not in sizes:
            raise _incomplete(tree, f"val/images/{file}", "is missing", expected)
        if wnid not in number:
            raise _incomplete(tree, ANNOTATIONS, f"gives {file} the unknown class {wnid!r}", expected)
    words = _pairs(tree, WORDS, expected)
    return Found(
        classes=tuple(words.get(wnid, wnid).split(",")[0] for wnid in wnids),
        train=[name for wnid in wnids for name in by_folder[f"train/{wnid}/images"]],
        train_labels=np.repeat(np.arange(len(wnids)), per_class),
        test=[f"val/images/{file}" for file in annotated],
        test_labels=np.array([number[wnid] for wnid in annotated.values()]),
        sizes=sizes,
    )


def decode(tree: Tree, names: list[str], expected: Expected) -> Images:
    """``uint8 [N, side, side, 3]``, decoded in threads; BadInput names the first file that is damaged."""
    side = expected.side
    images = np.empty((len(names), side, side, 3), np.uint8)

    def fill(start: int) -> None:
        for row in range(start, min(start + DECODED_TOGETHER, len(names))):
            name = names[row]
            try:
                image = open_rgb(io.BytesIO(tree.read(name)), f"{tree.where}/{name}")
            except BadInput as error:
                raise BadInput(f"{str(error).removesuffix('.')}; {how_to_get(expected)}.") from None
            if image.size != (side, side):
                what = f"is {image.width}x{image.height}, {side}x{side} was expected"
                raise _incomplete(tree, name, what, expected)
            images[row] = np.asarray(image)

    in_threads(fill, range(0, len(names), DECODED_TOGETHER))
    return images


def _pairs(tree: Tree, name: str, expected: Expected) -> dict[str, str]:
    """The first two columns of a list with tabs between them."""
    rows = (line.split("\t") for line in _text(tree, name, expected).splitlines())
    return {row[0]: row[1] for row in rows if len(row) > 1}


def _text(tree: Tree, name: str, expected: Expected) -> str:
    try:
        return tree.read(name).decode(errors="replace")
    except (KeyError, FileNotFoundError):
        raise _incomplete(tree, name, "is missing", expected) from None


def _incomplete(tree: Tree, name: str, what: str, expected: Expected) -> BadInput:
    return BadInput(f"{tree.where}/{name} {what}; {how_to_get(expected)}.")
