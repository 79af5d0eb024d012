"""Boxes of the ISO base media kind, of which JP2 and AVIF files are made."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def boxes(content: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and where its body starts and ends, of each box between two places; the last one may be cut off."""
    end = len(content) if end is None else min(end, len(content))
    while start + 8 <= end:
        length, kind = struct.unpack_from(">I4s", content, start)
        body = start + 8
        if length == 1 and body + 8 <= end:
            (length,) = struct.unpack_from(">Q", content, body)
            body += 8
        after = start + length if length else end
        if after < body:
            return
        yield kind, body, min(after, end)
        start = after
