"""Nodes that are taken back again and again, as clouds do with cheap ones: others come, and no number changes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from processes import busy_workers
from workplace import EXAMPLES, Workplace, look_again, wait_until

TASK = EXAMPLES / "my_task.py"
ROUNDS = int(os.environ.get("FEWCOLORS_TEST_SPOT_ROUNDS", "3"))
SECONDS = float(os.environ.get("FEWCOLORS_TEST_SPOT_SECONDS", "4"))
"""From one node that is taken to the next; with 20 rounds and 30 seconds the test takes ten minutes, and as much again
for the run that nobody disturbs."""
TRAININGS = max(4, round(ROUNDS * SECONDS / 3))
SPEC = f"""
datasets: [{{name: stripes, params: {{images: 400}}}}]
classifiers: [{{name: tiny-net, params: {{epochs: 10, batch_size: 20}}}}]
methods:
  - {{name: colorcnn, params: {{width: 4, epochs: 12, batch_size: 20}}}}
  - {{name: median-cut, colors: [2, 3, 4]}}
  - original
colors: [2]
seeds: {list(range(TRAININGS))}
baseline: original
"""


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
        taken, asked, due = 0, 0, time.monotonic()
        while run.poll() is None:
            busy = [node for node in nodes if busy_workers(raylet(node))]
            if taken < ROUNDS and busy and time.monotonic() > due:
                if taken % 2 == 0:
                    for worker in busy_workers(raylet(busy[0])):
                        os.kill(worker, signal.SIGTERM)
                        asked += 1
                cluster.remove_node(busy[0], allow_graceful=False)
                nodes[nodes.index(busy[0])] = cluster.add_node(num_cpus=1, num_gpus=0)
                taken, due = taken + 1, max(due + SECONDS, time.monotonic())
            look_again(run)
        assert run.wait() == 0, workplace.output
        workplace.fewcolors("run", workplace.spec(SPEC), "--plugin", TASK)
    finally:
        cluster.shutdown()
    assert taken >= min(ROUNDS, 2)
    retried = [event["message"] for event in workplace.events("spot") if event["event"] == "retried"]
    assert asked == 0 or any(message.endswith("was asked to end; run again") for message in retried)
    assert set(workplace.computed("spot").values()) == {1}
    assert workplace.numbers("spot") == workplace.numbers()
    print(f"{taken} nodes taken, {len(retried)} jobs run again, of {len(workplace.plan('spot')['jobs'])}")


def raylet(node: object) -> int:
    """The number of a node's raylet."""
    (information,) = node.all_processes["raylet"]  # type: ignore[attr-defined]
    number: int = information.process.pid
    return number
