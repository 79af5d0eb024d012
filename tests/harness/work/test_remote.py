"""A store on a server that speaks S3: whole artifacts, first writers, caches, and what goes wrong on the way."""

import errno
import json
import os
import shutil
import subprocess
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.contracts import BadInput
from harness.work import remote
from harness.work.bucket import Bucket, StoreRefused, StoreUnreachable
from harness.work.cache import Cache
from harness.work.jobs import _History, read_history
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


def test_a_stale_listing_hides_nothing_for_long(machine, monkeypatch):
    one, two = machine("one"), machine("two")
    fill(one)
    monkeypatch.setattr(two._bucket, "names_in", lambda _folder: [])
    assert two.look_up([("cells", KEY)]) == {KEY: False}
    assert two.has("cells", KEY), "which a worker asks before it computes"


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


def test_leases_are_objects_for_what_is_worth_it(machine):
    one, two = (machine(name).leases(lambda key: key == KEY) for name in ("one", "two"))
    assert one.take(KEY)
    assert not two.take(KEY)
    assert two.holder(KEY) == one.me
    assert one.take(OTHER)
    assert two.take(OTHER)
    one.close()
    assert two.take(KEY)


def test_the_lease_of_a_driver_that_was_killed_on_this_machine_is_nobodys(machine):
    one, two = (machine(name).leases(lambda _key: True) for name in ("one", "two"))
    killed = subprocess.Popen(["true"])
    killed.wait()
    one.me = replace(one.me, process=killed.pid)
    assert one.take(KEY)
    assert two.take(KEY)
    assert two.holder(KEY) == two.me


def test_the_cache_drops_what_was_used_longest_ago_but_nothing_in_use(tmp_path):
    cache = Cache(tmp_path / "cache", limit=2500)
    for number, age in enumerate((9000, 8000, 7000, 10)):
        place = cache.folder / "cells" / f"{number:064}"
        place.mkdir(parents=True)
        (place / "a").write_bytes(bytes(1000))
        os.utime(place, (time.time() - age,) * 2)
    kept = cache.folder / "checkpoints" / KEY
    kept.mkdir(parents=True)
    (kept / "weights").write_bytes(bytes(9000))
    cache.shrink()
    assert sorted(int(place.name) for place in (cache.folder / "cells").iterdir()) == [2, 3]
    assert kept.is_dir()
    Cache(cache.folder, limit=0).shrink()
    assert [int(place.name) for place in (cache.folder / "cells").iterdir()] == [3]


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
