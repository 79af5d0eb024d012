"""Joining a Ray cluster, or starting one on this machine, and leaving it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.contracts import BadInput
from harness.run.lifelines import Lifeline, Lifelines, head_patience, raylet_line
from harness.run.sending import code_to_send, runtime_env

OBJECT_STORE_BYTES = 128 << 20
"""Of a cluster of our own: jobs pass keys, not arrays."""
IDLE_WORKERS = 6
"""How many more worker processes than CPUs a cluster of our own keeps."""
_CONNECT_SECONDS = 10.0


@contextlib.contextmanager
def connect(address: str | None, cpus: int | None = None, gpus: int | None = None) -> Iterator[None]:
    """Joins the cluster at ``address`` or ``RAY_ADDRESS``, else starts one on this machine; leaves it at the end.

    cpus, gpus: of a cluster started here (GPUs may be logical). A process that has joined a cluster already (a
    notebook that called ``ray.init``) works on that one and stays in it. Raises BadInput where a cluster can't be
    joined.
    """
    before = signal.getsignal(signal.SIGTERM)
    if _has_joined():
        if (address, cpus, gpus) != (None, None, None):
            raise BadInput(
                "this process has called ray.init and stays on that Ray cluster: leave --address, --cpus and --gpus "
                "out, or call ray.shutdown() first."
            )
        with _quiet_and_stoppable(before):
            yield
        return
    target = address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {}
    if target == "local":
        own = {
            "num_cpus": cpus,
            "num_gpus": gpus,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
        }
        # Ray would end processes that wait for more than a second, and start them again, once code that is not built
        # in has processes of its own.
        os.environ.setdefault("RAY_num_workers_soft_limit", str((cpus or os.cpu_count() or 1) + IDLE_WORKERS))
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    else:
        if cpus is not None or gpus is not None:
            raise BadInput(f"--cpus and --gpus describe a cluster started here, {target} has its own.")
        _check_listens(target)
    import ray

    try:
        _join(target, own)
    except Exception as error:  # noqa: BLE001 - Ray raises bare ones where it cannot be started
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        if own:
            raise BadInput(
                f"Ray cannot be started on this machine: {reason} (is it short of memory, or very busy?); "
                "nothing has run yet, start again."
            ) from None
        raise BadInput(
            f"the Ray cluster at {target} cannot be joined: {reason} "
            "(is it running, and does this machine have its token: RAY_AUTH_MODE, RAY_AUTH_TOKEN_PATH?)."
        ) from None
    lines = _lifelines(target)
    with _quiet_and_stoppable(before), contextlib.closing(Lifelines(*lines)) as lifelines:
        try:
            with lifelines.told():
                yield
        finally:
            with lifelines.told():
                ray.shutdown()  # may wait for what is lost, and be interrupted


def _join(target: str, own: Mapping[str, Any]) -> None:
    """Joins or starts a cluster; where nodes are on other machines, they are sent the code."""
    import ray

    def init(**more: Any) -> None:
        ray.init(address=target, log_to_driver=False, logging_level=logging.ERROR, **own, **more)

    init()
    if own:
        return
    addresses = [node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]]
    modules = code_to_send(addresses, ray.util.get_node_ip_address(), os.environ)
    if modules:
        # Ray sends code only for a whole connection, and who is there is known only now.
        ray.shutdown()
        init(runtime_env=runtime_env(modules))


def _lifelines(target: str) -> list[Lifeline]:
    """Of a driver that is a part of the cluster; that of a ``ray://`` has others."""
    import ray

    if target.startswith("ray://"):
        return []
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    head = Lifeline("the head of the Ray cluster", host.strip("[]"), int(port), head_patience(os.environ))
    here = (
        raylet_line(node["NodeManagerAddress"], node["NodeManagerPort"])
        for node in ray.nodes()
        if node["NodeID"] == context.get_node_id()
    )
    return [head, *here]


def exports_metrics() -> bool:
    """Whether a node of the cluster serves metrics to Prometheus: Ray was installed and started with its dashboard."""
    import ray

    return ray.is_initialized() and any(node.get("MetricsExportPort") for node in ray.nodes() if node["Alive"])


def _has_joined() -> bool:
    """Whether this process is part of a Ray cluster; Ray is not loaded to find out."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


@contextlib.contextmanager
def _quiet_and_stoppable(before: Any) -> Iterator[None]:
    """Nothing is printed, and SIGTERM ends a run as Ctrl-C does; afterwards it does what it did before.

    Only the main thread can set signal handlers; a run in another thread does without them.
    """
    main = threading.current_thread() is threading.main_thread()
    if main:
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Ray prints a paragraph for every lost worker, from a thread of its own; the events say the same.
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            yield
    finally:
        if main:
            signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _interrupt(signum: int, frame: object) -> None:  # noqa: ARG001 - a signal handler's arguments
    """A batch system's SIGTERM ends a run as Ctrl-C does. (Ray's own handler would dump a stack and be gone.)"""
    raise KeyboardInterrupt


def _check_listens(address: str) -> None:
    """Checks that something listens there; Ray itself would wait for minutes. Raises BadInput."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise BadInput(
            f"the Ray cluster at {address} cannot be joined: no reply from that address ({error.strerror or error})."
        ) from None
