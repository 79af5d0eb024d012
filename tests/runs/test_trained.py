"""What a run trained, put to use from the real command line: photos, exports, explanations."""

import json
import shlex

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner
from workplace import EXAMPLES, Workplace

from harness.cli import app
from harness.contracts import BadInput

TASK = EXAMPLES / "my_task.py"
SPEC = """
datasets: [{name: stripes, params: {images: 40}}]
classifiers: [{name: tiny-net, params: {epochs: 1, batch_size: 20}}]
methods:
  - median-cut
  - {name: colorcnn, params: {width: 2, epochs: 1, batch_size: 20}, colors: [2, 3]}
  - {name: jpeg, quality: [20]}
colors: [4]
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory, address):
    workplace = Workplace(tmp_path_factory.mktemp("used"), address)
    workplace.fewcolors("run", workplace.spec(SPEC), "--plugin", TASK)
    return workplace


def photo(path, height=50, width=70):
    path.parent.mkdir(parents=True, exist_ok=True)
    walk = np.cumsum(np.random.default_rng(2).normal(0, 9, (height, width, 3)), axis=1)
    Image.fromarray((128 + walk).clip(0, 255).astype(np.uint8)).save(path)
    return path


def shown(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module")
def exported(done):
    """The export's output, its card and the folder both lie in."""
    said = done.fewcolors("export", "runs/tiny", "--method", "colorcnn", "--colors", "2", "-o", "taken", "--onnx")
    assert said.err == ""
    (path,) = (done.folder / "taken").glob("*.json")
    return said.out, json.loads(path.read_text()), path.parent


def test_photos_are_reduced_by_what_a_run_trained(done, exported):
    photo(done.folder / "photos" / "a.png")
    photo(done.folder / "photos" / "in" / "b.jpg", 33, 20)
    (done.folder / "photos" / "broken.png").write_text("no image")
    asked = ("--run", "runs/tiny", "--method", "colorcnn", "--colors", "2")
    ended = done.fewcolors("quantize", "photos", *asked, "-o", "reduced", code=1, RAY_ADDRESS="nowhere:1")
    written = sorted(path.relative_to(done.folder / "reduced") for path in (done.folder / "reduced").rglob("*.png"))
    assert [str(path) for path in written] == ["a.png", "in/b.png"]
    assert "photos/broken.png cannot be read as an image" in ended.out
    assert "photos/a.png -> reduced/a.png: 70 x 50, " in ended.out
    assert "2 of 3 images: " in ended.out
    assert "1 failed." in ended.out
    namespace = {"images": np.stack([shown(done.folder / "photos" / "a.png")])}
    lines = exported[1]["load"]
    exec("\n".join(lines).replace('load_exported("', f'load_exported("{exported[2]}/'), namespace)
    assert len(lines) == 3
    assert np.array_equal(shown(done.folder / "reduced" / "a.png"), namespace["reduced"].render()[0])


def test_an_export_says_all_about_itself_and_its_onnx_agrees(done, exported):
    said, card, folder = exported
    name = "colorcnn-2-colors-stripes-tiny-net-seed-0"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{name}.{end}" for end in ("json", "onnx", "safetensors")
    ]
    (cell,) = (cell for cell in done.cells() if cell["method"] == "colorcnn" and cell["level"] == "2")
    assert card["accuracy"]["reduced"] == pytest.approx(float(cell["accuracy"]))
    assert card["accuracy"]["original"] == pytest.approx(float(cell["original_accuracy"]))
    assert card["accuracy"]["test_images"] == int(cell["n"]) == card["onnx"]["compared"]["test_images"]
    assert card["params"] == json.loads(cell["params"])
    assert card["dataset"]["classes"] == 4
    assert {job["key"] for job in done.plan()["jobs"] if job["stage"] == "quantizers"} >= {card["key"]}
    assert str(done.folder) not in json.dumps(card)
    assert "onnxruntime gives 100.0000% of the pixels the same color as ours" in said

    import onnxruntime

    session = onnxruntime.InferenceSession(folder / card["onnx"]["file"])
    pixels = shown(photo(done.folder / "c.png", 45, 31))[None]
    indices, palettes = session.run(["indices", "palettes"], {"pixels": pixels})
    done.fewcolors(
        *("quantize", "c.png", "--run", "runs/tiny", "--method", "colorcnn", "--colors", "2", "-o", "d.png"),
        RAY_ADDRESS="nowhere:1",
    )
    assert np.array_equal(palettes[0][indices[0]], shown(done.folder / "d.png"))


def test_any_test_images_are_explained(done):
    asked = ("--image", "39", "--image", "7", "--method", "colorcnn", "--plugin", TASK)
    said = done.fewcolors("explain", "runs/tiny", *asked, RAY_ADDRESS="nowhere:1")
    folder = done.folder / "runs" / "tiny" / "explain"
    assert said.err == ""
    assert f"Pictures: {folder / 'gallery.html'}" in said.out
    page = (folder / "gallery.html").read_text()
    assert "image 39" in page
    assert "image 7" in page
    assert "median-cut" not in page
    pictures = folder / "pictures" / "stripes-tiny-net-seed-0-colorcnn-at-2-colors"
    kinds = {path.stem.partition("-")[2] for path in pictures.glob("7*.png")}
    assert kinds == {"", "original", "activation", "train-time"}, "tiny-net has no features to map"
    (key,) = (job["key"] for job in done.plan()["jobs"] if job["stage"] == "datasets")
    test = np.load(done.folder / "store" / "datasets" / key / "test_images.npy")
    assert np.array_equal(shown(pictures / "39-original.png"), test[39])
    (cell,) = (cell for cell in done.cells() if cell["variant"] == "colorcnn" and cell["level"] == "2")
    jobs = {job["key"]: job for job in done.plan()["jobs"]}
    applied = done.folder / "store" / "applied" / jobs[cell["key"]]["inputs"]["applied"][1]
    decoded = np.load(applied / "palettes.npy")[39][np.load(applied / "indices.npy")[39]]
    assert np.array_equal(shown(pictures / "39.png"), decoded)


def in_this_process(command, workplace, monkeypatch):
    """Starting a process takes longer than all that these commands do."""
    monkeypatch.chdir(workplace.folder)
    words = [str(TASK) if word == TASK.name else word for word in shlex.split(command)]
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("quantize c.png --method colorcnn --colors 2 -o x.png", "it has to be trained; name a run that trained it"),
        ("quantize c.png --method wu -o x.png", "--colors is missing: 'wu' needs one from 2 to 256."),
        ("quantize c.png --method wu --colors 257 -o x.png", "--colors 257: out of range"),
        ("quantize c.png --method wu --quality 5 -o x.png", "--quality 5: 'wu' has no quality, it takes --colors."),
        ("quantize c.png --method original --colors 2 -o x.png", "'original' has no colors, leave it out."),
        ("quantize c.png --method wu --colors 2 --seed 1 -o x.png", "--run is missing"),
        ("quantize c.png --method wu --colors 2 --param bins=many -o x.png", "--param"),
        ("quantize c.png --method wuu --colors 2 -o x.png", "there is no method 'wuu', did you mean 'wu'?"),
        ("quantize c.png --run runs/tiny --method colorcnn --colors 4 -o x.png", "was trained for 2, 3 colors"),
        ("quantize c.png --run runs/tiny --method jpeg --colors 4 -o x.jpg", "'jpeg' has no colors"),
        (
            "quantize c.png --run runs/tiny --method median-cut --colors 4 --seed 5 -o x.png",
            "--seed 5: runs/tiny does not have it with the other choices (it has: 0).",
        ),
        ("quantize c.png --run runs/tiny --method colorcnn --colors 2 --param width=3 -o x.png", "--param width=3"),
        ("quantize c.png --run nowhere --method colorcnn --colors 2 -o x.png", "nowhere: not a run's folder"),
        ("export runs/tiny --method median-cut --colors 4 -o x", "'median-cut' learns nothing"),
        ("export runs/tiny --method colorcnn --colors 2 -o taken", "exists already; --overwrite replaces it."),
        (
            "explain runs/tiny --image 40 --plugin my_task.py",
            "--image 40: the test images of stripes are numbered 0 to 39",
        ),
        ("explain runs/tiny --image 4 --method otsu --plugin my_task.py", "no such variant (it has: median-cut"),
        ("explain runs/tiny --image 4", "was it run with a --plugin?): there is no classifier 'tiny-net'"),
        ("explain runs/tiny --image 4 --seed 1 --plugin my_task.py", "--seed 1: runs/tiny does not have it with"),
    ],
)
@pytest.mark.usefixtures("exported")
def test_wrong_input_is_one_sentence_and_writes_nothing(done, command, sentence, monkeypatch):
    photo(done.folder / "c.png")
    ended = in_this_process(command, done, monkeypatch)
    assert isinstance(ended.exception, BadInput), ended.output
    assert sentence in str(ended.exception)
    assert "\n" not in str(ended.exception)
    assert not list(done.folder.glob("x*"))


def test_methods_without_training_and_codecs_need_no_run(done, monkeypatch):
    photo(done.folder / "c.png")

    def quantize(asked):
        ended = in_this_process(f"quantize c.png --method {asked}", done, monkeypatch)
        return str(ended.exception) if ended.exception else ended.output

    def colors(name):
        return len(np.unique(shown(done.folder / name).reshape(-1, 3), axis=0))

    assert " 8 colors, " in quantize("wu --colors 8 -o wu.png")
    assert quantize("wu --colors 2 -o wu.png") == "wu.png exists already; --overwrite replaces it."
    assert colors("wu.png") == 8
    assert " 2 colors, " in quantize("wu --colors 2 -o wu.png --overwrite")
    assert colors("wu.png") == 2
    quantize("median-cut --colors 2 -o plain.png")
    quantize("median-cut --colors 2 --param dither=floyd-steinberg -o dithered.png")
    assert not np.array_equal(shown(done.folder / "plain.png"), shown(done.folder / "dithered.png"))
    quantize("jpeg --quality 30 -o c.jpg")
    with Image.open(done.folder / "c.jpg") as image:
        assert image.format == "JPEG"
