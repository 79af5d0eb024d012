"""Leases: one holder at a time, and none that is gone holds anything up."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.work import leases as module
from harness.work.leases import EXPIRES_SECONDS, Holder, Leases

KEY, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store" / "leases"


def age(folder, seconds):
    then = time.time() - seconds
    os.utime(folder / KEY, (then, then))


def test_a_job_has_one_holder_until_that_gives_it_back(folder):
    one, other = Leases(folder), Leases(folder)
    assert one.holder(KEY) is None
    assert one.take(KEY)
    assert one.take(KEY)
    assert not other.take(KEY)
    assert other.holder(KEY) == one.me
    assert str(one.me) == f"{one.me.host}, process {os.getpid()}"
    other.release([KEY])
    assert not other.take(KEY)
    assert other.is_held(KEY)
    assert not other.is_held(OTHER)
    one.release([KEY, OTHER])
    assert other.take(KEY)
    assert one.take(OTHER)
    other.close()
    one.close()
    assert list(folder.iterdir()) == []


def test_of_many_that_ask_at_once_one_has_it(folder):
    with ThreadPoolExecutor(8) as threads:
        for number in range(20):
            key = f"{number:064}"
            assert sum(threads.map(lambda each, key=key: each.take(key), [Leases(folder) for _ in range(8)])) == 1


def test_one_that_is_not_kept_fresh_is_nobodys(folder, monkeypatch):
    one, other = Leases(folder), Leases(folder)
    one.take(KEY)
    age(folder, EXPIRES_SECONDS - 5)
    assert not other.take(KEY)
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.0)
    one.refresh()
    age_now = time.time() - (folder / KEY).stat().st_mtime
    assert age_now < 5
    age(folder, EXPIRES_SECONDS + 5)
    assert not other.is_held(KEY)
    assert other.take(KEY)
    assert other.holder(KEY) == other.me
    one.release([KEY])
    assert other.holder(KEY) == other.me, "a lease that was taken over is not given back by who had it"


def test_that_of_a_process_that_is_gone_is_nobodys_at_once_unless_it_ran_elsewhere(folder):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    here, elsewhere = Leases(folder), Leases(folder)
    here.me = Holder(here.me.host, int(gone.stdout), "1")
    elsewhere.me = Holder("another-host", int(gone.stdout), "2")
    here.take(KEY)
    elsewhere.take(OTHER)
    mine = Leases(folder)
    assert mine.take(KEY)
    assert not mine.take(OTHER)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"host": 1}'])
def test_a_damaged_one_holds_until_it_is_old(folder, content):
    Leases(folder).take(KEY)
    (folder / KEY).write_text(content)
    mine = Leases(folder)
    assert not mine.take(KEY)
    assert mine.holder(KEY) is None
    age(folder, EXPIRES_SECONDS + 5)
    assert mine.take(KEY)


def test_where_none_can_be_written_nobody_is_held_up(folder):
    folder.parent.mkdir()
    folder.write_text("a file")
    assert Leases(folder).take(KEY)
