"""What a run's folder says of when, how and with which code it was computed."""

import json
import subprocess
from pathlib import Path

import pytest

from harness.run.provenance import ENVIRONMENT, command, commit_of, read_provenance, record_provenance
from harness.sources import Source


def git(folder, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def plugin(tmp_path):
    """A plugin's file, committed."""
    folder = tmp_path / "its repository"
    folder.mkdir()
    file = folder / "mine.py"
    file.write_text("x = 1\n")
    git(folder, "init", "-q")
    git(folder, "add", "mine.py")
    git(folder, "commit", "-q", "-m", "first")
    return file


def source(file):
    return Source("mine", str(file), (("mine.py", file.read_bytes()),))


def test_a_tracked_file_has_a_commit_and_may_be_dirty(plugin):
    assert commit_of(plugin) == {"commit": git(plugin.parent, "rev-parse", "HEAD"), "dirty": False}
    (plugin.parent / "untracked.txt").write_text("x")
    assert commit_of(plugin)["dirty"] is False
    plugin.write_text("x = 2\n")
    assert commit_of(plugin)["dirty"] is True


def test_a_file_that_no_repository_tracks_has_none(plugin, tmp_path):
    inside = plugin.parent / ".venv"
    inside.mkdir()
    (inside / "installed.py").write_text("")
    assert commit_of(inside / "installed.py") == {}, "of an environment in a repository"
    assert commit_of(tmp_path / "nowhere" / "gone.py") == {}


def test_without_git_no_commit_is_known(plugin, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit_of(plugin) == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/usr/bin/fewcolors", "run", "my spec.yaml", "--seed", "1"], "fewcolors run 'my spec.yaml' --seed 1"),
        (["/code/harness/__main__.py", "run", "s.yaml"], "fewcolors run s.yaml"),
        (["/usr/bin/pytest", "-x"], ""),
        (["/other/__main__.py", "run"], ""),
        ([""], ""),
        ([], ""),
    ],
)
def test_only_our_own_command_line_is_recorded(arguments, said):
    assert command(arguments) == said


def test_what_was_recorded_is_read_back_and_kept_by_a_run_that_computes_nothing(tmp_path, plugin, monkeypatch):
    monkeypatch.setattr("sys.argv", ["fewcolors", "run", "first.yaml"])
    record_provenance(tmp_path, [source(plugin)], computing=False)
    first = read_provenance(tmp_path, print)
    assert first["command"] == "fewcolors run first.yaml"
    assert first["plugins"] == [{"name": "mine.py", **commit_of(plugin)}]
    assert first["date"].endswith("+00:00")
    assert first["code"] == commit_of(Path(__file__).parents[3] / "harness/run/provenance.py")
    monkeypatch.setattr("sys.argv", ["fewcolors", "run", "second.yaml"])
    record_provenance(tmp_path, [], computing=False)
    assert read_provenance(tmp_path, print) == first
    record_provenance(tmp_path, [], computing=True)
    assert read_provenance(tmp_path, print)["command"] == "fewcolors run second.yaml"


def test_what_is_damaged_or_not_there_is_nothing(tmp_path):
    said = []
    assert read_provenance(tmp_path, said.append) == {}
    assert said == []
    record_provenance(tmp_path, [], computing=True)
    text = (tmp_path / ENVIRONMENT).read_text()
    (tmp_path / ENVIRONMENT).write_text(text.replace("command", "commend"))
    assert read_provenance(tmp_path, said.append) == {}
    assert len(said) == 1
    assert ENVIRONMENT in said[0]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Makes an installed distribution with an entry point for plugins, of which pip recorded where it came from."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def install(name, recorded):
        folder = site / f"{name}-1.2.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (folder / "entry_points.txt").write_text("[fewcolors.methods]\nmine = mine\n")
        if recorded is not None:
            (folder / "direct_url.json").write_text(json.dumps(recorded))

    return install


def recorded_of(folder, name):
    record_provenance(folder, [], computing=True)
    (found,) = (one for one in read_provenance(folder, print)["distributions"] if one["name"] == name)
    return found


def test_installed_plugins_have_the_version_of_their_distribution(tmp_path, installed):
    installed("mine", None)
    assert recorded_of(tmp_path, "mine") == {"name": "mine", "version": "1.2"}


def test_plugins_installed_for_editing_have_the_commit_of_their_folder(tmp_path, installed, plugin):
    folder = plugin.parent
    installed("mine", {"url": folder.as_uri(), "dir_info": {"editable": True}})
    installed("copied", {"url": folder.as_uri(), "dir_info": {}})
    found = {"name": "mine", "version": "1.2", "commit": git(folder, "rev-parse", "HEAD")}
    assert recorded_of(tmp_path, "mine") == found | {"dirty": False}
    plugin.write_text("x = 2\n")
    assert recorded_of(tmp_path, "mine") == found | {"dirty": True}
    assert "commit" not in recorded_of(tmp_path, "copied"), "the folder may have changed since it was installed"


def test_plugins_installed_from_a_repository_have_its_commit_and_no_password(tmp_path, installed):
    vcs = {"vcs": "git", "commit_id": "0123abc"}
    installed("mine", {"url": "https://me:secret@example.org/mine.git", "vcs_info": vcs})
    assert recorded_of(tmp_path, "mine") == {
        "name": "mine",
        "version": "1.2",
        "commit": "0123abc",
        "dirty": False,
        "url": "git+https://example.org/mine.git",
    }
