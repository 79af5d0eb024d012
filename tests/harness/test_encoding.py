import io
import struct
import threading

import numpy as np
import pytest
from PIL import Image
from scipy.stats import entropy

from harness import encoding
from harness.contracts import Palettized

RNG = np.random.default_rng(0)


def few(n, side, colors):
    """A compacted batch whose images use up to ``colors`` colors, fewer in later images."""
    indices = np.stack([RNG.integers(0, max(1, colors - i), (side, side + 3), np.uint8) for i in range(n)])
    return Palettized(indices, RNG.integers(0, 256, (n, colors, 3), np.uint8)).compact()


def chunks(png):
    found, position = [], 8
    while position < len(png):
        length, kind = struct.unpack(">I4s", png[position : position + 8])
        found.append((kind.decode(), png[position + 8 : position + 8 + length]))
        position += 12 + length
    return found


@pytest.mark.parametrize("colors", [1, 2, 3, 4, 5, 16, 17, 255, 256])
def test_an_indexed_png_decodes_to_the_same_pixels_with_as_few_bits_as_hold_them(colors):
    indices = np.resize(np.arange(colors, dtype=np.uint8), (20, 21))
    palette = RNG.permutation(256)[:colors, None].repeat(3, axis=1).astype(np.uint8)
    png = encoding.indexed_png(indices, palette)
    with Image.open(io.BytesIO(png)) as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image.convert("RGB")), palette[indices])
    parts = dict(chunks(png))
    bits, color_type = parts["IHDR"][8:10]
    expected = 1
    while 2**expected < colors:
        expected *= 2
    assert (bits, color_type) == (expected, 3)
    assert parts["PLTE"] == palette.tobytes()


@pytest.mark.parametrize("colors", [1, 2, 7, 100])
def test_every_image_of_a_batch_is_stored_with_the_colors_it_uses(colors):
    batch = few(5, 12, colors)
    for png, pixels, used in zip(encoding.encode_all(batch), batch.render(), batch.colors(), strict=True):
        assert len(dict(chunks(png))["PLTE"]) == 3 * used
        with Image.open(io.BytesIO(png)) as image:
            assert np.array_equal(np.asarray(image.convert("RGB")), pixels)


def test_a_plain_png_is_the_pixels():
    pixels = RNG.integers(0, 256, (9, 14, 3), np.uint8)
    with Image.open(io.BytesIO(encoding.plain_png(pixels))) as image:
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), pixels)


def test_a_gray_map_goes_through_a_plain_png():
    pixels = RNG.integers(0, 256, (9, 14), np.uint8)
    with Image.open(io.BytesIO(encoding.plain_png(pixels))) as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), pixels)


def test_maps_are_stretched_each_by_itself():
    maps = np.array([[[-2.0, 0.0], [2.0, 1.0]], [[10.0, 20.0], [30.0, 15.0]], [[7.0, 7.0], [7.0, 7.0]]])
    assert encoding.stretched(maps).tolist() == [[[0, 128], [255, 191]], [[0, 128], [255, 64]], [[0, 0], [0, 0]]]


def test_files_hold_nothing_but_pixels():
    batch = few(1, 32, 9)
    assert [kind for kind, _ in chunks(encoding.encode_all(batch)[0])] == ["IHDR", "PLTE", "IDAT", "IEND"]
    assert [kind for kind, _ in chunks(encoding.plain_png(batch.render()[0]))] == ["IHDR", "IDAT", "IEND"]


def test_the_payload_is_what_is_inside_all_idat_chunks():
    noise = RNG.integers(0, 256, (300, 300, 3), np.uint8)
    for png in (encoding.plain_png(noise), *encoding.encode_all(few(2, 30, 5))):
        assert encoding.png_payload(png) == sum(len(data) for kind, data in chunks(png) if kind == "IDAT")
    assert sum(kind == "IDAT" for kind, _ in chunks(encoding.plain_png(noise))) > 1


@pytest.mark.parametrize("colors", [1, 2, 5, 60])
def test_entropy_against_scipy(colors):
    batch = few(4, 11, colors)
    for image, bits in zip(batch.indices, encoding.entropy_bits(batch), strict=True):
        counts = np.unique(image, return_counts=True)[1]
        assert bits == pytest.approx(entropy(counts, base=2) * image.size + 24 * len(counts), rel=1e-12)


def test_an_images_entropy_depends_on_no_other_image_to_the_last_bit():
    indices = RNG.integers(0, 13, (40, 8, 9), np.uint8)
    narrow, wide = (Palettized(indices, np.zeros((40, entries, 3), np.uint8)) for entries in (13, 200))
    assert encoding.entropy_bits(narrow).tolist() == encoding.entropy_bits(wide).tolist()


def test_psnr_against_a_loop():
    one, other = RNG.integers(0, 256, (2, 3, 5, 4, 3), np.uint8)
    other[2] = one[2]
    other[1] = one[1] // 2
    found = encoding.psnr(one, other)
    for n in range(2):
        squared = sum((int(a) - int(b)) ** 2 for a, b in zip(one[n].ravel(), other[n].ravel(), strict=True))
        assert found[n] == pytest.approx(10 * np.log10(255**2 / (squared / one[n].size)), rel=1e-6)
    assert np.isposinf(found[2])
    black, white = np.zeros((1, 2, 2, 3), np.uint8), np.full((1, 2, 2, 3), 255, np.uint8)
    assert encoding.psnr(black, white) == pytest.approx([0.0])


def test_colors_are_counted_as_by_unique():
    images = np.concatenate([RNG.integers(0, high, (3, 16, 9, 3), np.uint8) for high in (1, 2, 4, 256)])
    images[-1, ..., 1:] = 0
    expected = [len(np.unique(image.reshape(-1, 3), axis=0)) for image in images]
    assert encoding.count_colors(images).tolist() == expected
    assert min(expected) == 1
    assert max(expected) > 64


def test_threads_keep_the_order_and_pass_exceptions_on(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    barrier = threading.Barrier(3, timeout=10)

    def slowly(item):
        barrier.wait()
        return item * item

    assert encoding.in_threads(slowly, range(9)) == [item * item for item in range(9)]
    with pytest.raises(ZeroDivisionError):
        encoding.in_threads(lambda item: 1 // item, [1, 0, 2])


@pytest.mark.parametrize(("stated", "expected"), [("3", 3), ("0", None), ("", None), ("many", None), ("-1", None)])
def test_threads_are_those_stated_or_the_cores_there_are(monkeypatch, stated, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", stated)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(5)))
    assert encoding.thread_count() == (expected or 5)
