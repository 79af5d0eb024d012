"""The image files of a user's folder: one folder for each class, already split into train and test or split here."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.contracts import BadInput
from harness.image_files import EXTENSIONS

Files = dict[str, list[Path]]
"""Class name -> its image files, both in ascending order."""
TEST_NAMES = ("test", "val")
"""What the folder of the test images may be called; the first that is there."""


@dataclass(frozen=True)
class Tree:
    """The image files of both splits; both have the same classes in the same order.

    Attributes:
        train: The training images' files.
        test: The test images' files.
        notes: What the user should know: what was left out, what was taken for the test images.
    """

    train: Files
    test: Files
    notes: tuple[str, ...] = ()

    def files(self) -> list[Path]:
        """All files, those of train first."""
        return [path for split in (self.train, self.test) for paths in split.values() for path in paths]


@dataclass
class _Walk:
    """Finds images below folders, and counts what it leaves out. linked: whether a link was followed."""

    root: Path
    left_out: Counter[str] = field(default_factory=Counter)
    linked: bool = False

    def images(self, folder: Path) -> list[Path]:
        """The images of one class. Links to folders are followed, each folder once."""
        return sorted(self._below(folder, set()))

    def _below(self, folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
        """seen: folders by device and inode."""
        found = folder.stat()
        place = found.st_dev, found.st_ino
        self.linked = self.linked or folder.is_symlink()
        if place in seen:
            self.left_out["links to folders that were read already"] += 1
            return
        seen.add(place)
        with os.scandir(folder) as inside:
            for entry in sorted(inside, key=lambda entry: (entry.is_symlink(), entry.name)):
                path = folder / entry.name
                if entry.name.startswith("."):
                    self.left_out["hidden"] += 1
                elif entry.is_dir():
                    yield from self._below(path, seen)
                elif (suffix := path.suffix.lower()) not in EXTENSIONS:
                    self.left_out[f"with the suffix {suffix!r}" if suffix else "without a suffix"] += 1
                elif not entry.is_file():
                    self.left_out["links to nowhere, or no files"] += 1
                else:
                    self.linked = self.linked or entry.is_symlink()
                    yield path

    def check_places(self, *splits: Files) -> None:
        """Raises BadInput where links put one file into two classes, or into train and test."""
        places: dict[Path, tuple[tuple[int, str], Path]] = {}
        for number, classes in enumerate(splits if self.linked else ()):
            for name, paths in classes.items():
                for path in paths:
                    here, first = places.setdefault(path.resolve(), ((number, name), path))
                    if here != (number, name):
                        raise BadInput(
                            f"root: {first} and {path} are one file; an image can be in one class of one split only."
                        )

    def note(self) -> tuple[str, ...]:
        """One sentence, or none where nothing was left out."""
        if not self.left_out:
            return ()
        total = self.left_out.total()
        why = ", ".join(f"{reason} ({count:,})" for reason, count in self.left_out.most_common())
        return (f"{self.root}: {total:,} {'entry is' if total == 1 else 'entries are'} left out: {why}.",)


def find_images(root: Path, test_fraction: float, split_seed: int) -> Tree:
    """Finds, splits and checks the folders without opening a file; BadInput says what is wrong.

    Args:
        root: The folder; it has ``train`` and ``test`` (or ``val``) with a folder for each class, or these themselves.
        test_fraction: Where there is no train and test: the share of each class that becomes the test split.
        split_seed: Chooses that split.
    """
    if not root.is_dir():
        raise BadInput(f"root: {root} is {'not a folder' if root.exists() else 'a folder that does not exist'}.")
    walk = _Walk(root)
    train = root / "train"
    named = [name for name in TEST_NAMES if (root / name).is_dir()]
    test = root / (named or TEST_NAMES)[0]
    if not (train.is_dir() and named) and not any(_folders(half) for half in (train, test)):
        classes = _classes(root, walk)
        walk.check_places(classes)
        split = _split_tree(root, classes, test_fraction, split_seed)
        return Tree(split.train, split.test, walk.note())
    for half in (train, test):
        if not _folders(half):
            raise BadInput(f"root: {half} has no class folders; the layout is train/<class>/* and test/<class>/*.")
    halves = {half: _classes(half, walk) for half in (train, test)}
    for here, there in ((train, test), (test, train)):
        if missing := halves[here].keys() - halves[there]:
            raise BadInput(f"root: class {min(missing)!r} is in {here}, but not in {there}.")
    notes = walk.note()
    if test.name != "test":
        notes += (f"{root} has no test: {test.name} is the test split.",)
    walk.check_places(halves[train], halves[test])
    return Tree(halves[train], halves[test], notes)


def _split_tree(root: Path, classes: Files, test_fraction: float, split_seed: int) -> Tree:
    tree = Tree({}, {})
    for name, paths in classes.items():
        if len(paths) < 2:
            raise BadInput(f"root: class {name!r} in {root} has one image, a split into train and test needs two.")
        chosen = sorted(paths, key=lambda path: _lot(split_seed, path.relative_to(root)))
        tests = min(max(round(test_fraction * len(paths)), 1), len(paths) - 1)
        tree.test[name], tree.train[name] = sorted(chosen[:tests]), sorted(chosen[tests:])
    return tree


def _classes(root: Path, walk: _Walk) -> Files:
    """The class folders of one split, at least two, each with images."""
    found = {folder.name: walk.images(folder) for folder in _folders(root)}
    if not any(found.values()):
        raise BadInput(f"root: {root} holds no images in class folders (looked for {' '.join(EXTENSIONS)}).")
    for name, paths in found.items():
        if not paths:
            raise BadInput(f"root: class folder {root / name} holds no images (looked for {' '.join(EXTENSIONS)}).")
    if len(found) < 2:
        raise BadInput(f"root: {root} has one class only, {next(iter(found))!r}; at least two are needed.")
    return found


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")) if root.is_dir() else []


def _lot(seed: int, path: Path) -> bytes:
    return hashlib.sha256(f"{seed}\0".encode() + os.fsencode(path)).digest()
