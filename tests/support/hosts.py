"""Hosts on this machine: network namespaces on one switch, each with a name and a ``/tmp`` of its own.

What a host has is in ``/tmp``, its home as well. All else (the interpreter, this repository) is read by every host.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from processes import process
from workplace import REPOSITORY, Workplace

SWITCH_ADDRESS = "10.77.0.254"
PORT = 6379
TOKEN = "/tmp/token"
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
NETWORK_NAMESPACE = 0x40000000
SOON = {
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_grpc_client_keepalive_time_ms": "5000",
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
}
"""As docs/cluster.md advises for a network that may be cut."""


def lacking() -> str:
    """Why there can be no hosts on this machine; empty where there can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    if missing := [name for name in ("ip", "unshare") if shutil.which(name) is None]:
        return f"network namespaces need {' and '.join(missing)} (iproute2, util-linux)"
    probe = f"fewcolors-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"network namespaces cannot be made here: {made.stderr.strip()}"
    _ip("netns", "del", probe)
    return ""


@dataclass
class Host(Workplace):
    """One of them. folder: its ``/tmp``, as seen from outside; address: of the cluster's head; variables: of its
    environment."""

    name: str
    own_address: str
    variables: dict[str, str] = field(default_factory=dict)

    def spec(self, text: str, name: str = "tiny") -> Path:
        return Path("/tmp", super().spec(text, name).name)

    def command(self, *arguments: str | Path) -> list[str]:
        return self.entering(*super().command(*arguments))

    def environment(self, **more: str) -> dict[str, str]:
        own = {"HOME": "/tmp/home", "TMPDIR": "/tmp", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": TOKEN}
        return super().environment(**own, **SOON, **self.variables, **more)

    def entering(self, *command: str) -> list[str]:
        """The command, to be run on the host."""
        steps = ["set -e", f"hostname {self.name}"]
        for place in _kept_places():
            inside = self.folder / place.relative_to("/tmp")
            steps += [f"mkdir -p {shlex.quote(str(inside))}", shlex.join(["mount", "--bind", str(place), str(inside)])]
        steps += [shlex.join(["mount", "--rbind", str(self.folder), "/tmp"]), "cd /tmp", 'exec "$@"']
        namespaces = ["ip", "netns", "exec", self.name, "unshare", "--mount", "--uts"]
        return [*namespaces, "sh", "-c", "\n".join(steps), "sh", *command]

    def start_ray(self, *, head: bool, cpus: int, dashboard: bool = False) -> subprocess.Popen[str]:
        """Begins to start Ray there; a head's dashboard is where jobs can be submitted."""
        own = ["--head", f"--port={PORT}", f"--include-dashboard={str(dashboard).lower()}"]
        where = own if head else [f"--address={self.address}"]
        resources = [f"--num-cpus={cpus}", "--num-gpus=0", f"--object-store-memory={100 << 20}"]
        ray = [*RAY, "start", f"--node-ip-address={self.own_address}"]
        variables = self.environment(RAY_USAGE_STATS_ENABLED="0")
        del variables["PYTHONPATH"], variables["RAY_ADDRESS"]  # nodes have no fewcolors but what a driver sends them
        return subprocess.Popen(
            self.entering(*ray, *where, *resources),
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def jobs_at(self, stage: str) -> list[str]:
        """The jobs of the stage that run there, also while their processes still import what they need."""
        titles = [each.title.rstrip("\0 ") for each in map(process, _processes(self.name)) if each is not None]
        return [title.removeprefix(f"ray::{stage}: ") for title in titles if title.startswith(f"ray::{stage}: ")]


@dataclass(frozen=True)
class Switch:
    """What connects hosts."""

    name: str
    hosts: list[Host]

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that this thread opens within it are in the switch's network."""
        with Path("/proc/thread-self/ns/net").open() as before, Path("/run/netns", self.name).open() as network:
            _enter(network.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def cut(self, host: Host) -> None:
        """No packet passes to or from the host any more, and nobody is told."""
        _ip("-n", self.name, "link", "set", _port(self.hosts.index(host)), "down")


@contextlib.contextmanager
def hosts(folder: Path, count: int) -> Iterator[Switch]:
    """``count`` hosts and their switch; in the end all their processes are killed."""
    base = f"fewcolors-{os.getpid()}"
    head = f"10.77.0.1:{PORT}"
    switch = Switch(
        f"{base}-switch",
        [Host(folder / f"host{n}", head, f"{base}-{n}", f"10.77.0.{n}") for n in range(1, count + 1)],
    )
    token = os.urandom(32).hex()
    try:
        _ip("netns", "add", switch.name)
        _ip("-n", switch.name, "link", "set", "lo", "up")
        _ip("-n", switch.name, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch.name, "address", "add", f"{SWITCH_ADDRESS}/24", "dev", "bridge")
        _ip("-n", switch.name, "link", "set", "bridge", "up")
        for index, host in enumerate(switch.hosts):
            (host.folder / "home").mkdir(parents=True)
            (host.folder / "token").touch(mode=0o600)
            (host.folder / "token").write_text(token)
            _connect(switch.name, _port(index), host)
        yield switch
    finally:
        for name in [host.name for host in switch.hosts] + [switch.name]:
            _end(name)


def _connect(switch: str, port: str, host: Host) -> None:
    _ip("netns", "add", host.name)
    _ip("-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host.name)
    _ip("-n", switch, "link", "set", port, "master", "bridge", "up")
    _ip("-n", host.name, "link", "set", "lo", "up")
    _ip("-n", host.name, "address", "add", f"{host.own_address}/24", "dev", "eth0")
    _ip("-n", host.name, "link", "set", "eth0", "up")
    _ip("-n", host.name, "route", "add", "default", "via", SWITCH_ADDRESS)


def _end(network: str) -> None:
    """Kills all that runs in a network and removes it, if it is there."""
    if not Path("/run/netns", network).exists():
        return
    while numbers := _processes(network):
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        time.sleep(0.05)
    _ip("netns", "del", network)


def _processes(network: str) -> list[int]:
    return [int(line) for line in _ip("netns", "pids", network).split()]


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def _port(index: int) -> str:
    return f"port{index + 1}"


def _kept_places() -> list[Path]:
    """What every host reads though it may lie in ``/tmp``."""
    places = {REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)}
    return sorted(place for place in places if place.is_relative_to("/tmp"))


def _enter(network: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(network, NETWORK_NAMESPACE) != 0:
        raise OSError(ctypes.get_errno(), "setns")
