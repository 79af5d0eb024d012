"""A method on image files: what goes where, what fails alone, and what is measured."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.contracts import BadInput, MethodHooks, Palettized
from harness.trained import reducing
from harness.trained.reducing import FilePair, Reducer, pair_files, reduce_photos

DRAW = np.random.default_rng(5)


class Halves(MethodHooks):
    """Dark and bright; notes the batches it is handed. A red corner is beyond it."""

    def __init__(self):
        self.batches = []

    def palettize(self, images, _colors):
        self.batches.append(images.shape[:3])
        if (images[:, 0, 0] == (255, 0, 0)).all(axis=1).any():
            raise RuntimeError("a red corner")
        indices = (images.mean(axis=3) > 127).astype(np.uint8)
        return Palettized(indices, np.tile(np.array([[[9, 9, 9], [200, 200, 200]]], np.uint8), (len(images), 1, 1)))


class Tiled(Halves):
    def tiles(self, height, width):
        return -(-height * width // 100)


class Bmp(MethodHooks):
    def encode(self, images, quality):
        files = []
        for image in images:
            buffer = io.BytesIO()
            Image.fromarray(image // quality * quality).save(buffer, "BMP")
            files.append(buffer.getvalue())
        return files

    def decode(self, files):
        return np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])


class Broken(Bmp):
    def encode(self, _images, _quality):
        raise RuntimeError("not on noise")


class Secret(Bmp):
    def encode(self, images, quality):
        return [b"?" + file for file in super().encode(images, quality)]

    def decode(self, files):
        return super().decode([file[1:] for file in files])


def draw(path, height=6, width=9):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = DRAW.integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def test_an_image_becomes_an_indexed_png_and_is_measured(tmp_path):
    pixels = draw(tmp_path / "a.png", 6, 9)
    pair = FilePair(tmp_path / "a.png", tmp_path / "out" / "b.png")
    (outcome,) = reduce_photos(Reducer("halves", Halves(), 2), [pair])
    with Image.open(pair.target) as image:
        assert image.mode == "P"
        shown = np.asarray(image.convert("RGB"))
    assert np.array_equal(shown[..., 0], np.where(pixels.mean(axis=2) > 127, 200, 9))
    assert (outcome.size, outcome.colors, outcome.pixels, outcome.tiles, outcome.error) == ((6, 9), 2, 54, 1, "")
    assert outcome.bytes_before == pair.source.stat().st_size
    assert outcome.bytes_after == pair.target.stat().st_size


def test_a_codec_writes_its_own_bytes(tmp_path):
    pixels = draw(tmp_path / "a.png")
    codec = Reducer("bitmap", Bmp(), 128)
    assert codec.suffix() == ".bmp"
    (outcome,) = reduce_photos(codec, [FilePair(tmp_path / "a.png", tmp_path / "a.bmp")])
    shown = np.asarray(Image.open(tmp_path / "a.bmp"))
    assert np.array_equal(shown, pixels // 128 * 128)
    assert outcome.colors == len(np.unique(shown.reshape(-1, 3), axis=0))


@pytest.mark.parametrize(
    ("method", "level", "suffix"),
    [(Halves(), 2, ".png"), (Bmp(), 4, ".bmp"), (Secret(), 4, ".thing"), (Broken(), 4, ".thing")],
)
def test_files_are_named_by_what_is_in_them(method, level, suffix):
    assert Reducer("thing", method, level).suffix() == suffix


def test_a_level_that_a_method_refuses_is_known_before_anything_is_written():
    class Even(Halves):
        def palettize(self, _images, colors):
            raise BadInput(f"even needs an even number of colors, not {colors}.")

    with pytest.raises(BadInput, match="not 3"):
        Reducer("even", Even(), 3).suffix()


def test_images_of_one_size_go_together_up_to_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(reducing, "BATCH_PIXELS", 3 * 54)
    for n in range(7):
        draw(tmp_path / f"{n}.png")
    draw(tmp_path / "5a.png", 9, 6)
    method = Halves()
    todo = pair_files([tmp_path], tmp_path / "out", ".png", False)
    outcomes = list(reduce_photos(Reducer("halves", method, 2), todo))
    assert sorted(method.batches) == [(1, 6, 9), (1, 9, 6), (3, 6, 9), (3, 6, 9)]
    assert {outcome.pair for outcome in outcomes} == set(todo)


def test_images_of_many_sizes_are_not_all_held(tmp_path, monkeypatch):
    monkeypatch.setattr(reducing, "_HELD_PIXELS", 100)
    for n in range(1, 9):
        draw(tmp_path / f"{n}.png", 5, n)
    method = Halves()
    outcomes = list(reduce_photos(Reducer("halves", method, 2), pair_files([tmp_path], tmp_path / "o", ".png", False)))
    assert len(outcomes) == len(method.batches) == 8
    assert method.batches[0] == (1, 5, 6), "5 x (1 + 2 + ... + 6) pixels are more than 100"


def test_what_fails_costs_only_itself(tmp_path):
    for name in ("a", "c", "d"):
        draw(tmp_path / f"{name}.png")
    red = draw(tmp_path / "b.png")
    red[0, 0] = (255, 0, 0)
    Image.fromarray(red).save(tmp_path / "b.png")
    (tmp_path / "e.png").write_text("no image")
    (tmp_path / "out" / "d.png").mkdir(parents=True)
    todo = [FilePair(tmp_path / f"{name}.png", tmp_path / "out" / f"{name}.png") for name in "abcde"]
    outcomes = {outcome.pair.source.stem: outcome for outcome in reduce_photos(Reducer("halves", Halves(), 2), todo)}
    assert {name: bool(outcome.error) for name, outcome in outcomes.items()} == {"a": 0, "b": 1, "c": 0, "d": 1, "e": 1}
    assert "b.png cannot be reduced by 'halves' (RuntimeError: a red corner)." in outcomes["b"].error
    assert "d.png cannot be written" in outcomes["d"].error
    assert "e.png cannot be read as an image" in outcomes["e"].error
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png", "d.png"]


def test_tiles_are_announced(tmp_path):
    draw(tmp_path / "large.png", 20, 20)
    draw(tmp_path / "small.png", 5, 5)
    said = []
    todo = pair_files([tmp_path], tmp_path / "out", ".png", False)
    outcomes = reduce_photos(
        Reducer("tiled", Tiled(), 2), todo, lambda photo, tiles: said.append((photo.path.name, tiles))
    )
    assert {outcome.pair.source.name: outcome.tiles for outcome in outcomes} == {"large.png": 4, "small.png": 1}
    assert said == [("large.png", 4)]


def test_where_images_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "dir/b.png", "dir/in/c.tif"):
        draw(Path(name))
    Path("there").mkdir()

    def targets(inputs, out):
        return [str(pair.target) for pair in pair_files([Path(path) for path in inputs], Path(out), ".png", False)]

    assert targets(["a.jpg"], "x.png") == ["x.png"]
    assert targets(["a.jpg"], "new/x.PNG") == ["new/x.PNG"]
    assert targets(["a.jpg"], "there") == ["there/a.png"]
    assert targets(["dir"], "out") == ["out/b.png", "out/in/c.png"]
    assert targets(["a.jpg", "dir"], "out") == ["out/a.png", "out/b.png", "out/in/c.png"]
    draw(Path("dir/out/b.png"))
    assert targets(["dir"], "dir/out2") == ["dir/out2/b.png", "dir/out2/in/c.png", "dir/out2/out/b.png"]


@pytest.mark.parametrize(
    ("inputs", "out", "overwrite", "sentence"),
    [
        (["gone.png"], "x.png", False, "gone.png: there is no such file or folder."),
        (["a.jpg"], "x.jpg", False, "--out x.jpg: what is written is .png; call it x.png."),
        (["a.jpg"], "x", False, "--out x: what is written is .png; call it x.png."),
        (["b.png"], "b.png", True, "--out b.png: b.png is itself an input, and no input is ever overwritten."),
        (["."], ".", True, "--out .: b.png is itself an input, and no input is ever overwritten."),
        (["a.jpg"], "b.png", False, "b.png exists already; --overwrite replaces it."),
        (["dir"], "done", False, "done/c.png (and 1 more of 2) exists already; --overwrite replaces it."),
        (["a.jpg", "b.png"], "b.png", True, "--out b.png: it is a file; several images need a folder."),
        (["dir"], "b.png", True, "--out b.png: it is a file; several images need a folder."),
        (["empty"], "out", False, "empty: there is no image file in this folder."),
        (["dir", "a.jpg", "twin"], "out", False, "dir/c.png and twin/c.jpg would both become out/c.png; reduce them"),
        (["dir"], "b.png/out", False, "--out b.png/out: cannot be made: Not a directory."),
    ],
)
def test_wrong_ways_are_refused_before_anything_is_written(tmp_path, monkeypatch, inputs, out, overwrite, sentence):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.png", "dir/c.png", "dir/d.png", "done/c.png", "done/d.png", "twin/c.jpg"):
        draw(Path(name))
    Path("empty").mkdir()
    before = sorted(Path().rglob("*"))
    with pytest.raises(BadInput) as refused:
        pair_files([Path(path) for path in inputs], Path(out), ".png", overwrite)
    assert str(refused.value).startswith(sentence)
    assert sorted(Path().rglob("*")) == before
