import numpy as np

from methods.floors import RandomMap
from methods.median_cut import MedianCut


def test_the_map_is_the_same_for_all_images_of_a_shape_and_uses_all_colors(photos):
    result = RandomMap().palettize(photos, 8)
    assert (result.indices == result.indices[0]).all()
    assert (result.indices[0] == RandomMap().palettize(255 - photos[:1], 8).indices[0]).all()
    shares = np.bincount(result.indices[0].ravel(), minlength=8) / result.indices[0].size
    assert shares.min() > 0.08
    assert shares.max() < 0.18


def test_the_palette_is_the_mean_of_what_it_stands_for(photos):
    result = RandomMap(seed=3).palettize(photos, 4)
    for image, indices, palette in zip(photos, result.indices, result.palettes, strict=True):
        for index in range(4):
            assert np.abs(image[indices == index].mean(axis=0) - palette[index]).max() <= 0.5


def test_seed_shape_and_colors_change_the_map(photos):
    maps = [
        RandomMap(seed=0).palettize(photos[:1], 4).indices[0],
        RandomMap(seed=1).palettize(photos[:1], 4).indices[0],
        RandomMap(seed=0).palettize(photos[:1, :31], 4).indices[0],
        RandomMap(seed=0).palettize(photos[:1], 5).indices[0],
    ]
    for other in maps[1:]:
        assert (other[:31] != maps[0][: len(other)][:31]).mean() > 0.3


def test_it_is_a_floor(photos, mse):
    assert (mse(RandomMap().palettize(photos, 4), photos) > mse(MedianCut().palettize(photos, 4), photos)).all()
