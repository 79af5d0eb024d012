"""Nodes that are taken back again and again, as clouds do with cheap ones: others come, and no number changes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from processes import busy_workers, process
from workplace import EXAMPLES, Workplace, look_again, wait_until

TASK = EXAMPLES / "my_task.py"
ROUNDS = int(os.environ.get("FEWCOLORS_TEST_SPOT_ROUNDS", "2"))
SECONDS = float(os.environ.get("FEWCOLORS_TEST_SPOT_SECONDS", "4"))
"""From one node that is taken to the next, less where the trainings would else end before the last; with 20 rounds and
30 seconds the test takes ten minutes, and as much again for the run that nobody disturbs."""
TRAININGS = max(3, round(ROUNDS * SECONDS / 2.5))
SPEC = f"""
datasets: [{{name: stripes, params: {{images: 200}}}}]
classifiers: [{{name: tiny-net, params: {{epochs: 10, batch_size: 20}}}}]
methods:
  - {{name: colorcnn, params: {{width: 4, epochs: 12, batch_size: 20}}}}
  - original
colors: [2]
seeds: {list(range(TRAININGS))}
baseline: original
"""


@pytest.mark.timeout(600 + 4 * ROUNDS * SECONDS)
def test_a_node_that_is_taken_every_few_seconds_costs_time_and_no_number(tmp_path: Path) -> None:
    """The first one's processes are asked to end, as clouds announce it; the next one's are killed, and so on."""
    from ray.cluster_utils import Cluster

    soon = {"health_check_initial_delay_ms": 2000, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0, "_system_config": soon})
    try:
        nodes = [cluster.add_node(num_cpus=1, num_gpus=0) for _ in range(2)]
        workplace = Workplace(tmp_path, cluster.address)
        run = workplace.start("run", workplace.spec(SPEC, "spot"), "--plugin", TASK, "--store", "another")
        wait_until(lambda: workplace.computed("spot"), run)
        taken, due = 0, time.monotonic()
        while run.poll() is None:
            look_again(run)
            at_work = [(node, worker) for node in nodes if (worker := worker_under_way(workplace, raylet(node)))]
            # So much is trained that the run would end before the last node is taken.
            late = trained(workplace) * (ROUNDS + 1) >= (taken + 1) * 2 * TRAININGS
            if taken == ROUNDS or not at_work or (time.monotonic() < due and not late):
                continue
            node, worker = at_work[0]
            if taken % 2 == 0:
                os.kill(worker, signal.SIGTERM)
                while worker in busy_workers(raylet(node)):
                    look_again(run)
            cluster.remove_node(node, allow_graceful=False)
            nodes[nodes.index(node)] = cluster.add_node(num_cpus=1, num_gpus=0)
            taken, due = taken + 1, max(due + SECONDS, time.monotonic())
        assert run.wait() == 0, workplace.output
        workplace.fewcolors("run", workplace.spec(SPEC), "--plugin", TASK)
    finally:
        cluster.shutdown()
    assert taken == ROUNDS
    retried = [event["message"] for event in workplace.events("spot") if event["event"] == "retried"]
    assert "its worker process was asked to end; run again" in retried
    assert set(workplace.computed("spot").values()) == {1}
    assert workplace.numbers("spot") == workplace.numbers()
    print(f"{taken} nodes taken, {len(retried)} jobs run again, of {len(workplace.plan('spot')['jobs'])}")


def trained(workplace: Workplace) -> int:
    """How many trainings are done, of a classifier and a quantizer for each seed."""
    stages = [event["stage"] for event in workplace.all_events("spot") if event["event"] == "done"]
    return stages.count("classifiers") + stages.count("quantizers")


def worker_under_way(workplace: Workplace, raylet: int) -> int | None:
    """A process of a node in which a training has finished an epoch."""
    for number in busy_workers(raylet):
        worker = process(number)
        for job in workplace.plan("spot")["jobs"]:
            history = workplace.folder / "another" / "checkpoints" / job["key"] / "history.json"
            if worker and worker.title.rstrip("\0 ") == f"ray::{job['stage']}: {job['name']}" and history.exists():
                return number
    return None


def raylet(node: object) -> int:
    """The number of a node's raylet."""
    (information,) = node.all_processes["raylet"]  # type: ignore[attr-defined]
    number: int = information.process.pid
    return number
