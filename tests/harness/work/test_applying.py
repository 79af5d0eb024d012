"""Applying and measuring chunk by chunk: the same artifacts as all at once, in the memory of one chunk."""

# ruff: noqa: ARG002 - toys have no use for what they are handed

import io
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from harness import encoding
from harness.contracts import ContractError, MethodHooks, Palettized
from harness.work import applying
from harness.work.applying import apply_method, chunk_size
from harness.work.arrays import GrowingArray
from harness.work.artifacts import open_decoded
from harness.work.store import Store
from harness.writing import write_json


class Brightness:
    """As many grays as an image's first pixel says, at most: palettes differ in width from chunk to chunk."""

    def palettize(self, images, colors):
        grays = images.mean(axis=3).astype(int)
        used = np.minimum(images[:, 0, 0, 0].astype(int) % colors + 1, colors)
        indices = grays * used[:, None, None] // 256
        palette = np.repeat(np.arange(colors, dtype=np.uint8)[:, None] * 7, 3, axis=1)
        return Palettized(indices.astype(np.uint8), np.repeat(palette[None], len(images), axis=0))


class Halved(MethodHooks):
    """A codec that loses the lowest bit; files differ in length."""

    def encode(self, images, quality):
        return [encoding.plain_png(image // 2) for image in images]

    def decode(self, files):
        from PIL import Image

        return np.stack([np.asarray(Image.open(io.BytesIO(file))) * 2 for file in files])


class Counted(Halved):
    """The same, and it knows what of its files are pixels."""

    def payload(self, files):
        return [encoding.png_payload(file) for file in files]


class Difference:
    def measure(self, original, decoded):
        return np.abs(original.astype(float) - decoded).max(axis=(1, 2, 3))


def images(n, side=8):
    found = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), np.uint8)
    found[: n // 2, 0, 0, 0] = 1  # two colors at most in the first half
    return found


def all_at_once(method, batch, level, folder):
    """The artifact as it is made where all images are held at once."""
    folder.mkdir()
    columns = {}
    if level is None:
        files = method.encode(batch, None)
        decoded = method.decode(files)
        np.save(folder / "coded.npy", np.frombuffer(b"".join(files), np.uint8))
        np.save(folder / "ends.npy", np.cumsum([len(file) for file in files]))
        columns["colors"] = [len(np.unique(image.reshape(-1, 3), axis=0)) for image in decoded]
    else:
        indexed = method.palettize(batch, level).compact()
        decoded, files = indexed.render(), encoding.encode_all(indexed)
        np.save(folder / "indices.npy", indexed.indices)
        np.save(folder / "palettes.npy", indexed.palettes)
        columns["colors"] = indexed.colors()
    columns["file_bytes"] = [len(file) for file in files]
    none = pd.array([None] * len(batch), dtype="Int64")
    known = level is not None or type(method) is Counted
    columns["payload_bytes"] = [encoding.png_payload(file) for file in files] if known else none
    columns["entropy_bits"] = np.nan if level is None else encoding.entropy_bits(indexed)
    columns["paper_bytes"] = [len(f) for f in (files if level is None else map(encoding.plain_png, decoded))]
    columns["psnr"] = encoding.psnr(batch, decoded)
    columns["largest"] = Difference().measure(batch, decoded)
    pd.DataFrame(columns).to_parquet(folder / "measures.parquet", index=False)
    return decoded


@pytest.mark.parametrize(("method", "level"), [(Brightness(), 9), (Halved(), None), (Counted(), None)])
@pytest.mark.parametrize("chunk", [1, 4, 64])
def test_the_artifact_is_byte_for_byte_that_of_all_images_at_once(method, level, chunk, tmp_path, monkeypatch):
    monkeypatch.setattr(applying, "CHUNK", chunk)
    batch = images(22)
    expected = all_at_once(method, batch, level, tmp_path / "whole")
    (tmp_path / "chunks").mkdir()
    apply_method(method, batch, level, tmp_path / "chunks", {"largest": Difference()})
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert sorted(path.name for path in (tmp_path / "chunks").iterdir()) == names
    for name in names:
        if name.endswith(".npy"):
            assert (tmp_path / "chunks" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    found, whole = (pd.read_parquet(tmp_path / f / "measures.parquet") for f in ("chunks", "whole"))
    pd.testing.assert_frame_equal(found, whole, check_exact=True)
    if level is not None:
        assert np.array_equal(
            expected, Palettized(*(np.load(tmp_path / "chunks" / n) for n in names[:1] + names[2:])).render()
        )


@pytest.mark.parametrize(("method", "level"), [(Brightness(), 9), (Halved(), None)])
def test_stored_images_are_decoded_as_they_are_asked_for(method, level, tmp_path, monkeypatch):
    monkeypatch.setattr(applying, "CHUNK", 4)
    batch, store = images(22), Store(tmp_path / "store")
    expected = all_at_once(method, batch, level, tmp_path / "whole")
    with store.write("applied", "a" * 64) as folder:
        apply_method(method, batch, level, folder)
        write_json(folder / "about.json", {"plugin": "halved", "params": {}, "shape": batch.shape})

    class Registered:
        name = "halved"

        def get(self, kind, name, where):
            return self

        def make(self, params, where):
            return method

    decoded = open_decoded(store, "a" * 64, Registered())
    parts = list(decoded.chunks())
    assert [len(part) for part in parts] == [4, 4, 4, 4, 4, 2]
    assert np.array_equal(np.concatenate(parts), expected)
    assert np.array_equal(decoded.take([21, 3, 3]), expected[[21, 3, 3]])


def peak(method, batch, level, folder):
    folder.mkdir()
    tracemalloc.start()
    try:
        apply_method(method, batch, level, folder, {"largest": Difference()})
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("method", "level"), [(Brightness(), 9), (Halved(), None)])
def test_memory_does_not_grow_with_the_number_of_images(method, level, tmp_path, monkeypatch):
    monkeypatch.setattr(applying, "CHUNK", 16)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    few, many = images(64, side=32), images(512, side=32)
    apply_method(method, few, level, tmp_path)  # what is imported on the way is not counted
    once, more = (peak(method, batch, level, tmp_path / str(len(batch))) for batch in (few, many))
    assert more < 1.3 * once, (once, more)


@pytest.mark.parametrize(
    ("size", "expected"), [((32, 32), 512), ((64, 64), 512), ((96, 96), 128), ((512, 512), 8), ((4000, 3000), 1)]
)
def test_the_larger_the_images_the_fewer_at_a_time(size, expected):
    assert chunk_size(*size) == expected


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ([1.0, 2.0], r"returned list, it must return float64 \[2\], one number an image"),
        (np.zeros(2, np.float32), r"returned float32 \[2\], it must return float64 \[2\]"),
        (np.zeros((2, 1)), r"returned float64 \[2, 1\], it must"),
        (np.float64(3), "returned float64, it must"),
        (np.array([1.0, np.nan]), "returned NaN for image 1"),
    ],
)
def test_what_a_metric_must_not_return(result, said, tmp_path):
    class Wrong:
        def measure(self, original, decoded):
            return result

    with pytest.raises(ContractError, match=f"^metric 'wrong': measure {said}") as error:
        apply_method(Brightness(), images(2), 4, tmp_path, {"wrong": Wrong()})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ((1, 2), "returned tuple, it must return None or a list of 2 whole numbers of bytes"),
        ([1], "returned a list of 1, it must"),
        ([1, 2.0], "returned float for file 1, it must"),
        ([True, 2], "returned bool for file 0, it must"),
        ([-1, 2], r"returned -1 for file 0, which has \d+ bytes"),
        ([1, 10**6], r"returned 1000000 for file 1, which has \d+ bytes"),
    ],
)
def test_what_a_codec_must_not_say_of_its_payload(result, said, tmp_path):
    class Wrong(Halved):
        def payload(self, files):
            return result

    with pytest.raises(ContractError, match=f"^payload {said}"):
        apply_method(Wrong(), images(2), None, tmp_path)


@pytest.mark.parametrize("row", [(), (3,), (2, 5)])
@pytest.mark.parametrize("lengths", [(), (0,), (1, 4, 0, 1000)])
def test_an_array_that_grew_is_the_file_that_numpy_saves(row, lengths, tmp_path):
    parts = [np.random.default_rng(n).integers(0, 256, (n, *row), np.uint8) for n in lengths]
    with GrowingArray(tmp_path / "grown.npy", np.uint8, row) as grown:
        for part in parts:
            grown.append(part)
    np.save(tmp_path / "saved.npy", np.concatenate([np.empty((0, *row), np.uint8), *parts]))
    assert (tmp_path / "grown.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()
