"""A lost process is told from other troubles, and one that may come back is waited for."""

import errno
import socket
import subprocess
import sys
from contextlib import closing

import pytest
from workplace import REPOSITORY

from harness.run.lifelines import ClusterLost, Lifeline, Lifelines, head_patience, raylet_line

LEAVES = """
import signal, socket, sys, threading
from harness.run.lifelines import OWN_PROCESS, Lifeline, Lifelines
OWN_PROCESS.set({own})
signal.signal(signal.SIGINT, signal.default_int_handler)
never, stays, goes = (socket.create_server(("127.0.0.1", 0)) for _ in range(3))
never.close()
ports = [server.getsockname()[1] if server.fileno() > 0 else 1 for server in (never, stays, goes)]
lines = Lifelines(*(Lifeline(f"Ray at {{port}}", "127.0.0.1", port, 0.1) for port in ports))
goes.close()
print(ports[-1], flush=True)
try:
    with lines.told():
        threading.Event().wait(60)
except ConnectionError as error:
    print(error)
"""


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def line_to(server, host="127.0.0.1"):
    port = server.getsockname()[1]
    return Lifeline(f"Ray at {port}", host, port, 60)


def test_an_error_is_the_clusters_where_the_cluster_is_gone(listening):
    here = line_to(listening)
    with pytest.raises(ZeroDivisionError), Lifelines(here).told():
        _ = 1 / 0
    with socket.create_server(("127.0.0.1", 0)) as going:
        lost, port = line_to(going), going.getsockname()[1]
        lifelines = Lifelines(here, lost)
    said = rf"^Ray at {port} \(127.0.0.1:{port}\) is gone: .* start the run again"
    with closing(lifelines), lifelines.told(), pytest.raises(ClusterLost, match=said), lifelines.told():
        _ = 1 / 0
    with lifelines.told():
        pass


def test_a_line_that_never_held_says_nothing_of_the_cluster(listening):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        behind_a_firewall = line_to(closed)
    with pytest.raises(ZeroDivisionError), Lifelines(line_to(listening), behind_a_firewall).told():
        _ = 1 / 0


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EADDRNOTAVAIL, errno.ECONNREFUSED])
def test_a_driver_without_a_file_descriptor_or_port_left_has_not_lost_its_cluster(listening, monkeypatch, number):
    def fail(*_args, **_options):
        raise OSError(number, "no")

    monkeypatch.setattr(socket, "create_connection", fail)
    assert line_to(listening).holds() == (number != errno.ECONNREFUSED)


@pytest.mark.parametrize("own", [True, False])
def test_a_process_that_waits_for_what_is_gone_gets_a_sentence_and_only_our_own_is_ended(own):
    ended = subprocess.run(
        [sys.executable, "-c", LEAVES.format(own=own)],
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    port, *raised = ended.stdout.splitlines()
    sentence = f"Ray at {port} (127.0.0.1:{port}) is gone: what is finished is kept"
    assert ended.returncode == (1 if own else 0)
    assert ended.stderr.startswith(f"fewcolors: {sentence}")
    assert len(ended.stderr.splitlines()) == 1
    assert [line.startswith(sentence) for line in raised] == ([] if own else [True])


def test_ray_on_this_machine_is_asked_where_no_network_matters(listening):
    port = listening.getsockname()[1]
    assert raylet_line("192.0.2.1", port).host == "127.0.0.1"
    listening.close()
    elsewhere = raylet_line("192.0.2.1", port)
    assert (elsewhere.host, elsewhere.patience) == ("192.0.2.1", 15)


def test_a_head_may_be_away_for_less_than_ray_waits():
    assert head_patience({}) == 45
    for said, patience in {"8": 6, "soon": 45, "nan": 45, "inf": 45, "0": 45, "-1": 45}.items():
        assert head_patience({"RAY_gcs_rpc_server_reconnect_timeout_s": said}) == patience
