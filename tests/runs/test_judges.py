"""Classifiers retrained on reduced images, and methods that several classifiers teach, in a whole run."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas as pd
import pytest
from workplace import EXAMPLES, Workplace

TASK = EXAMPLES / "my_task.py"
SPEC = """
datasets: [{name: stripes, params: {images: 80}}]
classifiers:
  - {name: tiny-net, params: {epochs: 10, batch_size: 20, channels: [4, 8]}}
methods:
  - median-cut
  - {name: colorcnn, params: {width: 4, epochs: 2, batch_size: 20}, taught_by: each}
  - {name: colorcnn, params: {width: 4, epochs: 2, batch_size: 20}, taught_by: all}
  - {name: jpeg, quality: [20]}
colors: [2]
baseline: median-cut
judge: [frozen, retrained]
retraining: {epochs: 5, rate: 0.05}
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, address: str) -> Workplace:
    workplace = Workplace(tmp_path_factory.mktemp("judged"), address)
    workplace.fewcolors("run", workplace.spec(SPEC), "--plugin", TASK)
    return workplace


def test_every_method_has_a_cell_of_each_judge_and_teacher(done: Workplace) -> None:
    cells = done.cells()
    assert {row["status"] for row in cells} == {"ok"}
    names = ("tiny-net channels=4", "tiny-net channels=8")
    places = {(row["classifier"], row["variant"], row["fitted_on"], row["judge"]) for row in cells}
    assert len(places) == len(cells) == 2 * 2 * (1 + 3 + 1)
    teachers = {row["fitted_on"] for row in cells if row["variant"] == "colorcnn"}
    assert teachers == {*names, "+".join(names)}
    stages = [job["stage"] for job in done.plan()["jobs"]]
    assert stages.count("quantizers") == 3
    assert stages.count("classifiers") == 2 + 2 * 5


def test_the_retrained_judge_differs_and_knows_what_the_frozen_one_made_of_the_untouched_images(
    done: Workplace,
) -> None:
    cells = {(row["classifier"], row["variant"], row["fitted_on"], row["judge"]): row for row in done.cells()}
    differing = 0
    for (*place, judge), row in cells.items():
        if judge == "frozen":
            other = cells[*place, "retrained"]
            assert row["original_accuracy"] == other["original_accuracy"]
            assert row["bpp_file"] == other["bpp_file"], "they judge the same images"
            seen = [
                pd.read_parquet(done.folder / "store" / "cells" / r["key"] / "records.parquet") for r in (row, other)
            ]
            assert (seen[0]["original_predicted"] == seen[1]["original_predicted"]).all()
            differing += not np.array_equal(seen[0]["confidence"], seen[1]["confidence"])
    assert differing == len(cells) // 2
    with (done.folder / "runs" / "tiny" / "report" / "judges.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 5
    for row in rows:
        gain = float(row["accuracy_retrained"]) - float(row["accuracy_frozen"])
        assert float(row["difference"]) == pytest.approx(gain)


def test_a_second_run_trains_nothing_and_another_recipe_only_the_retrained(done: Workplace) -> None:
    done.fewcolors("run", done.folder / "tiny.yaml", "--plugin", TASK)
    assert {event["event"] for event in done.events() if event["job"]} == {"cached"}
    longer = done.spec(SPEC.replace("epochs: 5, rate", "epochs: 6, rate"), "longer")
    planned = done.fewcolors("plan", longer, "--plugin", TASK).out
    to_run = [line.split()[0] for line in planned.splitlines() if " to run " in line]
    assert sorted(set(to_run)) == ["cells", "classifiers"]
    assert to_run.count("classifiers") == 2 * 5


def test_a_taught_method_is_found_by_its_name_in_tables(done: Workplace) -> None:
    run, joint = "runs/tiny", "colorcnn fitted on tiny-net channels=4+tiny-net channels=8"
    for name in ("colorcnn", joint):
        done.fewcolors(
            "export", run, "--method", name, "--colors", "2", "--classifier", "tiny-net channels=8", "--plugin", TASK,
            "--out", "exported",
        )  # fmt: skip
    cards = [json.loads(path.read_text()) for path in (done.folder / "exported").glob("*.json")]
    taught = {card["classifier"]: card["key"] for card in cards}
    assert set(taught) == {"tiny-net channels=8", "tiny-net channels=4+tiny-net channels=8"}
    assert len(set(taught.values())) == 2
