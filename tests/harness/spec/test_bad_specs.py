"""Every bad spec costs one sentence that names the place and what is wrong there, and offers what would be right."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from harness.contracts import BadInput
from harness.discovery import discover
from harness.plan import check_inputs, make_plan
from harness.spec.file import read_spec
from harness.spec.resolve import resolve

REPOSITORY = Path(__file__).parents[3]
GOOD = """
datasets: [digits-on-photos]
classifiers: [alexnet]
methods: [median-cut]
colors: [2]
"""
ALEXNET = "classifiers: [{{name: alexnet, params: {{{}}}}}]"
FOLDER = "datasets: [{{name: image-folder, params: {{{}}}}}]"
METHOD = "methods: [octree, {{name: {}}}]"

CHANGES = [
    # what is written over GOOD, the whole sentence or, up to a "...", its beginning
    # unknown keys, at every level
    ("colours: [2]", "spec: unknown key 'colours', did you mean 'colors'? (known: name, datasets, classifiers, ..."),
    ("zzz: 1", "spec: unknown key 'zzz' (known: name, ..."),
    ("datasets: [{name: digits-on-photos, param: {}}]",
     "datasets[0]: unknown key 'param', did you mean 'params'? (known: name, params, label, ..."),
    (METHOD.format("median-cut, dither: none"),
     "methods[1]: unknown key 'dither' (known: name, params, colors, quality, search, taught_by); a param..."),
    ("classifiers: [{name: alexnet, colors: [2]}]",
     "classifiers[0]: unknown key 'colors' (known: name, params); it belongs..."),
    ("resources: {cells: {cpu: 1}}",
     "resources.cells: unknown key 'cpu', did you mean 'cpus'? (known: cpus, gpus, memory, seconds)."),
    ("resources: {cell: {cpus: 1}}",
     "resources: unknown stage 'cell', did you mean 'cells'? "
     "(known: datasets, classifiers, quantizers, applied, cells)."),
    ("resources: {quantizer/colorcnn: {cpus: 1}}",
     "resources: unknown stage 'quantizer', did you mean 'quantizers'? "
     "(known: datasets, classifiers, quantizers, applied, cells)."),
    ("resources: {quantizers/colorcn: {cpus: 1}}",
     "resources.quantizers/colorcn: there is no method 'colorcn', did you mean 'colorcnn'? (..."),
    ("resources: {cells/colorcnn: {cpus: 1}}",
     "resources.cells/colorcnn: there is no classifier 'colorcnn'..."),
    ("resources: {datasets/: {cpus: 1}}", "resources.datasets/: there is no dataset ''..."),
    ("resources: {quantizers/otsu: {cpus: 1}}",
     "resources.quantizers/otsu: 'otsu' learns nothing, so that nothing of it is fitted."),
    ("resources: {quantizers/colorcnn: {cpu: 1}}",
     "resources.quantizers/colorcnn: unknown key 'cpu', did you mean 'cpus'? (known: cpus, gpus, memory, seconds)."),
    ("1: 2", "spec: a key should be a string, got 1."),
    # unknown plugins and parameters
    ("metrics: [mss]", "metrics[0]: there is no metric 'mss', did you mean 'mse'? (known: ciede2000, ..."),
    ("metrics: [lpips]", "metrics[0].params.weights: it is missing and has no default."),
    ("metrics: [mse, mse]", "metrics[1]: 'mse' with the same parameters is already listed at metrics[0]."),
    ("datasets: [digits]", "datasets[0]: there is no dataset 'digits', did you mean 'digits-on-photos'? (known: ..."),
    ("classifiers: [alexnet, resnet]",
     "classifiers[1]: there is no classifier 'resnet', did you mean 'resnet18'? (known: alexnet, "
     "imagenet-convnext-tiny, imagenet-resnet18, imagenet-resnet50, imagenet-vit-b-16, resnet18, timm, vgg16)."),
    (METHOD.format("mediancut"), "methods[1]: there is no method 'mediancut', did you mean ..."),
    ("methods: [alexnet]", "methods[0]: there is no method 'alexnet' (fewcolors list shows all ..."),
    ("reports: [tables, htlm]", "reports[1]: there is no report 'htlm', did you mean 'html'? (known: ..."),
    ("datasets: [{name: digits-on-photos, train_images: 0}]",
     "datasets[0].train_images: it should be greater than or equal to 1, got 0."),
    ("datasets: [{name: digits-on-photos, test_images: 0}]",
     "datasets[0].test_images: it should be greater than or equal to 1, got 0."),
    ("datasets: [{name: digits-on-photos, test_images: '50'}]",
     "datasets[0].test_images: it should be a valid integer, got '50'; write 50 without quotes."),
    ("methods: [{name: median-cut, test_images: 50}]",
     "methods[0]: unknown key 'test_images' (known: name, params, colors, quality, search, taught_by); it belongs..."),
    ('datasets: [{name: digits-on-photos, label: "two\\nlines"}]',
     "datasets[0].label: it names the dataset in tables: 1 to 60 characters in one line, no space around, got ..."),
    ("datasets: [{name: digits-on-photos, label: 7}]", "datasets[0].label: it should be a valid string, got 7."),
    ("classifiers: [{name: alexnet, label: a}]",
     "classifiers[0]: unknown key 'label' (known: name, params); it belongs to a dataset's own entry: {name: ima..."),
    (METHOD.format("colorcnn, params: {gama: 1}"),
     "methods[1].params: method 'colorcnn' has no parameter 'gama', did you mean 'gamma'? (has: ..."),
    (ALEXNET.format("epoch: 3"),
     "classifiers[0].params: classifier 'alexnet' has no parameter 'epoch', did you mean 'epochs'? (has: epo..."),
    (FOLDER.format("folder: x"), "datasets[0].params: dataset 'image-folder' has no parameter 'folder' (has: ..."),
    (METHOD.format("original, params: {a: 1}"),
     "methods[1].params: method 'original' has no parameter 'a' (has: none)."),
    ("baseline: mediancut",
     "baseline: no variant is called 'mediancut', did you mean 'median-cut'? (here: median-cut)."),
    # wrong types
    ("datasets: digits-on-photos", "datasets: it should be a list; write [digits-on-photos]."),
    ("datasets: {name: digits-on-photos}", "datasets: it should be a list; write [{name: digits-on-photos}]."),
    ("datasets: null", "datasets: it should be a list, got None (the value is empty)."),
    ("methods: [3]", "methods[0]: it should be a name, or a mapping with a name and params, got 3."),
    ("methods: [[median-cut]]", "methods[0]: it should be a name, or a mapping with a name and params, got ['med..."),
    ("methods: [null]", "methods[0]: it should be a name, or a mapping with a name and params, got None (t..."),
    ("methods: [{name: 3}]", "methods[0].name: it should be a valid string, got 3."),
    ("methods: [{name: no}]", "methods[0].name: it should be a valid string, got False; YAML reads yes, no, ..."),
    (METHOD.format("median-cut, params: [dither]"), "methods[1].params: it should be a mapping, got ['dither']."),
    (METHOD.format("median-cut, params: null"), "methods[1].params: it should be a mapping, got None (the ..."),
    (METHOD.format("median-cut, params: {1: 2}"), "methods[1].params: a key should be a valid string, got 1."),
    ("colors: two", "colors[0]: it should be a valid integer, got 'two'."),
    ("colors: [2, true]", "colors[1]: it should be a valid integer, got True."),
    ("colors: [2.0]", "colors[0]: it should be a valid integer, got 2.0; write 2."),
    ("colors: {low: 2}", "colors[0]: it should be a valid integer, got {'low': 2}."),
    ("colors: null", "colors: it should be a list, got None (the value is empty)."),
    ("seeds: [a]", "seeds[0]: it should be a valid integer, got 'a'."),
    ("seeds: 1.5", "seeds: it should be a list, got 1.5."),
    ("recognized: high", "recognized: it should be a valid number, got 'high'."),
    ("baseline: [median-cut]", "baseline: it should be a valid string, got ['median-cut']."),
    ("reports: html", "reports: it should be a list; write [html]."),
    ("reports: [1]", "reports[0]: it should be a valid string, got 1."),
    ("resources: [cells]", "resources: it should be a mapping, got ['cells']."),
    ("resources: {cells: 2}", "resources.cells: it should be a mapping, got 2."),
    ("resources: {cells: {cpus: '2'}}", "resources.cells.cpus: it should be a valid number, got '2'; write 2..."),
    ("name: 3", "name: it should be a valid string, got 3."),
    (ALEXNET.format("epochs: '3'"), "classifiers[0].params.epochs: it should be a valid integer, got '3'; write..."),
    (ALEXNET.format("epochs: true"), "classifiers[0].params.epochs: it should be a valid integer, got True."),
    (ALEXNET.format("epochs: 3.0"), "classifiers[0].params.epochs: it should be a valid integer, got 3.0; write 3."),
    (ALEXNET.format("epochs: null"), "classifiers[0].params.epochs: it should be a valid integer, got None..."),
    (ALEXNET.format("epochs: {low: 2}"), "classifiers[0].params.epochs: it should be a valid integer, got {'low': 2}."),
    (ALEXNET.format("cycle_momentum: 1"), "classifiers[0].params.cycle_momentum: it should be a valid boolean, ..."),
    (ALEXNET.format("rate: fast"), "classifiers[0].params.rate: it should be a valid number, got 'fast'."),
    (ALEXNET.format("rate: 2020-01-01"), "classifiers[0].params.rate: datetime.date(2020, 1, 1) is not a plain..."),
    (FOLDER.format("root: 3"), "datasets[0].params.root: it should be a valid string, got 3."),
    # levels
    ("colors: 1", "colors: 1 is out of range, it must be from 2 to 256."),
    ("colors: [4, 0]", "colors: 0 is out of range, it must be from 2 to 256."),
    ("colors: [257]", "colors: 257 is out of range, it must be from 2 to 256."),
    ("colors: [2, 4, 2]", "colors: 2 is listed 2 times; list it once."),
    (METHOD.format("median-cut, colors: 1"), "methods[1].colors: 1 is out of range, it must be from 2 to 256."),
    (METHOD.format("median-cut, colors: [8, 8]"), "methods[1].colors: 8 is listed 2 times; list it once."),
    (METHOD.format("jpeg, quality: 0"), "methods[1].quality: 0 is out of range, it must be from 1 to 100."),
    (METHOD.format("jpeg, quality: [50, 101]"), "methods[1].quality: 101 is out of range, it must be from 1 to 100."),
    (METHOD.format("jpeg, quality: high"), "methods[1].quality[0]: it should be a valid integer, got 'high'."),
    (METHOD.format("jpeg, colors: 2"), "methods[1].colors: 'jpeg' has no colors, it takes quality."),
    (METHOD.format("median-cut, quality: 50"), "methods[1].quality: 'median-cut' has no quality, it takes colors."),
    (METHOD.format("original, colors: 2"), "methods[1].colors: 'original' has no colors, leave colors out."),
    (METHOD.format("original, quality: 2"), "methods[1].quality: 'original' has no quality, leave quality out."),
    # empty lists
    ("datasets: []", "datasets: the list is empty, at least one is needed."),
    ("classifiers: []", "classifiers: the list is empty, at least one is needed."),
    ("methods: []", "methods: the list is empty, at least one is needed."),
    ("seeds: []", "seeds: the list is empty, at least one is needed."),
    ("colors: []", "colors: the list is empty, at least one is needed."),
    ("reports: []", "reports: the list is empty, at least one is needed."),
    (METHOD.format("median-cut, colors: []"), "methods[1].colors: the list is empty, at least one is needed."),
    (METHOD.format("median-cut, params: {dither: []}"),
     "methods[1].params.dither: the list is empty, at least one value is needed."),
    # what is missing, or there twice
    ("methods: [{params: {dither: none}}]", "methods[0].name: it is missing and has no default."),
    ("datasets: [image-folder]", "datasets[0].params.root: it is missing and has no default."),
    ("seeds: [0, 1, 1]", "seeds: 1 is listed 2 times; list it once."),
    ("reports: [html, html]", "reports: 'html' is listed 2 times; list it once."),
    ("datasets: [digits-on-photos, digits-on-photos]",
     "datasets[1]: 'digits-on-photos' with the same parameters is already listed at datasets[0]."),
    ("classifiers: [alexnet, {name: alexnet, params: {epochs: 60}}]",
     "classifiers[1]: 'alexnet' with the same parameters is already listed at classifiers[0]."),
    (ALEXNET.format("epochs: [1, 2, 1]"), "classifiers[0].params.epochs: '1' is listed 2 times; list it once."),
    # values out of range
    ("seeds: [2147483648]", "seeds[0]: it should be less than 2147483648, got 2147483648."),
    ("seeds: [-1]", "seeds[0]: it should be greater than or equal to 0, got -1."),
    ("seeds: 2147483648", "seeds: it should be a list; write [2147483648]."),
    ("recognized: 0", "recognized: it should be greater than 0, got 0."),
    ("recognized: 1.5", "recognized: it should be less than or equal to 1, got 1.5."),
    ("precision: fp16", "precision: it should be 'fp32' or 'bf16', got 'fp16'."),
    ("precision: {quantizers: fp16}", "precision.quantizers: it should be 'fp32' or 'bf16', got 'fp16'."),
    ("precision: {cells: bf16}", "precision: unknown key 'cells' (known: classifiers, quantizers)."),
    ("bits: bytes", "bits: it should be 'file', 'payload' or 'entropy', got 'bytes'."),
    ("bits: 8", "bits: it should be 'file', 'payload' or 'entropy', got 8."),
    ("bits: bpp_payload", "bits: 'bpp_payload' is a column of cells.csv; write payload."),
    ("bits: [file, payload]", "bits: it should be one of file, payload and entropy, which the report shows first..."),
    ("name: ../up", "name: it names a folder: letters, digits, '.', '_' and '-', the first a letter or digit, got..."),
    ("name: ''", "name: it names a folder: letters, digits, '.', '_' and '-', the first a letter or digit, got ''."),
    ("resources: {cells: {cpus: -1}}", "resources.cells.cpus: it should be greater than 0, got -1."),
    ("resources: {cells: {gpus: 1.5}}", "resources.cells.gpus: more than one of gpus must be a whole number, got 1.5."),
    ("resources: {cells: {cpus: 0.001}}", "resources.cells.cpus: cpus must be 0.01 or more, got 0.001."),
    ("resources: {cells: {gpus: some}}", "resources.cells.gpus: it should be a valid number or 'required', got..."),
    ("resources: {cells: {gpus: -0.5}}", "resources.cells.gpus: it should be greater than or equal to 0..."),
    ("resources: {classifiers: {seconds: 0}}", "resources.classifiers.seconds: it should be greater than 0, got 0."),
    ("resources: {applied: {memory: 1.5}}", "resources.applied.memory: it should be a valid integer, got 1.5."),
    (METHOD.format("median-cut, params: {dither: floyd}"),
     "methods[1].params.dither: it should be 'none', 'floyd-steinberg', 'floyd-steinberg-clipped' or "
     "'floyd-steinberg-plain', got 'floyd'."),
    (METHOD.format("median-cut, params: {dither: [none, floyd]}"), "methods[1].params.dither: it should be 'none'..."),
    (ALEXNET.format("width: 0"), "classifiers[0].params.width: it should be greater than 0, got 0."),
    (ALEXNET.format("epochs: 0"), "classifiers[0].params.epochs: it should be greater than or equal to 1, got 0."),
    (ALEXNET.format("rate: .nan"), "classifiers[0].params.rate: nan is not a finite number."),
    (FOLDER.format("root: x, test_fraction: 1.0"),
     "datasets[0].params.test_fraction: it should be less than 1, got 1.0."),
    (FOLDER.format("root: x, side: 4"), "datasets[0].params.side: it should be greater than or equal to 8, got 4."),
    # files that plugins read
    (FOLDER.format("root: gone"), "datasets[0]: root: gone is a folder that does not exist."),
    (FOLDER.format("root: file.txt"), "datasets[0]: root: file.txt is not a folder."),
    (FOLDER.format("root: empty"), "datasets[0]: root: empty holds no images in class folders (looked for .apng ..."),
    (FOLDER.format("root: one"), "datasets[0]: root: one has one class only, 'cats'; at least two are needed."),
    (FOLDER.format("root: damaged"), "datasets[0]: damaged/dogs/b.png cannot be read as an image (no image format ..."),
    ("datasets: [digits-on-photos, {name: image-folder, params: {root: gone}}]", "datasets[1]: root: gone is a ..."),
    (ALEXNET.format("weights: gone.safetensors"), "classifiers[0]: weights: there is no file gone.safetensors."),
    (ALEXNET.format("weights: damaged"), "classifiers[0]: weights: there is no file damaged."),
    (ALEXNET.format("weights: file.txt"), "classifiers[0]: weights: file.txt is not a safetensors file (..."),
]  # fmt: skip

SEVERAL = [
    # a whole spec, and all that is wrong with it
    ("colours: [2]\ndatasets: [digits]\nclassifiers: [alexnet]\nmethods: [mediancut, octree]\nbaseline: octre\n",
     ["spec: unknown key 'colours', did you mean 'colors'?...", "datasets[0]: there is no dataset 'digits', ...",
      "methods[0]: there is no method 'mediancut', ..."]),
    ("datasets: digits-on-photos\nclassifiers: [{name: alexnet, params: {epoch: 1, width: 0, rate: [0, 1]}}]\n"
     "methods: [3, {name: jpeg, quality: [0, 101], params: {optimize: 2}}]\ncolors: [1, 2, 2, 300]\n",
     ["datasets: it should be a list; ...", "methods[0]: it should be a name, ...", "colors: 1 is out of range, ...",
      "colors: 300 is out of range, ...", "colors: 2 is listed 2 times; ...",
      "classifiers[0].params: classifier 'alexnet' has no parameter 'epoch', ...",
      "classifiers[0].params.width: it should be greater than 0...", "classifiers[0].params.rate: it should be ...",
      "methods[1].quality: 0 is out of range, ...", "methods[1].quality: 101 is out of range, ...",
      "methods[1].params.optimize: it should be a valid boolean..."]),
    ("methods: []\nseeds: [a, 1, b]\nreports: [htlm, tabels]\n",
     ["datasets: it is missing ...", "classifiers: it is missing ...", "methods: the list is empty, ...",
      "seeds[0]: it should ...", "seeds[2]: it should ...", "reports[0]: there is ...", "reports[1]: there is ..."]),
    ("dataset: [digits-on-photos]\nclassifier: [alexnet]\nmethods: [{nam: otsu}, "
     "{name: otsu, params: {a: 1}, color: 2}]",
     ["spec: unknown key 'dataset', did you mean 'datasets'?...",
      "spec: unknown key 'classifier', did you mean 'classifiers'?...",
      "methods[0]: unknown key 'nam', did you mean 'name'?...",
      "methods[1]: unknown key 'color', did you mean 'colors'?...",
      "methods[1].params: method 'otsu' has no parameter 'a' ..."]),
    (GOOD.replace("[median-cut]", "[median-cut, {name: median-cut, dither: none}, octre]") + "baseline: octree\n",
     ["methods[1]: unknown key 'dither' ...", "methods[2]: there is no method 'octre', ..."]),
    (GOOD.replace("[median-cut]", "[{name: colorcnn, search: {gama: {choice: [0]}, xi: {uniform: 3}}}, otsu, otsu2]")
     + "search: {trails: 3}\nseeds: [0]\n",
     ["search: unknown key 'trails', did you mean 'trials'?...",
      "methods[0].search: method 'colorcnn' has no parameter...",
      "methods[0].search.xi.uniform: it should be a list, ...", "methods[2]: there is no method 'otsu2', ..."]),
]  # fmt: skip


@pytest.fixture(scope="module")
def registry():
    return discover()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("bad-specs")
    (root / "file.txt").write_text("no tensors, no images")
    (root / "empty" / "cats").mkdir(parents=True)
    for name in ("one/cats/a.png", "one/cats/b.png", "damaged/cats/a.png", "damaged/cats/b.png", "damaged/dogs/a.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / name)
    (root / "damaged/dogs/b.png").write_text("no image")
    return root


def check_all(path, registry):
    spec = resolve(read_spec(path), registry)
    make_plan(spec)
    for choice in (*spec.datasets, *spec.classifiers):
        check_inputs(choice)


def complaint(path, registry):
    """The sentence that reading, resolving, planning and looking at files ends with."""
    with pytest.raises(BadInput) as error:
        check_all(path, registry)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert len(sentence) < 300
    assert sentence.endswith(".")
    return sentence


def agrees(sentence, expected):
    return sentence.startswith(expected[:-3]) if expected.endswith("...") else sentence == expected


@pytest.mark.parametrize(("change", "expected"), CHANGES, ids=[change for change, _ in CHANGES])
def test_bad_specs(change, expected, folder, registry, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    content = yaml.safe_load(GOOD) | yaml.safe_load(change)
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(content))
    sentence = complaint(path, registry)
    assert agrees(sentence, expected), sentence


@pytest.mark.parametrize(("text", "expected"), SEVERAL)
def test_all_errors_of_a_spec_are_said_at_once_and_none_that_follows_from_another(text, expected, registry, tmp_path):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(BadInput) as error:
        resolve(read_spec(tmp_path / "bad.yaml"), registry, called="bad.yaml")
    head, *lines = str(error.value).splitlines()
    assert head == f"bad.yaml has {len(expected)} errors:"
    assert len(lines) == len(expected), lines
    for start in expected:
        assert any(agrees(line.removeprefix("  "), start) for line in lines), (start, lines)


FILES = [
    (None, "{}: there is no spec file or example of that name; fewcolors examples lists them."),
    (b"", "{}: a spec is a mapping with datasets, classifiers and methods, this is empty."),
    (b"# nothing\n", "{}: a spec is a mapping with datasets, classifiers and methods, this is empty."),
    (b"- digits-on-photos\n", "{}: a spec is a mapping with datasets, classifiers and methods, this is a list."),
    (b"hello\n", "{}: a spec is a mapping with datasets, classifiers and methods, this is a str."),
    (b"colors: [2\nseeds: 1\n", "{}, line 2: not valid YAML: expected ',' or ']', but got ':'."),
    (b"colors: 2\n\tseeds: 1\n", "{}, line 2: not valid YAML: there is a tab here; indent lines with spaces only."),
    (b"colors: 2\n  seeds: 1\n", "{}, line 2: not valid YAML: mapping values are not allowed here."),
    (b"a: 1\n---\nb: 1\n", "{}, line 2: not valid YAML: but found another document."),
    (b"a: *gone\n", "{}, line 1: not valid YAML: found undefined alias 'gone'."),
    (b"a: !!python/object:os.system 1\n", "{}, line 1: not valid YAML: could not determine a constructor for the ..."),
    (b"colors: 2\ncolors: 4\n", "{}, line 1: not valid YAML: duplicate key 'colors'."),
    (b"\x89PNG\r\n\x1a\n\xff", "{}: the spec cannot be read: it is not a text file in UTF-8."),
    (b"a: \0\0\0", "{}: not valid YAML: special characters are not allowed."),
    ("folder", "{}: the spec cannot be read: Is a directory."),
    (b"methods: [median-cut]\ndatasets: [digits-on-photos]", "classifiers: it is missing and has no default."),
]


@pytest.mark.parametrize(("content", "expected"), FILES, ids=[str(content) for content, _ in FILES])
def test_bad_spec_files(content, expected, registry, tmp_path):
    path = tmp_path / "bad.yaml"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    sentence = complaint(path, registry)
    assert agrees(sentence, expected.format(path)), sentence


def test_the_spec_they_are_made_of_is_good(registry, tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    assert len(make_plan(resolve(read_spec(tmp_path / "good.yaml"), registry)).cells) == 1


@pytest.mark.parametrize(
    ("arguments", "spec", "expected"),
    [
        (["plan", "bad.yaml"], GOOD + "seeds: [-1]", r"seeds\[0\]: it should be greater than or equal to 0, got -1\."),
        (["run", "bad.yaml"], GOOD + "seeds: [-1]\nbaseline: otsu",
         r"bad\.yaml has 2 errors:\n  seeds\[0\]: it should be .*\n  baseline: no variant .*"),
        (["run", "bad.yaml"], "colors: [2", r"bad\.yaml, line 1: not valid YAML: .*"),
        (["plan", "gone.yaml"], "", r"gone\.yaml: there is no spec file or example .*"),
        (["plan", "bad.yaml", "--plugin", "gone.py"], GOOD, r"--plugin gone\.py: there is no such file\."),
        (["run", "bad.yaml", "--method", "mediancut"], GOOD, r"methods\[1\]: there is no method 'mediancut', did .*"),
        (["plan", "bad.yaml", "--dataset", "image-folder"], GOOD, r"datasets\[0\]\.params\.root: it is missing and .*"),
    ],
)  # fmt: skip
def test_the_command_line_says_it_in_one_line_and_leaves_nothing(arguments, spec, expected, tmp_path):
    (tmp_path / "bad.yaml").write_text(spec)
    ended = subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(f"fewcolors: {expected}\n", ended.stderr), ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]
