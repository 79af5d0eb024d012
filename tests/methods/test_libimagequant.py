import sys

import pytest

from harness.contracts import BadInput
from methods.libimagequant import ImageQuant
from methods.median_cut import MedianCut


def test_where_it_is_missing_one_sentence_says_how_to_get_it(photos, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagequant", None)
    for use in (ImageQuant().check, lambda: ImageQuant().palettize(photos, 4)):
        with pytest.raises(
            BadInput, match=r"^method 'imagequant' needs .*GPL.*: pip install 'fewcolors\[imagequant\]'$"
        ):
            use()


@pytest.fixture(scope="module")
def imagequant():
    return pytest.importorskip("imagequant", reason="the optional package imagequant is not installed")


@pytest.mark.parametrize("dithering", [0.0, 0.5])
@pytest.mark.parametrize("colors", [2, 7, 256])
def test_is_what_the_library_gives(imagequant, photos, special, colors, dithering):
    for images in (photos[:3], special):
        shown = ImageQuant(dithering=dithering).palettize(images, colors).render()
        for image, seen in zip(images, shown, strict=True):
            height, width = image.shape[:2]
            rgba = b"".join(bytes([*pixel, 255]) for pixel in image.reshape(-1, 3).tolist())
            mapped, palette = imagequant.quantize_raw_rgba_bytes(rgba, width, height, dithering, colors)
            expected = [palette[4 * index : 4 * index + 3] for index in mapped]
            assert (seen.reshape(-1, 3) == expected).all()


@pytest.mark.usefixtures("imagequant")
@pytest.mark.parametrize("colors", [2, 16, 64])
def test_it_has_less_error_than_median_cut(photos, mse, colors):
    plain, dithered = (ImageQuant(dithering=dithering).palettize(photos, colors) for dithering in (0.0, 1.0))
    assert mse(plain, photos).mean() < mse(MedianCut().palettize(photos, colors), photos).mean()
    assert mse(dithered, photos).mean() > mse(plain, photos).mean()
