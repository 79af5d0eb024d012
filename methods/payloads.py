"""How many bytes of a file are coded pixels: JPEG, WebP and AVIF; ``harness.encoding.png_payload`` does it for PNG."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
_RESTARTS = range(0xD0, 0xD8)
_WEBP_BITSTREAMS = (b"VP8 ", b"VP8L", b"ALPH")


def jpeg_payload(file: bytes) -> int:
    """Counts the bytes of a JPEG's entropy-coded segments, in all of its scans.

    A scan's begin behind its SOS header and end at the next marker. Bytes count as they are in the file: with the zero
    that is stuffed behind each 0xFF, and with restart markers, which stand inside of the coded data. Tables, headers,
    fill bytes and all other markers do not count. Source: ITU-T T.81 (1992), annex B.

    Args:
        file: The content of a JPEG file.

    Returns:
        The number of bytes.

    Raises:
        ValueError: It is no JPEG, or ends too early.
    """
    if file[:2] != bytes((0xFF, _SOI)):
        raise ValueError("this is no JPEG file: it does not begin with FF D8")
    payload, position = 0, 2
    while True:
        marker, position = _jpeg_marker(file, position)
        if marker == _EOI:
            return payload
        if marker == _TEM or marker in _RESTARTS:
            continue
        position += struct.unpack(">H", _all_of(file, position, 2))[0]
        if marker == _SOS:
            end = _end_of_scan(file, position)
            payload, position = payload + end - position, end


def _jpeg_marker(file: bytes, position: int) -> tuple[int, int]:
    """The second byte of the marker here, and where it ends; any number of FF may fill the room before it."""
    if _all_of(file, position, 1) != b"\xff":
        raise ValueError(f"this JPEG file has no marker at byte {position}")
    while _all_of(file, position, 1) == b"\xff":
        position += 1
    return file[position], position + 1


def _end_of_scan(file: bytes, position: int) -> int:
    """Where the next FF stands that is neither stuffed nor the first byte of a restart marker."""
    while True:
        position = file.find(b"\xff", position)
        if position < 0:
            raise ValueError("this JPEG file ends within a scan")
        following = _all_of(file, position + 1, 1)[0]
        if following != 0 and following not in _RESTARTS:
            return position
        position += 2


def webp_payload(file: bytes) -> int:
    """Counts the bytes inside of a WebP's chunks ``VP8``, ``VP8L`` and ``ALPH``: its bitstreams.

    The RIFF container, chunk headers and padding do not count. A bitstream's own header does: ten bytes of a VP8 key
    frame, five of VP8L. Source: RFC 9649, sections 2.3 to 2.6.

    Args:
        file: The content of a still WebP file.

    Returns:
        The number of bytes.

    Raises:
        ValueError: It is no WebP, or ends too early.
    """
    if file[:4] != b"RIFF" or file[8:12] != b"WEBP":
        raise ValueError("this is no WebP file: it does not begin with RIFF and WEBP")
    payload, position = 0, 12
    while position < len(file):
        kind, length = struct.unpack("<4sI", _all_of(file, position, 8))
        _all_of(file, position + 8, length)
        payload += length if kind in _WEBP_BITSTREAMS else 0
        position += 8 + length + length % 2
    return payload


def avif_payload(file: bytes) -> int:
    """Counts the bytes inside of an AVIF's ``mdat`` boxes: the data of its items.

    In a file without metadata these are the AV1 bitstreams, of which the sequence header is a part. Properties and
    places of items (``meta``) and box headers do not count. Source: ISO/IEC 14496-12, section 4.2; AOMedia, AV1 Image
    File Format, section 2.

    Args:
        file: The content of an AVIF file.

    Returns:
        The number of bytes.

    Raises:
        ValueError: It is no AVIF, or ends too early.
    """
    if file[4:8] != b"ftyp":
        raise ValueError("this is no AVIF file: it does not begin with a box ftyp")
    return sum(length for kind, length in _boxes(file) if kind == b"mdat")


def _boxes(file: bytes) -> Iterator[tuple[bytes, int]]:
    """The kind of each outermost box, and how many bytes are inside of it."""
    position = 0
    while position < len(file):
        size, kind = struct.unpack(">I4s", _all_of(file, position, 8))
        header = 8
        if size == 1:
            header, size = 16, struct.unpack(">Q", _all_of(file, position + 8, 8))[0]
        elif size == 0:
            size = len(file) - position
        if size < header:
            raise ValueError(f"the box at byte {position} of this AVIF file states a size of {size} bytes")
        _all_of(file, position, size)
        yield kind, size - header
        position += size


def _all_of(file: bytes, position: int, length: int) -> bytes:
    """These bytes; raises ValueError where the file ends before them."""
    if position + length > len(file):
        raise ValueError(f"this file ends at byte {len(file)}, too early: it states at least {position + length} bytes")
    return file[position : position + length]
