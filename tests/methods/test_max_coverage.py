import numpy as np
import pytest
from PIL import Image

from methods.max_coverage import MaxCoverage
from methods.median_cut import MedianCut


@pytest.mark.parametrize("colors", [2, 16, 256])
def test_is_the_nearest_of_pillows_palette(photos, special, colors):
    for images in (photos[:4], special):
        result = MaxCoverage().palettize(images, colors)
        for image, seen in zip(images, result.render(), strict=True):
            listed = Image.fromarray(image).quantize(colors, Image.Quantize.MAXCOVERAGE).getpalette()
            palette = np.array(listed).reshape(-1, 3)
            distances = ((image[:, :, None].astype(int) - palette) ** 2).sum(axis=3)
            assert (seen == palette[distances.argmin(axis=2)]).all()


def test_it_costs_much_more_than_median_cut_at_few_colors(photos, mse):
    assert mse(MaxCoverage().palettize(photos, 2), photos).mean() > mse(MedianCut().palettize(photos, 2), photos).mean()
