"""Codecs: the untouched image, and JPEG. Files carry no metadata."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.contracts import Images
from harness.encoding import in_threads, truecolor_png
from harness.registry import codec


@codec("original", summary="the untouched image as truecolor PNG", quality=None)
class Original:
    """24-bit PNG of every image as it is."""

    def encode(self, images: Images, quality: int | None = None) -> list[bytes]:  # noqa: ARG002 - it has no level
        return in_threads(truecolor_png, images)

    def decode(self, files: list[bytes]) -> Images:
        return decoded(files)


@codec("jpeg", summary="baseline JPEG (ITU-T T.81)")
class Jpeg:
    """Baseline JPEG by Pillow's libjpeg, quality 1 to 100 in libjpeg's scale. Source: ITU-T T.81, 1992.

    subsampling: of the chroma planes; 4:2:0 is libjpeg's default and what comparisons mean by "JPEG" unless they say
    more. optimize: Huffman tables made for each image instead of the standard's: the same pixels in fewer bytes, which
    counts on small images, where the standard's tables are most of the file.
    """

    subsampling: Literal["4:4:4", "4:2:2", "4:2:0"] = "4:2:0"
    optimize: bool = False

    def encode(self, images: Images, quality: int | None) -> list[bytes]:
        def encoded(image: NDArray[np.uint8]) -> bytes:
            buffer = io.BytesIO()
            Image.fromarray(image).save(
                buffer, "JPEG", quality=quality, subsampling=self.subsampling, optimize=self.optimize
            )
            return buffer.getvalue()

        return in_threads(encoded, images)

    def decode(self, files: list[bytes]) -> Images:
        return decoded(files)


def decoded(files: list[bytes]) -> Images:
    """What a decoder shows of one or more files of equally large images: ``uint8 [N, H, W, 3]``."""

    def pixels(file: bytes) -> NDArray[np.uint8]:
        with Image.open(io.BytesIO(file)) as image:
            return np.asarray(image.convert("RGB"))

    return np.stack(in_threads(pixels, files))
