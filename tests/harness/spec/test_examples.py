"""Examples by name, wherever a command is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.contracts import BadInput
from harness.spec.examples import all_examples, copy_example, find_example, plugin_argument, spec_path
from harness.spec.file import read_spec

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_every_example_is_listed_with_what_it_is_about() -> None:
    listed = {example.name: example for example in all_examples()}
    further = {"plugin", "cluster"}
    files = {p for p in EXAMPLES.rglob("*") if p.suffix in (".yaml", ".py") and not further & set(p.parts)}
    assert {example.path for example in listed.values()} == files | {EXAMPLES / "plugin"}
    assert {"quickstart", "paper/fig9", "my_task.py", "plugin"} <= set(listed)
    assert all(example.summary.endswith((".", "?")) for example in listed.values())
    assert "learned-palette" not in listed["tune_my_quantizer"].path.read_text() or (
        "--plugin my_learned_quantizer.py" in listed["tune_my_quantizer"].summary
    )


@pytest.mark.parametrize("name", ["quickstart", "quickstart.yaml", "paper/fig9", "paper/fig9.yaml"])
def test_a_spec_that_is_no_file_is_the_example_of_that_name(name: str) -> None:
    found = spec_path(Path(name))
    assert found == (EXAMPLES / name).with_suffix(".yaml")
    assert read_spec(Path(name))["name"] == found.stem


def test_a_file_of_the_users_own_wins(tmp_path: Path) -> None:
    mine = tmp_path / "quickstart"
    mine.mkdir()
    assert spec_path(Path("quickstart")) == EXAMPLES / "quickstart.yaml", "a folder is no spec"
    mine.rmdir()
    mine.write_text("name: mine\n")
    assert read_spec(Path("quickstart"))["name"] == "mine"


@pytest.mark.parametrize(
    ("name", "guess"),
    [("quickstrat", ", did you mean 'quickstart'?"), ("examples/paper/fig9.yaml", ", did you mean 'paper/fig9'?"),
     ("zzzzzz.yaml", "")],
)  # fmt: skip
def test_a_spec_that_is_neither_is_one_sentence(name: str, guess: str) -> None:
    with pytest.raises(BadInput) as error:
        spec_path(Path(name))
    nor = "there is no spec file or example of that name"
    assert str(error.value) == f"{name}: {nor}{guess}; fewcolors examples lists them."


def test_a_plugin_of_the_examples_need_not_be_copied(tmp_path: Path) -> None:
    assert plugin_argument("my_task.py") == str(EXAMPLES / "my_task.py")
    assert [plugin_argument(name) for name in ("gone.py", "a.module")] == ["gone.py", "a.module"]
    (tmp_path / "my_task.py").touch()
    assert plugin_argument("my_task.py") == "my_task.py"


def test_an_example_is_copied_whole_and_never_over_another_file(tmp_path: Path) -> None:
    assert copy_example(find_example("paper/fig9"), Path()) == Path("fig9.yaml")
    assert (tmp_path / "fig9.yaml").read_bytes() == (EXAMPLES / "paper" / "fig9.yaml").read_bytes()
    with pytest.raises(BadInput, match=r"^fig9\.yaml: it exists already and is left as it is; name another folder"):
        copy_example(find_example("paper/fig9"), Path())
    copied = copy_example(find_example("plugin"), tmp_path / "new")
    assert (copied / "fewcolors_example" / "uniform.py").is_file()
    with pytest.raises(BadInput, match=r"^my_tsak\.py: there is no such example, did you mean 'my_task\.py'\?"):
        find_example("my_tsak.py")


def test_the_command_lists_and_copies() -> None:
    listed = CliRunner().invoke(app, ["examples"]).output
    assert [line.split()[0] for line in listed.splitlines()] == [example.name for example in all_examples()]
    copied = CliRunner().invoke(app, ["examples", "my_task.py", "--out", "new"])
    assert (copied.exit_code, copied.output) == (0, "new/my_task.py\n")
    again = CliRunner().invoke(app, ["examples", "my_task.py", "--out", "new"])
    assert isinstance(again.exception, BadInput)
    planned = CliRunner().invoke(
        app, ["plan", "quickstart", "--plugin", "my_task.py", "--dataset", "stripes", "--classifier", "tiny-net",
              "--method", "otsu", "--baseline", "octree"]
    )  # fmt: skip
    assert "60 cells" in planned.output


def test_an_example_that_needs_a_plugin_says_so() -> None:
    error = CliRunner().invoke(app, ["tune", "tune_my_quantizer"]).exception
    assert isinstance(error, BadInput)
    assert "there is no method 'learned-palette'" in str(error)
    assert str(error).endswith("; one that is not installed is named with --plugin.")
