"""The files of tiny-imagenet-200, extracted or not: which image belongs where, and their pixels."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.contracts import BadInput, Images
from tasks.entries import FOLDER, IMAGE, inside, sort_of
from tasks.image_files import open_rgb
from tasks.progress import with_progress
from tasks.published import Expected, how_to_get

NAME = "tiny-imagenet-200"
CLASSES, WORDS, ANNOTATIONS = "wnids.txt", "words.txt", "val/val_annotations.txt"
DECODED_TOGETHER = 256


class Tree(Protocol):
    """Files by their published names below ``tiny-imagenet-200``. where: how messages call it; annotated: where in it
    the classes of the validation images are stated."""

    @property
    def where(self) -> str: ...
    @property
    def annotated(self) -> str: ...
    def sizes(self) -> dict[str, int]: ...
    def read(self, name: str) -> bytes: ...


@dataclass(frozen=True)
class Folder:
    """The extracted tree, also with the validation images in a folder for each class, with or without ``images`` in it,
    as scripts leave them, the authors' own code's among them: they are called by their published names."""

    root: Path

    @property
    def where(self) -> str:
        return str(self.root)

    @property
    def annotated(self) -> str:
        return ANNOTATIONS if (self.root / ANNOTATIONS).is_file() or not self._sorted else "val"

    def sizes(self) -> dict[str, int]:
        found: dict[str, int] = {}
        pending = ["train", *({Path(path).parent.as_posix() for path in self._sorted.values()} or {"val"})]
        while pending:
            folder = pending.pop()
            if not (self.root / folder).is_dir():
                continue
            for entry in inside(self.root / folder):
                name, sort = f"{folder}/{entry.name}", sort_of(entry)
                if sort == FOLDER and folder.count("/") < 2:  # train/<class>/images at most: links may lead around
                    pending.append(name)
                elif sort == IMAGE:
                    published = f"val/images/{entry.name}"
                    found[published if self._sorted.get(published) == name else name] = entry.stat().st_size
        return found

    def read(self, name: str) -> bytes:
        if name == ANNOTATIONS and self.annotated != ANNOTATIONS:
            pairs = ((Path(name).name, path.split("/")[1]) for name, path in self._sorted.items())
            return "".join(f"{file}\t{wnid}\n" for file, wnid in pairs).encode()
        return (self.root / self._sorted.get(name, name)).read_bytes()

    @functools.cached_property
    def _sorted(self) -> dict[str, str]:
        """Published name -> path of the validation images, where these are in folders named after classes."""
        if (self.root / "val/images").is_dir():
            return {}
        paths = [path for depth in ("*", "*/images") for path in self.root.glob(f"val/{depth}/*.JPEG")]
        return {f"val/images/{path.name}": path.relative_to(self.root).as_posix() for path in sorted(paths)}


@dataclass(frozen=True)
class Zipped:
    """The archive, open; its files can be read in threads."""

    archive: zipfile.ZipFile

    @property
    def where(self) -> str:
        return f"{self.archive.filename}: {NAME}"

    @property
    def annotated(self) -> str:
        return ANNOTATIONS

    def sizes(self) -> dict[str, int]:
        return {info.filename.removeprefix(f"{NAME}/"): info.file_size for info in self.archive.infolist()}

    def read(self, name: str) -> bytes:
        return self.archive.read(f"{NAME}/{name}")


@dataclass(frozen=True, eq=False)
class Found:
    """The images of both splits by name, in ascending order of label and name, and all image files' sizes in bytes."""

    classes: tuple[str, ...]
    train: list[str]
    train_labels: NDArray[np.int64]
    test: list[str]
    test_labels: NDArray[np.int64]
    sizes: dict[str, int]

    def digest(self) -> str:
        """sha256 over the classes' names and the images' published names, labels and sizes."""
        images = ((self.train, self.train_labels), (self.test, self.test_labels))
        rows = (f"{name}\0{label}\0{self.sizes[name]}" for split in images for name, label in zip(*split, strict=True))
        return hashlib.sha256("\0".join([*self.classes, *rows]).encode()).hexdigest()


def root_in(folder: Path) -> Path | None:
    """The extracted tree in a folder, or the folder itself if it is one, whatever it is called."""
    if (folder / NAME).is_dir():
        return folder / NAME
    return folder if (folder / CLASSES).is_file() and (folder / "train").is_dir() else None


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
        raise _incomplete(tree, tree.annotated, what, expected)
    number = {wnid: label for label, wnid in enumerate(wnids)}
    for file, wnid in annotated.items():
        if f"val/images/{file}" not in sizes:
            raise _incomplete(tree, f"val/images/{file}", "is missing", expected)
        if wnid not in number:
            raise _incomplete(tree, tree.annotated, f"gives {file} the unknown class {wnid!r}", expected)
    words = _pairs(tree, WORDS, expected)
    test = sorted((number[wnid], file) for file, wnid in annotated.items())
    return Found(
        classes=tuple(words.get(wnid, wnid).split(",")[0] for wnid in wnids),
        train=[name for wnid in wnids for name in by_folder[f"train/{wnid}/images"]],
        train_labels=np.repeat(np.arange(len(wnids)), per_class),
        test=[f"val/images/{file}" for _, file in test],
        test_labels=np.array([label for label, _ in test], np.int64),
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

    doing = f"reading the images in {tree.where}, {DECODED_TOGETHER} at a time"
    with_progress(fill, range(0, len(names), DECODED_TOGETHER), doing)
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
