"""The module that is exported, held against the method's own pass; ONNX itself is tested with ``fewcolors export``."""

import numpy as np
import pytest
import torch

from harness.contracts import BadInput, Normalization
from methods.colorcnn.export import _palettes
from methods.colorcnn.method import ColorCNN
from methods.colorcnn.network import ColorCNN as Network
from methods.colorcnn.network import palettize

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize("backbone", ["unet", "dncnn"])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (17, 40), (1, 1)])
def test_it_gives_what_palettize_gives(backbone, height, width):
    torch.manual_seed(0)
    network = Network(backbone, 4, 3, Normalization((0.1, 0.5, 0.7), (0.3, 0.2, 0.5)))
    method = ColorCNN(backbone=backbone, width=4)
    method.load(network.state_dict(), "cpu")
    images = DRAW.integers(0, 256, (3, height, width, 3), np.uint8)
    with torch.no_grad():
        indices, palettes = (out.numpy() for out in method.onnx_module(3)(torch.from_numpy(images)))
    expected = palettize(network.eval(), images)
    assert np.array_equal(indices, expected.indices)
    assert np.array_equal(palettes, expected.palettes)
    assert (indices.dtype, palettes.dtype) == (np.uint8, np.uint8)


def test_palettes_are_rounded_means_and_black_where_nothing_is():
    images, indices = DRAW.integers(0, 256, (2, 6, 5, 3), np.uint8), DRAW.integers(0, 3, (2, 6, 5))
    found = _palettes(torch.from_numpy(images), torch.from_numpy(indices), 4).numpy()
    for n in range(2):
        for c in range(3):
            assert np.array_equal(found[n, c], np.rint(images[n][indices[n] == c].mean(axis=0)))
        assert not found[n, 3].any()


def test_other_colors_than_it_was_trained_for_are_refused():
    method = ColorCNN(width=2)
    method.load(Network("unet", 2, 3, Normalization((0, 0, 0), (1, 1, 1))).state_dict(), "cpu")
    with pytest.raises(BadInput, match="trained for 3 colors and cannot give 2"):
        method.onnx_module(2)
