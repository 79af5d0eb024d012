import numpy as np
import pytest
from PIL import Image

from harness.contracts import Palettized
from methods.octree import Octree


@pytest.mark.parametrize("colors", [2, 16, 256])
def test_is_the_nearest_of_pillows_palette(photos, special, colors):
    for images in (photos[:4], special):
        result = Octree().palettize(images, colors)
        for image, indices in zip(images, result.indices, strict=True):
            listed = Image.fromarray(image).quantize(colors, Image.Quantize.FASTOCTREE).getpalette()
            palette = np.array(listed).reshape(-1, 3)
            distances = ((image[:, :, None].astype(int) - palette) ** 2).sum(axis=3)
            assert (indices == distances.argmin(axis=2)).all()


def test_is_better_than_pillows_own_map(photos, mse):
    result = Octree().palettize(photos, 2)
    pillows = np.stack([np.asarray(Image.fromarray(p).quantize(2, Image.Quantize.FASTOCTREE)) for p in photos])
    assert (mse(result, photos) <= mse(Palettized(pillows, result.palettes), photos)).all()
    assert mse(result, photos).mean() < 0.9 * mse(Palettized(pillows, result.palettes), photos).mean()
