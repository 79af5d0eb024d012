"""A user's own images: folders named after classes, already split or split here."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from harness.contracts import Augmentation, BadInput, DatasetArrays, Split
from harness.encoding import in_threads
from harness.image_files import EXTENSIONS
from harness.registry import dataset
from tasks.image_files import open_rgb, to_square

Files = dict[str, list[Path]]
"""Class name -> its image files, both in ascending order."""


@dataset("image-folder", summary="your own images: root/{train,test}/<class>/* or root/<class>/*")
class ImageFolder:
    """Images in one folder per class, under ``root/train`` and ``root/test``, or in one tree that is split here.

    Files count by their extensions (``harness.image_files.EXTENSIONS``), at any depth below a class folder; hidden
    files do not. Each image is its own group. Normalized with ImageNet's constants.

    Args:
        root: The folder of the images, relative to the folder in which the program is started.
        side: Images become ``side x side``.
        shape: What happens to images that are not square: ``crop`` (shorter side resized, middle kept, as torchvision
            does), ``squash``, or ``pad`` (on white).
        test_fraction: For a tree without train and test folders: the share of each class (at least one image) that
            becomes the test split.
        split_seed: Chooses the images of the test split; the choice depends only on their relative names and this seed.
        flip: Training images are flipped left to right at random.
        crop_padding: Training images are padded with this many black pixels and cropped to their size again; null: an
            eighth of the side (4, 8, 12 at 32, 64, 96).
    """

    root: str
    side: Annotated[int, Field(ge=8, le=1024)] = 64
    shape: Literal["crop", "squash", "pad"] = "crop"
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.25
    split_seed: Annotated[int, Field(ge=0)] = 0
    flip: bool = True
    crop_padding: Annotated[int, Field(ge=0)] | None = None

    fingerprinted: ClassVar[tuple[str, ...]] = ("root",)

    def check(self) -> None:
        """BadInput in one sentence where the folders cannot be used or a file cannot be decoded (all are)."""
        tree = self._tree()
        in_threads(open_rgb, tree.files())

    def fingerprint(self) -> str:
        """sha256 over relative paths and contents of the image files."""
        files = self._tree().files()
        digest = hashlib.sha256()
        for path, content in zip(files, in_threads(_content_digest, files), strict=True):
            digest.update(os.fsencode(path.relative_to(self._folder)) + b"\0" + content)
        return digest.hexdigest()

    def load(self) -> DatasetArrays:
        tree = self._tree()
        train, test = self._split(tree.train, first_group=0), self._split(tree.test, first_group=len(tree.files()))
        padding = self.side // 8 if self.crop_padding is None else self.crop_padding
        return DatasetArrays(train, test, tuple(tree.train), augmentation=Augmentation(self.flip, padding))

    @property
    def _folder(self) -> Path:
        return Path(self.root).expanduser()

    def _tree(self) -> Tree:
        return find_images(self._folder, self.test_fraction, self.split_seed)

    def _split(self, classes: Files, first_group: int) -> Split:
        files = [path for paths in classes.values() for path in paths]
        images = in_threads(lambda path: to_square(open_rgb(path), self.side, self.shape), files)
        labels = np.repeat(np.arange(len(classes)), [len(paths) for paths in classes.values()])
        return Split.of(np.stack(images), labels, first_group + np.arange(len(files)))


@dataclass(frozen=True)
class Tree:
    """The image files of both splits; both have the same classes in the same order."""

    train: Files
    test: Files

    def files(self) -> list[Path]:
        return [path for split in (self.train, self.test) for paths in split.values() for path in paths]


def find_images(root: Path, test_fraction: float, split_seed: int) -> Tree:
    """Finds, splits and checks the folders without opening a file; BadInput says what is wrong."""
    if not root.is_dir():
        raise BadInput(f"root: {root} is {'not a folder' if root.exists() else 'a folder that does not exist'}.")
    halves = root / "train", root / "test"
    if not all(half.is_dir() for half in halves) and not any(_folders(half) for half in halves):
        return _split_tree(root, _classes(root), test_fraction, split_seed)
    for half in halves:
        if not _folders(half):
            raise BadInput(f"root: {half} has no class folders; the layout is train/<class>/* and test/<class>/*.")
    train, test = (_classes(half) for half in halves)
    for here, there, missing in ((*halves, train.keys() - test), (*halves[::-1], test.keys() - train)):
        if missing:
            raise BadInput(f"root: class {min(missing)!r} is in {here}, but not in {there}.")
    return Tree(train, test)


def _split_tree(root: Path, classes: Files, test_fraction: float, split_seed: int) -> Tree:
    tree = Tree({}, {})
    for name, paths in classes.items():
        if len(paths) < 2:
            raise BadInput(f"root: class {name!r} in {root} has one image, a split into train and test needs two.")
        chosen = sorted(paths, key=lambda path: _lot(split_seed, path.relative_to(root)))
        tests = min(max(round(test_fraction * len(paths)), 1), len(paths) - 1)
        tree.test[name], tree.train[name] = sorted(chosen[:tests]), sorted(chosen[tests:])
    return tree


def _classes(root: Path) -> Files:
    """The class folders of one split, at least two, each with images."""
    found = {folder.name: _images(folder) for folder in _folders(root)}
    if not any(found.values()):
        raise BadInput(f"root: {root} holds no images in class folders (looked for {' '.join(EXTENSIONS)}).")
    for name, paths in found.items():
        if not paths:
            raise BadInput(f"root: class folder {root / name} holds no images (looked for {' '.join(EXTENSIONS)}).")
    if len(found) < 2:
        raise BadInput(f"root: {root} has one class only, {next(iter(found))!r}; at least two are needed.")
    return found


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not _hidden(p, root)) if root.is_dir() else []


def _images(folder: Path) -> list[Path]:
    files = (p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS and not _hidden(p, folder))
    return sorted(p for p in files if p.is_file())


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _lot(seed: int, path: Path) -> bytes:
    return hashlib.sha256(f"{seed}\0".encode() + os.fsencode(path)).digest()


def _content_digest(path: Path) -> bytes:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()
