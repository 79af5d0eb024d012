"""Large images, reduced by their distinct colors: the same bytes as by pixels, on any number of threads."""

import numpy as np
import pytest

from methods import batches, distinct
from methods.batches import spans
from methods.binary_splitting import BinarySplitting
from methods.distinct import distinct_colors
from methods.floors import RandomMap
from methods.kmeans import KMeans
from methods.max_coverage import MaxCoverage
from methods.octree import OctreeGervautz
from methods.otsu import Otsu
from methods.palettes import mean_palettes, nearest_entries
from methods.pnn import PairwiseNearestNeighbor
from methods.popularity import Popularity
from methods.wan import Wan
from methods.wu import Wu

METHODS = [Wu(), Popularity(), OctreeGervautz(), OctreeGervautz(reduce="most"), Otsu(), MaxCoverage(), RandomMap()]
METHODS += [KMeans(init=init) for init in ("k-means++", "random", "maximin", "median-cut")]
METHODS += [Wan(), BinarySplitting(), BinarySplitting(mapping="tree")]
METHODS += [PairwiseNearestNeighbor(), PairwiseNearestNeighbor(points=300)]
METHODS += [KMeans(space="lab"), KMeans(space="lab", init="random", n_init=3, iterations=2)]


@pytest.fixture(params=["1", "3"])
def by_colors(monkeypatch, request):
    """Every image is reduced by its colors, by several threads, from when this is called."""

    def treat():
        monkeypatch.setenv("OMP_NUM_THREADS", request.param)
        monkeypatch.setattr(distinct, "TO_COUNT", -np.inf)
        monkeypatch.setattr(distinct, "PIXELS_FOR_CELLS", 1)
        monkeypatch.setattr(batches, "LARGE", 1)
        monkeypatch.setattr(distinct, "PIXELS_PER_COUNT", 300)

    return treat


@pytest.fixture
def ties():
    """Images of few, evenly spaced values, most of whose pixels are as far from one entry as from another."""
    return (50 * np.random.default_rng(0).integers(0, 5, (2, 23, 31, 3))).astype(np.uint8)


@pytest.mark.parametrize("length", [0, 1, 7, 100])
@pytest.mark.parametrize("parts", [0, 1, 3, 7, 200])
def test_spans_cover_everything_once(length, parts):
    found = spans(length, parts)
    assert [i for part in found for i in range(length)[part]] == list(range(length))
    assert 1 <= len(found) <= max(1, parts)
    assert length == 0 or all(part.start < part.stop for part in found)


def test_counts_are_those_of_a_sort(photos, ties, by_colors):
    by_colors()
    for image in [photos[0], ties[0], ties[0, :1, :1]]:
        colors, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
        found = distinct_colors(image)
        order = np.lexsort(found.colors.T[::-1])
        assert (found.colors[order] == colors).all()
        assert (found.counts[order] == counts).all()


@pytest.mark.parametrize("space", ["rgb", "lab"])
@pytest.mark.parametrize("entries", [1, 17, 256])
def test_nearest_entries_are_the_same(photos, ties, by_colors, entries, space):
    inputs = [photos[:1], ties]
    generator = np.random.default_rng(entries)
    palettes = [generator.integers(0, 256, (len(images), entries, 3), np.uint8) for images in inputs]
    palettes[0][:, entries // 2 :] = palettes[0][:, : entries - entries // 2]
    palettes[1] = palettes[1] // 25 * 25
    expected = [nearest_entries(*pair, space) for pair in zip(inputs, palettes, strict=True)]
    by_colors()
    for images, palette, indices in zip(inputs, palettes, expected, strict=True):
        assert (nearest_entries(images, palette, space) == indices).all()


@pytest.mark.parametrize("space", ["rgb", "lab"])
def test_nearest_entries_are_the_same_by_rows(monkeypatch, special, space):
    palettes = np.random.default_rng(0).integers(0, 256, (len(special), 9, 3), np.uint8)
    expected = nearest_entries(special, palettes, space)
    monkeypatch.setattr(batches, "LARGE", 1)
    assert (nearest_entries(special, palettes, space) == expected).all()


def test_mean_palettes_are_the_same(photos, by_colors):
    indices = np.random.default_rng(0).integers(0, 7, photos.shape[:3], np.uint8)
    expected = mean_palettes(photos, indices, 9)
    by_colors()
    assert (mean_palettes(photos, indices, 9) == expected).all()


@pytest.mark.parametrize("colors", [2, 40])
@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_methods_give_the_same(photos, ties, by_colors, method, colors):
    inputs = [photos[4:5], ties[:1]]
    expected = [method.palettize(images, colors) for images in inputs]
    by_colors()
    for images, result in zip(inputs, expected, strict=True):
        found = method.palettize(images, colors)
        assert (found.indices == result.indices).all()
        assert (found.palettes == result.palettes).all()


def test_an_image_with_every_color(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    generator = np.random.default_rng(0)
    codes = generator.permutation(np.arange(1 << 24, dtype=np.int32)).reshape(1, 4096, 4096, 1)
    image = (codes >> np.array([16, 8, 0], np.int32)).astype(np.uint8)
    palette = generator.integers(0, 256, (1, 30, 3), np.uint8)
    some = generator.integers(0, 4096, (2, 20_000))
    expected = nearest_entries(image[:, *some][:, None], palette)
    assert (nearest_entries(image, palette)[:, *some] == expected[:, 0]).all()
