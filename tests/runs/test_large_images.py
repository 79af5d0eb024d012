"""Photographs of 224 pixels from end to end: a folder of images, published weights, ColorCNN, the page and explain."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from torchvision import models
from typer.testing import CliRunner
from workplace import EXAMPLES

from harness.cli import app
from harness.run.execute import execute, prepare
from harness.work.jobs import Context, run_job

TASK = str(EXAMPLES / "my_task.py")
NO_MAPS = "a linear one, is given the mean of its last feature maps"
SPEC = """
datasets: [{name: image-folder, label: photos, params: {root: photos, side: 224, resize: 256}}]
classifiers:
  - {name: imagenet-resnet18, params: {weights: resnet18.pth, outputs: [tench, parachute]}}
  - {name: tiny-net, params: {epochs: 1, batch_size: 2}}
methods:
  - original
  - {name: colorcnn, params: {width: 4, epochs: 1, batch_size: 2}}
colors: [2]
metrics: []
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    generator = np.random.default_rng(0)
    for part, wordnet_id in ((p, w) for p in ("train", "test") for w in ("n01440764", "n03888257")):
        (folder / "photos" / part / wordnet_id).mkdir(parents=True)
        for number in range(2):
            rough = Image.fromarray(generator.integers(0, 256, (10, 12, 3), dtype=np.uint8))
            rough.resize((320, 280)).save(folder / "photos" / part / wordnet_id / f"{number}.png")
    torch.manual_seed(0)
    torch.save(models.resnet18(num_classes=1000).state_dict(), folder / "resnet18.pth")
    (folder / "large.yaml").write_text(SPEC)
    return folder


def test_they_are_reduced_judged_and_looked_into(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    request = prepare(Path("large.yaml"), Path("store"), [TASK])
    request.store.create()
    for key in request.remaining.pending:
        run_job(request.plan.jobs[key], Context(request.store, request.registry))
    execute(prepare(Path("large.yaml"), Path("store"), [TASK]), Path("run"), Console(quiet=True), None, None, None)
    with Path("run/report/cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["classifier"], row["method"], row["status"]) for row in rows] == [
        (classifier, method, "ok")
        for classifier in ("imagenet-resnet18", "tiny-net")
        for method in ("colorcnn", "original")
    ]
    page = Path("run/report/index.html").read_text()
    assert page.count(NO_MAPS) == 1, "ResNet18 has class activation maps, the other network has none"
    assert "evidence</" in page

    arguments = ["explain", "run", "--image", "0", "--plugin", TASK, "--store", "store"]
    said = CliRunner().invoke(app, arguments, catch_exceptions=False).output
    assert f"tiny-net: there are no class activation maps; they need a network whose last layer, {NO_MAPS}." in said
    assert "imagenet-resnet18: there are no" not in said
