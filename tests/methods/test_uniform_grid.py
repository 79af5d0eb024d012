import numpy as np
import pytest

from methods.median_cut import MedianCut
from methods.uniform_grid import UniformGrid, grid, grid_steps

STEPS = {2: (1, 2, 1), 3: (1, 3, 1), 4: (2, 2, 1), 8: (2, 2, 2), 27: (3, 3, 3), 64: (4, 4, 4), 256: (6, 7, 6)}


@pytest.mark.parametrize(("colors", "steps"), STEPS.items())
def test_steps(colors, steps):
    assert grid_steps(colors) == steps


def test_no_step_more_would_fit():
    for colors in range(2, 257):
        steps = grid_steps(colors)
        assert colors // 2 < np.prod(steps) <= colors
        for channel in range(3):
            assert np.prod([step + (c == channel) for c, step in enumerate(steps)]) > colors


def test_two_steps_have_their_centers_at_a_quarter_and_three():
    assert grid((1, 2, 1)).tolist() == [[128, 64, 128], [128, 192, 128]]


@pytest.mark.parametrize("colors", [2, 8, 60, 256])
def test_every_image_has_the_same_palette_and_every_pixel_the_nearest_color(photos, special, colors):
    for images in (photos[:2], special):
        result = UniformGrid().palettize(images, colors)
        assert (result.palettes == result.palettes[0]).all()
        distances = ((images[:, :, :, None].astype(int) - result.palettes[0].astype(int)) ** 2).sum(axis=-1)
        assert (result.indices == distances.argmin(axis=-1)).all()


@pytest.mark.parametrize("colors", [2, 8, 64])
def test_a_palette_for_all_costs_more_than_one_for_each(photos, mse, colors):
    assert (
        mse(UniformGrid().palettize(photos, colors), photos) > mse(MedianCut().palettize(photos, colors), photos)
    ).all()
