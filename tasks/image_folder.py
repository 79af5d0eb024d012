"""A user's own images: folders named after classes, already split or split here."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import PIL
from pydantic import Field

from harness.contracts import (
    CIFAR10_NORMALIZATION,
    IMAGENET_NORMALIZATION,
    Augmentation,
    BadInput,
    DatasetArrays,
    Images,
    Normalization,
    Split,
)
from harness.registry import dataset
from tasks.image_files import open_rgb, to_square
from tasks.image_trees import Files, Tree, find_images
from tasks.progress import with_progress
from tasks.remembered import remembered_each, state_of
from tasks.room import opened


@dataset("image-folder", summary="your own images: root/{train,test}/<class>/* or root/<class>/*")
class ImageFolder:
    """Images in one folder per class, under ``root/train`` and ``root/test`` (or ``val``), or in one tree, split here.

    Files count by their suffixes, at any depth below a class folder, and so do those behind links to folders, each
    folder once, but none around the link; hidden ones do not. What is left out is counted and said. Each image is its
    own group and is called by its file's path below ``root``. Every file is read once, to see whether it can be; a file
    whose size and times have not changed since is not read again. Of each image only ``side x side`` pixels are kept.

    Args:
        root: The folder of the images, relative to the folder in which the program is started.
        side: Images become ``side x side``.
        shape: What happens to images that are not square: ``crop`` (shorter side resized, middle kept, as torchvision
            does), ``squash``, or ``pad`` (on white).
        resize: For ``crop``: what the shorter side becomes before the middle is kept (256 with a side of 224 is usual
            for ImageNet); null: the side.
        normalization: What networks are shown: by ``imagenet``'s or ``cifar10``'s means and standard deviations, or by
            the training images' ``own``.
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
    resize: Annotated[int, Field(ge=8, le=4096)] | None = None
    normalization: Literal["imagenet", "cifar10", "own"] = "imagenet"
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.25
    split_seed: Annotated[int, Field(ge=0)] = 0
    flip: bool = True
    crop_padding: Annotated[int, Field(ge=0)] | None = None

    fingerprinted: ClassVar[tuple[str, ...]] = ("root",)

    def check(self) -> None:
        """BadInput in one sentence where the folders cannot be used or a file cannot be decoded."""
        if self.resize is not None and (self.shape != "crop" or self.resize < self.side):
            raise BadInput(f"resize: {self.resize} needs shape crop and a side of at most that, not {self.side}.")
        tree = self._tree()
        for note in tree.notes:
            warnings.warn(f"image-folder: {note}", stacklevel=1)
        self._contents(tree)

    def fingerprint(self) -> str:
        """sha256 over relative paths and contents of the image files."""
        tree, digest = self._tree(), hashlib.sha256()
        for path, content in zip(tree.files(), self._contents(tree), strict=True):
            digest.update(os.fsencode(path.relative_to(self._folder)) + b"\0" + bytes.fromhex(content))
        return digest.hexdigest()

    def known_sizes(self) -> tuple[int, int]:
        """Counts files, opens none; BadInput where the folders cannot be used."""
        test = self._tree().test
        return len(test), sum(map(len, test.values()))

    def known_batch_size(self) -> int:
        return DatasetArrays.batch_size

    def resolved(self, dataset: str, classifiers: Sequence[str]) -> dict[str, int | None]:  # noqa: ARG002
        """An eighth of the side where no ``crop_padding`` is stated; for ``crop``, the side where no ``resize`` is."""
        return {"crop_padding": self._padding, "resize": self.resize or (self.side if self.shape == "crop" else None)}

    def least_memory(self) -> float:
        """One padded image, as a training crops it."""
        return 4 * 3 * (self.side + 2 * (self.crop_padding or 0)) ** 2

    def load(self) -> DatasetArrays:
        tree = self._tree()
        train, test = self._split(tree.train, first_group=0), self._split(tree.test, first_group=len(tree.files()))
        normalization = _own(train.images) if self.normalization == "own" else _NORMALIZATIONS[self.normalization]
        return DatasetArrays(train, test, tuple(tree.train), normalization, Augmentation(self.flip, self._padding))

    @property
    def _folder(self) -> Path:
        return Path(self.root).expanduser()

    @property
    def _padding(self) -> int:
        return self.side // 8 if self.crop_padding is None else self.crop_padding

    @property
    def _doing(self) -> str:
        return f"reading the images in {self._folder}"

    def _tree(self) -> Tree:
        return find_images(self._folder, self.test_fraction, self.split_seed)

    def _contents(self, tree: Tree) -> list[str]:
        """Each file's sha256, computed if it has changed; BadInput names one that cannot be decoded."""
        about = f"sha256 of images that can be read in {self._folder.resolve()}, 1, Pillow {PIL.__version__}"
        files = [state_of(path) for path in tree.files()]
        return remembered_each(about, files, _sha256_of_image, partial(with_progress, doing=self._doing))

    def _split(self, classes: Files, first_group: int) -> Split:
        files = [path for paths in classes.values() for path in paths]
        images = np.empty((len(files), self.side, self.side, 3), np.uint8)

        def read(number: int) -> None:
            with opened(files[number]) as file:
                image = open_rgb(file, str(files[number]))
                images[number] = to_square(image, self.side, self.shape, self.resize)

        with_progress(read, range(len(files)), self._doing)
        labels = np.repeat(np.arange(len(classes)), [len(paths) for paths in classes.values()])
        names = (path.relative_to(self._folder).as_posix() for path in files)
        return Split.of(images, labels, first_group + np.arange(len(files)), names)


_NORMALIZATIONS = {"imagenet": IMAGENET_NORMALIZATION, "cifar10": CIFAR10_NORMALIZATION}


def _own(images: Images) -> Normalization:
    """Mean and standard deviation of each channel over all pixels, of values 0 to 1, from exact counts."""
    counts = np.zeros((3, 256), np.int64)
    for image in images:
        for channel in range(3):
            counts[channel] += np.bincount(image[..., channel].ravel(), minlength=256)
    values, pixels = np.arange(256) / 255, counts[0].sum()
    mean = counts @ values / pixels
    std = np.sqrt(np.maximum(counts @ values**2 / pixels - mean**2, 1 / 255**2))
    (red, green, blue), (red_std, green_std, blue_std) = mean.tolist(), std.tolist()
    return Normalization((red, green, blue), (red_std, green_std, blue_std))


def _sha256_of_image(path: Path) -> str:
    """Of the file's content, which is decoded to see whether that can be done; BadInput where it cannot."""
    with opened(path) as file:
        try:
            content = file.read()
        except OSError as error:
            raise BadInput(f"{path} cannot be read as an image ({error.strerror}).") from None
        open_rgb(io.BytesIO(content), str(path))
    return hashlib.sha256(content).hexdigest()
