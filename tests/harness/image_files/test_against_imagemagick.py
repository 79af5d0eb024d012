"""What ImageMagick makes of the same files, where it is installed."""

import io
import shutil
import struct
import subprocess

import numpy as np
import pytest
from image_writers import png, tiff
from PIL import Image

from harness.image_files import read_image

DRAW = np.random.default_rng(2)
# As one reads them, without profiles and gamma: upright and on white.
OPTIONS = ["-auto-orient", "-background", "white", "-alpha", "remove", "-alpha", "off", "-colorspace", "sRGB"]


def imagemagick():
    for name in ("magick", "convert-im6.q16", "convert"):
        if found := shutil.which(name):
            said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stdout
            if said.startswith("Version: ImageMagick"):
                return found
    return None


CONVERT = imagemagick()


def draw(bits, channels):
    return DRAW.integers(0, (1 << bits) - 1, (9, 14, channels), np.uint32, endpoint=True)


def pillows(kind, image, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def sideways():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def pngs():
    for color, channels, depths in ((0, 1, (1, 2, 4, 8, 16)), (2, 3, (8, 16)), (4, 2, (8, 16)), (6, 4, (8, 16))):
        for bits in depths:
            samples = draw(bits, channels)
            yield f"type {color}, {bits} bits.png", png(samples, bits, color)
            if color < 4:
                key = struct.pack(f">{channels}H", *samples[3, 4])
                yield f"type {color}, {bits} bits, transparent.png", png(samples, bits, color, transparent=key)
    for bits in (1, 2, 4, 8):
        palette, alpha = draw(8, 3).astype(np.uint8), draw(8, 1).astype(np.uint8)
        used = {
            "palette": np.resize(palette, (1 << bits, 3)).tobytes(),
            "transparent": np.resize(alpha, 1 << bits).tobytes(),
        }
        yield f"palette, {bits} bits.png", png(draw(bits, 1), bits, 3, **used)


def tiffs():
    # It inverts WhiteIsZero at 1, 8 and 16 bits only.
    for order, name in (("<", "little"), (">", "big")):
        for deflated in (False, True):
            how = {"order": order, "deflated": deflated}
            ending = f"{name}{' deflated' * deflated}.tif"
            for bits in (1, 8, 16):
                yield f"white is zero, {bits} bits, {ending}", tiff(draw(bits, 1), bits, 0, **how)
            for bits in (1, 2, 4, 8, 12, 16, 32):
                if order == "<" or bits not in (12, 32):
                    yield f"gray, {bits} bits, {ending}", tiff(draw(bits, 1), bits, 1, **how)
            yield f"float, {ending}", tiff(DRAW.random((9, 14, 1)).astype(np.float32), 32, 1, **how)
            for bits in (8, 16):
                yield f"RGBA, {bits} bits, {ending}", tiff(draw(bits, 4), bits, 2, alpha=2, **how)
                yield f"CMYK, {bits} bits, {ending}", tiff(draw(bits, 4), bits, 5, **how)
                yield f"planar RGB, {bits} bits, {ending}", tiff(draw(bits, 3), bits, 2, planar=True, **how)


def others():
    rgb, alpha = Image.fromarray(draw(8, 3).astype(np.uint8)), Image.fromarray(draw(8, 1)[..., 0].astype(np.uint8))
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    yield "a.bmp", pillows("BMP", rgb)
    yield "a.gif", pillows("GIF", rgb.quantize(9), transparency=3)
    yield "a.webp", pillows("WEBP", rgba, lossless=True, exact=True)
    yield "a.jpg", pillows("JPEG", rgb, exif=sideways())
    yield "inks.jpg", pillows("JPEG", rgb.convert("CMYK"))
    yield "gray.jpg", pillows("JPEG", alpha)
    yield "a.jp2", pillows("JPEG2000", rgb, irreversible=False)
    yield "a.ppm", pillows("PPM", rgb)
    yield "a.tga", pillows("TGA", rgba)
    yield "a.pcx", pillows("PCX", rgb)
    yield "turned.tif", pillows("TIFF", rgb, exif=sideways())


@pytest.mark.skipif(CONVERT is None, reason="ImageMagick is not installed")
@pytest.mark.parametrize("kind", [pngs, tiffs, others])
def test_imagemagick_reads_the_same_pixels(kind, tmp_path):
    for name, content in kind():
        (tmp_path / name).write_bytes(content)
        ours = read_image(tmp_path / name).pixels
        ended = subprocess.run(
            [CONVERT, f"{tmp_path / name}[0]", *OPTIONS, "-depth", "8", "rgb:-"], capture_output=True, check=True
        )
        theirs = np.frombuffer(ended.stdout, np.uint8).reshape(ours.shape)
        assert np.abs(theirs.astype(int) - ours).max() <= (2 if name.endswith("jpg") else 1), name
