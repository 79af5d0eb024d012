"""A published set as folders of images named after its classes, ``{train,test}/<class>/*``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.contracts import BadInput
from harness.image_files import read_image
from tasks.contents import Part
from tasks.entries import FOLDER, IMAGE, LeftOut, inside, sort_of
from tasks.progress import told
from tasks.published import Expected, how_to_get


class ImageFile(NamedTuple):
    """One image. size: in bytes; changed: when its content and its entry in the file system last changed, in ns."""

    path: str
    label: int
    size: int
    changed: tuple[int, int]


@dataclass(frozen=True)
class ClassFolders:
    """The image files of both splits. test_name: the folder of the test images, ``test`` or ``val``."""

    folder: Path
    test_name: str
    train: tuple[ImageFile, ...]
    test: tuple[ImageFile, ...]


def class_folders_at(root: Path, expected: Expected) -> Path | None:
    """Where class folders of this set are: in ``root/<name>``, or in ``root`` itself if its classes are the set's."""
    if (root / expected.name / "train").is_dir():
        return root / expected.name
    if (root / "train").is_dir() and {name for name, _ in _classes(root / "train")} == set(expected.names):
        return root
    return None


def list_images(folder: Path, expected: Expected) -> ClassFolders:
    """Finds every image and its label without opening any; BadInput where classes or numbers are not the published."""
    test_name = "test" if (folder / "test").is_dir() else "val"
    if not (folder / test_name).is_dir():
        raise BadInput(f"{folder} has train, but neither test nor val; {_form(expected)}.")
    train = _split(folder / "train", expected, expected.train)
    return ClassFolders(folder, test_name, train, _split(folder / test_name, expected, expected.test))


def decode(file: ImageFile, expected: Expected) -> NDArray[np.uint8]:
    """The pixels as ``read_image`` gives them, ``uint8 [side, side, 3]``; BadInput where that cannot be.

    They are not resized: what differs from the published pixels shows in the set's digest.
    """
    try:
        with open(file.path, "rb", buffering=0) as opened:
            pixels = read_image(opened, file.path).pixels
    except OSError as error:
        raise BadInput(f"{file.path} cannot be read ({error.strerror}); {how_to_get(expected)}.") from None
    except BadInput as error:
        raise BadInput(f"{str(error).removesuffix('.')}; {how_to_get(expected)}.") from None
    if pixels.shape[:2] != (expected.side, expected.side):
        height, width = pixels.shape[:2]
        wanted = f"{expected.side}x{expected.side} was expected"
        raise BadInput(f"{file.path} is {width}x{height}, {wanted}; {how_to_get(expected)}.")
    return pixels


def decode_all(files: tuple[ImageFile, ...], expected: Expected) -> Part:
    """One split. Without threads: they gain nothing, Pillow spends its time on opening such small files."""
    images = np.empty((len(files), expected.side, expected.side, 3), np.uint8)
    doing = f"reading the images of {expected.title}"
    for row, file in enumerate(told(files, len(files), doing)):
        images[row] = decode(file, expected)
    return images, np.array([file.label for file in files], np.int64)


def _split(folder: Path, expected: Expected, count: int) -> tuple[ImageFile, ...]:
    """The images of one split; BadInput unless these are its classes, and so many images."""
    found: dict[str, str] = {}
    for name, path in _classes(folder):
        if name in found:
            raise BadInput(f"{expected.title} in {folder}: {found[name]} and {path} are one class; keep one of them.")
        found[name] = path
    if set(found) != set(expected.names):
        strange, missing = sorted(set(found) - set(expected.names)), sorted(set(expected.names) - set(found))
        what = f"class {missing[0]!r} is missing" if missing else f"{strange[0]!r} is none of its classes"
        raise BadInput(f"{expected.title} in {folder}: {what}; {_form(expected)}.")
    left_out = LeftOut(folder)
    files = tuple(file for label, name in enumerate(expected.names) for file in _files(found[name], label, left_out))
    if len(files) != count:
        has = f"{expected.title} in {folder} has {len(files):,} images, {count:,} were expected"
        why = f" ({left_out.in_words()})" if left_out.count else ""
        raise BadInput(f"{has}{why}; {how_to_get(expected)}.")
    return files


def _classes(folder: Path) -> Iterator[tuple[str, str]]:
    """Each class and its folder."""
    return ((_plain(entry.name), entry.path) for entry in inside(folder) if sort_of(entry) == FOLDER)


def _files(folder: str, label: int, left_out: LeftOut) -> Iterator[ImageFile]:
    for entry in inside(folder):
        sort = sort_of(entry)
        if sort == IMAGE:
            found = entry.stat()
            yield ImageFile(entry.path, label, found.st_size, (found.st_mtime_ns, found.st_ctime_ns))
        else:
            left_out.add(sort, entry.path)


def _plain(name: str) -> str:
    """The class that a folder is named after: ``aquarium_fish`` of ``Aquarium Fish``."""
    return name.lower().replace(" ", "_").replace("-", "_")


def _form(expected: Expected) -> str:
    return f"the {expected.classes} classes are folders in train and in test, such as train/{expected.names[0]}"
