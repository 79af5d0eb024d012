import numpy as np
import pytest
from sklearn.datasets import load_sample_images


@pytest.fixture(scope="session")
def photos():
    """Twelve 32x32 squares on a grid over two photographs: ``uint8 [12, 32, 32, 3]``."""
    corners = [(top, left) for top in (40, 180, 320) for left in (100, 420)]
    return np.stack([p[y : y + 32, x : x + 32] for p in load_sample_images().images for y, x in corners])


@pytest.fixture(scope="session")
def mse():
    """Mean squared error of each image of a batch: ``float64 [N]``."""
    return lambda result, images: ((result.render().astype(float) - images) ** 2).mean(axis=(1, 2, 3))


def _few_colors(shape, colors):
    generator = np.random.default_rng(len(shape) + colors)
    return generator.integers(0, 256, (colors, 3), np.uint8)[generator.integers(0, colors, shape)]


SPECIAL = {
    "noise": np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3), np.uint8),
    "flat": np.full((2, 8, 8, 3), (10, 200, 30), np.uint8),
    "black and white": np.array([0, 255], np.uint8)[np.indices((2, 6, 6)).sum(axis=0) % 2][..., None].repeat(3, axis=3),
    "five colors": _few_colors((2, 12, 12), 5),
    "one pixel wide": _few_colors((3, 17, 1), 40),
    "one pixel": _few_colors((3, 1, 1), 9),
    "wide": _few_colors((2, 5, 31), 300),
    "dark": np.random.default_rng(2).integers(0, 40, (2, 16, 16, 3), np.uint8),
}


@pytest.fixture(params=SPECIAL)
def special(request):
    """Batches at the edges: flat, few colors, thin, tiny, not square, dark."""
    return SPECIAL[request.param]
