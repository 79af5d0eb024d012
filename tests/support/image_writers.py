"""Image files written sample by sample, of kinds that Pillow cannot write."""

import struct
import zlib

import numpy as np

ORDERS = {"<": b"II*\0", ">": b"MM\0*"}


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def packed(samples, bits, order=">"):
    """Rows of samples ``[H, W, channels]`` as bytes; below 8, and at 12 bits, without gaps but at the ends of rows."""
    if samples.dtype.kind == "f" or bits % 8 == 0:
        kind = samples.dtype.kind if samples.dtype.kind in "fi" else "u"
        return [row.astype(f"{order}{kind}{bits // 8}").tobytes() for row in samples]
    rows = []
    for row in samples:
        digits = "".join(format(int(sample), f"0{bits}b") for sample in row.ravel())
        rows.append(np.packbits(np.array([*digits], np.uint8)).tobytes())
    return rows


def png(samples, bits, color, *, palette=b"", transparent=b"", before=b"", after=b""):
    """``[H, W, channels]`` as PNG of a color type; before, after: chunks around the pixels."""
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    rows = b"".join(b"\0" + row for row in packed(samples, bits))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before,
            chunk(b"PLTE", palette) if palette else b"",
            chunk(b"tRNS", transparent) if transparent else b"",
            chunk(b"IDAT", zlib.compress(rows)) + after + chunk(b"IEND", b""),
        )
    )


def tiff(samples, bits, photometric, *, order="<", deflated=False, planar=False, alpha=None, tags=()):
    """``[H, W, channels]`` as TIFF, planar: each channel by itself; tags: more of them, as tag, type, values."""
    height, width, channels = samples.shape
    planes = np.split(samples, channels, axis=2) if planar else [samples]
    strips = [b"".join(packed(plane, bits, order)) for plane in planes]
    strips = [zlib.compress(strip) if deflated else strip for strip in strips]
    data, offsets = b"", []
    for strip in strips:
        offsets.append(8 + len(data))
        data += strip + b"\0" * (len(strip) % 2)
    kinds = {"f": 3, "i": 2}
    entries = [
        (256, "I", [width]), (257, "I", [height]), (258, "H", [bits] * channels), (259, "H", [8 if deflated else 1]),
        (262, "H", [photometric]), (273, "I", offsets), (277, "H", [channels]), (278, "I", [height]),
        (279, "I", [len(strip) for strip in strips]), (284, "H", [2 if planar else 1]),
        *([(338, "H", [alpha])] if alpha is not None else []),
        *([(339, "H", [kinds[samples.dtype.kind]] * channels)] if samples.dtype.kind in kinds else []),
        *tags,
    ]  # fmt: skip
    return _with_directory(data, sorted(entries), order)


def _with_directory(data, entries, order):
    numbers = {"B": 1, "s": 2, "H": 3, "I": 4, "f": 11, "d": 12, "h": 8, "i": 9}
    start = 8 + len(data)
    extra, written = start + 2 + 12 * len(entries) + 4, b""
    behind = b""
    for tag, kind, values in entries:
        body = values if kind == "s" else struct.pack(f"{order}{len(values)}{kind}", *values)
        where = body.ljust(4, b"\0") if len(body) <= 4 else struct.pack(order + "I", extra + len(behind))
        behind += body + b"\0" * (len(body) % 2) if len(body) > 4 else b""
        written += struct.pack(order + "HHI", tag, numbers[kind], len(values)) + where
    directory = struct.pack(order + "H", len(entries)) + written + b"\0" * 4
    return ORDERS[order] + struct.pack(order + "I", start) + data + directory + behind


def psd(samples, bits, mode, *, rle=False, merged_alpha=False, resources=b"", colors=b""):
    """``[H, W, channels]`` as PSD; merged_alpha: with one empty layer, and a count of layers that is negative."""
    height, width, channels = samples.shape
    planes = [samples[..., [n]] for n in range(channels)]
    rows = [row for plane in planes for row in packed(plane, bits)]
    if rle:
        rows = [_packbits(row) for row in rows]
    counts = b"".join(struct.pack(">H", len(row)) for row in rows) if rle else b""
    layer = bytes(16) + b"\0\0" + b"8BIMnorm\xff\0\0\0" + struct.pack(">I", 12) + bytes(12)
    count = struct.pack(">h", -1) + layer
    sections = colors, resources, struct.pack(">I", len(count)) + count if merged_alpha else b""
    return b"".join(
        (
            b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, bits, mode),
            *(struct.pack(">I", len(section)) + section for section in sections),
            struct.pack(">H", rle) + counts + b"".join(rows),
        )
    )


def _packbits(row):
    """Runs of equal bytes as length and byte, others as they are."""
    out, at = b"", 0
    while at < len(row):
        same = next((n for n in range(1, min(128, len(row) - at)) if row[at + n] != row[at]), min(128, len(row) - at))
        out += bytes([257 - same if same > 1 else 0]) + row[at : at + 1]
        at += same
    return out


def box(kind, body):
    return struct.pack(">I", 8 + len(body)) + kind + body


def jp2(stream, space, *boxes):
    """A codestream in a file; space: the number of its color space; boxes: more of its header."""
    height, width = struct.unpack_from(">II", stream, 8)[::-1]
    count, depth = struct.unpack_from(">HB", stream, 40)
    header = box(b"ihdr", struct.pack(">IIHBBBB", height, width, count, depth, 7, 0, 0))
    color = box(b"colr", struct.pack(">BBBI", 1, 0, 0, space))
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return start + box(b"jp2h", header + color + b"".join(boxes)) + box(b"jp2c", stream)


def of_other_depth(stream, bits):
    """A reversible codestream of 8-bit samples as one with more or fewer bits.

    A sample v, if no wavelet divides it, becomes ``(v - 128) * 2 ** (bits - 7) + 2 ** (bits - 1)`` where there are more
    bits, ``v - 128 + 2 ** (bits - 1)`` where there are fewer, cut off at black and white.
    """
    deep = bytearray(stream)
    (components,) = struct.unpack_from(">H", deep, 40)
    deep[42 : 42 + 3 * components : 3] = bytes([bits - 1]) * components
    quantization = deep.index(b"\xff\x5c")
    (length,) = struct.unpack_from(">H", deep, quantization + 2)
    for band in range(quantization + 5, quantization + 2 + length):
        deep[band] += max(0, bits - 7) << 3
    return bytes(deep)
