"""``fewcolors store``: what is listed, found damaged, cleared away and copied."""

import contextlib
import json
import shutil

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.contracts import BadInput
from harness.work.leases import new_lease_of_run
from harness.work.remote import open_store
from harness.work.store import Store
from harness.writing import write_sealed

KEYS = [letter * 64 for letter in "abc"]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.create()
    for stage, key in zip(("datasets", "cells", "cells"), KEYS, strict=True):
        with store.write(stage, key) as folder:
            (folder / "about.json").write_text(json.dumps({"key": key}))
    return store


def fewcolors(*arguments, code=0):
    ended = CliRunner().invoke(app, ["store", *map(str, arguments)])
    if code == 2:
        assert isinstance(ended.exception, BadInput)
        return str(ended.exception)
    assert ended.exit_code == code, ended.output
    return ended.output


def refers_to(folder, store, keys):
    """A run whose jobs make these artifacts."""
    folder.mkdir(parents=True)
    usual = {"plugin": "x", "params": {}, "inputs": {}, "needs": {}}
    jobs = [{"key": key, "name": key, "stage": "cells"} | usual for key in keys]
    spec = {"name": "x", "reports": []}
    write_sealed(
        folder / "plan.json", {"spec": spec, "store": str(store.root), "jobs": jobs, "cells": [], "recipes": []}
    )
    return folder


def test_everything_is_listed_and_summed(store):
    listed = fewcolors("ls", "--store", store.root).splitlines()
    assert [line.split()[:2] for line in listed] == [["datasets", KEYS[0]], ["cells", KEYS[1]], ["cells", KEYS[2]]]
    summed = {line.split()[0]: int(line.split()[1]) for line in fewcolors("du", "--store", store.root).splitlines()}
    assert (summed["datasets"], summed["cells"], summed["all"]) == (1, 2, 3)


def test_what_is_damaged_is_said(store):
    assert "3 artifacts, 0 damaged" in fewcolors("verify", "--store", store.root)
    (store.path("cells", KEYS[1]) / "about.json").write_text("{}")
    said = fewcolors("verify", "--store", store.root, code=1)
    assert f"cells/{KEYS[1][:12]} was damaged (about.json)." in said
    assert "3 artifacts, 1 damaged" in said


def test_what_has_lost_its_manifest_is_listed_and_damaged_and_removed(store, tmp_path):
    lost = store.path("cells", KEYS[1])
    (lost / "manifest.json").unlink()
    (store.root / "cells" / ".partial-x").mkdir()
    assert KEYS[1] in fewcolors("ls", "--store", store.root)
    said = fewcolors("verify", "--store", store.root, code=1)
    assert f"cells/{KEYS[1][:12]} was damaged (manifest.json: No such file or directory)." in said
    assert "3 artifacts, 1 damaged" in said
    refers_to(tmp_path / "run", store, [KEYS[0], KEYS[2]])
    assert "Removed 1 artifact" in fewcolors("gc", tmp_path / "run", "--store", store.root, "--yes")
    assert not lost.exists()


def test_what_cannot_be_removed_is_said(store, tmp_path, monkeypatch):
    refers_to(tmp_path / "run", store, KEYS[:1])
    store.checkpoints("e" * 64).mkdir(parents=True)
    remove = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", lambda path, **more: KEYS[1] in str(path) or remove(path, **more))
    said = fewcolors("gc", tmp_path / "run", "--store", store.root, "--yes", code=1)
    assert f"cells/{KEYS[1]} could not be removed." in said
    assert "Removed 2 of these 3." in said
    assert not store.has("cells", KEYS[2])
    monkeypatch.setattr(shutil, "rmtree", lambda _path, **_: None)
    store.checkpoints("e" * 64).mkdir(parents=True)
    said = fewcolors("gc", tmp_path / "run", "--store", store.root, "--yes", code=1)
    assert f"checkpoints/{'e' * 64} could not be removed." in said


def test_what_no_run_refers_to_is_said_first_and_removed_when_told(store, tmp_path):
    refers_to(tmp_path / "runs" / "old" / "one", store, KEYS[:1])
    refers_to(tmp_path / "runs" / "two", store, [KEYS[1], "d" * 64])
    said = fewcolors("gc", tmp_path / "runs", "--store", store.root)
    assert KEYS[2] in said
    assert KEYS[0] not in said
    assert "1 artifact (" in said
    assert "none of 2 runs refers to. Give --yes to remove them." in said
    assert store.has("cells", KEYS[2])
    assert "Removed 1 artifact" in fewcolors("gc", tmp_path / "runs", "--store", store.root, "--yes")
    assert [store.has(stage, key) for stage, key in zip(("datasets", "cells", "cells"), KEYS, strict=True)] == [
        True,
        True,
        False,
    ]


def test_checkpoints_of_trainings_that_are_finished_or_nobodys_are_removed_too(store, tmp_path):
    finished, unfinished, nobodys, under_way = KEYS[1], "d" * 64, "e" * 64, "f" * 64
    for key in (finished, unfinished, nobodys, under_way):
        store.checkpoints(key).mkdir(parents=True)
        (store.checkpoints(key) / "weights").write_bytes(bytes(1000))
    refers_to(tmp_path / "runs" / "one", store, [*KEYS, unfinished, under_way])
    with contextlib.closing(store.leases(lambda _key: True)) as leases:
        assert leases.take(under_way)
        said = fewcolors("gc", tmp_path / "runs", "--store", store.root)
        assert [line.split()[1] for line in said.splitlines() if line.startswith("checkpoints ")] == [finished, nobodys]
        assert "0 artifacts (" in said
        assert "and 2 checkpoints (2 kB) that none of them needs. Give --yes to remove them." in said
        assert len(store.checkpoint_sizes()) == 4
        assert "Removed 0 artifacts" in fewcolors("gc", tmp_path / "runs", "--store", store.root, "--yes")
    assert set(store.checkpoint_sizes()) == {unfinished, under_way}


@pytest.mark.parametrize("distant", [False, True])
@pytest.mark.parametrize("lease", ["d" * 64, new_lease_of_run(["d" * 64])], ids=["job", "run"])
def test_nothing_is_removed_while_a_run_that_is_not_named_is_at_work(store, tmp_path, monkeypatch, distant, lease):
    monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / "cache"))
    place = f"file://{tmp_path}/distant" if distant else str(store.root)
    if distant:
        fewcolors("copy", place, "--store", store.root)
    refers_to(tmp_path / "runs" / "one", store, KEYS[:1])
    refers_to(tmp_path / "runs" / "two", store, ["d" * 64])
    with contextlib.closing(open_store(place).leases(lambda _key: True)) as leases:
        assert leases.take(lease)
        for yes in ((), ("--yes",)):
            said = fewcolors("gc", tmp_path / "runs" / "one", "--store", place, *yes, code=2)
            assert said == (
                f"--store {place}: a run or search that is not among these is at work in it ({leases.me}); name its "
                "folder, too, or wait until it has ended."
            )
        assert "2 artifacts (" in fewcolors("gc", tmp_path / "runs", "--store", place)
    assert "Removed 2 artifacts" in fewcolors("gc", tmp_path / "runs" / "one", "--store", place, "--yes")


def test_a_short_job_at_a_uri_is_seen_too(store, tmp_path, monkeypatch):
    monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / "cache"))
    place = f"file://{tmp_path}/distant"
    fewcolors("copy", place, "--store", store.root)
    refers_to(tmp_path / "runs" / "one", store, KEYS[:1])
    with contextlib.closing(open_store(place).leases(lambda _key: False)) as leases:
        assert leases.take("d" * 64)
        said = fewcolors("gc", tmp_path / "runs", "--store", place, "--yes", code=2)
        assert "is not among these is at work in it; name its folder" in said


def test_runs_at_a_uri_keep_what_they_refer_to(store, tmp_path, monkeypatch):
    monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / "cache"))
    distant, runs = f"file://{tmp_path}/distant", f"file://{tmp_path}/runs"
    fewcolors("copy", distant, "--store", store.root)
    for key in ("d" * 64, "e" * 64):
        (tmp_path / "distant" / "checkpoints").mkdir(exist_ok=True)
        for ending in (".tar", ".json"):
            (tmp_path / "distant" / "checkpoints" / f"{key}{ending}").write_bytes(bytes(500))
    refers_to(tmp_path / "runs" / "old" / "one", store, [KEYS[0], "d" * 64])
    refers_to(tmp_path / "runs" / "two", store, KEYS[1:2])
    said = fewcolors("gc", runs, "--store", distant, "--yes")
    assert "Removed 1 artifact (" in said
    assert "none of 2 runs refers to, and 1 checkpoint (1 kB) that none of them needs." in said
    opened = open_store(distant)
    assert [opened.has(stage, key) for stage, key in zip(("datasets", "cells", "cells"), KEYS, strict=True)] == [
        True,
        True,
        False,
    ]
    assert opened.checkpoint_sizes() == {"d" * 64: 1000}
    (tmp_path / "runs" / "search").mkdir()
    (tmp_path / "runs" / "search" / "search.yaml").write_text("before: {}\nspec: {datasets: [a], classifiers: [b]}")
    assert fewcolors("gc", runs, "--store", distant, code=2).startswith(f"{runs}/search: the search is not finished")
    assert fewcolors("gc", f"{runs}/none", "--store", distant, code=2).startswith(f"{runs}/none")


def test_what_an_unfinished_search_may_need_is_not_removed(store, tmp_path):
    refers_to(tmp_path / "runs" / "one", store, KEYS[:1])
    (tmp_path / "runs" / "search").mkdir()
    (tmp_path / "runs" / "search" / "search.yaml").write_text("before: {}\nspec: {datasets: [a], classifiers: [b]}")
    for folder in ("runs", "runs/search"):
        said = fewcolors("gc", tmp_path / folder, "--store", store.root, "--yes", code=2)
        assert "search: the search is not finished" in said
    assert store.has("cells", KEYS[2])


def test_what_the_other_store_lacks_is_copied_whole(store, tmp_path):
    assert "Copied 3 artifacts, 0 were there, 0 damaged." in fewcolors(
        "copy", tmp_path / "other", "--store", store.root
    )
    other = Store(tmp_path / "other")
    assert all(other.verify(stage, key) for stage, key in zip(("datasets", "cells", "cells"), KEYS, strict=True))
    (store.path("cells", KEYS[1]) / "about.json").write_text("{}")
    other.remove("cells", KEYS[1])
    assert "Copied 0 artifacts, 2 were there, 1 damaged." in fewcolors(
        "copy", other.root, "--store", store.root, code=1
    )
    assert not other.has("cells", KEYS[1])


def test_a_store_at_a_uri_is_verified_there_and_leaves_nothing_here(store, tmp_path, monkeypatch):
    monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / "cache"))
    uri = f"file://{tmp_path}/distant"
    assert "Copied 3 artifacts" in fewcolors("copy", uri, "--store", store.root)
    assert "3 artifacts, 0 damaged" in fewcolors("verify", "--store", uri)
    assert not list((tmp_path / "cache").rglob("about.json"))
    cached = open_store(uri).path("cells", KEYS[1])
    packed = tmp_path / "distant" / "cells" / f"{KEYS[1]}.tar"
    packed.write_bytes(packed.read_bytes().replace(b"key", b"yek"))
    (tmp_path / "distant" / "cells" / f"{KEYS[2]}.tar").write_bytes(b"no archive")
    said = fewcolors("verify", "--store", uri, code=1)
    assert f"cells/{KEYS[1][:12]} was damaged (about.json)." in said, "a sound copy in the cache says nothing of it"
    assert f"cells/{KEYS[2][:12]} was damaged (" in said
    assert "3 artifacts, 2 damaged" in said
    assert "key" in (cached / "about.json").read_text()
    said = fewcolors("copy", tmp_path / "other", "--store", uri, code=1)
    assert "Copied 1 artifacts, 0 were there, 2 damaged." in said


@pytest.mark.parametrize("command", [["ls"], ["du"], ["verify"], ["gc", "."], ["copy", "x"]])
def test_where_there_is_no_store_nothing_is_made(command, tmp_path):
    assert fewcolors(*command, "--store", "nowhere", code=2) == "--store nowhere: there is no store here."
    assert not (tmp_path / "nowhere").exists()
