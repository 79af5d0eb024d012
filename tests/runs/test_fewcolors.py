"""``import fewcolors as fc`` against the real thing: one run in this process, and what can be read of it."""

import csv
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cells import Cells
from workplace import EXAMPLES

import fewcolors as fc
from harness.encoding import count_colors

TASK, LEARNED = EXAMPLES / "my_task.py", EXAMPLES / "my_learned_quantizer.py"
SPEC = {
    "name": "tiny",
    "datasets": [{"name": "stripes", "params": {"images": 40}}],
    "classifiers": [{"name": "tiny-net", "params": {"epochs": 1, "batch_size": 20}}],
    "methods": [
        "median-cut",
        "thirds",
        "raises",
        {"name": "learned-palette", "params": {"rate": 1.0}, "colors": [2]},
        {"name": "jpeg", "quality": [20]},
        "original",
    ],
    "colors": [3],
    "seeds": [0, 1],
    "baseline": "median-cut",
}
CELL = """
import numpy as np
import fewcolors as fc

STEPS = 3

@fc.quantizer("thirds")
class Thirds:
    def palettize(self, images, colors):
        grays = np.linspace(0, 255, STEPS).astype(np.uint8)
        indices = (images.mean(axis=3) * STEPS // 256).astype(np.uint8)
        return fc.Palettized(indices, np.tile(grays[:, None], (len(images), 1, 3)))

@fc.quantizer("raises")
class Raises:
    def palettize(self, images, colors):
        raise ValueError("on purpose")
"""


@pytest.fixture(scope="module")
def notebook():
    with Cells() as cells:
        cells.run(CELL)
        yield cells


@pytest.fixture(scope="module")
def plugins(notebook):
    return [TASK, LEARNED, notebook["Thirds"], notebook["Raises"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("python")


@pytest.fixture(scope="module")
def run(folder, address, plugins):
    return fc.run(SPEC, out=folder / "run", store=folder / "store", plugins=plugins, address=address, progress=False)


def test_tables_are_those_of_the_csv_files(run):
    report = run.report.parent
    for name, table in (("cells", run.cells), ("significance", run.significance)):
        with (report / f"{name}.csv").open() as file:
            rows = list(csv.reader(file))
        assert list(table.columns) == rows[0]
        text = table.to_csv(index=False, float_format="%.8g", lineterminator="\n")
        assert text == (report / f"{name}.csv").read_text()
    assert run.report.is_file()
    assert run.spec["seeds"] == [0, 1]
    assert repr(run) == f"tiny: 10 of 12 cells ok, report {run.report}"
    assert "learned-palette" in run._repr_html_()


def test_what_failed_is_told_and_raises_nothing(run):
    assert list(run.failures["message"]) == ["ValueError: on purpose"]
    assert list(run.failures["cells"]) == [2]
    assert "Raises.py" in run.failures["traceback"][0]
    with pytest.raises(fc.BadInput, match=r"raises on stripes, tiny-net: failed \(ValueError: on purpose\)"):
        run.images(variant="raises")


def test_records_are_those_of_the_store_with_their_cells(run):
    ok = run.cells.query("status == 'ok'")
    assert len(run.records) == 40 * len(ok)
    accuracy = run.records.groupby(["variant", "seed"], observed=True)["correct"].mean()
    for row in ok.itertuples():
        assert accuracy[row.variant, row.seed] == pytest.approx(row.accuracy)
    alone = run.records_of(variant="thirds", seed=1)
    among = run.records.query("variant == 'thirds' and seed == 1")[alone.columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, among, check_dtype=False)
    assert {"level": "Int64", "variant": "category"}.items() <= run.records.dtypes.astype(str).to_dict().items()


def test_images_are_what_was_counted(run):
    for _, row in run.cells.query("status == 'ok'").iterrows():
        seen = run.images(row)
        assert seen.originals.shape == seen.decoded.shape == (40, 32, 32, 3)
        assert seen.originals.dtype == seen.decoded.dtype == np.uint8
        assert list(seen.labels) == list(run.records_of(row)["label"])
        assert list(count_colors(seen.decoded)) == list(run.records_of(row)["colors"])
        if row.level_kind == "colors":
            assert count_colors(seen.decoded).max() <= row.level
        assert (row.variant == "original") == np.array_equal(seen.originals, seen.decoded)
    assert seen.classes == ("|", "/", "-", "\\")


def test_images_belong_to_whoever_asked(run):
    run.images(variant="original").originals[:] = 0
    assert run.images(variant="original").originals.any()


@pytest.mark.parametrize("method", ["thirds", "median-cut"])
def test_quantize_gives_the_images_of_the_run_again(run, method, notebook):
    seen = run.images(variant=method, level=3)
    for ours in (
        fc.quantize(seen.originals, method, 3, run=run),
        fc.quantize(seen.originals, notebook["Thirds"] if method == "thirds" else method, 3),
    ):
        assert np.array_equal(ours.render(), seen.decoded)


def test_a_trained_method_is_the_one_of_its_seed(run, plugins):
    first, second = (run.images(variant="learned-palette", seed=seed) for seed in (0, 1))
    assert not np.array_equal(first.decoded, second.decoded)
    images = first.originals
    assert np.array_equal(fc.quantize(images, "learned-palette", 2, run=run).render(), first.decoded)
    assert np.array_equal(
        fc.quantize(images, "learned-palette", 2, run=run.folder, seed=1, plugins=plugins).render(), second.decoded
    )
    with pytest.raises(fc.BadInput, match=r"^colors 3: 'learned-palette' was trained for 2 colors"):
        fc.quantize(images, "learned-palette", 3, run=run)


def test_loaded_again_it_is_the_same_also_where_its_store_was_moved(run, folder, plugins):
    again = fc.load(run.folder)
    assert again.cells.equals(run.cells)
    assert again.significance.equals(run.significance)
    assert np.array_equal(again.images(variant="jpeg").decoded, run.images(variant="jpeg").decoded)
    (folder / "moved").symlink_to(folder / "store")
    moved = fc.load(str(run.folder), folder / "moved", plugins=plugins)
    assert moved.images(variant="thirds").decoded.shape == (40, 32, 32, 3)
    with pytest.raises(fc.BadInput, match=r"^nowhere: not a run's folder"):
        fc.load("nowhere")
    with pytest.raises(fc.BadInput, match="there is no store here; give its new place with store"):
        fc.load(run.folder, "nowhere")


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (
            {"variant": "learned-pallet"},
            "variant='learned-pallet': tiny has no such cell, did you mean 'learned-palette'",
        ),
        ({"variant": "jpeg", "level": 30}, "level=30: tiny has no such cell (there: 20)"),
        ({"dataset": "dots"}, "dataset='dots': tiny has no such cell"),
        ({}, "variant: 12 cells of tiny fit, choose with variant="),
        ({"cell": {"key": "0"}}, "this row is no cell of this run"),
    ],
)
def test_a_cell_that_is_not_there_is_one_sentence(run, choice, sentence):
    for method in (run.images, run.records_of):
        with pytest.raises(fc.BadInput) as raised:
            method(**choice)
        assert sentence in str(raised.value)


def test_what_is_stored_is_not_run_again_and_a_plan_says_so(run, folder, plugins, capsys):
    plan = fc.plan(SPEC, store=folder / "store", plugins=plugins)
    assert set(plan.jobs.query("state == 'to run'")["name"].str.split(" ").str[0]) == {"raises"}
    less = SPEC | {"methods": ["median-cut", "thirds"]}
    again = fc.run(less, store=folder / "store", plugins=plugins[:3])
    assert again.folder == Path("runs/tiny")
    assert (
        again.cells["accuracy"].tolist() == run.cells.query("variant in ['median-cut', 'thirds']")["accuracy"].tolist()
    )
    first, *classifiers, last = capsys.readouterr().out.splitlines()
    assert (first, last) == ("tiny: 4 cells, 0 of 9 jobs to run", "4 of 4 cells ok")
    assert all("not told apart from guessing" in line for line in classifiers)


def test_a_thread_may_run_and_a_cluster_that_was_joined_before_is_left_joined(folder, address, capsys):
    import ray

    ray.init(address, log_to_driver=False)
    try:
        asked = {"store": folder / "store", "plugins": TASK, "seeds": [2], "methods": []}
        spec = SPEC | {"methods": ["median-cut"]}
        with pytest.raises(fc.BadInput, match=r"has called ray.init and stays on that Ray cluster: leave address"):
            fc.run(spec, **asked, address=address)
        done = []
        thread = threading.Thread(target=lambda: done.append(fc.run(spec, **asked)))
        thread.start()
        thread.join()
        assert list(done[0].cells["status"]) == ["ok"]
        assert ray.is_initialized()
    finally:
        ray.shutdown()
    shown = capsys.readouterr().out
    assert "classifiers: tiny-net on stripes, seed 2 done in" in shown
