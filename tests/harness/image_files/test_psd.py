"""PSD: every color mode, with and without compression and further channels."""

import io

import numpy as np
import pytest
from image_writers import psd
from PIL import Image

from harness.contracts import BadInput
from harness.image_files import read_image

DRAW = np.random.default_rng(6)
BITMAP, GRAY, INDEXED, RGB, CMYK, MULTICHANNEL, DUOTONE, LAB = 0, 1, 2, 3, 4, 7, 8, 9
COLORS = {BITMAP: 1, GRAY: 1, RGB: 3, CMYK: 4, DUOTONE: 1}
LAID = "transparency laid on white"


def read(content):
    return read_image(io.BytesIO(content), "a.file")


def draw(bits, channels, height=6, width=21):
    samples = DRAW.integers(0, (1 << bits) - 1, (height, width, channels), np.uint32, endpoint=True)
    samples[:, 5:12] = samples[:, 5:6]
    return samples


def shown(share, mode):
    if mode == CMYK:
        share = share[..., :3] * share[..., 3:]
    return np.broadcast_to(1 - share if mode == BITMAP else share, (*share.shape[:2], 3))


@pytest.mark.parametrize("rle", [False, True])
@pytest.mark.parametrize("further", [0, 1, 2])
@pytest.mark.parametrize("merged_alpha", [False, True])
@pytest.mark.parametrize(
    ("mode", "bits"), [(BITMAP, 1), (GRAY, 8), (GRAY, 16), (DUOTONE, 8), (RGB, 8), (RGB, 16), (CMYK, 8), (CMYK, 16)]
)
def test_every_mode_with_further_channels(mode, bits, merged_alpha, further, rle):
    samples = draw(bits, COLORS[mode] + further)
    content = psd(samples, bits, mode, rle=rle, merged_alpha=merged_alpha)
    share = samples / ((1 << bits) - 1)
    expected, alpha = shown(share[..., : COLORS[mode]], mode), share[..., COLORS[mode] : COLORS[mode] + 1]
    if bits == 1 and merged_alpha and further:
        return
    if merged_alpha and further:
        expected = expected * alpha + 1 - alpha
    found = read(content)
    assert np.abs(found.pixels - expected * 255).max() <= (1 if not further and mode != CMYK else 2)
    left_out = further - (merged_alpha and further > 0)
    assert any(remark.endswith("left out") for remark in found.remarks) == (left_out > 0)
    assert (LAID in found.remarks) == (merged_alpha and further > 0)
    assert ("16 bits scaled to 8" in found.remarks) == (bits == 16)


def test_colors_that_photoshop_laid_on_white_are_not_laid_again():
    color, alpha = draw(8, 3) / 255, draw(8, 1) / 255
    laid = np.ceil((color * alpha + 1 - alpha) * 255)
    found = read(psd(np.dstack((laid, alpha * 255)).astype(np.uint8), 8, RGB, merged_alpha=True))
    assert np.array_equal(found.pixels, laid)
    assert found.remarks == (LAID,)


@pytest.mark.parametrize("rle", [False, True])
def test_a_palette_and_its_transparent_entry(rle):
    indices, palette = draw(8, 1), DRAW.integers(0, 256, (256, 3), np.uint8)
    expected = palette[indices[..., 0]]
    content = psd(indices, 8, INDEXED, rle=rle, colors=palette.T.tobytes())
    assert np.array_equal(read(content).pixels, expected)
    clear = int(indices[2, 3, 0])
    resources = b"8BIM\x04\x17\0\0\0\0\0\2" + bytes([0, clear])
    found = read(psd(indices, 8, INDEXED, rle=rle, colors=palette.T.tobytes(), resources=resources))
    assert np.array_equal(found.pixels, np.where(indices == clear, 255, expected))
    assert found.remarks == (LAID,)


def test_whatever_its_resources_it_is_read():
    samples = draw(8, 3)
    for resources in (b"garbage", b"8BIM", b"8BIM\x03\xed\0\0\xff\xff\xff\xff", bytes(40), b"8BIM\x04\x17\0\0\0\0\0\2"):
        assert np.array_equal(read(psd(samples, 8, RGB, resources=resources)).pixels, samples)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (psd(draw(8, 3), 8, RGB)[:-1], "its pixels are truncated"),
        (psd(draw(8, 3), 8, RGB, rle=True)[:-40], "not enough image data"),
        (psd(draw(8, 3), 8, RGB)[:30], "it is truncated before its pixels"),
        (psd(draw(8, 3), 8, LAB), r"its colors are CIE L\*a\*b\*; save it as RGB"),
        (psd(draw(8, 3), 8, MULTICHANNEL), "its color mode, number 7 of Photoshop's, is not read; save it as RGB"),
        (psd(draw(32, 1), 32, GRAY), "its samples have 32 bits; save it with 8 or 16 bits a channel"),
        (psd(draw(8, 2), 8, RGB), "it has 2 channels, its color mode needs 3"),
        (psd(draw(8, 1), 8, INDEXED), "its palette has 0 bytes, 768 are right"),
        (psd(draw(8, 1), 8, GRAY).replace(b"\0\0\0\6\0\0\0\x15", b"\0\1\0\0\0\1\0\0"), "it has more than"),
    ],
)
def test_what_is_not_read_is_said(content, reason):
    with pytest.raises(BadInput, match=rf"^a\.file cannot be read as an image \({reason}"):
        read(content)


def test_the_tested_inks_are_those_of_pillow():
    samples = draw(8, 4)
    with Image.open(io.BytesIO(psd(samples, 8, CMYK))) as opened:
        assert np.array_equal(read(psd(samples, 8, CMYK)).pixels, np.asarray(opened.convert("RGB")))
