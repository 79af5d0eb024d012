"""How jobs share GPUs, which are logical here: their processes, their memory, and the CPUs beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from workplace import EXAMPLES, Workplace

TASK = EXAMPLES / "my_task.py"
PLUGINS = """
import json, os
import numpy as np
import ray
from harness.contracts import Needs, Palettized
from harness.registry import quantizer

class Learned:
    joint_colors = True

    def note(self, what):
        context = ray.get_runtime_context()
        told = {"what": what, "process": os.getpid(), "task": context.get_task_id(), "node": context.get_node_id()}
        told |= {"gpus": context.get_assigned_resources().get("GPU", 0), "sees": os.environ.get("CUDA_VISIBLE_DEVICES")}
        with open(f"{type(self).__name__}.jsonl", "a") as file:
            file.write(json.dumps(told) + "\\n")
        return told

    def palettize(self, images, colors):
        self.note("apply")
        palettes = np.tile(np.array([[0], [255]], np.uint8), (len(images), 1, 3))
        return Palettized((images.mean(axis=3) > 128).astype(np.uint8), palettes)

    def state(self):
        return {"nothing": np.zeros(1)}

    def load(self, state, device): ...

@quantizer("greedy")
class Greedy(Learned):
    def fit(self, lesson):
        if self.note("fit")["gpus"] < 1:
            import torch
            try:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            except RuntimeError as error:
                raise ValueError("step 1 failed") from error

@quantizer("hungry")
class Hungry(Greedy):
    rate: float = 0.5

@quantizer("modest")
class Modest(Learned):
    needs = Needs(gpus=0)
    needs_in_use = Needs(gpus=0)

    def fit(self, lesson):
        self.note("fit")
"""
SPEC = """
datasets: [{name: stripes, params: {images: 40}}]
classifiers: [{name: tiny-net, params: {epochs: 1}}]
methods:
- {name: greedy, colors: [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]}
- {name: modest, colors: [2]}
seeds: [0]
reports: [tables]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, address_with_gpus: str) -> Workplace:
    """One run, in which one training needs all of a GPU's memory."""
    workplace = Workplace(tmp_path_factory.mktemp("sharing"), address_with_gpus)
    (workplace.folder / "learned.py").write_text(PLUGINS)
    spec = workplace.spec(SPEC)
    workplace.fewcolors("run", spec, "--plugin", TASK, "--plugin", workplace.folder / "learned.py")
    return workplace


def notes(workplace: Workplace, name: str, what: str) -> list[dict[str, Any]]:
    lines = Path(workplace.folder / f"{name}.jsonl").read_text().splitlines()
    return [note for note in map(json.loads, lines) if note["what"] == what]


def test_a_training_without_gpu_memory_gets_a_whole_gpu_and_a_fresh_process(finished: Workplace) -> None:
    fits = notes(finished, "Greedy", "fit")
    assert [fit["gpus"] for fit in fits] == [0.5, 1.0]
    assert len({fit["process"] for fit in fits}) == 2
    events = [event for event in finished.events() if event["event"] in ("retried", "failed")]
    assert [(event["event"], event["stage"], event["message"]) for event in events] == [
        ("retried", "quantizers", "the GPU had no memory left; run again alone on a whole GPU")
    ]
    assert {row["status"] for row in finished.cells()} == {"ok"}


def test_short_jobs_on_gpus_share_a_process_that_keeps_its_gpu(finished: Workplace) -> None:
    applied = notes(finished, "Greedy", "apply")
    assert len({note["task"] for note in applied}) > 1
    assert {note["gpus"] for note in applied} == {0.25}
    assert len({(note["process"], note["sees"]) for note in applied}) == 1
    assert not {note["process"] for note in applied} & {fit["process"] for fit in notes(finished, "Greedy", "fit")}


def test_jobs_without_a_gpu_leave_the_cpu_beside_the_gpus_to_those_with_one(finished: Workplace) -> None:
    node_of = {event["job"]: event["host"] for event in finished.events() if event["event"] == "done"}
    (gpu_node,) = {note["node"] for what in ("fit", "apply") for note in notes(finished, "Greedy", what)}
    modest = {note["node"] for note in notes(finished, "Modest", "fit")}
    assert len(modest) == 1
    assert modest != {gpu_node}
    assert node_of["stripes"].endswith(next(iter(modest))[:8]), "the dataset, too"
    assert {note["gpus"] for note in notes(finished, "Modest", "apply")} == {0}


def test_gpus_are_shared_out_as_the_spec_says(finished: Workplace) -> None:
    """A second run of the dataset, on the node that has the GPUs."""
    text = SPEC.partition("- {name: greedy")[0] + "- {name: modest, colors: [2]}\n"
    text += "seeds: [1]\nresources: {classifiers: {gpus: required}, quantizers: {gpus: 0.25}, cells: {gpus: 0.0}}\n"
    plugins = ("--plugin", TASK, "--plugin", finished.folder / "learned.py")
    finished.fewcolors("run", finished.spec(text, "gpus"), *plugins)
    hosts = {(e["stage"], e["host"]) for e in finished.events("gpus") if e["event"] == "done"}
    trained_on = {host for stage, host in hosts if stage in ("classifiers", "quantizers")}
    assert len(trained_on) == 1, "one node alone has GPUs"
    needs = {job["stage"]: job["needs"]["gpus"] for job in finished.plan("gpus")["jobs"]}
    assert (needs["classifiers"], needs["quantizers"], needs["cells"]) == ("required", 0.25, 0.0)
    greedy = finished.spec(text.replace("required", "3").replace("seeds: [1]", "seeds: [2]"), "greedy")
    assert "3 GPU" in finished.fewcolors("run", greedy, *plugins, code=2).err


def test_a_trial_without_gpu_memory_gets_a_whole_gpu_too(finished: Workplace) -> None:
    spec = finished.spec(
        """
datasets: [{name: stripes, params: {images: 400}}]
classifiers: [{name: tiny-net, params: {epochs: 15, channels: 8, batch_size: 20, rate: 0.1}}]
methods: [{name: hungry, search: {rate: {grid: [0.25]}}}]
colors: [2]
seeds: [1]
search: {algorithm: grid, concurrency: 1}
reports: [tables]
""",
        "search",
    )
    plugins = ("--plugin", TASK, "--plugin", finished.folder / "learned.py")
    ended = finished.fewcolors("tune", spec, *plugins)
    fits = notes(finished, "Hungry", "fit")
    assert [fit["gpus"] for fit in fits][:4] == [0.5, 1.0, 0.5, 1.0]
    again = [line.partition(": ")[2] for line in ended.out.splitlines() if "is run again" in line]
    assert again == ["the GPU had no memory left; run again alone on a whole GPU"] * 2
    assert "2 finished" in ended.out
