"""CIFAR10, CIFAR100, STL10 and SVHN, read by torchvision from verified files."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from harness.contracts import (
    CIFAR10_NORMALIZATION,
    IMAGENET_NORMALIZATION,
    Augmentation,
    DatasetArrays,
    Normalization,
)
from harness.registry import dataset
from tasks.class_folders import decode_all
from tasks.contents import Part, in_canonical_order
from tasks.forms import Found, digest_of, doubt, find, known_digest, learn_digest
from tasks.listings import CIFAR10, CIFAR100, STL10, SVHN
from tasks.published import Expected, PublishedSet, check_files, fetch, published, splits


@dataclass(kw_only=True, eq=False)
class TorchvisionSet(PublishedSet, ABC):
    """What the four have in common. They are read from the published files, or from folders of images named after the
    classes, which give the same arrays, in the same order, under the same key.

    Only the published bytes are ever read, so their md5 sums name the content and the key is the same before and after
    a download; a data set that is stored already needs no files any more. Images in class folders are the published
    ones if the digest of all pixels and labels is; others have a key of their own. A digest that is listed nowhere is
    that of the published files once they were read on this machine.
    """

    normalization: ClassVar[Normalization] = IMAGENET_NORMALIZATION
    augmentation: ClassVar[Augmentation]

    def check(self) -> None:
        """BadInput where the files are missing or damaged and ``download`` is off; an archive's size, and the number of
        images in class folders, is all that is looked at."""
        found = self._find()
        if found.images is None:
            check_files(self.expected, found.folder, self.download)

    def fingerprint(self) -> str:
        """The md5 sums of the published files, which are not read: ``load`` refuses files that differ. Of class folders
        that do not hold the published images: the digest of these, and a warning."""
        found = self._find()
        for note in found.notes:
            warnings.warn(note, stacklevel=1)
        if found.images is None:
            return published(self.expected)
        digest = digest_of(found.images, self.expected)
        if digest == known_digest(self.expected):
            return published(self.expected)
        warnings.warn(f"{doubt(found.images, self.expected, digest)}.", stacklevel=1)
        return f"images {digest}"

    def departures(self, dataset: str, classifiers: Sequence[str]) -> list[str]:  # noqa: ARG002
        """Says where the images are not, or not known to be, the published ones."""
        images = self._find().images
        if images is None or (digest := digest_of(images, self.expected)) == known_digest(self.expected):
            return []
        return [doubt(images, self.expected, digest)]

    def load(self) -> DatasetArrays:
        """Extracts or downloads if need be; BadInput where files, numbers or sizes are not the published ones.

        Images are in ascending order of label and of the sha256 of their pixels, whatever form they come in.
        """
        found = self._find()
        if found.images is None:
            fetch(self.expected, found.folder, self.download)
        train, _ = self._part(found, train=True)
        test, classes = self._part(found, train=False)
        if found.images is None:
            learn_digest(self.expected, train, test)
        train_split, test_split = splits(self.expected, found.folder, train, test, classes=classes)
        return DatasetArrays(train_split, test_split, classes, self.normalization, self.augmentation, self.batch_size)

    def _find(self) -> Found:
        return find(self.expected, self.folder, self.download)

    def _part(self, found: Found, train: bool) -> tuple[Part, tuple[str, ...]]:
        if found.images is None:
            part, classes = self._read(found.folder, train)
        else:
            files = found.images.train if train else found.images.test
            part, classes = decode_all(files, self.expected), self.expected.names
        return in_canonical_order(part), classes

    @abstractmethod
    def _read(self, folder: Path, train: bool) -> tuple[Part, tuple[str, ...]]:
        """One split's images and labels, and the class names, from the published files in a folder."""


class _Cifar(TorchvisionSet):
    """CIFAR's files are pickles, which can run code when read: torchvision's class opens none before its md5 is right,
    and the md5 sums it checks them against are those of ``expected``."""

    normalization = CIFAR10_NORMALIZATION
    augmentation = Augmentation(flip=True, crop_padding=4)
    reader: ClassVar[str]

    def _read(self, folder: Path, train: bool) -> tuple[Part, tuple[str, ...]]:
        from torchvision import datasets

        reader = _with_md5s(getattr(datasets, self.reader), self.expected)
        with warnings.catch_warnings():
            # The pickles are of 2009; NumPy 2.4.0 to 2.4.4 warns of how they state a dtype (numpy#31177).
            warnings.filterwarnings("ignore", message=r"dtype\(\): align")
            read: Any = reader(folder, train=train)
        part = np.ascontiguousarray(read.data), np.asarray(read.targets, np.int64)
        return part, tuple(read.classes)


@dataset("cifar10", summary="CIFAR-10: 50,000 + 10,000 images, 32x32, 10 classes")
class Cifar10(_Cifar):
    """CIFAR-10 (Krizhevsky 2009), from ``cifar-10-batches-py/`` or ``cifar-10-python.tar.gz`` in ``data_root``.

    Or from ``cifar10/{train,test}/<class>/*.png`` there. Class names from ``batches.meta``. Normalized with
    CIFAR-10's constants, augmented by a horizontal flip and a crop after zero padding of 4 pixels, as in the
    paper's code.
    """

    reader = "CIFAR10"
    expected = CIFAR10


@dataset("cifar100", summary="CIFAR-100: 50,000 + 10,000 images, 32x32, 100 classes")
class Cifar100(_Cifar):
    """CIFAR-100 with its 100 fine labels, from ``cifar-100-python/`` or ``cifar-100-python.tar.gz`` in ``data_root``.

    Or from ``cifar100/{train,test}/<class>/*.png`` there. Class names from ``meta``. Normalized with CIFAR-10's
    constants and augmented as CIFAR-10, as in the paper's code.
    """

    reader = "CIFAR100"
    expected = CIFAR100


@dataset("stl10", summary="STL-10, labeled images: 5,000 + 8,000, 96x96, 10 classes")
class Stl10(TorchvisionSet):
    """The labeled part of STL-10 (Coates et al. 2011), from ``stl10_binary/`` or ``stl10_binary.tar.gz``.

    Or from ``stl10/{train,test}/<class>/*.png``. The 100,000 unlabeled images are neither needed nor read; out of
    the archive only the labeled ones are taken. Class names from ``class_names.txt``. Normalized with ImageNet's
    constants, augmented by a horizontal flip and a crop after zero padding of 12 pixels, as in the paper's code.
    Batches of 32, as in the paper.
    """

    augmentation = Augmentation(flip=True, crop_padding=12)
    batch_size = 32
    expected = STL10

    def _read(self, folder: Path, train: bool) -> tuple[Part, tuple[str, ...]]:
        from torchvision import datasets

        read: Any = _with_md5s(datasets.STL10, self.expected)(folder, split="train" if train else "test")
        return _channels_last(read), tuple(read.classes)


@dataset("svhn", summary="SVHN, cropped digits: 73,257 + 26,032 images, 32x32, 10 classes")
class Svhn(TorchvisionSet):
    """Street View House Numbers, cropped digits (Netzer et al. 2011): ``train_32x32.mat`` and ``test_32x32.mat``.

    Or from ``svhn/{train,test}/<digit>/*.png``. Not in the paper. Class i is the digit i (the files call the zero
    10). Not flipped, a mirrored digit is none or another one; cropped after zero padding of 4 pixels, the paper's
    at this size. Normalized with ImageNet's constants. Digits of one house number share a photograph, but the files
    don't say which: each image is its own group.
    """

    augmentation = Augmentation(flip=False, crop_padding=4)
    expected = SVHN

    def _read(self, folder: Path, train: bool) -> tuple[Part, tuple[str, ...]]:
        from torchvision import datasets

        md5s = self.expected.files
        listed = {split: [url, name, md5s.get(name)] for split, (url, name, _) in datasets.SVHN.split_list.items()}
        reader: Any = type("VerifiedSVHN", (datasets.SVHN,), {"split_list": listed})
        return _channels_last(reader(folder, split="train" if train else "test")), tuple("0123456789")


def _with_md5s(reader: Any, expected: Expected) -> Any:
    """torchvision's class, holding the files of ``expected`` against the md5 sums there and asking for no others."""
    own: dict[str, Any] = {}
    for listing in ("train_list", "test_list"):
        named = [(name, expected.files.get(f"{reader.base_folder}/{name}")) for name, _ in getattr(reader, listing)]
        own[listing] = [[name, md5] for name, md5 in named if md5 is not None]
    if hasattr(reader, "meta"):
        own["meta"] = reader.meta | {"md5": expected.files[f"{reader.base_folder}/{reader.meta['filename']}"]}
    return type(f"Verified{reader.__name__}", (reader,), own)


def _channels_last(read: Any) -> Part:
    return np.ascontiguousarray(read.data.transpose(0, 2, 3, 1)), np.asarray(read.labels, np.int64)
