"""What is loaded when, and who may know whom."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fewcolors

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


@pytest.mark.parametrize(
    "module",
    ["fewcolors", "harness", "harness.contracts", "harness.registry", "harness.cli", "harness.spec.resolve"],
)
def test_importing_the_engine_loads_nothing_heavy(module, tmp_path):
    assert loaded(f"import {module}", tmp_path)[0] == set()


def command_line(*arguments):
    return f"sys.argv = {['fewcolors', *arguments]!r}\nfrom harness.cli import main\nmain()"


def test_help_loads_nothing_heavy_and_names_every_command(tmp_path):
    heavy, shown = loaded(command_line("--help"), tmp_path)
    assert heavy == set()
    for command in ("list", "plan", "run", "report", "validate", "status", "examples", "schema"):
        assert command in shown


@pytest.mark.parametrize("arguments", [["-h"], ["run", "-h"], ["quantize", "-h"]])
def test_help_in_short(arguments, tmp_path):
    heavy, shown = loaded(command_line(*arguments), tmp_path)
    assert (heavy, "Usage" in shown) == (set(), True)


def test_list_loads_neither_torch_nor_ray(tmp_path):
    heavy, shown = loaded(command_line("list"), tmp_path)
    assert not heavy & {"torch", "torchvision", "ray", "sklearn", "numba"}
    assert "colorcnn" in shown


def test_completing_a_method_loads_neither_torch_nor_ray(tmp_path):
    words = "os.environ.update(_FEWCOLORS_COMPLETE='complete_bash', COMP_WORDS='fewcolors list color', COMP_CWORD='2')"
    heavy, shown = loaded(f"import os; {words}; {command_line()}", tmp_path)
    assert not heavy & {"torch", "torchvision", "ray", "sklearn", "numba"}
    assert shown.startswith("colorcnn\n")


def test_plan_loads_neither_torch_nor_ray(tmp_path):
    (tmp_path / "a.yaml").write_text(SPEC)
    heavy, shown = loaded(command_line("plan", "a.yaml"), tmp_path)
    assert not heavy & {"torch", "torchvision", "ray", "sklearn", "numba"}
    assert "2 cells" in shown


def test_quantize_loads_neither_torch_nor_ray(tmp_path):
    code = "import numpy as np, fewcolors as fc\nfc.quantize(np.zeros((1, 4, 4, 3), np.uint8), 'uniform-grid', 2)"
    assert not loaded(code, tmp_path)[0] & {"torch", "torchvision", "ray"}


def test_the_public_face_knows_every_name_it_shows_and_no_other():
    assert dir(fewcolors) == sorted(fewcolors.__all__)
    assert all(getattr(fewcolors, name) is not None for name in fewcolors.__all__)
    assert set(fewcolors.MODULES) <= set(fewcolors.__all__)
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        fewcolors.quantise  # noqa: B018


@pytest.mark.parametrize("room", ["harness", "methods", "tasks", "reports"])
def test_nothing_below_the_public_face_imports_it(room):
    """import-linter knows packages only; ``fewcolors`` is a module."""
    for path in (REPOSITORY / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.partition(".")[0] == "fewcolors" for name in named), path


def linted(folder):
    """Whether the import rules of ``pyproject.toml`` hold in a folder, and what lint-imports says."""
    command = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    ended = subprocess.run([sys.executable, "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    return ended.returncode == 0, ended.stdout + ended.stderr


def test_every_room_knows_only_whom_it_may():
    holds, said = linted(REPOSITORY)
    assert holds, said


@pytest.mark.parametrize(
    ("module", "breach", "named"),
    [
        ("methods/otsu.py", "from harness.environment import versions", "methods.otsu -> harness.environment"),
        ("tasks/weights.py", "import harness.work.store", "tasks.weights -> harness.work.store"),
        ("reports/tables.py", "import harness.learning", "reports.tables -> harness.learning"),
        ("harness/run/brand_new.py", "import ray", "harness.run.brand_new -> ray"),
        ("harness/brand_new.py", "import json", "harness.brand_new"),
        ("harness/brand_new/__init__.py", "", "harness.brand_new"),
        ("methods/brand_new.py", "from harness import naming", "methods.brand_new -> harness.naming"),
        ("harness/work/jobs.py", "import harness.run.cluster", "harness.work.jobs -> harness.run.cluster"),
        ("harness/plan.py", "import methods", "harness.plan -> methods"),
    ],
)
def test_a_breach_of_the_import_rules_is_caught(module, breach, named, tmp_path):
    for name in ("harness", "methods", "tasks", "reports"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    path = tmp_path / module
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(f"\n{breach}\n")
    holds, said = linted(tmp_path)
    assert not holds
    assert named in said
