"""Methods on arrays: what comes out is the method's own, what goes in is looked at first."""

import io

import numpy as np
import pytest
from PIL import Image

import fewcolors as fc
from methods.median_cut import MedianCut

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), np.uint8)


@fc.quantizer("halves")
class Halves:
    level: int = 100

    def palettize(self, images, colors):  # noqa: ARG002
        palettes = np.tile(np.array([[0], [255]], np.uint8), (len(images), 1, 3))
        return fc.Palettized((images.mean(axis=3) > self.level).astype(np.uint8), palettes)


@fc.quantizer("greedy")
class Greedy:
    def palettize(self, images, colors):  # noqa: ARG002
        return fc.Palettized(
            images[..., 0] % 8, np.tile(np.arange(24, dtype=np.uint8).reshape(8, 3), (len(images), 1, 1))
        )


@fc.codec("bitmap", quality=None)
class Bitmap:
    def encode(self, images, quality):  # noqa: ARG002
        files = [io.BytesIO() for _ in images]
        for file, image in zip(files, images, strict=True):
            Image.fromarray(image).save(file, "BMP")
        return [file.getvalue() for file in files]

    def decode(self, files):
        return np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])


@pytest.mark.parametrize("dither", ["none", "floyd-steinberg"])
def test_a_method_by_name_gives_what_its_palettize_gives(dither):
    own = MedianCut(dither=dither).palettize(IMAGES, 4)
    ours = fc.quantize(IMAGES, "median-cut", 4, dither=dither)
    assert isinstance(ours, fc.Palettized)
    assert np.array_equal(ours.render(), own.render())
    assert np.array_equal(ours.indices, own.compact().indices)


def test_a_single_image_is_a_batch_of_one():
    alone = fc.quantize(IMAGES[1], "median-cut", 4)
    assert alone.indices.shape == (1, 6, 5)
    assert np.array_equal(alone.render()[0], fc.quantize(IMAGES, "median-cut", 4).render()[1])


def test_a_class_and_an_instance_need_no_name():
    expected = Halves(level=50).palettize(IMAGES, 2).render()
    assert np.array_equal(fc.quantize(IMAGES, Halves, 2, level=50).render(), expected)
    assert np.array_equal(fc.quantize(IMAGES, Halves(level=50), 2).render(), expected)


def test_what_a_method_returns_is_held_against_the_contract():
    with pytest.raises(fc.ContractError, match="at most 2 were asked for"):
        fc.quantize(IMAGES, Greedy, 2)


def test_a_codec_gives_files_and_what_they_decode_to():
    coded = fc.encode(IMAGES, "jpeg", quality=30)
    assert [Image.open(io.BytesIO(file)).format for file in coded.files] == ["JPEG"] * 4
    shown = np.stack([np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in coded.files])
    assert np.array_equal(coded.images, shown)
    for lossless in ("png", Bitmap, Bitmap()):
        assert np.array_equal(fc.encode(IMAGES[0], lossless).images, IMAGES[:1])


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (IMAGES / 255, r"float64 \[4, 6, 5, 3\].*\(images \* 255\)\.round\(\)"),
        (IMAGES.astype(np.int64), r"int64 \[4, 6, 5, 3\].*images\.astype\(np\.uint8\)"),
        (IMAGES[..., 0], r"uint8 \[4, 6, 5\].*images\[\.\.\., None\], 3, axis=-1"),
        (IMAGES[..., :1], r"uint8 \[4, 6, 5, 1\].*np\.repeat\(images, 3, axis=-1\)"),
        (np.moveaxis(IMAGES, -1, 1), r"uint8 \[4, 3, 6, 5\].*np\.moveaxis\(images, -3, -1\)"),
        (np.repeat(IMAGES[..., :1], 4, -1), r"uint8 \[4, 6, 5, 4\].*images\[\.\.\., :3\] leaves transparency out"),
        (IMAGES[:0], r"uint8 \[0, 6, 5, 3\], there is no pixel"),
        (IMAGES[None], r"uint8 \[1, 4, 6, 5, 3\].*the last axis is red, green, blue"),
        (list(IMAGES), r"got list; np\.stack"),
        (Image.fromarray(IMAGES[0]), r"got Image; .*convert\('RGB'\)"),
        (None, "got NoneType"),
    ],
)
def test_what_is_no_batch_of_images_is_one_sentence(images, sentence):
    for function in (lambda: fc.quantize(images, "median-cut", 2), lambda: fc.encode(images, "png")):
        with pytest.raises(fc.BadInput, match=f"^images: .*{sentence}") as raised:
            function()
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "more", "sentence"),
    [
        (("median-cutt", 2), {}, "there is no method 'median-cutt', did you mean 'median-cut'"),
        (("median-cut", 1), {}, "colors: 'median-cut' needs a whole number from 2 to 256, got 1"),
        (("median-cut", 2.0), {}, "from 2 to 256, got 2.0"),
        (("median-cut", True), {}, "from 2 to 256, got True"),
        (("median-cut", None), {}, "it is missing"),
        (("median-cut", 2), {"dithr": "none"}, "params: method 'median-cut' has no parameter 'dithr', did you mean"),
        (("median-cut", 2), {"dither": "some"}, "params.dither: it should be"),
        (("jpeg", 2), {}, "'jpeg' is a codec and has no number of colors; use fc.encode"),
        (("colorcnn", 2), {}, "'colorcnn' has to be trained; name with run= a run that did"),
        ((int, 2), {}, "a class with @fc.quantizer"),
        ((7, 2), {}, "method: 7 is none"),
        ((Halves(), 2), {"level": 3}, "level: this 'halves' has its parameters already"),
        (("median-cut", 2), {"run": "nowhere"}, "nowhere: not a run's folder"),
        ((Halves, 2), {"run": "nowhere"}, "it is the name of a variant in the run's tables"),
        (("median-cut", 2), {"run": "nowhere", "dither": "none"}, "dither: with run= the parameters are those of the"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_in_pythons_words(arguments, more, sentence):
    with pytest.raises(fc.BadInput) as raised:
        fc.quantize(IMAGES, *arguments, **more)
    assert sentence in str(raised.value)
    assert "--" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("jpeg",), "quality: 'jpeg' needs a whole number from 1 to 100, it is missing"),
        (("jpeg", 101), "from 1 to 100, got 101"),
        (("png", 3), "quality=3: 'png' has no quality, leave it out"),
        (("median-cut", 3), "'median-cut' is a quantizer and has no quality; use fc.quantize"),
    ],
)
def test_what_no_codec_can_do_is_one_sentence(arguments, sentence):
    with pytest.raises(fc.BadInput) as raised:
        fc.encode(IMAGES, *arguments)
    assert sentence in str(raised.value)
