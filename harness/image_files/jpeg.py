"""JPEG: its segments, without those that describe the image (EXIF, XMP, color profiles, previews, comments)."""

from __future__ import annotations

from collections.abc import Iterator

from harness.image_files.essence import Essence

SIGNATURE = b"\xff\xd8\xff"
_SCAN, _COMMENT = 0xDA, 0xFE
_DESCRIBING = {0xE0 + n for n in range(16)} | {_COMMENT}
_CODING = {0xE0: (b"JFIF\0", 14), 0xEE: (b"Adobe", 12)}
"""What says how colors are coded: how it begins, and its least bytes, without which libjpeg takes no notice of it."""
_EXIF, _XMP = b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0"


def essence(content: bytes) -> Essence:
    """Keeps all but comments and APP0 to APP15; of these, only what says how colors are coded, JFIF and Adobe."""
    kept, exif, xmp = [SIGNATURE[:2]], b"", b""
    for marker, segment in _segments(content):
        begins, least = _CODING.get(marker, (b"", 1 << 16))
        if marker not in _DESCRIBING or (len(segment) - 4 >= least and segment[4:].startswith(begins)):
            kept.append(segment)
        elif segment[4:].startswith(_EXIF):
            exif = exif or segment[4:]
        elif segment[4:].startswith(_XMP):
            xmp = xmp or segment[4:]
    return Essence(b"".join(kept), exif=exif, xmp=xmp, frames=1)


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Each marker with its segment, the last one (a scan) with all that follows; bytes between segments are dropped."""
    position = 2
    while (start := content.find(b"\xff", position)) >= 0 and start + 4 <= len(content):
        marker = content[start + 1]
        if marker in (0x00, 0xFF):
            position = start + 1
            continue
        if marker == _SCAN:
            yield marker, content[start:]
            return
        position = start + 2 + max(2, int.from_bytes(content[start + 2 : start + 4]))
        yield marker, content[start:position]
