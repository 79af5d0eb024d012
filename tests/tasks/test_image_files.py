import numpy as np
import pytest
import torchvision.transforms.v2 as transforms
from PIL import Image

from harness.contracts import BadInput
from tasks.image_files import open_rgb, to_square

GRAY = np.arange(0, 240, 15, dtype=np.uint8).reshape(4, 4)
RED, CLEAR_RED, HALF_BLACK = (255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 128)


def rgba_image():
    image = Image.new("RGBA", (3, 1))
    for x, color in enumerate((RED, CLEAR_RED, HALF_BLACK)):
        image.putpixel((x, 0), color)
    return image


def palette_image_with_a_transparent_entry():
    image = Image.fromarray(np.array([[0, 1, 0]], np.uint8), "L").convert("P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.info["transparency"] = 1
    return image


@pytest.mark.parametrize(
    ("name", "image", "expected"),
    [
        ("gray.png", Image.fromarray(GRAY), np.repeat(GRAY[..., None], 3, axis=2)),
        ("alpha.png", rgba_image(), [[(255, 0, 0), (255, 255, 255), (127, 127, 127)]]),
        ("gray_alpha.png", Image.merge("LA", [Image.new("L", (1, 1), 9), Image.new("L", (1, 1), 0)]), [[(255,) * 3]]),
        ("palette.png", palette_image_with_a_transparent_entry(), [[(255, 0, 0), (255, 255, 255), (255, 0, 0)]]),
        ("palette.gif", Image.new("RGB", (1, 1), (0, 255, 0)), [[(0, 255, 0)]]),
        ("bits.png", Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1"), [[(0,) * 3, (255,) * 3]]),
        ("deep.png", Image.fromarray(np.array([[257, 32896]], np.uint16)), [[(1,) * 3, (128,) * 3]]),
        ("deep.tif", Image.fromarray(np.array([[0, 65535]], np.uint16)), [[(0,) * 3, (255,) * 3]]),
        ("cmyk.tif", Image.new("CMYK", (1, 1), (0, 255, 255, 0)), [[(255, 0, 0)]]),
    ],
)  # fmt: skip
def test_every_kind_of_pixel_becomes_rgb(tmp_path, name, image, expected):
    image.save(tmp_path / name)
    opened = open_rgb(tmp_path / name)
    assert opened.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(opened), np.array(expected, np.uint8))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = np.zeros((2, 3, 3), np.uint8)
    upright[0, 0] = 255
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(np.asarray(open_rgb(tmp_path / "x.png")), upright)


@pytest.mark.parametrize("size", [(40, 40), (100, 37), (37, 100), (20, 21), (16, 16)])
def test_crop_is_torchvisions_resize_and_center_crop(size):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    theirs = transforms.Compose([transforms.Resize(16), transforms.CenterCrop(16)])(image)
    np.testing.assert_array_equal(to_square(image, 16, "crop"), np.asarray(theirs))


def test_squash_shows_all_of_the_image_and_pad_adds_white():
    image = Image.new("RGB", (64, 16), "black")
    assert not to_square(image, 32, "squash").any()
    padded = to_square(image, 32, "pad")
    assert (padded[:12] == 255).all()
    assert not padded[12:20].any()
    assert (padded[20:] == 255).all()
    assert to_square(Image.new("RGB", (1000, 1)), 8, "pad").shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no image format"), (b"not an image at all", "no image format"), ("truncated", "truncated")],
)
def test_a_file_that_is_no_whole_image_is_named(tmp_path, content, reason):
    path = tmp_path / "broken.png"
    if content == "truncated":
        pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        content = path.read_bytes()[:2000]
    path.write_bytes(content)
    with pytest.raises(BadInput, match=rf"broken\.png cannot be read as an image \(.*{reason}"):
        open_rgb(path)
