"""A task's mark: where it runs, and that its process was asked to end."""

import multiprocessing
import os
import signal
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
    with mark.working(WORKER):
        assert mark.begun
        assert mark.worker == WORKER
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


def _end_itself(mark, from_a_fork):
    with mark.working(WORKER):
        if from_a_fork and not (child := os.fork()):
            os.kill(os.getpid(), signal.SIGTERM)
        elif from_a_fork:
            os.waitpid(child, 0)
        else:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                signal.pause()
            except BaseException:  # noqa: BLE001 - as a plugin may
                sys.exit(1)


@pytest.mark.parametrize("from_a_fork", [False, True])
def test_sigterm_ends_the_process_and_is_noted_but_not_that_of_a_process_it_forked(mark, from_a_fork):
    process = multiprocessing.get_context("spawn").Process(target=_end_itself, args=(mark, from_a_fork))
    process.start()
    process.join()
    assert process.exitcode == (0 if from_a_fork else 128 + signal.SIGTERM)
    assert mark.worker == replace(WORKER, asked_to_end=not from_a_fork)
