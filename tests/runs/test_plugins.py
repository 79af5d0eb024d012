"""Plugins of one's own, in a file, in a package on the path, and installed: they stand beside the built-in ones."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from workplace import EXAMPLES, Workplace

SPEC = """
datasets: [{name: stripes, params: {images: 40}}]
classifiers: [{name: tiny-net, params: {epochs: 1, batch_size: 20}}]
methods: [median-cut]
colors: [2, 3]
baseline: median-cut
"""
TASK = EXAMPLES / "my_task.py"


def test_single_files_bring_a_method_a_dataset_and_a_classifier(workplace: Workplace) -> None:
    files = workplace.folder / "mine"
    files.mkdir()
    for example in ("my_quantizer.py", "my_task.py"):
        (files / example).write_bytes((EXAMPLES / example).read_bytes())
    spec = workplace.spec("datasets: [digits-on-photos]\nclassifiers: [alexnet]\nmethods: [median-cut]\ncolors: [2]\n")
    arguments = ["--plugin", files / "my_quantizer.py", "--plugin", files / "my_task.py"]
    workplace.fewcolors(
        "run", spec, *arguments, "--method", "my-quantizer", "--dataset", "stripes", "--classifier", "tiny-net"
    )
    cells = {row["variant"]: row for row in workplace.cells()}
    assert set(cells) == {"median-cut", "my-quantizer"}
    assert {(row["dataset"], row["classifier"], row["status"]) for row in cells.values()} == {
        ("stripes", "tiny-net", "ok")
    }
    page = (workplace.folder / "runs" / "tiny" / "report" / "index.html").read_text()
    assert "my-quantizer" in page


METRIC = """
import numpy as np
import fewcolors as fc

@fc.metric("worst", summary="largest error of any pixel")
class Worst:
    scale: float = 1.0

    def measure(self, original, decoded):
        worst = np.abs(original.astype(float) - decoded).max(axis=(1, 2, 3))
        return np.full(len(worst), np.nan) if self.scale < 0 else worst * self.scale
"""


def test_a_metric_from_a_file_has_columns_of_its_own(workplace: Workplace) -> None:
    (workplace.folder / "worst.py").write_text(METRIC)
    spec = workplace.spec(SPEC + "metrics: [mse, ciede2000, {name: worst, params: {scale: [1.0, 0.5]}}]\n")
    workplace.fewcolors("run", spec, "--plugin", TASK, "--plugin", "worst.py")
    for row in workplace.cells():
        assert row["status"] == "ok"
        assert 0 < float(row["worst"]) == 2 * float(row["worst scale=0.5"]) <= 255
        assert float(row["ciede2000"]) > 0
        assert row["ssim"] == "", "the spec leaves it out"
    assert "CIEDE2000" in (workplace.folder / "runs" / "tiny" / "report" / "index.html").read_text()
    spec = workplace.spec(SPEC + "metrics: [{name: worst, params: {scale: -1.0}}]\n", "broken")
    workplace.fewcolors("run", spec, "--plugin", TASK, "--plugin", "worst.py", code=1)
    assert {row["status"] for row in workplace.cells("broken")} == {"failed"}
    assert "metric 'worst': measure returned NaN for image 0" in workplace.cells("broken")[0]["error"]


def test_every_node_is_at_work_with_the_text_of_a_plugin_file_that_is_gone(workplace: Workplace) -> None:
    plugin, eraser = workplace.folder / "gone.py", workplace.folder / "eraser.py"
    plugin.write_text((EXAMPLES / "my_quantizer.py").read_text())
    eraser.write_text(
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from harness.contracts import DatasetArrays, Split\n"
        "from harness.registry import dataset\n"
        "@dataset('eraser')\n"
        "class Eraser:\n"
        "    def load(self):\n"
        f"        Path({str(plugin)!r}).unlink()\n"
        "        images = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), np.uint8)\n"
        "        split = Split.of(images, np.arange(300) % 2)\n"
        "        return DatasetArrays(split, split, ('even', 'odd'))\n"
    )
    spec = workplace.spec(SPEC.replace("colors: [2, 3]", f"colors: {list(range(2, 20))}"))
    plugins = [argument for file in (TASK, plugin, eraser) for argument in ("--plugin", file)]
    workplace.fewcolors("run", spec, *plugins, "--dataset", "eraser", "--method", "my-quantizer")
    assert not plugin.exists()
    assert {row["status"] for row in workplace.cells()} == {"ok"}
    hosts = {event["host"] for event in workplace.events() if event["event"] == "done"}
    assert len(hosts) == 2


def test_a_package_on_the_path_reaches_workers_that_do_not_have_it(workplace: Workplace) -> None:
    package = workplace.folder / "elsewhere" / "mypackage"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "grays.py").write_text("GRAYS = 2\n")
    (package / "method.py").write_text(
        "import numpy as np\n"
        "from harness.contracts import Palettized\n"
        "from harness.registry import quantizer\n"
        "from mypackage.grays import GRAYS\n"
        "@quantizer('packaged', summary='two grays')\n"
        "class Packaged:\n"
        "    def palettize(self, images, colors):\n"
        "        indices = (images.mean(axis=3) > 128).astype(np.uint8)\n"
        "        return Palettized(indices, np.zeros((len(images), GRAYS, 3), np.uint8))\n"
    )
    path = workplace.environment()["PYTHONPATH"] + ":" + str(package.parent)
    workplace.fewcolors(
        "run",
        workplace.spec(SPEC),
        "--plugin",
        TASK,
        "--plugin",
        "mypackage.method",
        "--method",
        "packaged",
        PYTHONPATH=path,
    )
    assert {row["status"] for row in workplace.cells()} == {"ok"}


def test_workers_look_first_where_the_command_is_started(workplace: Workplace) -> None:
    code = (
        "import ray; ray.init(log_to_driver=False); print(ray.get(ray.remote(lambda: __import__('sys').path).remote()))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=workplace.folder, env=workplace.environment(), capture_output=True, text=True
    )
    path = ast.literal_eval(ended.stdout)
    started = path.index(str(workplace.folder))
    others = [number for number, place in enumerate(path) if (Path(place) / "harness").is_dir()]
    assert all(started < number for number in others), "what harness.hiding assumes"


def test_a_library_on_the_path_that_has_changed_gives_new_numbers(workplace: Workplace) -> None:
    library, plugin = workplace.folder / "lib" / "posterlib.py", workplace.folder / "poster.py"
    library.parent.mkdir()
    plugin.write_text(
        "import numpy as np\n"
        "import posterlib\n"
        "from harness.contracts import Palettized\n"
        "from harness.registry import quantizer\n"
        "@quantizer('poster')\n"
        "class Poster:\n"
        "    def palettize(self, images, colors):\n"
        "        indices = (images.mean(axis=3) > 128).astype(np.uint8)\n"
        "        return Palettized(indices, np.array([posterlib.GRAYS] * len(images), np.uint8))\n"
    )
    spec = workplace.spec(
        SPEC.replace("[median-cut]", "[poster]").replace("[2, 3]", "[2]").replace("median-cut", "poster")
    )
    path = f"{workplace.environment()['PYTHONPATH']}:{library.parent}"
    psnr = []
    for grays in ("[[0] * 3, [255] * 3]  # a comment", "[[0] * 3, [255] * 3]", "[[64] * 3, [192] * 3]"):
        library.write_text(f"GRAYS = {grays}\n")
        arguments = ("run", spec, "--plugin", TASK, "--plugin", plugin, "--cpus", "1")
        ended = workplace.fewcolors(*arguments, PYTHONPATH=path, RAY_ADDRESS="")
        psnr.append(workplace.cells()[0]["psnr"])
        assert "posterlib" not in ended.err
    assert psnr[0] == psnr[1] != psnr[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example package, really installed, into a folder of its own."""
    target, source = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("source") / "plugin"
    for file in (EXAMPLES / "plugin").rglob("*"):
        if file.is_file() and "egg-info" not in str(file) and "__pycache__" not in str(file):
            copy = source / file.relative_to(EXAMPLES / "plugin")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([*pip, str(target), str(source)], check=True)
    return target


def test_an_installed_package_is_found_by_its_entry_points(workplace: Workplace, installed: Path) -> None:
    path = f"{workplace.environment()['PYTHONPATH']}:{installed}"
    listed = workplace.fewcolors("list", PYTHONPATH=path)
    assert "uniform" in listed.out
    assert "blobs" in listed.out
    assert "fewcolors-example 0.1.0" in listed.out
    spec = SPEC.replace("stripes", "blobs").replace("[median-cut]", "[median-cut, uniform]")
    # A cluster of its own: its workers see the folder the package is installed in.
    workplace.fewcolors("run", workplace.spec(spec), "--plugin", TASK, "--cpus", "2", PYTHONPATH=path, RAY_ADDRESS="")
    assert {(row["variant"], row["status"]) for row in workplace.cells()} == {("median-cut", "ok"), ("uniform", "ok")}


def test_list_shows_parameters_defaults_summary_and_origin(workplace: Workplace) -> None:
    shown = workplace.fewcolors("list", "--plugin", EXAMPLES / "my_quantizer.py").out
    assert "my-quantizer  as many pixels in each of C steps of gray, by brightness" in shown
    assert str(EXAMPLES / "my_quantizer.py") in shown
    assert "darkest: int = 0" in shown
    assert "colorcnn" in shown
    assert "built in" in shown


def test_validate_says_what_it_found_and_its_exit_code_tells(workplace: Workplace) -> None:
    shown = workplace.fewcolors("validate", "my-quantizer", "--plugin", EXAMPLES / "my_quantizer.py").out
    assert "keeps the contract" in shown
    assert "ms per 32 x 32 image" in shown
    broken = (EXAMPLES / "my_quantizer.py").read_text().replace(".astype(np.uint8)", "")
    plugin = workplace.folder / "mine.py"
    plugin.write_text(broken)
    shown = workplace.fewcolors("validate", "my-quantizer", "--plugin", plugin, "--level", "2", code=1).out
    assert "WRONG 2 colors: mixed images of 32 x 32 pixels: ContractError: indices are int64" in shown
