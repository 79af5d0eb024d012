"""GIF89a: the first frame, without the extensions that describe it."""

from __future__ import annotations

from harness.image_files.essence import Essence

SIGNATURES = (b"GIF87a", b"GIF89a")
_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_CONTROL = 0xF9
_CONTROL_BYTES = 4


def essence(content: bytes) -> Essence:
    """Keeps the screen, the first image and the sound graphic controls before it; counts the images."""
    position = 13 + _palette_bytes(content, 10)
    kept, frames = [content[:position]], 0
    while position < len(content) and content[position] != _END:
        start = position
        if content[start] == _EXTENSION:
            position = _after_blocks(content, start + 2)
            sound = content[start + 1 : start + 3] == bytes([_CONTROL, _CONTROL_BYTES])
            if sound and not frames:
                kept.append(content[start : start + 3 + _CONTROL_BYTES] + b"\0")
        elif content[start] == _IMAGE:
            position = _after_blocks(content, start + 11 + _palette_bytes(content, start + 9))
            frames += 1
            if frames == 1:
                kept.append(content[start:position])
        else:
            position += 1
    return Essence(b"".join(kept) + bytes([_END]), frames=frames or 1)


def _palette_bytes(content: bytes, flags_at: int) -> int:
    flags = content[flags_at] if flags_at < len(content) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(content: bytes, position: int) -> int:
    """Behind a sequence of blocks, each of which begins with its length, and its end, a length of 0."""
    while position < len(content) and content[position]:
        position += 1 + content[position]
    return position + 1
