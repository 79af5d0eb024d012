"""One Ray cluster for all tests of whole runs: two nodes of one CPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from workplace import Workplace


@contextmanager
def _cluster(gpus: int) -> Iterator[str]:
    """The address of two nodes, the second with so many logical GPUs."""
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_num_workers_soft_limit", "8")  # else processes of plugins that take turns are ended
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0, "include_dashboard": False})
    cluster.add_node(num_cpus=1, num_gpus=gpus)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    with _cluster(gpus=0) as address:
        yield address


@pytest.fixture(scope="module")
def address_with_gpus() -> Iterator[str]:
    """Of a cluster of its own: each training on a GPU begins with a new process, which takes seconds."""
    with _cluster(gpus=2) as address:
        yield address


@pytest.fixture
def workplace(tmp_path: Path, address: str) -> Workplace:
    return Workplace(tmp_path, address)
