"""The embedded dataset: scikit-learn's handwritten digits blended with its two photographs, nothing to download."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from harness.contracts import DatasetArrays, Images, Split
from harness.registry import dataset

SIDE = 32
DIGIT_SIDE = 24
CROP_SIDES = (32, 96)
TRAIN_DIGITS, TEST_DIGITS = 1437, 360
TRAIN_SHARE = 0.7


@dataset("digits-on-photos", summary="MNIST-M's recipe on scikit-learn's digits and photographs, 32x32, 10 classes")
class DigitsOnPhotos:
    """1,797 real handwritten digits on crops of two photographs, blended as in MNIST-M (Ganin et al. 2016, JMLR 17).

    Digits (UCI "Optical Recognition of Handwritten Digits", as shipped by scikit-learn: its test set, by 13 people) are
    apparently in the order of their writers, so a random split would have the same writers on both sides: here the
    first 1,437 are for training and the last 360 for the test. Training crops come from the left 70 % of the
    photographs, test crops from the right 30 %. An image's ``group`` is its digit's number in the file. Training image
    i shows digit i modulo 1,437; a smaller ``train_images`` is a prefix of a larger one. Not augmented: the placement
    is random already, and a digit must not be flipped. Normalized with ImageNet's constants, as the reference code does
    for everything but the CIFARs.

    Photographs: "china.jpg" by danielbuechele and "flower.jpg" by vultilion, both from flickr.com under CC BY 2.0
    (creativecommons.org/licenses/by/2.0), as shipped by ``sklearn.datasets.load_sample_images``.

    The arrays are the same on every machine: uniform doubles straight from PCG64, Pillow's fixed-point resizing and
    integer blending; only a JPEG decoder other than libjpeg-turbo could differ.

    Args:
        seed: For drawing photographs, crops and positions.
        train_images: How many training images are made.
        test_per_digit: How many test images are made from each of the 360 test digits.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    train_images: Annotated[int, Field(ge=1)] = 8000
    test_per_digit: Annotated[int, Field(ge=1)] = 5

    sources = (
        "A digit counts as a source, but its writers and photographs are fewer: 13 people wrote all 1,797 digits, "
        "apparently a few of them the last 360, which are tested, and the photographs are two. So intervals hold for "
        "new digits of such writers on such photographs."
    )
    credit = (
        "Digits: Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, UCI). Photographs: china.jpg by "
        "danielbuechele and flower.jpg by vultilion, flickr.com, CC BY 2.0; cropped and blended."
    )

    def known_sizes(self) -> tuple[int, int]:
        return 10, TEST_DIGITS * self.test_per_digit

    def known_batch_size(self) -> int:
        return DatasetArrays.batch_size

    def least_memory(self) -> float:
        return 3 * SIDE**2 * (self.train_images + TEST_DIGITS * self.test_per_digit)

    def load(self) -> DatasetArrays:
        from sklearn.datasets import load_digits, load_sample_images

        source = load_digits()
        digits = enlarge_digits(source.images)
        photos = [np.asarray(photo) for photo in load_sample_images().images]
        edge = round(TRAIN_SHARE * photos[0].shape[1])
        train = np.arange(self.train_images) % TRAIN_DIGITS
        test = np.repeat(np.arange(TRAIN_DIGITS, len(digits)), self.test_per_digit)
        splits = [
            Split.of(blend(digits[rows], regions, _generator(self.seed, part)), source.target[rows], rows)
            for part, (rows, regions) in enumerate(
                [(train, [p[:, :edge] for p in photos]), (test, [p[:, edge:] for p in photos])]
            )
        ]
        return DatasetArrays(splits[0], splits[1], classes=tuple("0123456789"))


def enlarge_digits(digits: NDArray[Any]) -> NDArray[np.uint8]:
    """``[N, 8, 8]`` of whole values 0..16 -> ``uint8 [N, 24, 24]``, 0..255, bicubic."""
    scaled = ((digits.astype(np.int64) * 255 + 8) // 16).astype(np.uint8)
    size = (DIGIT_SIDE, DIGIT_SIDE)
    return np.stack([np.asarray(Image.fromarray(d).resize(size, Image.Resampling.BICUBIC)) for d in scaled])


def blend(digits: NDArray[np.uint8], photos: list[Images], generator: np.random.Generator) -> Images:
    """One ``|photo - digit|`` for each digit: ``uint8 [N, 24, 24]`` and RGB photographs -> ``uint8 [N, 32, 32, 3]``.

    Six uniform numbers an image choose the photograph, the side of its square crop, the crop's top and left, and the
    digit's top and left on the canvas.
    """
    draws = generator.random((len(digits), 6))
    smallest, largest = CROP_SIDES
    crops = np.empty((len(digits), SIDE, SIDE, 3), np.uint8)
    for crop, (which, size, down, right) in zip(crops, draws[:, :4], strict=True):
        photo = photos[int(which * len(photos))]
        side = smallest + int(size * (largest - smallest + 1))
        top = int(down * (photo.shape[0] - side + 1))
        left = int(right * (photo.shape[1] - side + 1))
        window = Image.fromarray(photo[top : top + side, left : left + side])
        crop[:] = np.asarray(window.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    canvas = np.zeros((len(digits), SIDE, SIDE), np.int16)
    top, left = (draws[:, 4:] * (SIDE - DIGIT_SIDE + 1)).astype(np.int64).T[:, :, None, None]
    inside = np.arange(DIGIT_SIDE)
    canvas[np.arange(len(digits))[:, None, None], top + inside[:, None], left + inside] = digits
    return np.abs(crops - canvas[..., None]).astype(np.uint8)


def _generator(*seeds: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seeds)))
