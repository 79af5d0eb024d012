"""A store on a server that speaks S3: whole artifacts, first writers, caches, and what goes wrong on the way."""

import errno
import functools
import json
import math
import os
import shutil
import subprocess
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from s3_server import CUT

from harness.contracts import BadInput
from harness.work import remote, remote_leases
from harness.work.bucket import Bucket, StoreRefused, StoreUnreachable
from harness.work.cache import Cache
from harness.work.jobs import _History, read_history
from harness.work.leases import EXPIRES_SECONDS, REFRESH_SECONDS
from harness.work.remote import RemoteStore, open_store
from harness.work.store import DamagedArtifact, Store

KEY, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def machine(uri, tmp_path, monkeypatch):
    """The store as a machine with this name sees it: machines share nothing else."""

    def of(name="one"):
        monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / name))
        store = open_store(uri)
        store.create()
        return store

    return of


def fill(store, text="hello", key=KEY, stage="cells"):
    with store.write(stage, key) as folder:
        (folder / "a.txt").write_text(text)
        (folder / "about.json").write_text("{}")
        (folder / "deep").mkdir()
        np.save(folder / "deep" / "b.npy", np.arange(1000))


def test_what_one_machine_writes_another_reads(machine):
    one, two = machine("one"), machine("two")
    assert not two.has("cells", KEY)
    assert not two.path("cells", KEY).exists()
    fill(one)
    assert two.has("cells", KEY)
    assert two.look_up([("cells", KEY), ("cells", OTHER)]) == {KEY: True, OTHER: False}
    folder = two.path("cells", KEY)
    assert (folder / "a.txt").read_text() == "hello"
    assert np.load(folder / "deep" / "b.npy", mmap_mode="c").sum() == 499500
    assert two.read("cells", KEY, "a.txt") == b"hello"
    assert folder != one.path("cells", KEY)
    two.remove("cells", KEY)
    assert not machine("three").has("cells", KEY)


def test_a_folder_and_a_uri_are_told_apart(tmp_path, uri):
    assert type(open_store(tmp_path)) is type(open_store("store")) is Store
    assert isinstance(open_store(uri), RemoteStore)
    assert open_store(f"{uri}/").name == uri
    with pytest.raises(BadInput, match=r"^--store nonsense://x: "):
        open_store("nonsense://x")


@pytest.mark.usefixtures("uri")
def test_a_bucket_that_is_not_there_is_bad_input_before_anything_runs():
    with pytest.raises(BadInput, match=r"^--store s3://no-such-bucket/x: cannot be written to: "):
        open_store("s3://no-such-bucket/x").create()


def test_the_first_writer_wins_and_the_other_then_reads_what_counts(machine):
    one, two = machine("one"), machine("two")
    with one.write("cells", KEY) as folder:
        (folder / "a.txt").write_text("late")
        (folder / "about.json").write_text("{}")
        fill(two, "early")
    assert one.read("cells", KEY, "a.txt") == two.read("cells", KEY, "a.txt") == b"early"


def test_busy_and_slow_servers_are_asked_again_and_an_upload_that_is_cut_leaves_nothing(machine, server):
    store, faults = machine(), server.faults
    asked = []

    def busy(environ):
        asked.append(environ["REQUEST_METHOD"])
        return 503 if len(asked) % 5 in (1, 2) else None

    faults.append(busy)
    fill(store)
    assert len(asked) > 2
    faults[:] = [lambda _environ: time.sleep(0.05)]
    assert machine("two").read("cells", KEY, "a.txt") == b"hello"
    faults[:] = [lambda environ: 500 if environ["REQUEST_METHOD"] == "PUT" else None]
    with pytest.raises(StoreUnreachable, match=r"cannot be reached: .*; what is finished is kept, start again$"):
        fill(store, key=OTHER)
    faults.clear()
    assert not machine("two").has("cells", OTHER)
    assert store.has("cells", OTHER), "it was computed here, and is sent now"
    assert machine("two").read("cells", OTHER, "a.txt") == b"hello"


@pytest.mark.parametrize(
    ("ask", "method", "asked"),
    [
        (lambda store: store.is_there(), "HEAD", "read fewcolors-store.json"),
        (lambda store: store.look_up([("cells", KEY)]), "GET", "list cells/"),
        (lambda store: store.sizes("cells"), "GET", "list cells/"),
        (lambda store: store.create(), "PUT", "write fewcolors-store.json"),
    ],
)
def test_what_is_not_allowed_is_said_before_anything_runs_and_asked_once(machine, server, ask, method, asked):
    store, seen = machine(), []

    def refuse(environ):
        seen.append(environ["REQUEST_METHOD"])
        return 403 if environ["REQUEST_METHOD"] == method else None

    server.faults[:] = [refuse]
    with pytest.raises(
        BadInput, match=rf"^--store s3://.*: the store does not allow to {asked}: .*credentials.*policy"
    ):
        ask(store)
    assert seen.count(method) == 1


def test_a_training_whose_checkpoint_may_not_be_sent_fails_at_its_first_epoch(machine, server):
    history = _History(machine(), KEY, None)
    server.faults[:] = [lambda environ: 403 if environ["REQUEST_METHOD"] == "PUT" else None]
    with pytest.raises(StoreRefused, match=rf"does not allow to write checkpoints/{KEY}.tar: .*policy"):
        history.note(1, 3, {"loss": 3.0})


def test_what_a_stale_listing_hides_is_not_computed_again(machine, server):
    """The server lists what there was before anything was written."""
    one, two = machine("one"), machine("two")
    empty = b'<?xml version="1.0"?><ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>'
    fill(one)
    assert one.leases(lambda _key: True).take(OTHER)
    listed = []

    def stale(environ):
        if "list-type=2" not in environ["QUERY_STRING"]:
            return None
        listed.append(environ["QUERY_STRING"])
        return empty

    server.faults[:] = [stale]
    assert two.look_up([("cells", KEY)]) == {KEY: False}
    assert listed
    assert two.has("cells", KEY), "which a worker asks before it computes"
    fill(two, "late")
    assert two.read("cells", KEY, "a.txt") == b"hello"
    assert not two.leases(lambda _key: True).take(OTHER), "its driver is hidden, but the lease is fresh"


@pytest.mark.parametrize("times", [1, 100])
def test_a_body_that_ends_in_the_middle_is_fetched_again_and_never_taken_for_whole(machine, server, times, monkeypatch):
    import s3fs

    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 2)  # with growing pauses, before ours
    one, two = machine("one"), machine("two")
    fill(one)
    fetched = []

    def break_off(environ):
        if environ["REQUEST_METHOD"] != "GET" or not environ["PATH_INFO"].endswith(".tar"):
            return None
        fetched.append(environ["PATH_INFO"])
        return CUT if len(fetched) <= times else None

    server.faults[:] = [break_off]
    if times == 1:
        assert two.read("cells", KEY, "a.txt") == b"hello"
        assert len(fetched) == 2
    else:
        with pytest.raises(StoreUnreachable, match="cannot be reached"):
            two.path("cells", KEY)
    server.faults.clear()
    assert not list(two.root.glob("**/*.partial"))
    assert machine("three").read("cells", KEY, "a.txt") == b"hello", "what is stored was not called damaged"


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(machine, server, monkeypatch):
    import fsspec

    fill(machine("one"))
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 0.3}})
    two, asked = machine("two"), []

    def hang(environ):
        if environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"].endswith(".tar"):
            asked.append(time.monotonic())
            time.sleep(1.5 if len(asked) == 1 else 0)

    server.faults[:] = [hang]
    assert two.read("cells", KEY, "a.txt") == b"hello"
    assert len(asked) == 2
    assert asked[1] - asked[0] < 1.4


@pytest.mark.parametrize("step", ["POST uploads", "PUT partNumber", "POST uploadId"])
@pytest.mark.parametrize("status", [503, 403])
def test_an_upload_in_parts_that_fails_at_any_step_leaves_nothing(machine, server, monkeypatch, step, status):
    import s3fs

    put = s3fs.S3FileSystem._put_file
    in_parts = functools.partialmethod(put, chunksize=5 << 20)
    monkeypatch.setattr(s3fs.S3FileSystem, "_put_file", in_parts)
    store, failed = machine(), []

    def fail(environ):
        method, asked = step.split()
        if environ["REQUEST_METHOD"] != method or not environ["QUERY_STRING"].startswith(asked):
            return None
        failed.append(environ["QUERY_STRING"])
        return status

    server.faults[:] = [fail]
    with pytest.raises(StoreRefused if status == 403 else StoreUnreachable), store.write("cells", KEY) as folder:
        (folder / "about.json").write_bytes(bytes(11 << 20))
    assert failed
    server.faults.clear()
    assert not machine("two").has("cells", KEY)
    assert Bucket(store.uri).names_below() == [remote.MARK]
    assert store.has("cells", KEY), "it was computed here, and is sent now"
    assert (machine("three").path("cells", KEY) / "about.json").stat().st_size == 11 << 20


@pytest.mark.parametrize("damage", ["cut", "changed", "path", "empty"])
def test_a_damaged_artifact_is_removed_and_said(machine, damage, tmp_path):
    one, two = machine("one"), machine("two")
    fill(one)
    packed = tmp_path / "a.tar"
    one._bucket.fetch(f"cells/{KEY}.tar", packed)
    content = packed.read_bytes()
    if damage == "cut":
        packed.write_bytes(content[: len(content) // 2])
    elif damage == "changed":
        packed.write_bytes(content.replace(b"hello", b"jello"))
    elif damage == "empty":
        packed.write_bytes(b"")
    else:
        (tmp_path / "evil").write_text("evil")
        with tarfile.open(packed, "w") as tar:
            tar.add(tmp_path / "evil", "../../evil.txt")
    one._bucket.send(packed, f"cells/{KEY}.tar", replace=True)
    with pytest.raises(
        DamagedArtifact, match=f"^cells/{KEY[:12]} was damaged in s3://.*start again to compute it anew$"
    ):
        two.path("cells", KEY)
    assert not list(tmp_path.rglob("evil.txt"))
    assert not machine("three").has("cells", KEY)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EMFILE])
def test_a_machine_that_cannot_hold_a_sound_artifact_does_not_call_it_damaged(machine, number, monkeypatch):
    one, two = machine("one"), machine("two")
    monkeypatch.setattr(remote, "WATCH_SECONDS", 0.0)
    fill(one)

    def fail(*_arguments, **_options):
        raise OSError(number, os.strerror(number), "x")

    full = number in (errno.ENOSPC, errno.EDQUOT)
    said = r"^the disk of .* is full .*: the artifact cells/a{12} " if full else os.strerror(number)
    for owner, name in ((tarfile.TarFile, "extractall"), (Cache, "accept"), (Bucket(one.uri)._fs, "get_file")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            with pytest.raises(OSError, match=os.strerror(number) if name == "accept" else said):
                two.path("cells", KEY)
            assert not list(two.watched(OTHER).iterdir())
            if name != "accept":
                with pytest.raises(OSError, match=said), two.borrow("cells", KEY):
                    raise AssertionError
    assert machine("three").read("cells", KEY, "a.txt") == two.read("cells", KEY, "a.txt") == b"hello"


def test_what_another_process_half_dropped_from_the_cache_is_fetched_whole(machine):
    one, two = machine("one"), machine("two")
    fill(one)
    (two.path("cells", KEY) / "manifest.json").unlink()
    assert two.read("cells", KEY, "a.txt") == b"hello"


def test_a_damaged_copy_in_the_cache_is_fetched_again(machine):
    one, two = machine("one"), machine("two")
    fill(one)
    (two.path("cells", KEY) / "a.txt").write_text("jello")
    assert two.verify("cells", KEY)
    assert two.read("cells", KEY, "a.txt") == b"hello"


def test_a_training_goes_on_elsewhere_from_its_checkpoint(machine, monkeypatch):
    one, two = machine("one"), machine("two")
    monkeypatch.setattr(remote, "WATCH_SECONDS", 0.0)
    folder = one.fetch_checkpoints(KEY)
    assert not folder.exists()
    folder.mkdir(parents=True)
    (folder / "history.json").write_text("[1]")
    (folder / "weights").write_bytes(b"w1")
    one.keep_checkpoints(KEY)
    (folder / "weights").write_bytes(b"w2")
    one.keep_checkpoints(KEY)
    assert (two.watched(KEY) / "history.json").read_text() == "[1]"
    assert (two.fetch_checkpoints(KEY) / "weights").read_bytes() == b"w1", "half a minute may be lost"
    fill(two, stage="classifiers")
    assert not (one.watched(KEY) / "history.json").exists(), "nothing of it is left where it was watched"
    assert not (two.watched(KEY) / "history.json").exists()
    three = machine("three")
    assert not three.fetch_checkpoints(KEY).exists()
    assert not (three.watched(KEY) / "history.json").exists()


def test_a_checkpoint_that_cannot_be_sent_is_left_out_and_the_training_goes_on(machine, server, monkeypatch):
    one, two = machine("one"), machine("two")
    monkeypatch.setattr(remote, "WATCH_SECONDS", 0.0)
    heard, asked = [], []
    history = _History(one, KEY, lambda *epoch: heard.append(epoch))
    server.faults[:] = [lambda environ: 500 if environ["REQUEST_METHOD"] == "PUT" else None]
    history.note(1, 3, {"loss": 3.0})
    server.faults[:] = [lambda _environ: asked.append("again")]
    history.note(2, 3, {"loss": 2.0})
    assert not asked, "a store that is away holds up one epoch in half a minute"
    assert not two.fetch_checkpoints(KEY).exists()
    monkeypatch.setattr(remote, "KEEP_SECONDS", 0.0)
    history.note(3, 3, {"loss": 1.0})
    assert len(heard) == 3
    assert [epoch["loss"] for epoch in read_history(two.fetch_checkpoints(KEY))[0]] == [3.0, 2.0, 1.0]


@pytest.fixture
def drivers(machine, monkeypatch):
    """Leases of two drivers, for which ``KEY`` is a long job and all else is short."""
    monkeypatch.setattr(remote_leases, "LOOK_SECONDS", 0.0)
    return [machine(name).leases(lambda key: key == KEY) for name in ("one", "two")]


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_a_job_has_one_holder_until_that_gives_it_back(drivers, key):
    one, two = drivers
    assert not two.is_held(key)
    assert one.take(key)
    assert one.take(key)
    assert not two.take(key)
    assert two.holder(key) == one.me
    assert two.is_held(KEY) == (key == KEY)
    two.release([key])
    assert not two.take(key)
    one.release([key])
    one.refresh()
    assert two.take(key)
    assert not one.take(key)
    two.close()
    assert one.take(key), "nothing is left of a driver that has ended"
    one.close()
    assert Bucket(one._bucket.uri).names_below() == [remote.MARK]


def test_what_is_taken_again_before_the_store_heard_that_it_was_given_back_is_still_held(drivers):
    one, two = drivers
    assert one.take(KEY)
    one.release([KEY])
    assert one.take(KEY)
    one.refresh()
    assert not two.take(KEY)


@pytest.mark.parametrize("worth", [True, False])
def test_of_drivers_that_ask_for_the_same_jobs_at_once_one_has_each(machine, worth):
    keys = [f"{number:064}" for number in range(4)]
    drivers = [machine(f"machine-{number}").leases(lambda _key: worth) for number in range(3)]
    with ThreadPoolExecutor(6) as threads:
        for _ in range(3):
            taken = {key: set() for key in keys}
            for _ in range(2):
                asked = [(d, threads.submit(d.take_free, half)) for d in drivers for half in (keys[:2], keys[2:])]
                for driver, answer in asked:
                    for key in answer.result():
                        taken[key].add(driver)
            assert [len(holders) for holders in taken.values()] == [1] * len(keys)
            for driver in drivers:
                driver.release(keys)
                driver.refresh()
                driver._written = -math.inf
                driver.refresh()
                driver._looked = -math.inf


def test_one_that_lists_a_job_after_another_gives_way(drivers, monkeypatch):
    """As where both have looked before either wrote: the first look finds nothing."""
    one, two = drivers
    with monkeypatch.context() as patch:
        patch.setattr(remote_leases.time, "time", lambda: 1000.0)
        assert one.take_free([OTHER, "c" * 64]) == {OTHER, "c" * 64}
    looks = []
    look = two._look
    monkeypatch.setattr(two, "_look", lambda since: look(since) if looks else looks.append(since))
    assert two.take_free([OTHER, "d" * 64]) == {"d" * 64}
    assert one.take_free([OTHER]) == {OTHER}
    one.release([OTHER])
    one._written = -math.inf
    one.refresh()
    assert two.take_free([OTHER]) == {OTHER}


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_the_lease_of_a_driver_that_was_killed_on_this_machine_is_nobodys(drivers, key):
    one, two = drivers
    killed = subprocess.Popen(["true"])
    killed.wait()
    one.me = replace(one.me, process=killed.pid)
    assert one.take(key)
    assert two.take(key)


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_a_driver_elsewhere_that_keeps_its_object_fresh_no_more_is_there_no_more(drivers, key, monkeypatch):
    one, two = drivers
    one.me = replace(one.me, host="elsewhere")
    assert one.take(key)
    assert not two.take(key)
    older = {"seconds": 0.0}
    age = Bucket.age
    monkeypatch.setattr(Bucket, "age", lambda bucket, name: age(bucket, name) + older["seconds"])
    older["seconds"] = EXPIRES_SECONDS - 10
    assert not two.take(key)
    older["seconds"] = EXPIRES_SECONDS + 10
    assert two.take(key)


def test_a_driver_keeps_all_its_leases_fresh_with_one_request(drivers, server):
    one = drivers[0]
    assert one.take_free([KEY, OTHER]) == {KEY, OTHER}
    asked = []
    server.faults[:] = [lambda environ: asked.append(environ["REQUEST_METHOD"])]
    one.refresh()
    assert asked == []
    one._written -= REFRESH_SECONDS
    one.refresh()
    assert asked == ["PUT"]


def test_what_short_jobs_cost_does_not_grow_with_their_number(machine, server):
    one = machine().leases(lambda _key: False)
    asked = []
    server.faults[:] = [lambda environ: asked.append(environ["REQUEST_METHOD"])]
    for batch in range(3):
        keys = {f"{batch}{number:063}" for number in range(64)}
        assert one.take_free(keys) == keys
        one.release(keys)
    one.refresh()
    one.close()
    assert len(asked) <= 4 * 3, "where other drivers were last seen more than a second ago"


def test_a_store_that_is_away_or_refuses_leases_holds_nobody_up(drivers, server):
    server.faults[:] = [lambda _environ: 403]
    assert drivers[0].take_free([KEY, OTHER]) == {KEY, OTHER}
    server.faults[:] = [lambda _environ: 500]
    assert drivers[1].take_free([KEY, OTHER]) == {KEY, OTHER}
    drivers[1].refresh()


def test_the_cache_drops_what_was_used_longest_ago_but_nothing_in_use(tmp_path):
    cache = Cache(tmp_path / "cache", limit=2500)
    for number, age in enumerate((9000, 8000, 7000, 10)):
        place = cache.folder / "cells" / f"{number:064}"
        place.mkdir(parents=True)
        (place / "a").write_bytes(bytes(1000))
        os.utime(place, (time.time() - age,) * 2)
    kept = cache.folder / "checkpoints" / KEY
    kept.mkdir(parents=True)
    (kept / "weights").write_bytes(bytes(100))
    cache.shrink()
    assert sorted(int(place.name) for place in (cache.folder / "cells").iterdir()) == [2, 3]
    assert kept.is_dir()
    Cache(cache.folder, limit=0).shrink()
    assert [int(place.name) for place in (cache.folder / "cells").iterdir()] == [3]


def test_the_cache_drops_what_killed_processes_left_and_counts_what_may_be_at_work(tmp_path):
    cache = Cache(tmp_path / "cache", limit=3500)
    day, hours = 24 * 3600, {}
    left = {".room-a": day, "checkpoints/old": day, "watched/old": day, "datasets/.partial-a": 7 * day}
    fresh = {".room-b": day, "checkpoints/new": day, "watched/new": day, "datasets/.partial-b": 7 * day}
    for name, seconds in (left | fresh).items():
        hours[name] = seconds + 60 if name in left else seconds - 60
        (cache.folder / name / "within").mkdir(parents=True)
        (cache.folder / name / "within" / "a").write_bytes(bytes(1000))
        for path in (cache.folder / name / "within" / "a", cache.folder / name / "within", cache.folder / name):
            os.utime(path, (time.time() - hours[name],) * 2)
    os.utime(cache.folder / ".room-b", (1, 1))  # a folder's own time says nothing of the file that is growing in it
    artifact = cache.folder / "cells" / KEY
    artifact.mkdir(parents=True)
    os.utime(artifact, (1, 1))
    cache.shrink()
    assert [name for name in left if (cache.folder / name).exists()] == []
    assert [name for name in fresh if not (cache.folder / name).exists()] == []
    assert not artifact.exists(), "what may be at work takes all the room"


def test_a_room_whose_process_was_killed_goes_with_the_next_artifact_that_is_fetched(machine):
    one, two = machine("one"), machine("two")
    with one.write("cells", KEY) as folder:
        (folder / "about.json").write_text("{}")
    left = two.root / ".room-killed"
    left.mkdir(parents=True)
    (left / "artifact.tar").write_bytes(bytes(1000))
    for path in (left / "artifact.tar", left):
        os.utime(path, (1, 1))
    two.path("cells", KEY)
    assert not left.exists()


def test_a_limit_that_is_no_number_is_bad_input(monkeypatch):
    monkeypatch.setenv("FEWCOLORS_CACHE_GB", "lots")
    with pytest.raises(BadInput, match="FEWCOLORS_CACHE_GB should be a number of gigabytes, got 'lots'"):
        Cache.of("s3://x/y")


def test_any_file_system_of_fsspec_serves(tmp_path, monkeypatch):
    monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / "cache"))
    store = open_store(f"file://{tmp_path}/shared")
    store.create()
    fill(store)
    shutil.rmtree(tmp_path / "cache")
    assert store.read("cells", KEY, "a.txt") == b"hello"
    assert json.loads((tmp_path / "shared" / remote.MARK).read_text()) == {"layout": 1}
    assert list(Bucket(store.name).sizes("cells")) == [f"{KEY}.tar"]
    assert Path(store.root).is_dir()
