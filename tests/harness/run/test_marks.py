"""A task's mark: where it runs, and that its process was asked to end."""

import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.run.marks import Mark, Worker

WORKER = Worker("node-7", "host/node-7", "/tmp/worker-7")


@dataclass(frozen=True)
class Folder:
    """A board whose texts are files."""

    path: Path

    def read(self, name):
        return (self.path / name).read_text() if (self.path / name).exists() else ""

    def write(self, name, text):
        (self.path / name).write_text(text)

    def remove(self, name):
        (self.path / name).unlink(missing_ok=True)


@pytest.fixture
def mark(tmp_path):
    return Mark(Folder(tmp_path), "mark")


def test_it_is_there_once_the_task_has_begun_and_names_the_node(mark):
    assert not mark.begun
    assert mark.worker == Worker()
    before = signal.getsignal(signal.SIGTERM)
    with mark.working(WORKER) as at_a_job:
        assert mark.begun
        assert mark.worker == WORKER
        at_a_job()
        assert mark.worker == replace(WORKER, at_a_job=True)
    assert signal.getsignal(signal.SIGTERM) == before
    mark.remove()
    mark.remove()
    assert not mark.begun


def test_outside_of_the_main_thread_no_signal_handler_is_set(mark):
    def work():
        with mark.working(WORKER):
            assert signal.getsignal(signal.SIGTERM) == before

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert mark.worker == WORKER


IN_A_WORKER = """
import os, signal, sys
from pathlib import Path
from harness.run.marks import Mark, Worker

class Folder:
    def write(self, name, text):
        Path(name).write_text(text)

with Mark(Folder(), "mark").working(Worker(*{worker!r})):
    if {forks} and not (child := os.fork()):
        os.kill(os.getpid(), signal.SIGTERM)
    elif {forks}:
        os.waitpid(child, 0)
    else:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        except BaseException:
            sys.exit(1)
"""


@pytest.mark.parametrize("forks", [False, True])
def test_sigterm_ends_the_process_and_is_noted_but_not_that_of_a_process_it_forked(mark, forks):
    code = IN_A_WORKER.format(worker=(WORKER.node, WORKER.host, WORKER.log), forks=forks)
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert ended.returncode == (0 if forks else 128 + signal.SIGTERM)
    assert mark.worker == replace(WORKER, asked_to_end=not forks)
