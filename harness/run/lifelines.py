"""The two processes without which a driver can do nothing: the head of its cluster, and Ray on its own machine.

Where one is lost, Ray's own calls wait for it, for minutes or for ever, or end the process without a word for the user.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

KEPT = "what is finished is kept in the store; start the run again once it is up"
LOCAL_PATIENCE_SECONDS = 5.0
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
        except OSError:
            return False
        return True

    def __str__(self) -> str:
        return f"{self.what} ({self.host}:{self.port})"


def head_patience(environment: Mapping[str, str]) -> float:
    """How long a head may be away: somewhat shorter than until Ray ends the process without a sentence."""
    try:
        return 0.75 * float(environment.get("RAY_gcs_rpc_server_reconnect_timeout_s", "60"))
    except ValueError:
        return 45.0


class Lifelines:
    """A thread that watches lifelines until it is closed.

    Once one has been lost for longer than its patience, the sentence is printed and the process ended with exit code 1:
    by then the main thread is likely to wait inside Ray, where nothing else reaches it.
    """

    def __init__(self, *lines: Lifeline) -> None:
        self._lines = lines
        self._over = threading.Event()
        threading.Thread(target=self._watch, name="lifelines", daemon=True).start()

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Within it an error of whatever kind, where a line is lost, is a ClusterLost; only then the watch goes on."""
        lost = None
        try:
            yield
        except Exception:
            lost = next((line for line in self._lines if not line.holds()), None)
            if lost is None:
                raise
            raise ClusterLost(_sentence(lost)) from None
        finally:
            if lost is None:
                self.close()

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
                    _leave(_sentence(line))


def _sentence(lost: Lifeline) -> str:
    return f"{lost} is gone: {KEPT}"


def _leave(sentence: str) -> NoReturn:
    cursor = _SHOW_CURSOR if sys.stderr.isatty() else ""
    print(f"{cursor}fewcolors: {sentence}.", file=sys.stderr, flush=True)
    os._exit(1)
