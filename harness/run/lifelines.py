"""The two processes without which a driver can do nothing: the head of its cluster, and Ray on its own machine.

Where one is lost, Ray's own calls wait for it, for minutes or for ever, or end the process without a word for the user.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass

KEPT = "what is finished is kept in the store; start the run again once it is up"
OWN_PROCESS: ContextVar[bool] = ContextVar("OWN_PROCESS", default=False)
"""Whether the process is a command of ours and may be ended; a notebook's or another program's is the user's."""
LOOPBACK = "127.0.0.1"
_LOOPBACK_PATIENCE_SECONDS = 5.0
_LOCAL_PATIENCE_SECONDS = 15.0
_HEAD_PATIENCE_SECONDS = 45.0
_OUR_OWN_TROUBLE = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)
"""A connection that fails with these has not been tried."""
_WATCH_SECONDS = 1.0
_CONNECT_SECONDS = 5.0
_SHOW_CURSOR = "\x1b[?25h"


class ClusterLost(ConnectionError):
    """The cluster is of no use to this driver any more; says why and what to do."""


@dataclass(frozen=True)
class Lifeline:
    """A process that listens.

    what: the sentence's subject. patience: seconds for which it may be out of reach; it may be started again.
    """

    what: str
    host: str
    port: int
    patience: float

    def holds(self) -> bool:
        """Whether it takes connections. The kernel does that for it, so a machine may be as busy as it likes."""
        try:
            socket.create_connection((self.host, self.port), timeout=_CONNECT_SECONDS).close()
        except OSError as error:
            return error.errno in _OUR_OWN_TROUBLE
        return True

    def __str__(self) -> str:
        return f"{self.what} ({self.host}:{self.port})"


def raylet_line(address: str, port: int) -> Lifeline:
    """To Ray on this machine: at 127.0.0.1 where it listens there, which no change of network touches."""
    here = Lifeline("Ray on this machine", LOOPBACK, port, _LOOPBACK_PATIENCE_SECONDS)
    return here if here.holds() else Lifeline(here.what, address, port, _LOCAL_PATIENCE_SECONDS)


def head_patience(environment: Mapping[str, str]) -> float:
    """How long a head may be away: somewhat shorter than until Ray ends the process without a sentence."""
    try:
        until_ray_ends = float(environment["RAY_gcs_rpc_server_reconnect_timeout_s"])
    except (KeyError, ValueError):
        return _HEAD_PATIENCE_SECONDS
    return 0.75 * until_ray_ends if 0 < until_ray_ends < math.inf else _HEAD_PATIENCE_SECONDS


class Lifelines:
    """A thread that watches lifelines until it is closed: those that hold when it begins, since the others never may.

    Once one has been lost for longer than its patience, the main thread is likely to wait inside Ray, where little
    reaches it. The sentence is printed; a process of our own is ended with exit code 1, in any other the main thread,
    if it is the one that made this, is interrupted as by Ctrl-C.
    """

    def __init__(self, *lines: Lifeline) -> None:
        self._lines = [line for line in lines if line.holds()]
        self._over = threading.Event()
        self._ends_process = OWN_PROCESS.get()
        self._can_interrupt = threading.current_thread() is threading.main_thread()
        self._gone: Lifeline | None = None
        threading.Thread(target=self._watch, name="lifelines", daemon=True).start()

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Within it an error of whatever kind, where a line is lost, is a ClusterLost; only then the watch goes on."""
        lost = None
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            lost = self._cause(error)
            if lost is None:
                raise
            raise ClusterLost(_sentence(lost)) from None
        finally:
            if lost is None:
                self.close()

    def _cause(self, error: BaseException) -> Lifeline | None:
        """The lost line that an error is due to."""
        if isinstance(error, KeyboardInterrupt):
            return self._gone
        return next((line for line in self._lines if not line.holds()), None)

    def close(self) -> None:
        """Ends the watch."""
        self._over.set()

    def _watch(self) -> None:
        lost_since: dict[Lifeline, float] = {}
        while not self._over.wait(_WATCH_SECONDS):
            for line in self._lines:
                if line.holds():
                    lost_since.pop(line, None)
                    continue
                since = lost_since.setdefault(line, time.monotonic())
                if time.monotonic() - since >= line.patience and not self._over.is_set():
                    self._give_up(line)
                    del lost_since[line]

    def _give_up(self, line: Lifeline) -> None:
        if self._gone is None:
            cursor = _SHOW_CURSOR if sys.stderr.isatty() else ""
            print(f"{cursor}fewcolors: {_sentence(line)}.", file=sys.stderr, flush=True)
        self._gone = line
        if self._ends_process:
            os._exit(1)
        if self._can_interrupt and callable(signal.getsignal(signal.SIGINT)):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _sentence(lost: Lifeline) -> str:
    return f"{lost} is gone: {KEPT}"
