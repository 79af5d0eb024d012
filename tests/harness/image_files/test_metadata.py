"""Metadata that are damaged fail no file whose pixels are sound; pixels that are damaged fail it."""

import io
import os
import random
import struct
import zlib

import numpy as np
import pytest
from image_writers import chunk, png, tiff
from PIL import Image

from harness.contracts import BadInput
from harness.image_files import read_image

DRAW = np.random.default_rng(1)
RGB = DRAW.integers(0, 256, (24, 40, 3), np.uint8)
TURNED = ("turned upright by its EXIF orientation",)
XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def read(content, name="a.file"):
    return read_image(io.BytesIO(content), name)


def saved(kind, image=RGB, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def exif(*entries):
    """Tag, type, count and the four bytes of the value."""
    body = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + b"\0" * 4


def segment(marker, body):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def with_segments(jpeg, *segments):
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


SIDEWAYS = (0x0112, 3, 1, b"\6\0\0\0")
DAMAGED_SEGMENTS = {
    "width as text": segment(0xE1, exif((0x0100, 2, 4, b"300\0"), SIDEWAYS)),
    "garbage": segment(0xE1, b"Exif\0\0" + bytes(range(40))),
    "empty": segment(0xE1, b"Exif\0\0"),
    "a directory far behind the end": segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\0"),
    "orientation as text": segment(0xE1, exif((0x0112, 2, 2, b"6\0\0\0"))),
    "orientation 0": segment(0xE1, exif((0x0112, 3, 1, b"\0\0\0\0"))),
    "orientation 9": segment(0xE1, exif((0x0112, 3, 1, b"\x09\0\0\0"))),
    "several orientations": segment(0xE1, exif((0x0112, 3, 2, b"\6\0\6\0"))),
    "a type that there is not": segment(0xE1, exif((0x010F, 99, 1, b"abcd"), SIDEWAYS)),
    "a profile in pieces": segment(0xE2, b"ICC_PROFILE\0\x02\x09garbage"),
    "other pictures that are not there": segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff"),
    "Photoshop's, cut off": segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\xff\xff\xff\xff"),
    "bytes between segments": segment(0xFE, b"a comment") + b"\0\1\2\3",
}


@pytest.mark.parametrize("damage", DAMAGED_SEGMENTS)
def test_a_jpeg_is_read_whatever_its_metadata(damage):
    sound = saved("JPEG")
    found, expected = read(with_segments(sound, DAMAGED_SEGMENTS[damage])), read(sound).pixels
    if found.remarks == TURNED:
        assert damage in ("width as text", "a type that there is not", "several orientations")
        expected = np.rot90(expected, -1)
    assert np.array_equal(found.pixels, expected)
    assert (damage == "width as text") <= (found.remarks == TURNED)


def test_the_orientation_of_xmp_counts_where_exif_has_none():
    jpeg = with_segments(saved("JPEG"), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP))
    assert read(jpeg).remarks == TURNED
    upright = with_segments(jpeg, segment(0xE1, exif((0x0112, 3, 1, b"\1\0\0\0"))))
    assert read(upright).remarks == ()
    picture = png(RGB, 8, 2, before=chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))
    assert np.array_equal(read(picture).pixels, np.rot90(RGB, -1))


def test_adobes_marker_still_says_how_colors_are_coded():
    inks = Image.fromarray(RGB).convert("CMYK")
    buffer = io.BytesIO()
    inks.save(buffer, "JPEG", quality=100)
    assert np.abs(read(buffer.getvalue()).pixels.astype(int) - RGB).mean() < 12
    kept = saved("JPEG", quality=100, subsampling=0, keep_rgb=True)
    assert np.abs(read(kept).pixels.astype(int) - RGB).max() <= 6


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(
    "damaged",
    [
        chunk(b"tEXt", b"key\0value")[:-4] + b"\0\0\0\0",
        chunk(b"zTXt", b"key\0\0not deflated"),
        chunk(b"iCCP", b"name\0\0garbage"),
        chunk(b"gAMA", b"\0"),
        chunk(b"cHRM", b"\xff" * 7),
        chunk(b"pHYs", b""),
        chunk(b"eXIf", bytes(range(40))),
        chunk(b"tEXt", b"Raw profile type exif\0\nexif\n   9\nzz"),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0\xff\xfe"),
        chunk(b"acTL", b"\0"),
        chunk(b"\0\1\2\3", b"garbage"),
        chunk(b"sRGB", b"\x09") * 2,
    ],
)
def test_a_png_is_read_whatever_its_other_chunks(damaged, place):
    found = read(png(RGB, 8, 2, **{place: damaged}))
    assert np.array_equal(found.pixels, RGB)
    assert found.remarks == ()


def test_exif_in_the_text_of_a_png_is_followed():
    digits = exif(SIDEWAYS).hex()
    text = b"\nexif\n%8d\n%b\n" % (len(digits) // 2, digits.encode())
    for body in (b"Raw profile type exif\0" + text, b"Raw profile type exif\0\0" + zlib.compress(text)):
        content = png(RGB, 8, 2, before=chunk(b"tEXt" if text in body else b"zTXt", body))
        assert np.array_equal(read(content).pixels, np.rot90(RGB, -1))


@pytest.mark.parametrize(
    "damaged", [segment(0xEE, b"Adobe"), segment(0xEE, b""), segment(0xE0, b"JFIF\0"), segment(0xE0, b"JFIF\0\1\1\0")]
)
def test_what_says_how_a_jpeg_is_coded_counts_only_if_it_is_complete(damaged):
    for how in ({}, {"keep_rgb": True}):
        sound = saved("JPEG", **how)
        bare = sound[:2] + sound[20:]
        assert sound[2:4] == b"\xff\xe0" or how
        expected = read(sound).pixels
        assert np.array_equal(read(with_segments(sound, damaged)).pixels, expected)
        if not how:
            assert np.array_equal(read(with_segments(bare, damaged)).pixels, expected)


def test_an_avif_is_read_whatever_its_exif():
    described = Image.Exif()
    described[0x010F], described[0x0112] = "Maker", 6
    whole = saved("AVIF", exif=described, xmp=XMP)
    expected = read(whole)
    assert expected.remarks == TURNED
    start = whole.index(b"MM\0*")
    for damage in (b"XXXX", b"\0\0\0\0", b"MM\xff\xff"):
        found = read(whole[:start] + damage + whole[start + 4 :])
        assert np.array_equal(found.pixels, expected.pixels)
        assert found.remarks == TURNED


@pytest.mark.parametrize("damage", [b"XXXX", b"\0\0\0\0", b"MM\xff\xff"])
def test_a_webp_is_read_whatever_describes_it(damage):
    described = Image.Exif()
    described[0x0112] = 6
    whole = saved("WEBP", exif=described, xmp=b"garbage", icc_profile=b"garbage", lossless=True)
    assert np.array_equal(read(whole).pixels, np.rot90(RGB, -1))
    start = whole.index(b"MM\0*")
    assert np.array_equal(read(whole[:start] + damage + whole[start + 4 :]).pixels, RGB)
    for kind in (b"EXIF", b"XMP "):
        at = whole.index(kind) + 4
        assert read(whole[:at] + b"\xff\xff\xff\0" + whole[at + 4 :]).pixels.size == RGB.size


@pytest.mark.parametrize(
    "damaged",
    [b"!\xf9\2\0\0\0", b"!\xf9\0", b"!\xfe\0", b"!\xff\0", b"!\xff\x0bNETSCAPE2.0\1\1\0", b"!\1\3abc\0", b"\1\2"],
)
def test_a_gif_is_read_whatever_its_extensions(damaged):
    picture = Image.fromarray(RGB).quantize(16)
    buffer = io.BytesIO()
    picture.save(buffer, "GIF", transparency=3)
    whole = buffer.getvalue()
    expected, palette_end = read(whole).pixels, 13 + 3 * 16
    assert (expected[np.asarray(picture) == 3] == 255).all()
    assert np.array_equal(read(whole[:palette_end] + damaged + whole[palette_end:]).pixels, expected)


def test_an_icon_is_read_whatever_describes_its_pictures():
    picture = png(RGB, 8, 2, before=chunk(b"zTXt", b"key\0\0not deflated")[:-4] + b"\0\0\0\0")
    entry = struct.pack("<4BHHII", 40, 24, 0, 0, 1, 24, len(picture), 22)
    assert np.array_equal(read(b"\0\0\1\0\1\0" + entry + picture).pixels, RGB)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (png(RGB, 8, 2).replace(b"IDAT", b"IDAT\1", 1), "IDAT chunk is damaged or truncated"),
        (png(RGB[..., :1], 8, 0, transparent=b"\0"), "its tRNS chunk has 1 bytes, 2 are right"),
        (png(RGB, 8, 2, before=chunk(b"CgBI", b"")), "its CgBI chunk is necessary"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""), "no pixels"),
        (b"II*\0\xff\xff\xff\xff", "directory of tags is damaged or truncated"),
        (b"", "it is empty"),
    ],
)
def test_damaged_pixels_are_said(content, reason):
    with pytest.raises(BadInput, match=rf"^a\.file cannot be read as an image \(.*{reason}.*\)\.$"):
        read(content)


@pytest.mark.parametrize(
    "tag", [(282, "s", b"abcdefg\0"), (296, "H", [3]), (305, "B", [255] * 9), (34665, "I", [2**31])]
)
def test_a_tiff_is_read_whatever_its_other_tags(tag):
    odd = [(282, "s", b"abcdefg\0"), tag] if tag[0] == 296 else [tag]
    assert np.array_equal(read(tiff(RGB, 8, 2, tags=odd)).pixels, RGB)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP", "PPM"])
def test_a_file_that_is_cut_off_is_refused_or_lost_nothing(kind):
    whole = saved(kind)
    pixels, places = read(whole).pixels, random.Random(0).sample(range(len(whole)), 60)
    for place in (*places, len(whole) - 1, len(whole) - 12):
        try:
            found = read(whole[:place])
        except BadInput:
            continue
        assert np.array_equal(found.pixels, pixels), place


def test_frames_behind_the_first_may_be_damaged():
    frames = [Image.fromarray(np.full((9, 9), value, np.uint8)) for value in (10, 200, 90)]
    for kind in ("GIF", "TIFF"):
        buffer = io.BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
        whole = buffer.getvalue()
        assert read(whole).remarks == ("first of 3 frames",)
        assert (read(whole[: len(whole) * 3 // 4]).pixels == 10).all()


def test_the_frames_of_a_png_are_counted_and_the_first_is_taken():
    frames = [Image.fromarray(np.full((4, 4, 3), value, np.uint8)) for value in (10, 200, 90)]
    for apart, count in ((False, 3), (True, 3)):
        buffer = io.BytesIO()
        frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:], default_image=apart)
        found = read(buffer.getvalue())
        assert (found.pixels == 10).all()
        assert found.remarks == (f"first of {count} frames",)


def test_what_is_no_file_is_said_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path, "it is not a file"),
        (tmp_path / "pipe", "it is not a file"),
        (tmp_path / "none.png", "there is no such file"),
    ):
        with pytest.raises(BadInput, match=rf"{path.name} cannot be read as an image \({reason}\)\.$"):
            read_image(path)


def test_more_pixels_than_are_read_are_said():
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 16_320, 12_240, 8, 2, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(BadInput, match="more than 178,956,970 pixels, the most that are read; make it smaller"):
        read(content)
