import numpy as np
import pytest

from methods.palettes import nearest_entries
from methods.spaces import from_space, to_space

COLORS = {  # sRGB to CIELAB at D65 as the literature tabulates them
    (255, 255, 255): (100, 0, 0),
    (0, 0, 0): (0, 0, 0),
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
    (255, 255, 0): (97.14, -21.55, 94.48),
    (0, 255, 255): (91.11, -48.09, -14.13),
    (128, 128, 128): (53.59, 0, 0),
    (1, 1, 1): (0.27, 0, 0),
}


@pytest.mark.parametrize(("color", "lab"), COLORS.items())
def test_known_colors(color, lab):
    assert to_space(np.array(color, np.uint8), "lab") == pytest.approx(lab, abs=0.03)


@pytest.mark.parametrize("space", ["rgb", "lab"])
def test_every_fifth_8_bit_color_comes_back(space):
    steps = np.r_[0:16, 16:256:5].astype(np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    assert (from_space(to_space(colors, space), space) == colors).all()


def test_what_srgb_cannot_show_is_clipped():
    seen = from_space(np.array([[50.0, -128.0, 0.0], [101.0, 0.0, 0.0]]), "lab")
    assert seen[0, 0] == 0
    assert seen[1].tolist() == [255, 255, 255]
    assert from_space(np.array([[-3.0, 300.0, 7.5]]), "rgb").tolist() == [[0, 255, 8]]


def test_nearest_entries_in_lab_agree_with_a_slow_loop(special):
    palettes = np.random.default_rng(4).integers(0, 256, (len(special), 9, 3), np.uint8)
    found = nearest_entries(special, palettes, "lab")
    for image, palette, indices in zip(special, palettes, found, strict=True):
        for pixel, index in zip(image.reshape(-1, 3), indices.ravel(), strict=True):
            distances = [((to_space(pixel, "lab") - to_space(entry, "lab")) ** 2).sum() for entry in palette]
            assert distances[index] == min(distances)
