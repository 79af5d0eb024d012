import itertools
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from methods.dithering import floyd_steinberg
from methods.median_cut import MedianCut

plain_python = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "quantizers.py"))["floyd_steinberg_slowly"]


def assert_is_pillows(images, colors):
    result = MedianCut().palettize(images, colors)
    for image, indices, palette in zip(images, result.indices, result.palettes, strict=True):
        expected = Image.fromarray(image).quantize(colors, Image.Quantize.MEDIANCUT)
        listed = np.array(expected.getpalette()).reshape(-1, 3)
        assert (indices == np.asarray(expected)).all()
        assert (palette[: len(listed)] == listed).all()
        assert (palette[indices] == np.asarray(expected.convert("RGB"))).all()


@pytest.mark.parametrize("colors", [2, 3, 16, 256])
def test_is_pillows_on_photographs(photos, colors):
    assert_is_pillows(photos, colors)


@pytest.mark.parametrize("colors", [2, 16, 256])
def test_is_pillows_at_the_edges(special, colors):
    assert_is_pillows(special, colors)


DITHERS = {"bounded": "floyd-steinberg", "clipped": "floyd-steinberg-clipped", "plain": "floyd-steinberg-plain"}


@pytest.mark.parametrize("dither", ["none", *DITHERS.values()])
def test_images_with_few_colors_stay_as_they_are(special, dither):
    result = MedianCut(dither=dither).palettize(special, 256).render()
    for image, reduced in zip(special, result, strict=True):
        if len(np.unique(image.reshape(-1, 3), axis=0)) <= 64:
            assert (reduced == image).all()


@pytest.mark.parametrize("errors", DITHERS)
@pytest.mark.parametrize("colors", [2, 5, 32])
def test_dithering_agrees_with_plain_python_on_every_index(photos, colors, errors):
    images = photos[::3]
    plain = MedianCut().palettize(images, colors)
    dithered = MedianCut(dither=DITHERS[errors]).palettize(images, colors)
    assert errors == "clipped" or (dithered.palettes == plain.palettes).all()
    assert (dithered.indices != plain.indices).any()
    for image, palette, indices in zip(images, dithered.palettes, dithered.indices, strict=True):
        assert (indices == plain_python(image, palette, errors)).all()


def test_clipped_dithering_has_as_many_entries_as_the_plain_map_uses_the_first_ones():
    """As the authors' code: their palette is cut to as many colors as ``getcolors`` counts in the quantized image."""
    few = np.random.default_rng(0).integers(0, 256, (40, 3), np.uint8)
    images = np.stack([photo[:64, :64] for photo in load_sample_images().images])
    images[0] = few[np.random.default_rng(1).integers(0, 40, (64, 64))]
    images[0, :32] = images[1, :32] // 4
    cut = 0
    for colors in (16, 64, 200):
        dithered = MedianCut(dither="floyd-steinberg-clipped").palettize(images, colors)
        for image, indices, palette in zip(images, dithered.indices, dithered.palettes, strict=True):
            quantized = Image.fromarray(image).quantize(colors, Image.Quantize.MEDIANCUT)
            kept = np.array(quantized.getpalette()).reshape(-1, 3)[: len(quantized.getcolors())]
            assert (palette[indices] == kept[plain_python(image, kept, "clipped")]).all()
            cut += len(kept) < colors
    assert cut, "a case in which entries are left out"


@pytest.mark.parametrize("errors", DITHERS)
def test_dithering_agrees_with_plain_python_where_errors_pile_up(special, errors):
    palettes = np.random.default_rng(3).integers(60, 160, (len(special), 4, 3), np.uint8)
    indices = floyd_steinberg(special, palettes, errors)
    for image, palette, found in zip(special, palettes, indices, strict=True):
        assert (found == plain_python(image, palette, errors)).all()


def test_limiting_errors_makes_a_difference_where_they_pile_up():
    bright = np.full((1, 24, 24, 3), 250, np.uint8)
    bright[:, :, 12:] = 20
    palette = np.array([[[0, 0, 0], [200, 200, 200]]], np.uint8)
    found = [floyd_steinberg(bright, palette, errors) for errors in DITHERS]
    assert all((one != other).any() for one, other in itertools.combinations(found, 2))


@pytest.mark.parametrize("errors", DITHERS)
def test_dithering_keeps_the_mean_of_a_grey(errors):
    grey = np.full((1, 64, 64, 3), 64, np.uint8)
    palette = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    assert floyd_steinberg(grey, palette, errors).mean() == pytest.approx(64 / 255, abs=0.01)


def mean_colors(image):
    """Of blocks of 8 x 8 pixels."""
    height, width = (side // 8 * 8 for side in image.shape[:2])
    return image[:height, :width].astype(float).reshape(height // 8, 8, width // 8, 8, 3).mean((1, 3))


@pytest.mark.parametrize("colors", [2, 4, 8, 16])
@pytest.mark.parametrize("number", [0, 1])
def test_bounded_dithering_floods_nothing(number, colors):
    """What dithering is for, the local mean color, is nearer to the photograph's than without it."""
    photo = load_sample_images().images[number]

    def error(dither):
        reduced = MedianCut(dither=dither).palettize(photo[None], colors).render()[0]
        return np.sqrt(np.square(mean_colors(photo) - mean_colors(reduced)).mean())

    assert error("floyd-steinberg") < error("none")
    if (number, colors) == (1, 4):
        assert error("floyd-steinberg-plain") > 1.2 * error("none"), "a case that the plain form floods"
