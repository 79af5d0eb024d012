import numpy as np
import pytest

from methods.few_colors import few_colors


@pytest.mark.parametrize("colors", [1, 5, 64, 256])
def test_finds_what_numpy_finds(special, colors):
    few, palettes = few_colors(special, colors)
    for image, is_few, palette in zip(special, few, palettes, strict=True):
        present = np.unique(image.reshape(-1, 3), axis=0)
        assert is_few == (len(present) <= colors)
        if is_few:
            assert (np.unique(palette, axis=0) == present).all()
            assert (palette[len(present) :] == palette[len(present) - 1]).all()
