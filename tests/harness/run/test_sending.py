"""To whom fewcolors sends itself. That it arrives is seen in tests/runs/test_sending.py."""

from pathlib import Path

import pytest

import harness
from harness import hiding
from harness.run.sending import code_to_send, runtime_env

HOME = Path(harness.__file__).parents[1]


@pytest.mark.parametrize(
    ("addresses", "environment", "sent"),
    [
        (["10.0.0.1", "10.0.0.1"], {}, False),
        (["10.0.0.1", "10.0.0.2"], {}, True),
        (["10.0.0.2"], {}, True),
        (["10.0.0.1", "10.0.0.2"], {"FEWCOLORS_SEND_CODE": "0"}, False),
        (["10.0.0.1"], {"FEWCOLORS_SEND_CODE": "1"}, True),
    ],
)
def test_code_is_sent_where_a_node_is_on_another_machine(addresses, environment, sent):
    modules = code_to_send(addresses, "10.0.0.1", environment)
    names = ("harness", "methods", "tasks", "reports", "fewcolors.py")
    assert modules == [str(HOME / name) for name in names if sent]
    assert all(Path(module).exists() for module in modules)
    assert runtime_env(modules).get("py_modules", []) == modules


def make(folder, name):
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").touch()


@pytest.fixture
def sent(tmp_path, monkeypatch):
    """A worker's folders, as Ray unpacks what was sent: each module in one of its own."""
    place = tmp_path / "runtime_resources" / "py_modules_files"
    for number, name in enumerate(hiding.MODULES):
        make(place / f"_ray_pkg_{number}", name)
        monkeypatch.syspath_prepend(place / f"_ray_pkg_{number}")
    monkeypatch.setattr(hiding, "_HOME", place / "_ray_pkg_0")
    return tmp_path


def ours():
    return {name: hiding._is_ours(hiding._find(name)) for name in hiding.MODULES}


def test_modules_that_were_sent_are_ours_though_each_lies_in_a_folder_of_its_own(sent, monkeypatch):
    assert ours() == dict.fromkeys(hiding.MODULES, True)
    assert code_to_send(["10.0.0.2"], "10.0.0.1", {}) == [], "what was sent here goes on by itself"
    make(sent / "elsewhere", "tasks")
    monkeypatch.syspath_prepend(sent / "elsewhere")
    assert ours() == {name: name != "tasks" for name in hiding.MODULES}
