import itertools

import numpy as np
import pytest
import torch

from harness.contracts import IMAGENET_NORMALIZATION
from harness.learning import freeze, normalize, seeded
from methods.colorcnn import equations, tiling
from methods.colorcnn.method import ColorCNN
from methods.colorcnn.network import ColorCNN as Network
from methods.colorcnn.network import palettize


def smooth_image(height, width):
    draw = np.random.default_rng(3)
    walk = np.cumsum(np.cumsum(draw.normal(0, 1, (1, height, width, 3)), axis=1), axis=2)
    return (walk % 256).astype(np.uint8)


def network(backbone, colors=5):
    """With random weights, but with batch statistics of an image and a head that has no favorite color there."""
    with seeded(1):
        made = Network(backbone, 4, colors, IMAGENET_NORMALIZATION)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        features = made.train().backbone(normalize(torch.from_numpy(smooth_image(64, 64)), IMAGENET_NORMALIZATION))
        hidden = made.head[:2](features).mean((0, 2, 3))
        last = made.head[2].weight[:, :, 0, 0]
        last -= torch.outer(last @ hidden, hidden) / hidden.dot(hidden)
    return freeze(made).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("length", [1, 15, 1024, 1025, 1027, 1600, 4000, 12_345])
def test_spans_cover_a_side_once(length):
    found = tiling.spans(length)
    assert [found[0].start, found[-1].stop] == [0, length]
    assert all(one.stop == other.start for one, other in itertools.pairwise(found))
    for span in found:
        assert span.start % tiling.GRID == span.input_start % tiling.GRID == 0
        assert span.start < span.stop
        assert span.input_stop - span.input_start <= tiling.SIDE
        assert span.input_start in (0, span.start - tiling.MARGIN)
        assert span.input_stop in (length, span.stop + tiling.MARGIN)
        assert range(length)[span.input][span.part_of_input] == range(length)[span.part]


@pytest.mark.parametrize(
    ("height", "width", "tiles"),
    [(1, 1, 1), (1024, 1024, 1), (512, 2048, 1), (1024, 1025, 2), (3000, 4000, 20), (2, 524_289, 656)],
)
def test_only_large_images_are_cut(height, width, tiles):
    assert tiling.tile_count(height, width) == ColorCNN().tiles(height, width) == tiles


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiling, "SIDE", 288)
    monkeypatch.setattr(tiling, "WHOLE_PIXELS", 10_000)


@pytest.mark.parametrize(("backbone", "height", "width"), [("unet", 301, 333), ("unet", 40, 500), ("dncnn", 90, 333)])
@pytest.mark.usefixtures("small_tiles")
def test_tiles_give_the_image_that_one_pass_gives(backbone, height, width, monkeypatch):
    image, net = smooth_image(height, width), network(backbone)
    whole = palettize(net, image)
    tiled = tiling.palettize_in_tiles(net, image)
    assert tiling.tile_count(height, width) > 1
    assert len(np.unique(whole.indices)) == 5
    assert (tiled.indices == whole.indices).mean() > 0.99999
    monkeypatch.setattr(tiling, "MARGIN", 0)
    assert (tiling.palettize_in_tiles(net, image).indices == whole.indices).mean() < 0.99, "margins matter"


@pytest.mark.usefixtures("small_tiles")
def test_the_palette_is_eq_4_over_the_whole_image():
    images = np.concatenate([smooth_image(150, 301), 255 - smooth_image(150, 301)])
    tiled = tiling.palettize_in_tiles(network("unet"), images)
    indices = torch.from_numpy(tiled.indices.astype(np.int64))
    expected = equations.palette(torch.from_numpy(images), indices, 5).round().byte().numpy()
    assert np.array_equal(tiled.palettes, expected)


def test_the_method_decides_by_size(monkeypatch):
    method = ColorCNN(width=4)
    method.load(network("unet").state_dict(), "cpu")
    image = smooth_image(100, 101)
    whole = palettize(network("unet"), image)

    def never(*_):
        raise AssertionError("an image below the limit was cut")

    with monkeypatch.context() as patched:
        patched.setattr(tiling, "palettize_in_tiles", never)
        same = method.palettize(image, 5)
    assert np.array_equal(same.indices, whole.indices)
    assert np.array_equal(same.palettes, whole.palettes)
    monkeypatch.setattr(tiling, "WHOLE_PIXELS", 100 * 101 - 1)
    monkeypatch.setattr(tiling, "SIDE", 100)
    monkeypatch.setattr(tiling, "MARGIN", 16)
    monkeypatch.setattr(tiling, "palettize_in_tiles", lambda *_: "in tiles")
    assert method.palettize(image, 5) == "in tiles"


@pytest.mark.parametrize("backbone", ["unet", "dncnn"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (5, 2), (33, 1)])
def test_images_smaller_than_the_halvings_need_no_padding(backbone, height, width):
    reduced = palettize(network(backbone), smooth_image(height, width)).render()
    assert reduced.shape == (1, height, width, 3)
