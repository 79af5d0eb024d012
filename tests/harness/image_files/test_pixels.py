"""Formats, bit depths, color types and orientations: each file is written here and its pixels computed apart."""

import io
import struct

import numpy as np
import pytest
from image_writers import png, tiff
from PIL import Image

from harness.contracts import BadInput
from harness.image_files import EXTENSIONS, avif, read_image

DRAW = np.random.default_rng(0)
GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGBA: 4}
WHITE_IS_ZERO, BLACK_IS_ZERO, TRUE_COLOR, SEPARATED = 0, 1, 2, 5


def read(content):
    return read_image(io.BytesIO(content), "a.file")


def draw(bits, channels, height=5, width=7):
    return DRAW.integers(0, (1 << bits) - 1, (height, width, channels), np.uint32, endpoint=True)


def shown(color, alpha=1.0):
    """Color and alpha from 0 to 1 -> 8-bit RGB on white."""
    color = color * alpha + (1 - alpha)
    return np.floor(np.broadcast_to(color, (*color.shape[:2], 3)) * 255 + 0.5).astype(int)


def assert_shows(content, expected, within=0):
    pixels = read(content).pixels
    assert (pixels.dtype, pixels.shape) == (np.uint8, expected.shape)
    assert np.abs(pixels.astype(int) - expected).max() <= within


@pytest.mark.parametrize(
    ("color", "bits"),
    [(GRAY, 1), (GRAY, 2), (GRAY, 4), (GRAY, 8), (GRAY, 16), (RGB, 8), (RGB, 16), (PALETTE, 1), (PALETTE, 2),
     (PALETTE, 4), (PALETTE, 8), (GRAY_ALPHA, 8), (GRAY_ALPHA, 16), (RGBA, 8), (RGBA, 16)],
)  # fmt: skip
def test_png_of_every_color_type_and_depth(color, bits):
    samples = draw(bits, CHANNELS[color])
    share, palette = samples / ((1 << bits) - 1), DRAW.integers(0, 256, (1 << min(bits, 8), 3), np.uint8)
    if color == PALETTE:
        content, expected = png(samples, bits, color, palette=palette.tobytes()), palette[samples[..., 0]].astype(int)
    elif color in (GRAY_ALPHA, RGBA):
        content, expected = png(samples, bits, color), shown(share[..., :-1], share[..., -1:])
    else:
        content, expected = png(samples, bits, color), shown(share)
    assert_shows(content, expected, within=color in (GRAY_ALPHA, RGBA))


@pytest.mark.parametrize(
    ("color", "bits"), [(GRAY, 1), (GRAY, 2), (GRAY, 4), (GRAY, 8), (GRAY, 16), (RGB, 8), (RGB, 16)]
)
def test_a_transparent_color_of_a_png_is_white(color, bits):
    samples = draw(bits, CHANNELS[color])
    key = samples[2, 3]
    content = png(samples, bits, color, transparent=struct.pack(f">{len(key)}H", *key))
    expected = np.where((samples == key).all(axis=2)[..., None], 255, shown(samples / ((1 << bits) - 1)))
    assert_shows(content, expected)
    assert read(content).remarks[-1] == "transparency laid on white"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("photometric", [WHITE_IS_ZERO, BLACK_IS_ZERO])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16, 32])
def test_gray_tiff_of_every_depth(bits, photometric, deflated, order):
    samples = draw(bits, 1)
    content = tiff(samples, bits, photometric, order=order, deflated=deflated)
    if order == ">" and bits in (12, 32):
        with pytest.raises(BadInput, match="a TIFF file that Pillow does not read: unknown pixel mode; save it as"):
            read(content)
        return
    share = samples / ((1 << bits) - 1)
    # What is inverted after rounding may differ where a value lies between two.
    assert_shows(content, shown(share if photometric else 1 - share), within=bits > 8 and not photometric)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_color_tiff(bits, planar, deflated, order):
    how, inexact = {"order": order, "deflated": deflated, "planar": planar}, bits == 16 and planar and deflated
    rgb, white = draw(bits, 3), (1 << bits) - 1
    assert_shows(tiff(rgb, bits, TRUE_COLOR, **how), shown(rgb / white), within=inexact)
    rgba = draw(bits, 4)
    color, alpha = rgba[..., :3] / white, rgba[..., 3:] / white
    assert_shows(tiff(rgba, bits, TRUE_COLOR, alpha=2, **how), shown(color, alpha), within=1 + inexact)
    if not planar:
        premultiplied = np.concatenate((rgba[..., :3] * rgba[..., 3:] // white, rgba[..., 3:]), axis=2)
        assert_shows(tiff(premultiplied, bits, TRUE_COLOR, alpha=1, **how), shown(color, alpha), within=16 // bits)
        inks = draw(bits, 4) / white
        content = tiff(np.rint(inks * white).astype(np.uint32), bits, SEPARATED, **how)
        assert_shows(content, shown((1 - inks[..., :3]) * (1 - inks[..., 3:])), within=1)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflated", [False, True])
def test_floating_point_and_signed_samples_by_their_own_range(deflated, order):
    how = {"order": order, "deflated": deflated}
    share = DRAW.random((5, 7, 1)).astype(np.float32)
    assert_shows(tiff(share, 32, BLACK_IS_ZERO, **how), shown(share.astype(float)))
    stated = [(340, "f", [-2.0]), (341, "f", [6.0])]
    assert_shows(tiff(share * 8 - 2, 32, BLACK_IS_ZERO, tags=stated, **how), shown(share.astype(float)), within=1)
    signed = DRAW.integers(-100, 101, (5, 7, 1))
    for bits, kind in ((8, "h"), (16, "h"), (32, "i")):
        stated = [(340, kind, [-100]), (341, kind, [100])]
        assert_shows(tiff(signed, bits, BLACK_IS_ZERO, tags=stated, **how), shown((signed + 100) / 200))


@pytest.mark.parametrize(
    ("samples", "bits", "reason"),
    [
        (np.array([[[-1], [5]]], np.int8), 8, "signed 8-bit samples reach from -1 to 5 and it does not state"),
        (np.array([[[0], [5]]], np.int16), 16, "signed 16-bit samples reach from 0 to 5 and it does not state"),
        (np.array([[[0], [70_000]]], np.int32), 32, "signed 32-bit samples reach from 0 to 70000"),
        (np.array([[[0], [1.5]]], np.float32), 32, "floating-point samples reach from 0 to 1.5"),
        (np.array([[[0], [np.nan]]], np.float32), 32, "not finite numbers"),
        (np.array([[[0], [1]]], np.float64), 64, "unknown pixel mode; save it as 8-bit PNG"),
    ],
)
def test_samples_without_a_range_are_refused(samples, bits, reason):
    with pytest.raises(BadInput, match=rf"a\.file cannot be read as an image \(.*{reason}"):
        read(tiff(samples, bits, BLACK_IS_ZERO))


def test_what_pillow_opens_and_gets_wrong_is_refused():
    with pytest.raises(BadInput, match="alpha is in a plane of its own"):
        read(tiff(draw(8, 2), 8, BLACK_IS_ZERO, alpha=2, planar=True, deflated=True))
    with pytest.raises(BadInput, match="subsampled without compression"):
        read(tiff(draw(8, 3), 8, 6))


def test_a_palette_of_8_bits_in_a_tiff_is_not_black():
    indices, palette = draw(8, 1), DRAW.integers(0, 256, (256, 3))
    content = tiff(indices, 8, 3, tags=[(320, "H", palette.T.ravel().tolist())])
    assert_shows(content, palette[indices[..., 0]])


@pytest.mark.parametrize("maxval", [1, 15, 100, 255, 1023, 4095, 65535])
def test_pgm_and_ppm_are_scaled_from_their_greatest_value(maxval):
    for kind, channels in ((b"P5", 1), (b"P6", 3)):
        samples = DRAW.integers(0, maxval + 1, (5, 7, channels))
        content = b"%b\n7 5\n%d\n" % (kind, maxval) + samples.astype(">u2" if maxval > 255 else np.uint8).tobytes()
        assert_shows(content, shown(samples / maxval), within=1)
        remark = f"{maxval.bit_length()} bits scaled to 8"
        assert read(content).remarks == ((remark,) if maxval > 255 else ())
        plain = b"%b\n7 5\n%d\n" % (kind.replace(b"5", b"2").replace(b"6", b"3"), maxval)
        plain += b" ".join(b"%d" % sample for sample in samples.ravel())
        assert np.array_equal(read(plain).pixels, read(content).pixels)
        assert read(plain).remarks == read(content).remarks


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("order", ["<", ">"])
def test_samples_of_an_undefined_format_are_unsigned_integers(order, bits, channels):
    if bits == 32 and (order == ">" or channels == 3):
        return
    samples = draw(bits, channels)
    undefined = [(339, "H", [4] * channels)]
    content = tiff(samples, bits, TRUE_COLOR if channels == 3 else BLACK_IS_ZERO, order=order, tags=undefined)
    assert_shows(content, shown(samples / ((1 << bits) - 1)))


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_more_than_8_bits_of_an_avif_are_said(bits):
    buffer = io.BytesIO()
    Image.fromarray(draw(8, 3).astype(np.uint8)).save(buffer, "AVIF")
    content = bytearray(buffer.getvalue())
    flags = content.index(b"av1C") + 6
    content[flags] |= {8: 0, 10: 0x40, 12: 0x60}[bits]
    assert avif.bits(bytes(content)) == bits


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG", "AVIF"])
def test_every_orientation_in_every_format_that_states_one(kind, orientation):
    upright = np.zeros((16, 32, 3), int)
    upright[:8, :8] = 255
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
        6: np.rot90(upright), 7: upright[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored, np.uint8)).save(buffer, kind, exif=exif)
    assert_shows(buffer.getvalue(), upright, within=90 if kind in ("WEBP", "JPEG", "AVIF") else 0)
    turned = ("turned upright by its EXIF orientation",)
    assert read(buffer.getvalue()).remarks == (turned if orientation > 1 else ())


def test_an_alpha_that_is_zero_everywhere_is_not_used_by_a_bitmap():
    bgra = np.concatenate((draw(8, 3), np.zeros((5, 7, 1), int)), axis=2).astype(np.uint8)
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 7, -5, 1, 32, 3, bgra.size, 0, 0, 0, 0) + masks + b"\0" * 52
    content = b"BM" + struct.pack("<IHHI", 14 + 108 + bgra.size, 0, 0, 14 + 108) + header + bgra.tobytes()
    assert_shows(content, bgra[..., 2::-1].astype(int))


def test_all_endings_are_listed_in_lower_case_and_in_order():
    assert list(EXTENSIONS) == sorted(EXTENSIONS)
    assert {".jpe", ".jfif", ".avif"} < set(EXTENSIONS)
