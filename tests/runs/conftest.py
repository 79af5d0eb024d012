"""One Ray cluster for all tests of whole runs: two nodes of one CPU, the second with logical GPUs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from workplace import Workplace


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_num_workers_soft_limit", "8")  # else processes of plugins that take turns are ended
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0, "include_dashboard": False})
    cluster.add_node(num_cpus=1, num_gpus=2)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def workplace(tmp_path: Path, address: str) -> Workplace:
    return Workplace(tmp_path, address)
