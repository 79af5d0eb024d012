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
