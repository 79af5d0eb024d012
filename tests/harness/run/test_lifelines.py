"""A lost process is told from other troubles, and one that may come back is waited for."""

import socket
import subprocess
import sys
from contextlib import closing

import pytest
from workplace import REPOSITORY

from harness.run.lifelines import ClusterLost, Lifeline, Lifelines, head_patience

LEAVES = """
import sys, threading
from harness.run.lifelines import Lifeline, Lifelines
Lifelines(*(Lifeline(f"Ray at {port}", "127.0.0.1", int(port), 0.5) for port in sys.argv[1:]))
threading.Event().wait(60)
"""


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def gone():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_an_error_is_the_clusters_where_the_cluster_is_gone(listening, gone):
    here, lost = (Lifeline(f"Ray at {port}", "127.0.0.1", port, 60) for port in (listening, gone))
    assert here.holds()
    assert not lost.holds()
    with pytest.raises(ZeroDivisionError), Lifelines(here).told():
        _ = 1 / 0
    said = rf"^Ray at {gone} \(127.0.0.1:{gone}\) is gone: .* start the run again"
    with closing(Lifelines(here, lost)) as lifelines, pytest.raises(ClusterLost, match=said), lifelines.told():
        _ = 1 / 0
    with Lifelines(here, lost).told():
        pass


def test_a_process_that_waits_for_what_is_gone_is_ended_with_a_sentence(listening, gone):
    ended = subprocess.run(
        [sys.executable, "-c", LEAVES, str(listening), str(gone)],
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"fewcolors: Ray at {gone} (127.0.0.1:{gone}) is gone: what is finished is kept")


def test_a_head_may_be_away_for_less_than_ray_waits():
    assert head_patience({}) == 45
    assert head_patience({"RAY_gcs_rpc_server_reconnect_timeout_s": "8"}) == 6
    assert head_patience({"RAY_gcs_rpc_server_reconnect_timeout_s": "soon"}) == 45
