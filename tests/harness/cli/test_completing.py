"""What a shell offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import completing


def test_specs_are_examples_and_files(tmp_path: Path) -> None:
    for name in ("quick.yaml", "quick.txt", "quicker.yml"):
        (tmp_path / name).touch()
    (tmp_path / "quickly").mkdir()
    assert list(completing.spec_names("quick")) == ["quickstart", "quick.yaml", "quicker.yml", "quickly/"]
    assert list(completing.spec_names("paper/fig1")) == ["paper/fig10", "paper/fig11"]
    assert list(completing.spec_names("\0**/")) == [], "never an error"


@pytest.mark.parametrize(
    ("names", "incomplete", "offered"),
    [
        (completing.example_names, "my_t", ["my_task.py"]),
        (completing.method_names, "color", ["colorcnn", "colorcnn-plus"]),
        (completing.dataset_names, "digits", ["digits-on-photos"]),
        (completing.classifier_names, "imagenet-r", ["imagenet-resnet18", "imagenet-resnet50"]),
        (completing.plugin_names, "o", ["octree", "octree-gervautz", "octree-reference", "original", "otsu"]),
        (completing.plugin_names, "zzz", []),
        (completing.report_names, "la", ["latex"]),
        (completing.report_names, "latex,json,ma", ["latex,json,markdown"]),
        (completing.report_names, "latex,l", []),
    ],
)
def test_names_begin_as_the_word_does(names, incomplete, offered) -> None:
    assert list(names(incomplete)) == offered
