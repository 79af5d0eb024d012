"""JPEG 2000 of any depth, palette and color space; its samples are computed apart."""

import io
import struct

import numpy as np
import pytest
from image_writers import box, jp2, of_other_depth
from PIL import Image

from harness.contracts import BadInput
from harness.image_files import read_image

DRAW = np.random.default_rng(5)
CMYK, SRGB, GRAY, SYCC = 12, 16, 17, 18
SPACES = {1: GRAY, 2: GRAY, 3: SRGB, 4: SRGB}
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def read(content):
    return read_image(io.BytesIO(content), "a.file")


def draw(channels, height=9, width=14):
    samples = DRAW.integers(0, 256, (height, width, channels), np.uint8)
    samples[0], samples[1] = 255, 0
    return samples


def codestream(samples, **options):
    buffer = io.BytesIO()
    how = {"num_resolutions": 1, "mct": 0, "no_jp2": True} | options
    Image.fromarray(samples.squeeze(), MODES[samples.shape[2]]).save(buffer, "JPEG2000", **how)
    return buffer.getvalue()


def shares(samples, bits):
    """What of_other_depth makes of 8-bit samples, from 0 to 1."""
    values = (samples.astype(int) - 128) * (2 ** (bits - 7) if bits > 8 else 1) + 2 ** (bits - 1)
    return np.clip(values, 0, 2**bits - 1) / (2**bits - 1)


def shown(color, alpha=1.0):
    color = color * alpha + (1 - alpha)
    return np.floor(np.broadcast_to(color, (*color.shape[:2], 3)) * 255 + 0.5).astype(int)


def assert_shows(content, expected, within=0):
    assert np.abs(read(content).pixels.astype(int) - expected).max() <= within


@pytest.mark.parametrize("boxed", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_depth_is_scaled_by_its_own_greatest_value(channels, bits, boxed):
    samples = draw(channels)
    stream = of_other_depth(codestream(samples), bits) if bits != 8 else codestream(samples)
    content = jp2(stream, SPACES[channels]) if boxed else stream
    share = shares(samples, bits) if bits != 8 else samples / 255
    expected = shown(share) if channels % 2 else shown(share[..., :-1], share[..., -1:])
    # A decoder may add half of what one step of the 8-bit samples has become. Of color with more than 8 bits, Pillow
    # hands over the upper 8, rounded.
    assert_shows(content, expected, within=(1 + (channels > 1)) * (bits > 8) + (channels % 2 == 0))
    found = read(content)
    assert (found.remarks[:1] == (f"{bits} bits scaled to 8",)) == (bits > 8)
    assert (found.pixels[0] == 255).all()
    assert channels % 2 == 0 or (found.pixels[1] == 0).all()


@pytest.mark.parametrize("bits", [9, 12, 16])
def test_white_stays_white_where_the_wavelet_is_scaled_by_the_depth(bits):
    samples = draw(3)
    samples[2:] = np.linspace(100, 156, 14, dtype=np.uint8)[:, None]
    stream = bytearray(codestream(samples, irreversible=True))
    stream[42:51:3] = bytes([bits - 1]) * 3
    quantization = stream.index(b"\xff\x5c") + 4
    stream[quantization] += 1 << 5  # one more guard bit and a smaller exponent: all coefficients are doubled
    stream[quantization + 1] -= 1 << 3
    expected = np.clip((samples.astype(int) - 128) * 2 + 128, 0, 255)
    assert_shows(bytes(stream), expected, within=2)
    pixels = read(bytes(stream)).pixels
    assert (pixels[0] == 255).all()
    assert (pixels[1] == 0).all()


@pytest.mark.parametrize("bits", [9, 11, 16])
def test_samples_that_are_known_exactly(bits):
    for channels in (1, 3):
        samples = draw(channels)
        stream = bytearray(codestream(samples, num_resolutions=3, mct=channels // 3, tile_size=(8, 8)))
        stream[42 : 42 + 3 * channels : 3] = bytes([bits - 1]) * channels
        share = (samples.astype(int) - 128 + 2 ** (bits - 1)) / (2**bits - 1)
        assert_shows(bytes(stream), shown(share), within=channels // 3)


def test_wavelets_and_tiles_of_more_than_8_bits():
    samples = np.zeros((40, 60, 3), np.uint8)
    samples[:, 30:] = 255
    for options in ({"num_resolutions": 3}, {"num_resolutions": 2, "tile_size": (32, 32)}, {"progression": "CPRL"}):
        pixels = read(of_other_depth(codestream(samples, **options), 12)).pixels
        assert (pixels[:, 42:] == 255).all()
        assert (pixels[:, :18] == 0).all()


@pytest.mark.parametrize("bits", [4, 8, 12])
@pytest.mark.parametrize("columns", [1, 3, 4])
def test_a_palette_of_any_depth(columns, bits):
    indices, white = draw(1), (1 << bits) - 1
    table = DRAW.integers(0, white + 1, (256, columns))
    body = struct.pack(">HB", 256, columns) + bytes([bits - 1]) * columns
    body += table.astype(">u2" if bits > 8 else np.uint8).tobytes()
    mapping = b"".join(struct.pack(">HBB", 0, 1, column) for column in range(columns))
    content = jp2(codestream(indices), SPACES[columns], box(b"pclr", body), box(b"cmap", mapping))
    share = table[indices[..., 0]] / white
    expected = shown(share) if columns < 4 else shown(share[..., :3], share[..., 3:])
    assert_shows(content, expected, within=columns == 4)


def test_channels_are_what_they_are_said_to_be():
    samples = draw(4)
    share = samples / 255

    def defined(*channels):
        body = struct.pack(">H", len(channels)) + b"".join(struct.pack(">HHH", n, *c) for n, c in enumerate(channels))
        return jp2(codestream(samples), SRGB, box(b"cdef", body))

    turned = defined((0, 3), (0, 2), (0, 1), (1, 0))
    assert_shows(turned, shown(share[..., 2::-1], share[..., 3:]), within=1)
    assert_shows(defined((0, 1), (0, 2), (0, 3), (65535, 65535)), samples[..., :3].astype(int))
    assert_shows(defined((1, 0), (0, 1), (0, 2), (0, 3)), shown(share[..., 1:], share[..., :1]), within=1)
    with pytest.raises(BadInput, match="its colors are multiplied by its alpha; save it as PNG"):
        read(defined((0, 1), (0, 2), (0, 3), (2, 0)))


def test_color_spaces():
    samples = draw(3)
    expected = np.asarray(Image.fromarray(samples, "YCbCr").convert("RGB")).astype(int)
    assert_shows(jp2(codestream(samples), SYCC), expected)
    inks = draw(4)
    expected = np.asarray(Image.frombytes("CMYK", (14, 9), inks.tobytes()).convert("RGB")).astype(int)
    assert_shows(jp2(codestream(inks), CMYK), expected)
    with pytest.raises(BadInput, match="its color space, number 14 of JPEG 2000, is not read; save it as RGB"):
        read(jp2(codestream(samples), 14))


@pytest.mark.parametrize("boxed", [False, True])
def test_color_with_fewer_samples_is_ycbcr(boxed):
    planes = [draw(1, 8, 12), draw(1, 4, 6), draw(1, 4, 6)]
    bodies = [stream[stream.index(b"\xff\x93") + 2 : -2] for stream in map(codestream, planes)]
    whole = codestream(draw(3, 8, 12))
    start, data = whole.index(b"\xff\x90"), whole.index(b"\xff\x93") + 2
    part = whole[start : start + 6] + bytes(4) + whole[start + 10 : data]
    head = whole[:42] + bytes([7, 1, 1, 7, 2, 2, 7, 2, 2]) + whole[51:start]
    stream = head + part + b"".join(bodies) + b"\xff\xd9"
    large = [planes[0], *(plane.repeat(2, axis=0).repeat(2, axis=1) for plane in planes[1:])]
    expected = np.asarray(Image.fromarray(np.dstack(large), "YCbCr").convert("RGB")).astype(int)
    assert_shows(jp2(stream, SYCC) if boxed else stream, expected, within=1)
    with pytest.raises(BadInput, match="its components have fewer samples than it has pixels; save it as RGB"):
        read(jp2(stream, SRGB))


@pytest.mark.parametrize(
    "damaged",
    [
        box(b"res ", box(b"resc", b"\0\1")),
        box(b"res ", b"\0"),
        box(b"res ", b"\xff\xff\xff\xffresc"),
        box(b"colr", b"\2"),
        box(b"colr", b"\1\0\0"),
        box(b"uuid", b"short"),
        box(b"\0\1\2\3", b""),
    ],
)
def test_a_file_is_read_whatever_its_other_boxes(damaged):
    samples = draw(3)
    assert_shows(jp2(codestream(samples), SRGB, damaged), samples.astype(int))


def test_a_file_is_read_whatever_its_comments():
    samples = draw(3)
    stream = codestream(samples)
    place = stream.index(b"\xff\x52")
    for segment in (b"\xff\x64\0\2", b"\xff\x64\0\3\0", b"\xff\x55\0\4\0\xff"):
        assert_shows(stream[:place] + segment + stream[place:], samples.astype(int))


def test_what_would_be_wrong_is_refused():
    stream = codestream(draw(3))
    with pytest.raises(BadInput, match="its samples have 20 bits; save it with 8 or 16 bits a channel"):
        read(stream[:42] + bytes([19, 1, 1] * 3) + stream[51:])
    with pytest.raises(BadInput, match="its components have fewer samples than it has pixels; save it as RGB"):
        read(stream[:42] + bytes([11, 1, 1, 11, 2, 2, 11, 2, 2]) + stream[51:])
    for cut, part in ((len(stream) - 3, "pixels are"), (len(stream) // 2, "pixels are"), (60, "header is damaged or")):
        with pytest.raises(BadInput, match=f"its {part} truncated"):
            read(stream[:cut])
    start = stream.index(b"\xff\x90") + 6
    for length in (1, 11, 12):
        with pytest.raises(BadInput, match="truncated"):
            read(stream[:start] + struct.pack(">I", length) + stream[start + 4 :])
    with pytest.raises(BadInput, match="no pixels"):
        read(jp2(stream, SRGB).replace(b"jp2c", b"free"))
