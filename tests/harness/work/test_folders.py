"""A run's folder at a URI: brought here, worked in, and sent as it changes."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.contracts import BadInput
from harness.work import bucket as bucket_module
from harness.work import folders
from harness.work.bucket import Bucket, StoreUnreachable
from harness.work.folders import read_folder, working_folder


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    monkeypatch.setattr(bucket_module, "_ATTEMPTS", 1)


def content(folder):
    """The texts of a folder's files by name; of one at a URI, as it lies there."""
    if isinstance(folder, str):
        bucket = Bucket(folder)
        return {name: bucket.read(name).decode() for name in bucket.names_below()}
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_folder_of_this_machine_is_worked_in_itself(tmp_path):
    with working_folder(tmp_path / "run") as folder:
        assert folder == tmp_path / "run"
    with read_folder(str(folder), ["plan.json"]) as read:
        assert read == folder
    assert not folder.exists()


def test_what_one_machine_wrote_another_finds_changes_and_removes(uri, tmp_path, monkeypatch):
    with working_folder(uri, leave=("tune",)) as folder:
        (folder / "plan.json").write_text("first")
        (folder / "searches/a/tune").mkdir(parents=True)
        (folder / "searches/a/tune/logs").write_text("stays")
        (folder / "searches/a/trials.json").write_text("one")
        (folder / ".plan.json.partial").write_text("half")
    monkeypatch.setenv("FEWCOLORS_CACHE", str(tmp_path / "two"))
    kept = {"plan.json": "first", "searches/a/trials.json": "one"}
    assert content(uri) == kept
    with working_folder(f"{uri}/") as folder:
        assert content(folder) == kept
        (folder / "plan.json").unlink()
        (folder / "search.yaml").write_text("second")
        (folder / "searches/a/trials.json").write_text("one, two")
    assert content(uri) == {"search.yaml": "second", "searches/a/trials.json": "one, two"}


def test_what_changes_is_sent_meanwhile_also_after_the_server_was_away(uri, server, monkeypatch):
    monkeypatch.setattr(folders, "SEND_SECONDS", 0.01)
    sent, refused = threading.Event(), threading.Event()
    send = Bucket.send

    def noting(bucket, path, name, **options):
        try:
            made = send(bucket, path, name, **options)
        except StoreUnreachable:
            refused.set()
            raise
        sent.set()
        return made

    monkeypatch.setattr(Bucket, "send", noting)
    with working_folder(uri) as folder:
        server.faults.append(lambda environ: 503 if environ["REQUEST_METHOD"] == "PUT" else None)
        (folder / "trials.json").write_text("one")
        assert refused.wait(60)
        server.faults.clear()
        assert sent.wait(60)
        assert content(uri) == {"trials.json": "one"}


def test_what_cannot_be_sent_at_the_end_is_said_and_outlives_the_next_start(uri, server):
    folder = working_folder(uri)
    here = folder.__enter__()
    (here / "plan.json").write_text("one")
    server.faults.append(lambda environ: 503 if environ["REQUEST_METHOD"] == "PUT" else None)
    with pytest.raises(StoreUnreachable, match=r"what could not be sent is on this machine, /.*/store-unsent-") as said:
        folder.__exit__(None, None, None)
    server.faults.clear()
    with working_folder(uri) as here:
        assert content(here) == {}
    assert content(Path(str(said.value).rpartition(", ")[2])) == {"plan.json": "one"}


def test_what_cannot_be_sent_does_not_hide_an_interruption(uri, server):
    folder = working_folder(uri)
    (folder.__enter__() / "plan.json").write_text("one")
    server.faults.append(lambda environ: 503 if environ["REQUEST_METHOD"] == "PUT" else None)
    with pytest.warns(UserWarning, match="what could not be sent is on this machine, /.*/store-unsent-"):
        assert not folder.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None), "it is passed on"


def test_messages_name_the_uri_and_what_cannot_be_used_is_refused_at_once(uri):
    with pytest.raises(BadInput, match=rf"^{uri}/plan.json: damaged$"), working_folder(uri) as folder:
        raise BadInput(f"{folder / 'plan.json'}: damaged")
    for place, sentence in (
        ("s3://no-such-bucket/x", r"^--out s3://no-such-bucket/x: cannot be used: "),
        ("nonsense://x", r"^--out nonsense://x: "),
    ):
        with pytest.raises(BadInput, match=sentence), working_folder(place):
            raise AssertionError
    with pytest.raises(BadInput, match=r"^the run nonsense://x: "), read_folder("nonsense://x", ["plan.json"]):
        raise AssertionError


def test_only_what_is_read_is_brought_and_two_readers_have_a_copy_each(uri, monkeypatch):
    sent, send = [], Bucket.send
    monkeypatch.setattr(Bucket, "send", lambda *to, **how: sent.append(to[2]) or send(*to, **how))
    with working_folder(uri) as folder:
        for name in ("events.jsonl", "plan.json", "report.html"):
            (folder / name).write_text(name)
    assert sent[0] == "plan.json", "by which the folder is known, should the rest never come"
    with read_folder(uri, ["plan.json", "none"]) as one:
        with read_folder(uri, ["plan.json"]) as two:
            assert one != two
        assert content(one) == {"plan.json": "plan.json"}
    assert not one.exists()
    with pytest.raises(BadInput, match=rf"^{uri}/plan.json: damaged$"), read_folder(uri, []) as one:
        raise BadInput(f"{one / 'plan.json'}: damaged")


def test_what_is_neither_a_run_nor_a_search_is_left_alone(uri, monkeypatch):
    there = {"notes/mine.txt": "mine"}
    Bucket(uri).write("notes/mine.txt", b"mine")
    monkeypatch.setattr(Bucket, "fetch", None)
    with pytest.raises(BadInput, match="holds something, but neither a run nor a search"), working_folder(uri):
        raise AssertionError
    for store in (uri, f"{uri}/deep", uri.rpartition("/")[0]):
        with pytest.raises(BadInput, match="lies in the other"), working_folder(uri, store):
            raise AssertionError
    assert content(uri) == there
    with working_folder(f"{uri}-2", uri):
        pass


def test_a_uri_that_names_no_folder_is_refused_and_costs_no_other_its_copy(uri):
    with working_folder(uri) as folder:
        (folder / "plan.json").write_text("mine")
    for place in (f"{uri}/..", f"{uri}/../", f"{uri}/.", "file:///"):
        with pytest.raises(BadInput, match="does not end in the name of a folder"), working_folder(place):
            raise AssertionError
    assert content(folder) == {"plan.json": "mine"}
    with working_folder(f"{uri}.lock") as other:
        assert other.is_dir()


def test_two_processes_of_one_machine_do_not_work_in_one_copy(uri):
    work = "import sys\nfrom harness.work.folders import working_folder\nwith working_folder(sys.argv[1]): pass"
    with working_folder(uri) as folder:
        (folder / "plan.json").write_text("mine")
        second = subprocess.run([sys.executable, "-c", work, uri], capture_output=True, text=True, check=False)
        assert "another process of this machine works in it" in second.stderr
        assert content(folder) == {"plan.json": "mine"}
    shutil.rmtree(folder)
    assert content(uri) == {"plan.json": "mine"}


def test_a_folder_that_is_refused_is_left_as_it_lies(uri):
    with working_folder(uri) as folder:
        (folder / "driver.json").write_text("another's")

    def refuse(folder):
        assert content(folder) == {"driver.json": "another's"}
        (folder / "driver.json").unlink()
        raise BadInput(f"--out {folder}: taken")

    with pytest.raises(BadInput, match=f"^--out {uri}: taken$"), working_folder(uri, check=refuse):
        raise AssertionError
    assert content(uri) == {"driver.json": "another's"}
