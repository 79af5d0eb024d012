import io
import pickle
import struct

import numpy as np
import pytest
from PIL import Image, features

from harness.contracts import BadInput
from harness.discovery import discover
from methods.codecs import Avif, Jpeg, Original, Png, WebP, WebPLossless

HAS_AVIF = "avif" in features.get_supported_modules()
needs_avif = pytest.mark.skipif(not HAS_AVIF, reason="this Pillow was built without AVIF")
LOSSLESS = [
    Original(),
    Png(),
    Png(optimize=False, compress_level=0),
    WebPLossless(),
    WebPLossless(effort=0),
    WebPLossless(effort=6),
]
LOSSY = [
    Jpeg(),
    Jpeg(optimize=True),
    WebP(),
    WebP(effort=0),
    pytest.param(Avif(), marks=needs_avif),
    pytest.param(Avif(subsampling="4:4:4", speed=10), marks=needs_avif),
]


def codecs():
    built_in = [plugin for plugin in discover() if plugin.mark.kind == "method" and hasattr(plugin.cls, "encode")]
    return [
        pytest.param(plugin, id=plugin.name, marks=needs_avif if plugin.name == "avif" else ())
        for plugin in built_in
        if plugin.origin == "built in"
    ]


@pytest.mark.parametrize("plugin", codecs())
def test_every_codec_keeps_the_contract(plugin, special, monkeypatch):
    codec = plugin.make({}, "test")
    backwards = special[::-1, :, ::-1]
    backwards.flags.writeable = False
    for quality in plugin.mark.levels or [None]:
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        files = codec.encode(special, quality)
        seen = codec.decode(files)
        assert seen.dtype == np.uint8
        assert seen.shape == special.shape
        assert pickle.loads(pickle.dumps(codec)).encode(special.copy(), quality) == files
        assert codec.encode(backwards, quality) == codec.encode(backwards.copy(), quality)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        for image, file, shown in zip(special, files, seen, strict=True):
            assert codec.encode(image[None], quality) == [file]
            assert (codec.decode([file])[0] == shown).all()


@pytest.mark.parametrize("codec", LOSSLESS)
def test_lossless_codecs_give_back_every_pixel(codec, special, photos):
    for images in (special, photos):
        assert (codec.decode(codec.encode(images, None)) == images).all()


def test_original_gives_back_every_pixel(special):
    files = Original().encode(special, None)
    assert (Original().decode(files) == special).all()
    for file in files:
        with Image.open(io.BytesIO(file)) as image:
            assert (image.format, image.mode, image.info) == ("PNG", "RGB", {})


@pytest.mark.parametrize("codec", [Jpeg(), Jpeg(subsampling="4:4:4", optimize=True)])
@pytest.mark.parametrize("quality", [1, 50, 100])
def test_jpeg_is_pillows(special, photos, codec, quality):
    for images in (special, photos[:3]):
        files = codec.encode(images, quality)
        seen = codec.decode(files)
        assert seen.dtype == np.uint8
        for image, file, decoded in zip(images, files, seen, strict=True):
            buffer = io.BytesIO()
            subsampling = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}[codec.subsampling]
            Image.fromarray(image).save(
                buffer, "JPEG", quality=quality, subsampling=subsampling, optimize=codec.optimize
            )
            assert file == buffer.getvalue()
            assert (decoded == np.asarray(Image.open(io.BytesIO(file)))).all()


def test_jpeg_without_parameters_is_what_pillow_makes_without_options(photos):
    buffer = io.BytesIO()
    Image.fromarray(photos[0]).save(buffer, "JPEG", quality=40)
    assert Jpeg().encode(photos[:1], 40) == [buffer.getvalue()]


def test_jpeg_carries_no_metadata(photos):
    with Image.open(io.BytesIO(Jpeg().encode(photos[:1], 75)[0])) as image:
        assert not set(image.info) & {"exif", "icc_profile", "comment", "photoshop", "xmp"}


def test_optimized_tables_give_the_same_pixels_in_fewer_bytes(photos):
    plain, optimized = Jpeg().encode(photos, 30), Jpeg(optimize=True).encode(photos, 30)
    assert (Jpeg().decode(plain) == Jpeg().decode(optimized)).all()
    assert all(len(small) < len(large) for small, large in zip(optimized, plain, strict=True))


@pytest.mark.parametrize("codec", LOSSY)
def test_more_quality_costs_more_bytes_and_leaves_less_error(photos, codec):
    sizes, errors = [], []
    for quality in (5, 30, 60, 95):
        files = codec.encode(photos, quality)
        sizes.append(sum(map(len, files)))
        errors.append(((codec.decode(files).astype(float) - photos) ** 2).mean())
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_effort_saves_bytes(photos):
    def size(codec):
        return sum(map(len, codec.encode(photos, None)))

    stored, fast, slow, best = (
        size(Png(optimize=optimize, compress_level=level))
        for optimize, level in ((False, 0), (False, 1), (False, 9), (True, 9))
    )
    assert stored > fast > slow > best
    assert size(WebPLossless()) < size(WebPLossless(effort=0)) < best


def png_chunks(file):
    position = 8
    while position < len(file):
        (length,) = struct.unpack_from(">I", file, position)
        yield file[position + 4 : position + 8]
        position += 12 + length


def test_png_holds_nothing_but_pixels(photos):
    for codec in (Original(), Png()):
        assert set(png_chunks(codec.encode(photos[:1], None)[0])) == {b"IHDR", b"IDAT", b"IEND"}


def test_webp_holds_nothing_but_pixels(photos):
    for codec, kind in ((WebP(), b"VP8 "), (WebPLossless(), b"VP8L")):
        file = codec.encode(photos[:1], 50)[0]
        (length,) = struct.unpack_from("<I", file, 16)
        assert file[:4] + file[8:16] == b"RIFFWEBP" + kind
        assert len(file) - (20 + length) in (0, 1)


@needs_avif
def test_avif_carries_no_metadata(photos):
    file = Avif().encode(photos[:1], 50)[0]
    assert not any(box in file for box in (b"Exif", b"prof", b"application/rdf+xml"))
    with Image.open(io.BytesIO(file)) as image:
        assert (image.format, image.info) == ("AVIF", {})


def test_without_avif_one_sentence_says_what_is_needed(photos, monkeypatch):
    monkeypatch.setattr(features, "get_supported_modules", lambda: ["jpg"])
    for use in (Avif().check, lambda: Avif().encode(photos, 50), lambda: Avif().decode([b""])):
        with pytest.raises(BadInput, match=r"^codec 'avif' needs a Pillow with AVIF, .*pip install .*pillow>=11\.3"):
            use()
