"""What of a file is coded pixels: against files of known structure, and against other ways of finding out."""

import io
import re
import struct

import numpy as np
import pytest
from PIL import Image, features

from harness import encoding
from methods.codecs import Avif, Jpeg, Original, Png, WebP, WebPLossless
from methods.payloads import avif_payload, jpeg_payload, webp_payload

needs_avif = pytest.mark.skipif("avif" not in features.get_supported_modules(), reason="this Pillow has no AVIF")


def segment(marker, content):
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


SCANS = [b"\x12\xff\x00\x34", b"", b"\xff\x00\xff\xd0\x01\xff\xd7\xff\x00", bytes(range(0xFF)), b"\xff\x00"]


def jpeg_of(scans, fill=b""):
    """A JPEG's skeleton: its tables hold what elsewhere begins or ends a scan."""
    tables = segment(0xDB, b"\xff\xda\xff\xd9") + fill + segment(0xFE, b"\xff\xd9")
    coded = b"".join(tables + segment(0xDA, bytes(8)) + scan + fill for scan in scans)
    return b"\xff\xd8" + segment(0xE0, b"JFIF\0") + coded + b"\xff\xd9"


@pytest.mark.parametrize("fill", [b"", b"\xff", b"\xff\xff\xff"])
@pytest.mark.parametrize("count", range(len(SCANS) + 1))
def test_a_jpegs_payload_is_that_of_all_its_scans(count, fill):
    assert jpeg_payload(jpeg_of(SCANS[:count], fill)) == sum(map(len, SCANS[:count]))


@pytest.mark.parametrize(
    "options", [{}, {"optimize": True}, {"progressive": True}, {"restart_marker_blocks": 1}, {"subsampling": 0}]
)
@pytest.mark.parametrize("quality", [1, 60, 100])
def test_a_real_jpegs_scans_are_what_a_search_for_markers_finds(photos, options, quality):
    for image in photos[:4]:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality, **options)
        file = buffer.getvalue()
        scans = re.findall(rb"\xff\xda\x00(?:\x0c.{10}|\x08.{6})((?:[^\xff]|\xff[\x00\xd0-\xd7])*)", file, re.DOTALL)
        assert len(scans) > 1 if "progressive" in options else len(scans) == 1
        assert (b"\xff\xd0" in scans[0]) == ("restart_marker_blocks" in options)
        assert jpeg_payload(file) == sum(map(len, scans)) > 0


def test_all_that_is_no_payload_of_a_jpeg_is_alike_in_all_images(photos, special):
    """Without tables of its own an image has the same headers as any other of its size."""
    for quality in (1, 50, 100):
        for images in (photos[:4], special):
            files = Jpeg().encode(images, quality)
            assert len({len(f) - n for f, n in zip(files, Jpeg().payload(files), strict=True)}) == 1
    small = np.random.default_rng(0).integers(100, 140, (1, 32, 32, 3), np.uint8)
    (file,) = Jpeg().encode(small, 1)
    assert len(file) - jpeg_payload(file) == 623 + len(b"\xff\xd9")


@pytest.mark.parametrize("codec", [WebP(), WebP(effort=0), WebPLossless()])
def test_a_webps_payload_is_what_follows_its_twenty_bytes_of_headers(photos, special, codec):
    for images in (photos[:3], special):
        files = codec.encode(images, 50)
        for file, counted in zip(files, codec.payload(files), strict=True):
            assert counted == struct.unpack_from("<I", file, 16)[0]
            assert len(file) == 20 + counted + counted % 2


def test_a_webps_other_chunks_do_not_count():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 4), np.uint8))
    plain, dressed = io.BytesIO(), io.BytesIO()
    image.save(plain, "WEBP")
    image.save(dressed, "WEBP", exif=b"Exif\0\0" + bytes(51), xmp=bytes(33))
    assert b"ALPH" in plain.getvalue()
    assert len(dressed.getvalue()) > len(plain.getvalue()) + 80
    assert webp_payload(dressed.getvalue()) == webp_payload(plain.getvalue())


def extents(file):
    """The bytes of all items as the box ``iloc`` states them, versions 0 and 1 with offsets and lengths of 4 bytes."""
    at = file.index(b"iloc") + 4
    version, sizes = file[at], file[at + 4]
    assert version < 2
    assert sizes == 0x44
    base = file[at + 5] >> 4
    (items,) = struct.unpack_from(">H", file, at + 6)
    at, total = at + 8, 0
    for _ in range(items):
        at += 4 + 2 * version + base
        (count,) = struct.unpack_from(">H", file, at)
        at += 2
        for _ in range(count):
            total += struct.unpack_from(">II", file, at)[1]
            at += 8
    return total


@needs_avif
@pytest.mark.parametrize("quality", [0, 50, 100])
def test_an_avifs_payload_is_what_its_items_hold(photos, special, quality):
    for images in (photos[:3], special):
        files = Avif().encode(images, quality)
        counted = Avif().payload(files)
        assert counted == [extents(file) for file in files]
        assert all(200 < len(file) - n < 400 for file, n in zip(files, counted, strict=True))


def box(kind, content, size=None):
    return struct.pack(">I", 8 + len(content) if size is None else size) + kind + content


def test_an_avifs_boxes_may_be_long_or_last_to_the_end():
    start = box(b"ftyp", b"avif") + box(b"meta", b"mdat" * 5)
    long = box(b"mdat", struct.pack(">Q", 16 + 7) + bytes(7), size=1)
    assert avif_payload(start + long + box(b"free", bytes(9))) == 7
    assert avif_payload(start + long + box(b"mdat", bytes(11), size=0)) == 18
    with pytest.raises(ValueError, match="the box at byte 40 of this AVIF file states a size of 3 bytes"):
        avif_payload(start + box(b"mdat", bytes(9), size=3))


@pytest.mark.parametrize("codec", [Original(), Png()])
def test_a_pngs_payload_is_its_idat(photos, codec):
    files = codec.encode(photos[:2], None)
    for file, counted in zip(files, codec.payload(files), strict=True):
        assert counted == encoding.png_payload(file)
        assert len(file) == counted + 8 + 25 + 12 + 12


@pytest.mark.parametrize(
    ("count", "codec"),
    [(jpeg_payload, Jpeg()), (webp_payload, WebP()), pytest.param(avif_payload, Avif(), marks=needs_avif)],
)
def test_what_is_damaged_is_complained_of(photos, count, codec):
    (file,) = codec.encode(photos[:1], 50)
    for length in (0, 1, 5, 30, len(file) // 2, len(file) - 1):
        with pytest.raises(ValueError, match=r"^this (\w+ )?(file|is no)") as error:
            count(file[:length])
        assert "\n" not in str(error.value)
    for other in (b"", b"GIF89a" + bytes(40)):
        with pytest.raises(ValueError, match="this is no"):
            count(other)
