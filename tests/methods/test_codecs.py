import io

import numpy as np
import pytest
from PIL import Image

from methods.codecs import Jpeg, Original


def test_original_gives_back_every_pixel(special):
    files = Original().encode(special, None)
    assert (Original().decode(files) == special).all()
    for file in files:
        with Image.open(io.BytesIO(file)) as image:
            assert (image.format, image.mode, image.info) == ("PNG", "RGB", {})


@pytest.mark.parametrize("codec", [Jpeg(), Jpeg(subsampling="4:4:4", optimize=True)])
@pytest.mark.parametrize("quality", [1, 50, 100])
def test_jpeg_is_pillows(special, photos, codec, quality):
    for images in (special, photos[:3]):
        files = codec.encode(images, quality)
        seen = codec.decode(files)
        assert seen.dtype == np.uint8
        for image, file, decoded in zip(images, files, seen, strict=True):
            buffer = io.BytesIO()
            subsampling = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}[codec.subsampling]
            Image.fromarray(image).save(
                buffer, "JPEG", quality=quality, subsampling=subsampling, optimize=codec.optimize
            )
            assert file == buffer.getvalue()
            assert (decoded == np.asarray(Image.open(io.BytesIO(file)))).all()


def test_jpeg_without_parameters_is_what_pillow_makes_without_options(photos):
    buffer = io.BytesIO()
    Image.fromarray(photos[0]).save(buffer, "JPEG", quality=40)
    assert Jpeg().encode(photos[:1], 40) == [buffer.getvalue()]


def test_jpeg_carries_no_metadata(photos):
    with Image.open(io.BytesIO(Jpeg().encode(photos[:1], 75)[0])) as image:
        assert not set(image.info) & {"exif", "icc_profile", "comment", "photoshop", "xmp"}


def test_optimized_tables_give_the_same_pixels_in_fewer_bytes(photos):
    plain, optimized = Jpeg().encode(photos, 30), Jpeg(optimize=True).encode(photos, 30)
    assert (Jpeg().decode(plain) == Jpeg().decode(optimized)).all()
    assert all(len(small) < len(large) for small, large in zip(optimized, plain, strict=True))


def test_more_quality_costs_more_bytes_and_leaves_less_error(photos):
    sizes, errors = [], []
    for quality in (5, 30, 60, 95):
        files = Jpeg().encode(photos, quality)
        sizes.append(sum(map(len, files)))
        errors.append(((Jpeg().decode(files).astype(float) - photos) ** 2).mean())
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
