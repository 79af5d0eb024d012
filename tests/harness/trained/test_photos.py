"""Image files of every kind, read as a viewer shows them, and which of a folder are such."""

import os

import numpy as np
import pytest
from PIL import Image

from harness.contracts import BadInput
from harness.trained.photos import make_folder, photos_below, read_photo

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
GRAY = RGB[..., 0]


def saved(path, array, mode=None, **options):
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
def test_rgb_comes_as_it_is(tmp_path, suffix):
    path = saved(tmp_path / f"a.{suffix}", RGB, **({"lossless": True} if suffix == "webp" else {}))
    photo = read_photo(path)
    assert np.array_equal(photo.pixels, RGB)
    assert (photo.size, photo.file_bytes, photo.remarks) == ((6, 9), path.stat().st_size, ())


def test_gray_and_bilevel_are_repeated_in_all_channels(tmp_path):
    gray = read_photo(saved(tmp_path / "a.png", GRAY)).pixels
    assert np.array_equal(gray, np.repeat(GRAY[..., None], 3, axis=2))
    bilevel = read_photo(saved(tmp_path / "b.png", (GRAY > 99).astype(bool))).pixels
    assert np.array_equal(bilevel[..., 1], np.where(GRAY > 99, 255, 0))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_scaled_to_8(tmp_path, suffix):
    deep = np.array([[0, 128, 129, 257, 32767, 65535]], np.uint16)
    photo = read_photo(saved(tmp_path / f"a.{suffix}", deep))
    assert photo.pixels[0, :, 0].tolist() == [round(value / 257) for value in deep[0].tolist()]
    assert photo.remarks == ("16 bits scaled to 8",)


@pytest.mark.parametrize("array", [np.array([[-1, 5]], np.int32), np.array([[0, 70_000]], np.int32), 2 * np.eye(2, 3)])
def test_values_without_a_range_are_refused(tmp_path, array):
    path = saved(tmp_path / "a.tif", array.astype(np.float32) if array.dtype == float else array)
    with pytest.raises(BadInput, match=r"does not state .* which are black and white"):
        read_photo(path)


def test_transparency_is_laid_on_white(tmp_path):
    alpha = np.array([[0, 51, 255]], np.uint8)
    rgba = np.dstack([np.full((1, 3, 3), 100, np.uint8), alpha])
    photo = read_photo(saved(tmp_path / "a.png", rgba))
    assert photo.pixels[0, :, 0].tolist() == [255, 224, 100]
    assert photo.remarks == ("transparency laid on white",)
    gray = read_photo(saved(tmp_path / "b.png", rgba, "LA"))
    assert np.array_equal(gray.pixels, photo.pixels)
    opaque = read_photo(saved(tmp_path / "c.png", RGB, "RGBA"))
    assert np.array_equal(opaque.pixels, RGB)
    assert opaque.remarks == ()


def test_palettes_and_their_transparency_are_followed(tmp_path):
    indexed = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    indexed.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    indexed.save(tmp_path / "a.png", transparency=1)
    photo = read_photo(tmp_path / "a.png")
    assert photo.pixels[0].tolist() == [[10, 20, 30], [255, 255, 255], [70, 80, 90]]
    assert photo.remarks == ("transparency laid on white",)


@pytest.mark.parametrize(
    ("orientation", "undo"),
    [(1, lambda a: a), (3, lambda a: a[::-1, ::-1]), (6, lambda a: np.rot90(a, -1)), (8, lambda a: np.rot90(a, 1))],
)
def test_exif_orientation_is_applied(tmp_path, orientation, undo):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = read_photo(saved(tmp_path / "a.png", RGB, exif=exif))
    assert np.array_equal(photo.pixels, undo(RGB))
    assert photo.remarks == (() if orientation == 1 else ("turned upright by its EXIF orientation",))


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_the_first_frame_of_several_is_taken(tmp_path, suffix):
    frames = [Image.fromarray(np.full((4, 5, 3), value, np.uint8)) for value in (10, 200, 90)]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
    photo = read_photo(tmp_path / f"a.{suffix}")
    assert (photo.pixels == 10).all()
    assert photo.remarks == ("first of 3 frames",)


def test_cmyk_is_rgb_then(tmp_path):
    flat = np.full((8, 8, 3), (200, 30, 90), np.uint8)
    photo = read_photo(saved(tmp_path / "a.tif", flat, "CMYK"))
    assert np.abs(photo.pixels.astype(int) - flat).max() <= 2


def test_what_cannot_be_read_is_named(tmp_path):
    whole = saved(tmp_path / "a.jpg", RGB).read_bytes()
    for name, content, reason in (
        ("text.png", b"hello", "no image format that Pillow knows"),
        ("cut.jpg", whole[: len(whole) // 2], ""),
        ("empty.gif", b"", "no image format that Pillow knows"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=rf"{name} cannot be read as an image \({reason}"):
            read_photo(tmp_path / name)


def test_a_folder_is_searched_for_image_files(tmp_path):
    for name in (
        "b.JPG",
        "a.png",
        "in/c.webp",
        "in/deep/d.gif",
        ".hidden.png",
        ".thumbs/e.png",
        "notes.txt",
        "out/f.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()

    def found(but_not):
        return [str(path.relative_to(tmp_path)) for path in photos_below(tmp_path, but_not)]

    assert found(tmp_path / "out") == ["a.png", "b.JPG", "in/c.webp", "in/deep/d.gif"]
    assert found(tmp_path) == found(tmp_path.parent) == ["a.png", "b.JPG", "in/c.webp", "in/deep/d.gif", "out/f.png"]


def test_folders_that_cannot_be_written_are_named(tmp_path, monkeypatch):
    make_folder(tmp_path / "new" / "deep", "--out")
    assert (tmp_path / "new" / "deep").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"--out .*file: it is a file, a folder is needed\.$"):
        make_folder(tmp_path / "file", "--out")
    with pytest.raises(BadInput, match=r"--out .*file/in: cannot be made"):
        make_folder(tmp_path / "file" / "in", "--out")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(BadInput, match="nothing can be written there"):
        make_folder(tmp_path, "--out")
