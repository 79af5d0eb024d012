"""Datasets of one's own: what they are called, which of their images are tested, and what these are called."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from workplace import EXAMPLES, Workplace

import fewcolors as fc

TASK = EXAMPLES / "my_task.py"
BRUSHES = '''
import numpy as np
import fewcolors as fc

@fc.dataset("brushes")
class Brushes:
    """Sixty strokes a split, three of each brush; no image has a name."""
    sources = "Every <brush> is one painter's."

    def load(self):
        return fc.DatasetArrays(self._split(0), self._split(100), ("dark", "bright"))

    def _split(self, first):
        draw = np.random.default_rng(first)
        groups = np.repeat(np.arange(20), 3)
        images = draw.integers(0, 128, (60, 8, 8, 3)) + 100 * (groups % 2)[:, None, None, None]
        return fc.Split.of(images.astype(np.uint8), groups % 2, first + groups)
'''
SPEC = """
datasets:
  - {name: image-folder, label: my photos, params: {root: photos, side: 8}, test_images: 8}
  - {name: brushes, label: "strokes [/red] <b>", test_images: 31}
classifiers: [{name: tiny-net, params: {epochs: 1, batch_size: 20}}]
methods: [original, median-cut]
colors: [2]
"""
ODD = (b"<img src=x onerror=alert(1)>.png", b"new\nline.png", b"\xff.png", b"x" * 251 + b".png", "schön.png".encode())
LATIN_1 = "bé".encode("latin-1")
"""The name of a class's folder, and no UTF-8."""
PLUGINS = ("--plugin", str(TASK), "--plugin", "brushes.py")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, address: str) -> Workplace:
    workplace = Workplace(tmp_path_factory.mktemp("datasets"), address)
    (workplace.folder / "brushes.py").write_text(BRUSHES)
    draw = np.random.default_rng(0)
    for part, name in (("train", b"a"), ("train", LATIN_1), ("test", b"a"), ("test", LATIN_1)):
        folder = os.fsencode(workplace.folder / "photos" / part) + b"/" + name
        os.makedirs(folder)
        for file in (*ODD, b"0.png", b"1.png", b"2.png"):
            pixels = draw.integers(0, 256, (8, 8, 3), np.uint8)
            with open(folder + b"/" + file, "wb") as opened:
                Image.fromarray(pixels).save(opened, "PNG")
    workplace.fewcolors("run", workplace.spec(SPEC), *PLUGINS)
    return workplace


def records(done: Workplace, dataset: str) -> pd.DataFrame:
    cell = next(row for row in done.cells() if row["dataset"] == dataset)
    return pd.read_parquet(done.folder / "store" / "cells" / cell["key"] / "records.parquet")


def test_tables_call_a_dataset_by_its_label_and_test_so_many_images(done: Workplace) -> None:
    counts = {(row["dataset"], row["status"], row["n"]) for row in done.cells()}
    assert counts == {("my photos", "ok", "8"), ("strokes [/red] <b>", "ok", "30")}
    photos, strokes = records(done, "my photos"), records(done, "strokes [/red] <b>")
    assert photos["label"].value_counts().to_dict() == {0: 4, 1: 4}
    assert strokes["label"].value_counts().to_dict() == {0: 15, 1: 15}
    assert set(strokes["group"].value_counts()) == {3}, "the images of a brush stay together"
    page = (done.folder / "runs" / "tiny" / "report" / "index.html").read_text()
    assert "my photos: 8 of 16 test images, drawn at random with every class in proportion" in page
    assert "strokes [/red] &lt;b&gt;: 30 of 60 test images from 10 sources" in page
    assert page.count("Every &lt;brush&gt; is one painter&#39;s.") == 2


def test_records_have_the_names_of_files_behind_all_other_columns(done: Workplace) -> None:
    photos, strokes = records(done, "my photos"), records(done, "strokes [/red] <b>")
    assert photos.columns[-3:].tolist() == strokes.columns[-3:].tolist() == ["mse", "ssim", "name"]
    assert strokes["name"].isna().all()
    kept = [r"\udcff.png", "<img src=x onerror=alert(1)>.png", r"new\nline.png", "x" * 251 + ".png", "schön.png"]
    possible = {f"test/{label}/{file}" for label in ("a", r"b\udce9") for file in (*kept, "0.png", "1.png", "2.png")}
    assert set(photos["name"]) < possible
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both = fc.load(done.folder / "runs" / "tiny").records
    assert both.groupby("dataset", observed=True)["name"].count().to_dict() == {
        "my photos": 16,
        "strokes [/red] <b>": 0,
    }


def test_the_spec_of_a_run_runs_the_same(done: Workplace) -> None:
    saved = (done.folder / "runs" / "tiny" / "spec.yaml").read_text()
    said = done.fewcolors("run", done.spec(saved, "again"), *PLUGINS).out
    assert "4 of 4 cells ok (all stored already)" in said
    without = done.spec(SPEC.replace("label: my photos, ", "").replace('label: "strokes [/red] <b>", ', ""), "unnamed")
    said = done.fewcolors("plan", without, *PLUGINS).out
    assert "12 jobs for 4 cells, 0 to run." in said, "a label is in no key"


def test_an_image_is_explained_by_its_name(done: Workplace) -> None:
    photos = records(done, "my photos")
    name = photos["name"][3]
    file = name.encode("latin-1").decode("unicode_escape", "surrogatepass") if "\\" in name else name
    asked = ("--method", "median-cut", *PLUGINS, "--dataset", "my photos", "--image")
    done.fewcolors("explain", "runs/tiny", *asked, f"photos/{file}", RAY_ADDRESS="nowhere:1")
    pictures = done.folder / "runs" / "tiny" / "explain" / "pictures"
    assert {path.name for path in pictures.rglob("*original.png")} == {"3-original.png"}
    for wanted, sentence in (
        (f"{name[:-5]}.png", f"my photos has no test image of this name, did you mean {name!r}?"),
        (".png", "my photos has no test image of this name"),
        ("8", "--image 8: the test images of my photos are numbered 0 to 7."),
    ):
        refused = done.fewcolors("explain", "runs/tiny", *asked, wanted, code=2, RAY_ADDRESS="nowhere:1")
        assert sentence in refused.err
    strokes = ("--dataset", "strokes [/red] <b>", *PLUGINS, "--image", "a.png")
    refused = done.fewcolors("explain", "runs/tiny", *strokes, code=2, RAY_ADDRESS="nowhere:1")
    assert "--image a.png: the test images of strokes [/red] <b> have no names, only numbers, 0 to 29." in refused.err


def test_one_name_of_several_images_is_refused(done: Workplace) -> None:
    whole = done.spec(SPEC.replace(", test_images: 8", ""), "whole")
    done.fewcolors("run", whole, *PLUGINS)
    asked = ("--dataset", "my photos", *PLUGINS, "--image", "0.png")
    refused = done.fewcolors("explain", "runs/whole", *asked, code=2, RAY_ADDRESS="nowhere:1").err
    assert (
        r"my photos has 2 test images of this name (test/a/0.png, test/b\udce9/0.png); give more of the path."
        in refused
    )


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ("1", "datasets[0].test_images: 1 are too few for the 2 classes of 'image-folder'; write 2 or more."),
        ("17", "datasets[0].test_images: 17 are more than the 16 that 'image-folder' has; leave it out to test all of"),
        ("none", "datasets[0].test_images: it should be a valid integer, got 'none'."),
    ],
)
def test_a_number_of_images_that_cannot_be_tested_is_refused_at_once(
    done: Workplace, limit: str, sentence: str
) -> None:
    spec = done.spec(SPEC.replace("test_images: 8", f"test_images: {limit}"), "refused")
    assert sentence in done.fewcolors("run", spec, *PLUGINS, code=2).err
    assert not (done.folder / "runs" / "refused").exists()


def test_too_few_images_for_the_sources_of_each_class_fail_the_dataset_alone(done: Workplace) -> None:
    spec = done.spec(SPEC.replace("test_images: 31", "test_images: 5"), "few")
    done.fewcolors("run", spec, *PLUGINS, code=1)
    states = {(row["dataset"], row["status"]) for row in done.cells("few")}
    assert states == {("my photos", "ok"), ("strokes [/red] <b>", "blocked")}
    (error,) = {row["error"] for row in done.cells("few") if row["error"]}
    assert "test_images: 5 are too few, one source of each class is 6 images" in error


def test_damaged_names_are_made_again(done: Workplace) -> None:
    names: list[Path] = list((done.folder / "store" / "datasets").glob("*/test_names.json"))
    file = next(path for path in names if len(json.loads(path.read_text())) == 8)
    known = file.read_text()
    file.write_text(known.replace("test/a", "test/c"))
    said = done.fewcolors("run", done.folder / "tiny.yaml", *PLUGINS).out
    assert "was damaged (test_names.json), it is computed again" in said
    assert file.read_text() == known
