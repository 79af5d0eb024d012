"""Every quantizer that learns nothing, found as a user's run finds it, keeps what the contract promises."""

import importlib.util
import pickle

import numpy as np
import pytest

from harness.contracts import check_palettized
from harness.discovery import discover

VARIANTS = [
    ("median-cut", {"dither": "floyd-steinberg"}),
    ("median-cut", {"dither": "floyd-steinberg-clipped"}),
    ("median-cut", {"dither": "floyd-steinberg-plain"}),
    ("octree-gervautz", {"reduce": "most"}),
    ("kmeans", {"init": "median-cut"}),
    ("kmeans", {"init": "maximin", "space": "lab"}),
    ("kmeans", {"init": "random"}),
    ("kmeans", {"n_init": 3, "seed": 7, "iterations": 2}),
    ("binary-splitting", {"mapping": "tree"}),
    ("pnn", {"points": 256}),
    ("kmeans-online", {"exponent": 1.0, "least_samples": 100}),
    ("neuquant", {"entries": "means", "sampling": 3}),
    ("random", {"seed": 5}),
    ("scolorq", {"filter": 1, "seed": 7}),
    ("scolorq", {"filter": 5, "width": 1.5}),
    ("imagequant", {"dithering": 1.0}),
]
NEEDS = {
    "imagequant": pytest.mark.skipif(
        importlib.util.find_spec("imagequant") is None, reason="the optional package imagequant is not installed"
    )
}

NAMES = (
    *("octree", "octree-reference", "octree-gervautz", "kmeans", "max-coverage", "median-cut", "otsu", "popularity"),
    *("kmeans-online", "neuquant", "scolorq"),
    *("random", "uniform-grid", "wu", "wan", "pnn", "binary-splitting", "imagequant"),
    *("original", "png", "jpeg", "webp", "webp-lossless", "avif"),
)


def training_free():
    registry = discover()
    found = [p for p in registry if p.mark.level_kind == "colors" and not p.learns and p.origin == "built in"]
    cases = [(p.name, {}) for p in found] + VARIANTS
    return [
        pytest.param(
            registry.get("method", name, "test").make(p, name), id=f"{name} {p or ''}", marks=NEEDS.get(name, ())
        )
        for name, p in cases
    ]


def same(a, b):
    return np.array_equal(a.indices, b.indices) and np.array_equal(a.palettes, b.palettes)


every_method = pytest.mark.parametrize("method", training_free())


def test_all_are_found():
    registry = discover()
    for name in NAMES:
        plugin = registry.get("method", name, "test")
        assert plugin.mark.summary
        assert plugin.cls.__doc__
        assert not plugin.learns


@every_method
@pytest.mark.parametrize("colors", [2, 5, 256])
def test_shapes_dtypes_and_number_of_colors(method, colors, special):
    result = method.palettize(special, colors)
    checked = check_palettized(result, special, colors)
    assert result.palettes.shape[1] <= colors
    assert (checked.render() == result.render()).all()


@every_method
@pytest.mark.parametrize("colors", [2, 7, 64])
def test_an_image_alone_is_as_in_its_batch_and_as_when_done_again(method, colors, photos, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    together = method.palettize(photos, colors)
    assert same(method.palettize(photos.copy(), colors), together)
    backwards = method.palettize(photos[::-1], colors)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for n, image in enumerate(photos):
        alone = method.palettize(image[None], colors)
        for other, at in ((together, n), (backwards, len(photos) - 1 - n)):
            assert (other.indices[at] == alone.indices[0]).all()
            assert (other.palettes[at] == alone.palettes[0]).all()


@every_method
def test_a_pickled_copy_gives_the_same(method, photos):
    copy = pickle.loads(pickle.dumps(method))
    assert same(copy.palettize(photos[:2], 4), method.palettize(photos[:2], 4))


@every_method
def test_read_only_and_strided_images_will_do_and_are_not_written(method, photos):
    strided = photos[:3, ::2, ::-1]
    kept = strided.copy()
    strided.flags.writeable = False
    result = method.palettize(strided, 4)
    assert (strided == kept).all()
    kept.flags.writeable = False
    assert same(result, method.palettize(kept, 4))


@every_method
def test_an_empty_batch_stays_empty(method):
    result = method.palettize(np.empty((0, 4, 5, 3), np.uint8), 3)
    assert result.indices.shape == (0, 4, 5)
    assert len(result.palettes) == 0
