"""The image files of a user's folder: one folder for each class, already split into train and test or split here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from harness.contracts import BadInput
from harness.image_files import EXTENSIONS
from tasks.entries import FOLDER, IMAGE, LeftOut, inside, sort_of

Files = dict[str, list[Path]]
"""Class name -> its image files, both in ascending order."""
TEST_NAMES = ("test", "val")
"""What the folder of the test images may be called; the first that is there."""
TRAIN_OR_TEST = ("train", *TEST_NAMES)
SPLITS_ELSEWHERE = ("train", "training", "test", "testing", "val", "valid", "validation")
BACK = "links to folders that they are in"
_Place = tuple[int, int]
"""A folder, by its device and inode."""


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
    left_out: LeftOut = field(init=False)
    linked: bool = False

    def __post_init__(self) -> None:
        self.left_out = LeftOut(self.root)

    def folders(self, folder: Path, others: str = "", but: Collection[str] = ()) -> list[Path]:
        """The class folders in a folder; what else is there is left out.

        others: why folders are left out too; none is a class then. but: names of folders that are not looked at here.
        """
        found, around = [], _around(folder)
        for entry in inside(folder):
            sort, path = sort_of(entry), folder / entry.name
            if sort == FOLDER and entry.name in but:
                continue
            if sort == FOLDER and others:
                self.left_out.add(others, path)
            elif sort == FOLDER and entry.is_symlink() and _place(path) in around:
                self.left_out.add(BACK, path)
            elif sort == FOLDER:
                found.append(path)
            else:
                self.left_out.add("images outside class folders" if sort == IMAGE else sort, path)
        return found

    def images(self, folder: Path) -> list[Path]:
        """The images of one class. Links to folders are followed, each folder once, but not to those around it."""
        return sorted(self._below(folder, _around(folder.parent) | _around(folder.resolve().parent), set()))

    def _below(self, folder: Path, around: Set[_Place], seen: set[_Place]) -> Iterator[Path]:
        place = _place(folder)
        self.linked = self.linked or folder.is_symlink()
        if place in seen or place in around:
            self.left_out.add(BACK if place in around else "links to folders that were read already", folder)
            return
        seen.add(place)
        for entry in sorted(inside(folder), key=lambda entry: entry.is_symlink()):
            path, sort = folder / entry.name, sort_of(entry)
            if sort == FOLDER:
                yield from self._below(path, around, seen)
            elif sort == IMAGE:
                self.linked = self.linked or entry.is_symlink()
                yield path
            else:
                self.left_out.add(sort, path)

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
        return (f"{self.root}: {self.left_out.in_words()}.",) if self.left_out.count else ()


def find_images(root: Path, test_fraction: float, split_seed: int) -> Tree:
    """Finds, splits and checks the folders without opening a file; BadInput says what is wrong.

    Args:
        root: The folder; it has ``train`` and ``test`` (or ``val``) with a folder for each class, or these themselves.
        test_fraction: Where there is no train and test: the share of each class that becomes the test split.
        split_seed: Chooses that split.
    """
    if not os.path.isdir(root):
        missing = "a broken link" if os.path.islink(root) else "a folder that does not exist"
        raise BadInput(f"root: {root} is {'not a folder' if os.path.exists(root) else missing}.")
    walk = _Walk(root)
    names = [entry.name for entry in inside(root) if sort_of(entry) == FOLDER]
    train, test = (_half(root, names, *known) for known in (("train",), TEST_NAMES))
    if not (train and test) and not any(_Walk(root).folders(root / half) for half in TRAIN_OR_TEST if half in names):
        classes = _classes(root, walk)
        walk.check_places(classes)
        split = _split_tree(root, classes, test_fraction, split_seed)
        return Tree(split.train, split.test, (*walk.note(), *_doubts(root, classes)))
    halves = root / (train or "train"), root / (test or "test")
    for half in halves:
        if not (os.path.isdir(half) and _Walk(root).folders(half)):
            raise BadInput(f"root: {half} has no class folders; the layout is train/<class>/* and test/<class>/*.")
    unused = [name for name in TEST_NAMES if name in names and name != test]
    return _as_it_is(root, walk, *halves, unused)


def _as_it_is(root: Path, walk: _Walk, train: Path, test: Path, unused: Sequence[str]) -> Tree:
    """The images of a folder that is split already. unused: what else has a name of the test split."""
    walk.folders(root, others="folders beside train and test", but=(train.name, test.name, *unused))
    halves = {half: _classes(half, walk) for half in (train, test)}
    for here, there in ((train, test), (test, train)):
        if missing := halves[here].keys() - halves[there]:
            raise BadInput(f"root: class {min(missing)!r} is in {here}, but not in {there}.")
    notes = list(walk.note())
    if train.name != "train" or test.name not in TEST_NAMES:
        notes.append(f"{root}: {train.name} is taken for the training images, {test.name} for the test images.")
    elif test.name != "test":
        notes.append(f"{root} has no test: {test.name} is the test split.")
    notes += [f"{root / name} is not used: {test.name} is the test split." for name in unused]
    walk.check_places(halves[train], halves[test])
    return Tree(halves[train], halves[test], tuple(notes))


def _half(root: Path, folders: Sequence[str], *names: str) -> str | None:
    """The folder of one split, by the first of its names that is there, in small letters if there is such a one."""
    for name in names:
        alike = [name] if name in folders else [folder for folder in folders if folder.lower() == name]
        if len(alike) > 1:
            raise BadInput(f"root: {root} has {' and '.join(alike)}; rename the one that is meant to {name}.")
        if alike:
            return alike[0]
    return None


def _doubts(root: Path, classes: Files) -> tuple[str, ...]:
    """Says of classes that are called like splits that they are taken for classes."""
    named = [name for name in classes if name.lower() in SPLITS_ELSEWHERE]
    if len(named) < 2:
        return ()
    return (f"{root}: {' and '.join(named)} are taken for classes; splits are called train and test, or val.",)


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
    found = {folder.name: walk.images(folder) for folder in walk.folders(root)}
    if not any(found.values()):
        raise BadInput(f"root: {root} holds no images in class folders (looked for {' '.join(EXTENSIONS)}).")
    for name, paths in found.items():
        if not paths:
            raise BadInput(f"root: class folder {root / name} holds no images (looked for {' '.join(EXTENSIONS)}).")
    if len(found) < 2:
        raise BadInput(f"root: {root} has one class only, {next(iter(found))!r}; at least two are needed.")
    return found


def _place(path: Path) -> _Place:
    found = path.stat()
    return found.st_dev, found.st_ino


def _around(folder: Path) -> frozenset[_Place]:
    """A folder and all that it is in, along links and where these lead."""
    along, real = folder.absolute(), folder.resolve()
    return frozenset(map(_place, (along, *along.parents, real, *real.parents)))


def _lot(seed: int, path: Path) -> bytes:
    return hashlib.sha256(f"{seed}\0".encode() + os.fsencode(path)).digest()
