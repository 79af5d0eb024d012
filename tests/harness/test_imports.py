"""What is loaded when, and who may know whom."""

import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

REPOSITORY = Path(__file__).parents[2]
SPEC = "datasets: [digits-on-photos]\nclassifiers: [alexnet]\nmethods: [median-cut, colorcnn]\ncolors: 2\n"
HEAVY = {"torch", "torchvision", "ray", "sklearn", "scipy", "numba", "pandas", "matplotlib", "seaborn"}


def loaded(code, folder):
    """Which heavy packages a fresh process has loaded in the end."""
    watch = f"import sys, atexit; atexit.register(lambda: print('loaded', *({HEAVY!r} & set(sys.modules))))\n"
    ended = subprocess.run(
        [sys.executable, "-c", watch + code],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return set(ended.stdout.splitlines()[-1].split()[1:]), ended.stdout


@pytest.mark.parametrize("module", ["harness", "harness.contracts", "harness.registry", "harness.cli", "harness.spec"])
def test_importing_the_engine_loads_nothing_heavy(module, tmp_path):
    assert loaded(f"import {module}", tmp_path)[0] == set()


def command_line(*arguments):
    return f"sys.argv = {['fewcolors', *arguments]!r}\nfrom harness.cli import main\nmain()"


def test_help_loads_nothing_heavy_and_names_every_command(tmp_path):
    heavy, shown = loaded(command_line("--help"), tmp_path)
    assert heavy == set()
    for command in ("list", "plan", "run", "report", "validate", "status"):
        assert command in shown


def test_list_loads_neither_torch_nor_ray(tmp_path):
    heavy, shown = loaded(command_line("list"), tmp_path)
    assert not heavy & {"torch", "torchvision", "ray", "sklearn", "numba"}
    assert "colorcnn" in shown


def test_plan_loads_neither_torch_nor_ray(tmp_path):
    (tmp_path / "a.yaml").write_text(SPEC)
    heavy, shown = loaded(command_line("plan", "a.yaml"), tmp_path)
    assert not heavy & {"torch", "torchvision", "ray", "sklearn", "numba"}
    assert "2 cells" in shown


def test_every_room_knows_only_whom_it_may(monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out
