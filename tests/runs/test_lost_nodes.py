"""A node that is lost half way costs none of what is finished, in runs and in searches."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from workplace import EXAMPLES, Workplace

TASK = EXAMPLES / "my_task.py"
PLUGIN = """
import json, os, signal, threading
from pathlib import Path
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
        progress = lesson.checkpoints / "epochs"
        begin = int(progress.read_text()) if progress.exists() else 0
        node, held_out = os.getppid(), len(lesson.validation)
        with open("notes.jsonl", "a") as file:
            file.write(json.dumps({"level": self.level, "begin": begin, "node": node, "held_out": held_out}) + "\\n")
        for epoch in range(begin, 3):
            lesson.checkpoints.mkdir(parents=True, exist_ok=True)
            progress.write_text(str(epoch + 1))
            lesson.on_epoch(epoch + 1, 3, {"validation_accuracy": 0.5} if held_out else {})
            if self.level == 140 and epoch == 1 and not Path("lost").exists():
                Path("lost").touch()
                assert Path(f"/proc/{node}/comm").read_text().strip() == "raylet"
                os.kill(node, signal.SIGKILL)
                threading.Event().wait()

    def state(self):
        return {"level": np.array([self.level])}

    def load(self, state, device):
        self.level = int(state["level"][0])
"""
SPEC = """
datasets: [{name: stripes, params: {images: 200}}]
classifiers: [{name: tiny-net, params: {epochs: 15, channels: 8, batch_size: 20, rate: 0.1}}]
colors: [2]
resources: {quantizers: {gpus: 0}, classifiers: {gpus: 0}}
"""
RUN = """
methods: [{name: threshold, params: {level: 120}}, {name: threshold, params: {level: 140}}, otsu]
seeds: [1]
"""
SEARCH = """
methods: [{name: threshold, search: {level: {grid: [100, 120, 140]}}}]
seeds: [1]
search: {algorithm: grid, scheduler: none, concurrency: 1}
"""


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    """On a cluster of its own, whose head works at nothing: two nodes of one CPU, soon known to be dead."""
    from ray.cluster_utils import Cluster

    soon = {"health_check_initial_delay_ms": 2000, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0, "_system_config": soon})
    for _ in range(2):
        cluster.add_node(num_cpus=1, num_gpus=0)
    (tmp_path / "threshold.py").write_text(PLUGIN)
    yield Workplace(tmp_path, cluster.address)
    cluster.shutdown()


@pytest.mark.parametrize(("command", "text"), [("run", RUN), ("tune", SEARCH)])
def test_what_ran_on_a_lost_node_goes_on_elsewhere_from_its_checkpoint(
    workplace: Workplace, command: str, text: str
) -> None:
    """Also where, as here, the worker survives its node and still holds the connection."""
    spec, plugin = workplace.spec(SPEC + text), workplace.folder / "threshold.py"
    said = workplace.fewcolors(command, spec, "--plugin", TASK, "--plugin", plugin).out
    assert {row["status"] for row in workplace.cells()} == {"ok"}
    fits = [json.loads(line) for line in (workplace.folder / "notes.jsonl").read_text().splitlines()]
    fits = [fit for fit in fits if (fit["held_out"] > 0) == (command == "tune")]
    lost, again = (fit for fit in fits if fit["level"] == 140)
    assert (lost["begin"], again["begin"]) == (0, 2)
    assert lost["node"] != again["node"]
    others = sorted(fit["level"] for fit in fits if fit["level"] != 140)
    assert others == ([120] if command == "run" else [100, 120, 128]), "what was finished is not run again"
    if command == "run":
        told = [event["message"] for event in workplace.events() if event["event"] == "retried"]
        assert told == ["its node was lost; retry 1 of 11"]
    else:
        assert "trial 3 is run again: its node was lost; retry 1 of 11" in said
        with (workplace.folder / "runs/tiny/trials.csv").open() as file:
            assert [row["status"] for row in csv.DictReader(file)] == ["finished"] * 4
