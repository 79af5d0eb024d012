"""Leases: one holder at a time, and none that is gone holds anything up."""

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.work import leases as module
from harness.work import remote_leases
from harness.work.bucket import Bucket
from harness.work.leases import EXPIRES_SECONDS, Holder, Leases, at_work, name_of_run
from harness.work.remote_leases import RemoteLeases

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


@pytest.mark.parametrize("process", ["x", 10**30, -1, 0, None, [1], 1.5, True])
def test_a_lease_that_names_no_process_is_somebodys_until_it_expires(folder, process):
    folder.mkdir(parents=True)
    content = {"host": socket.gethostname(), "process": process, "number": "n"}
    for text in (json.dumps(content), 100_000 * "[", "{}", json.dumps({"host": 1} | content | {"number": None})):
        (folder / KEY).write_text(text)
        leases = Leases(folder)
        assert leases.holder(KEY) is None
        assert not leases.take(KEY)
        age(folder, EXPIRES_SECONDS + 5)
        assert leases.take(KEY)
        leases.close()


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


def test_a_short_job_at_a_uri_is_whose_who_saw_it_listed_by_nobody_else(tmp_path, monkeypatch):
    """Also where that one was later to list it, but sooner to have its list in the store."""
    monkeypatch.setattr(remote_leases, "LOOK_SECONDS", 0.0)
    bucket = Bucket(f"file://{tmp_path}/store")
    one, other = (RemoteLeases(bucket, tmp_path, worth=lambda key: False) for _ in range(2))  # noqa: ARG005
    write, taken = one._write, []

    def overtaken():
        taken.append(other.take_free([KEY]))
        write()

    monkeypatch.setattr(one, "_write", overtaken)
    assert one.take_free([KEY, OTHER]) == {OTHER}
    assert taken == [{KEY}]
    assert one.holder(KEY) == other.me
    monkeypatch.setattr(one, "_write", write)
    assert one.take_free([KEY]) == set()
    other.release([KEY])
    other.refresh()
    assert other.take_free([KEY]) == set(), "one has listed it before"
    other.refresh()
    assert one.take_free([KEY]) == one.take_free([KEY]) == {KEY}
    one.close()
    other.close()
    assert bucket.names_below() == []


@pytest.mark.parametrize("has_links", [True, False])
def test_what_is_read_at_a_uri_of_a_folder_was_written_whole(tmp_path, monkeypatch, has_links):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr("os.link", no_links)
    bucket = Bucket(f"file://{tmp_path}/store")
    contents = [letter * 4_000_000 for letter in (b"a", b"b")]
    assert bucket.write("x/y", contents[0], replace=False)
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(lambda: [bucket.write("x/y", contents[number % 2]) for number in range(40)])
        while not writing.done():
            assert bucket.read("x/y") in contents
            assert bucket.names_in("x") == ["y"]
    assert not bucket.write("x/y", b"", replace=False)
    assert bucket.read("x/y") == contents[1]


def test_a_run_at_work_has_a_lease_of_its_own_until_it_ends(folder):
    other = Leases(folder)
    other.take(KEY)
    with at_work(Leases(folder), [OTHER, KEY]), at_work(Leases(folder), [KEY, OTHER]):
        deadline = time.monotonic() + 10
        while len(other.names()) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        name = name_of_run([KEY, OTHER])
        assert [each.rpartition("-")[0] for each in other.names()] == ["", name, name]
    assert other.names() == [KEY]
    age(folder, EXPIRES_SECONDS + 5)
    assert Leases(folder).names() == []
