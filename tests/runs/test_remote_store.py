"""A run whose store is on a server that speaks S3: the numbers of a run on a disk, and nothing computed twice."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from s3_server import S3Server, s3_server
from workplace import EXAMPLES, Workplace

TASK = EXAMPLES / "my_task.py"
SPEC = """
datasets: [{name: stripes, params: {images: 60}}]
classifiers: [{name: tiny-net, params: {epochs: 2, batch_size: 20}}]
methods: [median-cut, {name: colorcnn, params: {width: 4, epochs: 2, batch_size: 20}}, original]
colors: [2]
seeds: [0]
baseline: median-cut
"""


PLUGIN = """
import json
import numpy as np
from harness.contracts import Palettized
from harness.registry import quantizer

@quantizer("threshold", summary="black and white, by brightness")
class Threshold:
    level: int = 128

    def palettize(self, images, colors):
        palettes = np.tile(np.array([[0], [255]], np.uint8), (len(images), 1, 3))
        return Palettized((images.mean(axis=3) > self.level).astype(np.uint8), palettes)

    def fit(self, lesson):
        with open("notes.jsonl", "a") as file:
            file.write(json.dumps({"level": self.level, "held_out": len(lesson.validation)}) + "\\n")

    def state(self):
        return {"level": np.array([self.level])}

    def load(self, state, device):
        self.level = int(state["level"][0])
"""
SEARCH = """
datasets: [{name: stripes, params: {images: 200}}]
classifiers: [{name: tiny-net, params: {epochs: 15, channels: 8, batch_size: 20, rate: 0.1}}]
methods: [{name: threshold, search: {level: {grid: [100, 140]}}}]
colors: [2]
seeds: [1]
search: {algorithm: grid, scheduler: none, concurrency: 1}
resources: {quantizers: {gpus: 0}, classifiers: {gpus: 0}}
"""


def bucket_on(server: S3Server) -> Any:
    """The server's storage, with the bucket that the tests use."""
    s3fs = pytest.importorskip("s3fs")
    key, secret = (server.environment[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    storage = s3fs.S3FileSystem(key=key, secret=secret, endpoint_url=server.endpoint, use_listings_cache=False)
    storage.mkdir("colors")
    return storage


def test_a_store_at_a_uri_gives_the_same_numbers_and_serves_another_machine(workplace: Workplace) -> None:
    pytest.importorskip("moto.server")
    run = ["run", workplace.spec(SPEC), "--plugin", TASK]
    workplace.fewcolors(*run)
    on_disk = workplace.numbers()
    with s3_server() as server:
        bucket_on(server)
        cache = workplace.folder / "cache"
        remote = server.environment | {"FEWCOLORS_CACHE": str(cache), "RAY_ADDRESS": "local"}
        workplace.fewcolors(*run, "--store", "s3://colors/store", "--cpus", "2", **remote)
        assert workplace.numbers() == on_disk
        assert workplace.plan()["store"] == "s3://colors/store"
        assert {event["event"] for event in workplace.events()} >= {"started", "done", "run-ended"}
        shutil.rmtree(cache)
        again = workplace.fewcolors(*run, "--store", "s3://colors/store", **remote)
        assert "all stored already" in again.out
        assert workplace.numbers() == on_disk
        assert "give --store" in workplace.fewcolors("report", "runs/tiny", code=2, **remote).err
        workplace.fewcolors("report", "runs/tiny", "--store", "s3://colors/store", **remote)
        assert workplace.numbers() == on_disk


def test_a_search_in_a_folder_at_a_uri_goes_on_on_another_machine(workplace: Workplace) -> None:
    pytest.importorskip("moto.server")
    (workplace.folder / "threshold.py").write_text(PLUGIN)
    uri = "s3://colors/runs/found"
    tune = ["tune", workplace.spec(SEARCH), "--plugin", TASK, "--plugin", "threshold.py", "--cpus", "2"]
    tune += ["--store", "s3://colors/store", "--out", uri]
    notes = workplace.folder / "notes.jsonl"
    with s3_server() as server:
        storage = bucket_on(server)
        remote = server.environment | {"RAY_ADDRESS": "local"}
        first = workplace.fewcolors(*tune, **remote, FEWCOLORS_CACHE=str(workplace.folder / "one"))
        assert f"All of it is in {uri}" in first.out
        trained = notes.read_text()
        levels = [json.loads(line)["level"] for line in trained.splitlines() if json.loads(line)["held_out"]]
        assert sorted(levels) == [100, 128, 140]
        found = {path.removeprefix("colors/runs/found/") for path in storage.find("colors/runs/found")}
        table = next(name for name in found if name.endswith("trials.json"))
        assert {"searches.json", "trials.csv", "best.yaml", "plan.json", "report/index.html"} <= found
        assert not [name for name in found if "/tune/" in name]
        # As a driver leaves it that is lost when one trial is still to run.
        content = json.loads(storage.cat(f"colors/runs/found/{table}"))
        del content["sha256"]
        content["rows"], content["order"] = content["rows"][:2], [each for each in content["order"] if each[1] < 2]
        storage.pipe(f"colors/runs/found/{table}", json.dumps(content).encode())
        storage.rm([f"colors/runs/found/{name}" for name in ("searches.json", "trials.csv", "plan.json")])
        two = {"FEWCOLORS_CACHE": str(workplace.folder / "two")}
        workplace.fewcolors(*tune, **remote, **two)
        assert notes.read_text() == trained, "its training is in the store"
        rows = storage.cat("colors/runs/found/trials.csv").decode().splitlines()
        assert [",finished," in row for row in rows[1:]] == [True] * 3
        said = workplace.fewcolors("status", uri, "--store", "s3://colors/store", **remote, **two).out
        assert ": at its end (process " in said
        assert not (workplace.folder / "runs").exists()
