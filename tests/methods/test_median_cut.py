import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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


@pytest.mark.parametrize("dither", ["none", "floyd-steinberg", "floyd-steinberg-clipped"])
def test_images_with_few_colors_stay_as_they_are(special, dither):
    result = MedianCut(dither=dither).palettize(special, 256).render()
    for image, reduced in zip(special, result, strict=True):
        if len(np.unique(image.reshape(-1, 3), axis=0)) <= 64:
            assert (reduced == image).all()


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("colors", [2, 5, 32])
def test_dithering_agrees_with_plain_python_on_every_index(photos, colors, clip):
    images = photos[::3]
    plain = MedianCut().palettize(images, colors)
    dithered = MedianCut(dither="floyd-steinberg-clipped" if clip else "floyd-steinberg").palettize(images, colors)
    assert (dithered.palettes == plain.palettes).all()
    assert (dithered.indices != plain.indices).any()
    for image, palette, indices in zip(images, dithered.palettes, dithered.indices, strict=True):
        assert (indices == plain_python(image, palette, clip)).all()


@pytest.mark.parametrize("clip", [False, True])
def test_dithering_agrees_with_plain_python_where_errors_pile_up(special, clip):
    palettes = np.random.default_rng(3).integers(60, 160, (len(special), 4, 3), np.uint8)
    indices = floyd_steinberg(special, palettes, clip)
    for image, palette, found in zip(special, palettes, indices, strict=True):
        assert (found == plain_python(image, palette, clip)).all()


def test_clipping_makes_a_difference_where_errors_pile_up():
    bright = np.full((1, 24, 24, 3), 250, np.uint8)
    bright[:, :, 12:] = 20
    palette = np.array([[[0, 0, 0], [200, 200, 200]]], np.uint8)
    assert (floyd_steinberg(bright, palette, True) != floyd_steinberg(bright, palette, False)).any()


def test_dithering_keeps_the_mean_of_a_grey():
    grey = np.full((1, 64, 64, 3), 64, np.uint8)
    palette = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    assert floyd_steinberg(grey, palette).mean() == pytest.approx(64 / 255, abs=0.01)
