"""A whole run on Ray: what it leaves, what it does not do twice, and that it is the same anywhere."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
import yaml
from safetensors.torch import load, save_file
from workplace import EXAMPLES, Workplace

from harness.work.store import Store, digest_of
from harness.writing import write_json

TASK = EXAMPLES / "my_task.py"
SPEC = """
datasets: [{name: stripes, params: {images: 60}}]
classifiers: [{name: tiny-net, params: {epochs: 3, batch_size: 20}}]
methods:
  - median-cut
  - {name: colorcnn, params: {width: 4, epochs: 2, batch_size: 20, gamma: [0.0, 1.0]}, colors: 2}
  - {name: jpeg, quality: [20]}
  - original
colors: [2, 4]
seeds: [0, 1]
baseline: median-cut
"""
COLUMNS = (
    "dataset, classifier, method, variant, params, level_kind, level, seed, fitted_on, split, precision, status, "
    "error, n, accuracy, accuracy_lo, accuracy_hi, original_accuracy, colors_per_image, bpp_file, bpp_payload, "
    "bpp_entropy, bpp_nominal, paper_bytes_per_pixel, psnr, seconds, key, mse, psnr_image_mean, lossless_share, ssim, "
    "ciede2000, judge"
).split(", ")


def without_seconds(text: str) -> list[dict[str, str]]:
    rows = list(csv.DictReader(io.StringIO(text)))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, address: str) -> Workplace:
    workplace = Workplace(tmp_path_factory.mktemp("done"), address)
    workplace.fewcolors("run", workplace.spec(SPEC), "--plugin", TASK)
    return workplace


def test_a_run_leaves_what_the_design_says_and_the_second_one_computes_nothing(done: Workplace) -> None:
    run = done.folder / "runs" / "tiny"
    cells = done.cells()
    assert list(cells[0]) == COLUMNS
    assert len(cells) == (2 + 2 + 1 + 1) * 2
    assert {row["status"] for row in cells} == {"ok"}
    assert {row["variant"] for row in cells} == {"median-cut", "colorcnn", "colorcnn gamma=0", "jpeg", "original"}
    assert {row["fitted_on"] for row in cells if row["method"] == "colorcnn"} == {"tiny-net"}
    for row in cells:
        if row["level_kind"] == "colors":
            assert float(row["colors_per_image"]) <= int(row["level"])
        assert float(row["psnr"]) == pytest.approx(
            10 * math.log10(255**2 / (float(row["mse"]) or 1e-99)), rel=1e-6
        ) or (row["mse"] == "0" and row["psnr"] == "inf")
        assert row["ciede2000"] == "", "it is not asked for"
        if row["method"] == "original":
            assert (row["psnr"], float(row["ssim"]), row["lossless_share"]) == ("inf", 1.0, "1")
            assert row["accuracy"] == row["original_accuracy"]
    page = (run / "report" / "index.html").read_text()
    assert "median-cut" in page
    assert "stripes" in page
    assert "test,family" in (run / "report" / "significance.csv").read_text().splitlines()[0]
    plan = done.plan()
    assert {job["stage"] for job in plan["jobs"]} == {"datasets", "classifiers", "quantizers", "applied", "cells"}
    trained = [job for job in plan["jobs"] if job["stage"] == "applied" and "median-cut" in job["name"]]
    assert len(trained) == 2, "what learns nothing serves every classifier and seed"

    before = (run / "report" / "cells.csv").read_bytes()
    again = done.fewcolors("run", done.folder / "tiny.yaml", "--plugin", TASK, RAY_ADDRESS="nowhere:1")
    assert "0 of" in again.out
    assert "all stored already" in again.out
    assert (run / "report" / "cells.csv").read_bytes() == before
    assert {event["event"] for event in done.events()} == {"run-started", "cached", "run-ended"}

    written = yaml.safe_load((run / "spec.yaml").read_text())
    assert written["methods"][0] == {"name": "median-cut", "params": {"dither": "none"}, "colors": [2, 4]}
    as_run = done.fewcolors("plan", run / "spec.yaml", "--plugin", TASK)
    assert "0 to run" in as_run.out

    done.fewcolors("report", run, RAY_ADDRESS="nowhere:1")
    assert (run / "report" / "cells.csv").read_bytes() == before
    assert "cells: 12 done" in done.fewcolors("status", run).out


def test_another_store_on_a_cluster_of_its_own_with_one_cpu_gives_the_same_numbers(done: Workplace) -> None:
    first = (done.folder / "runs" / "tiny" / "report" / "cells.csv").read_text()
    done.fewcolors(
        "run", done.folder / "tiny.yaml", "--plugin", TASK, "--store", "other", "--cpus", "1", RAY_ADDRESS=""
    )
    second = (done.folder / "runs" / "tiny" / "report" / "cells.csv").read_text()
    assert without_seconds(first) == without_seconds(second)


def test_a_damaged_artifact_is_said_and_computed_again(done: Workplace) -> None:
    before = without_seconds((done.folder / "runs" / "tiny" / "report" / "cells.csv").read_text())
    records = next((done.folder / "store" / "cells").glob("*/records.parquet"))
    records.write_bytes(records.read_bytes()[:-1])
    again = done.fewcolors("run", done.folder / "tiny.yaml", "--plugin", TASK)
    assert "was damaged (records.parquet), it is computed again" in again.out
    assert "1 of" in again.out
    assert without_seconds((done.folder / "runs" / "tiny" / "report" / "cells.csv").read_text()) == before


def test_what_was_made_from_a_network_that_is_another_one_now_is_computed_again(done: Workplace) -> None:
    """As where a classifier is lost and trained again on a machine that does not give the same bytes."""
    before, store = done.cells(), Store(done.folder / "store")
    plan = json.loads((done.folder / "runs" / "tiny" / "plan.json").read_text())
    key = next(job["key"] for job in plan["jobs"] if job["name"] == "tiny-net on stripes, seed 0")
    parts = {path.name: path.read_bytes() for path in store.path("classifiers", key).iterdir()}
    network = {name: tensor + 0.5 for name, tensor in load(parts["network.safetensors"]).items()}
    store.remove("classifiers", key)
    with store.write("classifiers", key) as folder:
        for name in parts.keys() - {"manifest.json"}:
            (folder / name).write_bytes(parts[name])
        save_file(network, folder / "network.safetensors")
        about = json.loads(parts["about.json"]) | {"network": digest_of(folder / "network.safetensors")}
        write_json(folder / "about.json", about)
    tiny = (done.folder / "tiny.yaml", "--plugin", TASK)
    again = done.fewcolors("run", *tiny)
    assert "another network" not in again.out, "all cells are of the one before"
    why = "made from tiny-net on stripes, seed 0, which was trained again since and is another network"
    more = done.fewcolors("run", *tiny, "--colors", 4, "--colors", 8, "--out", done.folder / "runs" / "more")
    assert f"cells left out: 5 {why}; they are computed again." in more.out
    last = done.fewcolors("run", *tiny)
    assert f"cells left out: 1 {why}; they are computed again." in last.out
    after = done.cells()
    assert {row["status"] for row in after} == {"ok"}
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old["seconds"] != new["seconds"]]
    assert {old["seed"] for old, _ in changed} == {"0"}
    assert len(changed) == 6
    assert any(old["accuracy"] != new["accuracy"] for old, new in changed)
    assert "another network" not in done.fewcolors("run", *tiny).out


def test_plan_shows_jobs_and_needs_and_runs_nothing(workplace: Workplace) -> None:
    shown = workplace.fewcolors("plan", workplace.spec(SPEC), "--plugin", TASK, RAY_ADDRESS="nowhere:1")
    assert "colorcnn gamma=0 at 2 colors on stripes, tiny-net, seed 1" in shown.out
    assert "to run" in shown.out
    assert not (workplace.folder / "runs").exists()
    assert not list((workplace.folder / "store").glob("*/*"))


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        ("{cells: {cpus: 64}}", "needs 64 CPU"),
        ("{datasets: {memory: 9000000000000000}}", "memory"),
    ],
)
def test_needs_that_no_node_can_meet_are_refused(workplace: Workplace, resources: str, sentence: str) -> None:
    refused = workplace.fewcolors("run", workplace.spec(SPEC + f"resources: {resources}\n"), "--plugin", TASK, code=2)
    assert sentence in refused.err
    assert len(refused.err.strip().splitlines()) == 1
    assert not (workplace.folder / "runs" / "tiny" / "events.jsonl").exists()


def test_an_address_where_nobody_listens_is_one_sentence(workplace: Workplace) -> None:
    refused = workplace.fewcolors(
        "run", workplace.spec(SPEC), "--plugin", TASK, "--address", "127.0.0.1:1", code=2, RAY_ADDRESS=""
    )
    assert "127.0.0.1:1 cannot be joined" in refused.err
    assert len(refused.err.strip().splitlines()) == 1
