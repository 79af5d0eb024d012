"""Codecs: PNG, JPEG, WebP and AVIF by Pillow. Files carry no metadata."""

from __future__ import annotations

import io
from typing import Annotated, Any, Literal

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, features
from pydantic import Field

from harness.contracts import BadInput, Images
from harness.encoding import in_threads, plain_png, png_payload
from harness.registry import codec
from methods.payloads import avif_payload, jpeg_payload, webp_payload

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]
"""Of the chroma planes."""


class _DecodedByPillow:
    def decode(self, files: list[bytes]) -> Images:
        return decoded(files)


@codec("original", summary="the untouched image as truecolor PNG", quality=None)
class Original(_DecodedByPillow):
    """24-bit PNG of every image as it is, with Pillow's defaults: what accuracies are compared with."""

    def encode(self, images: Images, quality: int | None = None) -> list[bytes]:  # noqa: ARG002 - it has no level
        return in_threads(plain_png, images)

    def payload(self, files: list[bytes]) -> list[int]:
        return [png_payload(file) for file in files]


@codec("png", summary="truecolor PNG with as much effort as stated (W3C PNG)", quality=None)
class Png(_DecodedByPillow):
    """24-bit PNG of every image as it is: the pixels of ``original``, in fewer bytes where effort saves some.

    Source: W3C, Portable Network Graphics (PNG) Specification; the encoder is Pillow's, with the zlib it comes with.

    Args:
        optimize: zlib's greatest effort and a search for the best strategy, whatever the level; it can cost bytes too.
        compress_level: zlib's, 0 (stored) to 9.
    """

    optimize: bool = True
    compress_level: Annotated[int, Field(ge=0, le=9)] = 9

    def encode(self, images: Images, quality: int | None = None) -> list[bytes]:  # noqa: ARG002 - it has no level
        return encoded(images, "PNG", optimize=self.optimize, compress_level=self.compress_level)

    def payload(self, files: list[bytes]) -> list[int]:
        return [png_payload(file) for file in files]


@codec("jpeg", summary="baseline JPEG (ITU-T T.81)")
class Jpeg(_DecodedByPillow):
    """Baseline JPEG by Pillow's libjpeg, quality 1 to 100 in libjpeg's scale. Source: ITU-T T.81, 1992.

    Args:
        subsampling: How coarse the chroma planes are; 4:2:0 is libjpeg's default and what comparisons mean by "JPEG"
            unless they say more.
        optimize: Huffman tables made for each image instead of the standard's: the same pixels in fewer bytes, which
            counts on small images, where the standard's tables are most of the file.
    """

    subsampling: Subsampling = "4:2:0"
    optimize: bool = False

    def encode(self, images: Images, quality: int | None) -> list[bytes]:
        return encoded(images, "JPEG", quality=quality, subsampling=self.subsampling, optimize=self.optimize)

    def payload(self, files: list[bytes]) -> list[int]:
        return [jpeg_payload(file) for file in files]


@codec("webp", summary="lossy WebP (RFC 9649)", quality=(0, 100))
class WebP(_DecodedByPillow):
    """Lossy WebP, a VP8 key frame, chroma 4:2:0; quality 0 to 100 in libwebp's scale. Source: RFC 9649, 2024.

    Args:
        effort: libwebp's ``method``, 0 (fast) to 6 (small).
    """

    effort: Annotated[int, Field(ge=0, le=6)] = 4

    def encode(self, images: Images, quality: int | None) -> list[bytes]:
        return encoded(images, "WEBP", quality=quality, method=self.effort)

    def payload(self, files: list[bytes]) -> list[int]:
        return [webp_payload(file) for file in files]


@codec("webp-lossless", summary="lossless WebP (RFC 9649)", quality=None)
class WebPLossless(_DecodedByPillow):
    """Lossless WebP: every pixel as it is. Source: RFC 9649, 2024.

    Args:
        effort: libwebp's ``method``, 0 (fast) to 6, small on most images; its ``quality``, which is effort as well, is
            100.
    """

    effort: Annotated[int, Field(ge=0, le=6)] = 4

    def encode(self, images: Images, quality: int | None = None) -> list[bytes]:  # noqa: ARG002 - it has no level
        return encoded(images, "WEBP", lossless=True, quality=100, method=self.effort)

    def payload(self, files: list[bytes]) -> list[int]:
        return [webp_payload(file) for file in files]


@codec("avif", summary="AVIF, a still AV1 picture; needs a Pillow that has it (11.3 or newer)", quality=(0, 100))
class Avif(_DecodedByPillow):
    """AVIF by Pillow's libavif, quality 0 to 100 in libavif's scale. Source: AOMedia, AV1 Image File Format, 2019.

    Its container alone takes some 300 bytes. Raises BadInput where Pillow was built without AVIF.

    Args:
        subsampling: How coarse the chroma planes are; 4:2:0 is libavif's default.
        speed: libavif's, 0 (small) to 10 (fast).
    """

    subsampling: Subsampling = "4:2:0"
    speed: Annotated[int, Field(ge=0, le=10)] = 6

    def check(self) -> None:
        if "avif" not in features.get_supported_modules():
            raise BadInput(
                f"codec 'avif' needs a Pillow with AVIF, and Pillow {PIL.__version__} here has none: "
                "pip install --upgrade 'pillow>=11.3'"
            )

    def encode(self, images: Images, quality: int | None) -> list[bytes]:
        self.check()
        options = {"quality": quality, "subsampling": self.subsampling, "speed": self.speed}
        return encoded(images, "AVIF", **options, max_threads=1)

    def decode(self, files: list[bytes]) -> Images:
        self.check()
        return decoded(files)

    def payload(self, files: list[bytes]) -> list[int]:
        return [avif_payload(file) for file in files]


def encoded(images: Images, file_format: str, **options: Any) -> list[bytes]:
    """Each of ``uint8 [N, H, W, 3]`` as a file by ``PIL.Image.Image.save``."""

    def file(image: NDArray[np.uint8]) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, file_format, **options)
        return buffer.getvalue()

    return in_threads(file, images)


def decoded(files: list[bytes]) -> Images:
    """What a decoder shows of one or more files of equally large images: ``uint8 [N, H, W, 3]``."""

    def pixels(file: bytes) -> NDArray[np.uint8]:
        with Image.open(io.BytesIO(file)) as image:
            return np.asarray(image.convert("RGB"))

    return np.stack(in_threads(pixels, files))
