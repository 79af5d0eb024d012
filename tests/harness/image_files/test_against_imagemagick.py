"""What ImageMagick makes of the same files, where it is installed."""

import io
import shutil
import struct
import subprocess

import numpy as np
import pytest
from image_writers import jp2, of_other_depth, png, psd, tiff
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
WITHIN = {".jpg": 2, "avif": 4}
"""How far decoders that round each in its way may be apart; all others by 1."""


def draw(bits, channels):
    return DRAW.integers(0, (1 << bits) - 1, (9, 14, channels), np.uint32, endpoint=True)


def pillows(kind, image, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def oriented(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def converted(content, *options):
    """What ImageMagick makes of a PNG: the options end with its kind, as ``jp2:-``."""
    return subprocess.run([CONVERT, "png:-", *options], input=content, capture_output=True, check=True).stdout


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


def orientations():
    rgb = Image.fromarray(draw(8, 3).astype(np.uint8))
    for orientation in range(1, 9):
        for kind, ending in (("JPEG", "jpg"), ("TIFF", "tif")):
            yield f"turned {orientation}.{ending}", pillows(kind, rgb, exif=oriented(orientation))


def interlaced():
    for color, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
        for bits in (8, 16):
            yield (
                f"type {color}, {bits} bits.png",
                converted(png(draw(bits, channels), bits, color), "-interlace", "PNG", "png:-"),
            )


def psds():
    # Of inks it lays RGB on a white that is none of them, so their alpha is not compared.
    for mode, channels, name in ((1, 1, "gray"), (3, 3, "RGB"), (4, 4, "CMYK")):
        for bits in (8, 16):
            for rle in (False, True):
                kind = f"{name}, {bits} bits{', RLE' * rle}"
                yield f"{kind}.psd", psd(draw(bits, channels), bits, mode, rle=rle)
                yield f"{kind}, saved channel.psd", psd(draw(bits, channels + 1), bits, mode, rle=rle)
                if mode == 1:
                    yield f"{kind}, alpha.psd", psd(draw(bits, 2), bits, mode, rle=rle, merged_alpha=True)
    color, alpha = draw(8, 3) / 255, draw(8, 1) / 255
    laid = np.ceil((color * alpha + 1 - alpha) * 255)
    yield "laid on white.psd", psd(np.dstack((laid, alpha * 255)).astype(np.uint8), 8, 3, merged_alpha=True)


def deep():
    for channels, mode in ((1, "L"), (3, "RGB")):
        picture = Image.fromarray(draw(8, channels).astype(np.uint8).squeeze(), mode)
        stream = pillows("JPEG2000", picture, no_jp2=True, num_resolutions=1, mct=0)
        for bits in (4, 9, 12, 16):
            changed = of_other_depth(stream, bits)
            yield f"{mode}, {bits} bits.j2k", changed
            yield f"{mode}, {bits} bits, boxed.jp2", jp2(changed, 16 if channels == 3 else 17)
            samples = png(draw(16, channels), 16, channels - 1)
            yield (
                f"{mode}, {bits} bits, wavelets.jp2",
                converted(samples, "-depth", str(bits), "-quality", "100", "jp2:-"),
            )
        for greatest in (1023, 65535):
            header = b"P%d\n14 9\n%d\n" % (5 if channels == 1 else 6, greatest)
            yield f"{mode}, {greatest}.ppm", header + draw(16, channels).clip(0, greatest).astype(">u2").tobytes()


def others():
    rgb, alpha = Image.fromarray(draw(8, 3).astype(np.uint8)), Image.fromarray(draw(8, 1)[..., 0].astype(np.uint8))
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    yield "a.bmp", pillows("BMP", rgb)
    yield "a.gif", pillows("GIF", rgb.quantize(9), transparency=3)
    yield "a.webp", pillows("WEBP", rgba, lossless=True, exact=True)
    yield "inks.jpg", pillows("JPEG", rgb.convert("CMYK"))
    yield "gray.jpg", pillows("JPEG", alpha)
    yield "a.jp2", pillows("JPEG2000", rgb, irreversible=False)
    yield "a.ppm", pillows("PPM", rgb)
    yield "a.tga", pillows("TGA", rgba)
    yield "a.pcx", pillows("PCX", rgb)
    yield "undefined samples.tif", tiff(draw(16, 3), 16, 2, tags=[(339, "H", [4] * 3)])
    # Of smooth colors: it halves how finely they change.
    ramp = np.add.outer(np.arange(48), np.arange(64))
    smooth = Image.fromarray(np.stack((ramp, 255 - ramp, ramp + 90), axis=2).astype(np.uint8))
    yield "a.avif", pillows("AVIF", smooth, quality=100)
    yield "gray.avif", pillows("AVIF", smooth.convert("L"), quality=100)
    for orientation in range(1, 9):
        yield f"turned {orientation}.avif", pillows("AVIF", smooth, quality=100, exif=oriented(orientation))


@pytest.mark.skipif(CONVERT is None, reason="no ImageMagick on PATH (a stand-in for convert is none)")
@pytest.mark.parametrize("kind", [pngs, interlaced, tiffs, orientations, psds, deep, others])
def test_imagemagick_reads_the_same_pixels(kind, tmp_path):
    for name, content in kind():
        (tmp_path / name).write_bytes(content)
        ours = read_image(tmp_path / name).pixels
        ended = subprocess.run(
            [CONVERT, f"{tmp_path / name}[0]", *OPTIONS, "-depth", "8", "rgb:-"], capture_output=True, check=True
        )
        theirs = np.frombuffer(ended.stdout, np.uint8).reshape(ours.shape)
        assert np.abs(theirs.astype(int) - ours).max() <= WITHIN.get(name[-4:], 1), name
