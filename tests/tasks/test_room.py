"""How much is decoded at once."""

import contextlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from tasks import room


def test_no_more_pixels_are_let_in_at_once_and_a_larger_image_alone():
    place, lock, inside, most = room.Room(10), threading.Lock(), [], []

    def decode(pixels):
        with place.of(pixels):
            with lock:
                inside.append(pixels)
                most.append(tuple(inside))
            with lock:
                inside.remove(pixels)

    asked = [1, 4, 25, 5, 10, 3] * 40
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(decode, asked))
    assert len(most) == len(asked)
    assert all(sum(pixels) <= 10 or len(pixels) == 1 for pixels in most)


def test_small_images_go_in_together_and_an_error_leaves_its_room():
    place, together = room.Room(10), threading.Barrier(3, timeout=30)

    def decode(pixels):
        with place.of(pixels):
            together.wait()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(decode, [3, 3, 3]))
    with pytest.raises(ValueError, match="damaged"), place.of(10):
        raise ValueError("damaged")
    with place.of(10):
        pass


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff", "bmp", "gif", "ppm"])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_header_says_how_many_pixels_there_are(kind, progressive):
    exif = Image.Exif()
    exif[0x010E] = "x" * 3000
    more = {"progressive": progressive, "exif": exif} if kind == "jpeg" else {}
    file = io.BytesIO()
    Image.new("RGB", (70, 30)).save(file, kind, **more)
    file.seek(0)
    assert room.pixels_of(file) == 2100


def test_those_of_16_bits_count_for_more():
    for kind in ("png", "tiff"):
        file = io.BytesIO()
        Image.fromarray(np.zeros((30, 70), np.uint16)).save(file, kind)
        file.seek(0)
        assert room.pixels_of(file) == 2100 * room.DEEP


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff\xe0\0", b"\xff\xd8" + bytes(99), b"\x89PNG\r\n\x1a\n", b"?" * 99]
)
def test_an_image_of_unknown_size_is_decoded_alone(tmp_path, content, monkeypatch):
    (tmp_path / "a").write_bytes(content)
    asked = []
    monkeypatch.setattr(room.Room, "of", lambda _, pixels: contextlib.nullcontext(asked.append(pixels)))
    with room.opened(tmp_path / "a") as file:
        assert file.read() == content
    assert asked == [room.PIXELS]
