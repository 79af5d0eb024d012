"""What is in a key: everything that changes a number, and nothing else.

Each case is a plugin, as a user writes one, that is planned before and after something changed.
"""

import base64
import csv
import hashlib
import importlib
import io
import os
import shutil
import sys
import warnings
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from workplace import Workplace

import fewcolors
from harness import digests
from harness.contracts import BadInput
from harness.digests import code_of
from harness.discovery import discover
from harness.plan import CALLED, make_plan
from harness.registry import Registry
from harness.search.plan import plan_searches, trial_job
from harness.sources import read_source
from harness.spec.resolve import resolve

pytestmark = pytest.mark.usefixtures("cleanup_modules")

EXAMPLES = Path(__file__).parents[2] / "examples"
EXTENSION = f"lib/fast{EXTENSION_SUFFIXES[0]}"


TASK = """
from harness.registry import classifier, dataset

@dataset("toy-dots")
class Dots:
    def load(self): ...

@classifier("toy-net")
class Net:
    def build(self, classes): ...
    def fit(self, lesson): ...
"""


class Desk:
    """A user's folder with a plugin in ``mine.py`` and whatever else, of which ``lib`` is on the path."""

    def __init__(self, folder):
        self.folder = folder
        self.write({"task.py": TASK})

    def write(self, files):
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def plugin(self, *sources, kind="method", name="mine"):
        """As a fresh process would find it."""
        for module, loaded in list(sys.modules.items()):
            if str(getattr(loaded, "__file__", None) or "").startswith(str(self.folder)):
                del sys.modules[module]
        for module in [m for m in sys.modules if m.startswith("toy_")]:
            del sys.modules[module]
        sys.path_importer_cache.clear()
        importlib.invalidate_caches()
        digests.forget()
        files = [self.folder / "task.py", *(sources or [self.folder / "mine.py"])]
        self.registry = discover([read_source(str(file)) for file in files])
        return self.registry.get(kind, name, "test")

    def keys(self, *sources, params=None, more=()):
        """Stage -> key of the jobs of the plugin."""
        self.plugin(*sources)
        content = {
            "name": "x",
            "datasets": ["toy-dots"],
            "classifiers": ["toy-net"],
            "methods": [{"name": "mine", "params": params or {}}, *more],
            "colors": 2,
        }
        plan = make_plan(resolve(content, self.registry))
        return {job.stage: key for key, job in plan.jobs.items() if job.name.startswith("mine ")}


@pytest.fixture
def desk(tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return Desk(tmp_path)


def plugin(top="", inside="pass", more="", base="", decorator='@quantizer("mine")'):
    return (
        "import numpy as np\nfrom harness.contracts import Needs, Palettized\nfrom harness.registry import quantizer\n"
        f"{top}\n\n{decorator}\nclass Mine{base}:\n    gamma: float = 1.0\n\n"
        f"    def palettize(self, images, colors):\n        {inside}\n{more}\n"
    )


ONE, TWO = "def entries(n):\n    return n\n", "def entries(n):\n    return n + 1\n"

STALE = {
    "the plugin itself": ({"mine.py": plugin(inside="return 1")}, {"mine.py": plugin(inside="return 2")}),
    "a function of its module": (
        {"mine.py": plugin(ONE, "entries(1)")},
        {"mine.py": plugin(TWO, "entries(1)")},
    ),
    "a default": ({"mine.py": plugin()}, {"mine.py": plugin().replace("1.0", "2.0")}),
    "a library on the path": (
        {"mine.py": plugin("import toy_lib", "toy_lib.entries(1)"), "lib/toy_lib.py": ONE},
        {"lib/toy_lib.py": TWO},
    ),
    "a library under another name": (
        {
            "mine.py": plugin("import toy_lib.colors as c", "c.entries(1)"),
            "lib/toy_lib/__init__.py": "",
            "lib/toy_lib/colors.py": ONE,
        },
        {"lib/toy_lib/colors.py": TWO},
    ),
    "a library of the library": (
        {
            "mine.py": plugin("from toy_lib import entries", "entries(1)"),
            "lib/toy_lib.py": "from toy_deep import entries",
            "lib/toy_deep.py": ONE,
        },
        {"lib/toy_deep.py": TWO},
    ),
    "a relative import of a library": (
        {
            "mine.py": plugin("from toy_lib import entries", "entries(1)"),
            "lib/toy_lib/__init__.py": "from .inner.colors import entries",
            "lib/toy_lib/inner/__init__.py": "",
            "lib/toy_lib/inner/colors.py": "from ..deep import entries",
            "lib/toy_lib/deep.py": ONE,
        },
        {"lib/toy_lib/deep.py": TWO},
    ),
    "the package around a module": (
        {
            "mine.py": plugin("import toy_lib.colors", "toy_lib.entries(1)"),
            "lib/toy_lib/__init__.py": ONE,
            "lib/toy_lib/colors.py": "",
        },
        {"lib/toy_lib/__init__.py": TWO},
    ),
    "a folder without __init__": (
        {"mine.py": plugin("from toy_space import colors", "colors.entries(1)"), "lib/toy_space/colors.py": ONE},
        {"lib/toy_space/colors.py": TWO},
    ),
    "a base class in another file": (
        {"mine.py": plugin("from toy_lib import Base", base="(Base)"), "lib/toy_lib.py": "class Base:\n    a = 1\n"},
        {"lib/toy_lib.py": "class Base:\n    a = 2\n"},
    ),
    "a base class made by a function": (
        {
            "mine.py": plugin("import toy_lib", base="(getattr(toy_lib, 'make')())"),
            "lib/toy_lib.py": "def make():\n    from toy_deep import Base\n    return Base\n",
            "lib/toy_deep.py": "class Base:\n    a = 1\n",
        },
        {"lib/toy_deep.py": "class Base:\n    a = 2\n"},
    ),
    "an imported constant": (
        {"mine.py": plugin("from toy_lib import DARK", "return DARK"), "lib/toy_lib.py": "DARK = 1"},
        {"lib/toy_lib.py": "DARK = 2"},
    ),
    "an import in a method": (
        {"mine.py": plugin(inside="from toy_lib import entries; entries(1)"), "lib/toy_lib.py": ONE},
        {"lib/toy_lib.py": TWO},
    ),
    "an import of everything": (
        {"mine.py": plugin("from toy_lib import *", "entries(1)"), "lib/toy_lib.py": ONE},
        {"lib/toy_lib.py": TWO},
    ),
    "an import of the modules that a package names in __all__": (
        {
            "mine.py": plugin("from toy_lib import *", "colors.entries(1)"),
            "lib/toy_lib/__init__.py": "__all__ = ['colors']",
            "lib/toy_lib/colors.py": ONE,
        },
        {"lib/toy_lib/colors.py": TWO},
    ),
    "import_module": (
        {
            "mine.py": plugin("from importlib import import_module as load", "load('toy_lib').entries(1)"),
            "lib/toy_lib.py": ONE,
        },
        {"lib/toy_lib.py": TWO},
    ),
    "__import__": (
        {"mine.py": plugin(inside="__import__('toy_lib').entries(1)"), "lib/toy_lib.py": ONE},
        {"lib/toy_lib.py": TWO},
    ),
    "an extension module": (
        {"mine.py": plugin(inside="import fast; fast.entries(1)"), EXTENSION: b"\x7fELF one"},
        {EXTENSION: b"\x7fELF two"},
    ),
    "a library that was not there": (
        {"mine.py": plugin("try:\n    import toy_fast\nexcept ImportError:\n    toy_fast = None", "return toy_fast")},
        {"lib/toy_fast.py": ONE},
    ),
}


@pytest.mark.parametrize(("before", "after"), STALE.values(), ids=STALE)
def test_what_changes_a_number_changes_the_key(desk, before, after):
    desk.write(before)
    known = desk.keys()
    assert desk.keys() == known, "nothing has changed yet"
    desk.write(after)
    assert desk.keys()["applied"] != known["applied"]


def test_a_process_that_plans_again_reads_what_has_changed(desk):
    desk.write({"mine.py": plugin("import toy_lib", "toy_lib.entries(1)"), "lib/toy_lib.py": ONE})
    mine = desk.plugin()
    content = {"name": "x", "datasets": ["toy-dots"], "classifiers": ["toy-net"], "methods": ["mine"], "colors": 2}
    spec = resolve(content, desk.registry)
    before = make_plan(spec)
    assert list(make_plan(spec).jobs) == list(before.jobs)
    desk.write({"lib/toy_lib.py": TWO})
    after = make_plan(spec)
    assert mine.cls is spec.methods[0].plugin.cls
    assert list(after.jobs) != list(before.jobs)


def test_a_library_in_a_zip_file_counts(desk, monkeypatch):
    desk.write({"mine.py": plugin(inside="from toy_zipped import entries")})
    found = []
    for name, text in {"a": ONE, "b": TWO, "c": TWO}.items():
        with zipfile.ZipFile(desk.folder / f"{name}.zip", "w") as file:
            file.writestr("toy_zipped.py", text)
        monkeypatch.syspath_prepend(str(desk.folder / f"{name}.zip"))
        found.append(desk.keys()["applied"])
    assert found[0] != found[1] == found[2]


def test_a_plugin_in_a_package_counts_with_its_package(desk):
    files = {"lib/toy_pack/__init__.py": "", "lib/toy_pack/colors.py": ONE, "lib/toy_pack/other.py": ONE}
    desk.write(files | {"lib/toy_pack/method.py": plugin("from .colors import entries", "entries(1)")})
    known = desk.keys("toy_pack.method")
    desk.write({"lib/toy_pack/other.py": TWO})
    assert desk.keys("toy_pack.method") == known
    desk.write({"lib/toy_pack/colors.py": TWO})
    assert desk.keys("toy_pack.method") != known


OTHER = (
    '\n@quantizer("other")\nclass Other:\n    def palettize(self, images, colors):\n        return helper({})\n'
    "\ndef helper(n):\n    return {}\n"
)
DOCUMENTED = (
    '"""Of {0}."""\nfrom typing import TYPE_CHECKING\nfrom harness.contracts import Needs\n'
    "from harness.registry import quantizer\nif TYPE_CHECKING:\n    import toy_types_{0}\n"
    'TABLE = 1\n"""{0}."""\n@quantizer("mine", summary="{0}")  # {0}\nclass Mine:\n    """{0}."""\n'
    "    needs = Needs(cpus={0})\n    needs_in_use = Needs(gpus={0})\n    sources = 'from {0}'\n"
    "    paper = {{'gamma': {0}}}\n    gamma: float = 1.0  # {0}\n"
    "    def palettize(self, images, colors):\n"
    '        """{0}."""\n        # {0}\n        return TABLE\n    def onnx_module(self, colors):\n        return {0}\n'
)
SAME = {
    "words, resources and export": ({"mine.py": DOCUMENTED.format(1)}, {"mine.py": DOCUMENTED.format(2)}),
    "blank lines": ({"mine.py": plugin()}, {"mine.py": plugin().replace("\n\n", "\n\n\n")}),
    "a comment of a library": (
        {"mine.py": plugin("import toy_lib"), "lib/toy_lib.py": ONE},
        {"lib/toy_lib.py": f'"""Entries."""\n# {TWO}'.replace("\n    ", "\n#") + ONE},
    ),
    "another plugin in the file": (
        {"mine.py": plugin() + OTHER.format(1, 1)},
        {"mine.py": plugin() + OTHER.format(2, 2)},
    ),
    "another plugin in another file": ({"mine.py": plugin(), "other.py": OTHER}, {"other.py": OTHER + TWO}),
    "what is on the path and not imported": ({"mine.py": plugin(), "lib/toy_lib.py": ONE}, {"lib/toy_lib.py": TWO}),
}


@pytest.mark.parametrize(("before", "after"), SAME.values(), ids=SAME)
def test_what_changes_no_number_changes_no_key(desk, before, after):
    desk.write(before)
    known = desk.keys()
    desk.write(after)
    assert desk.keys() == known


def test_a_default_counts_only_where_it_is_used(desk):
    desk.write({"mine.py": plugin()})
    known = desk.keys(params={"gamma": 3.0})
    desk.write({"mine.py": plugin().replace("1.0", "2.0")})
    assert desk.keys(params={"gamma": 3.0}) == known


def test_a_text_that_is_used_counts(desk):
    keys = []
    for word in ("one", "two"):
        desk.write({"mine.py": f'"""{word}"""\n' + plugin(inside="return len(__doc__)")})
        keys.append(desk.keys())
    assert keys[0] != keys[1]


LEARNED = """
from toy_training import teach
from toy_tiling import tile
from harness.registry import quantizer

def blend(n):
    return {blend}

@quantizer("mine")
class Mine:
    def fit(self, lesson):
        self.network = {fit}

    def state(self):
        return {{}}

    def load(self, state, device): ...

    def palettize(self, images, colors):
        return tile(images)

    def explain(self, images, colors):
        return blend({explain})

    def onnx_module(self, colors):
        from toy_export import export
        return export
"""
USUAL = {"fit": "self.steps(teach(lesson))", "blend": "n", "explain": "1"}
STEPS = "\n    def steps(self, network):\n        return network, {}\n"


def learned(steps=1, **changes):
    return LEARNED.format(**USUAL | changes) + STEPS.format(steps)


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ({"mine.py": learned(explain="2")}, {"applied", "cells"}),
        ({"mine.py": learned(blend="n + 1")}, {"applied", "cells"}),
        ({"lib/toy_tiling.py": "tile = 2"}, {"applied", "cells"}),
        ({"lib/toy_export.py": "export = 2"}, set()),
        ({"lib/toy_training.py": "teach = 2"}, {"quantizers", "applied", "cells"}),
        ({"mine.py": learned(2)}, {"quantizers", "applied", "cells"}),
    ],
)
def test_a_fit_rests_on_what_fitting_needs(desk, change, stages):
    desk.write({"mine.py": learned(), "lib/toy_training.py": "teach = 1", "lib/toy_tiling.py": "tile = 1"})
    desk.write({"lib/toy_export.py": "export = 1"})
    known = desk.keys()
    desk.write(change)
    assert {stage for stage, key in desk.keys().items() if key != known[stage]} == stages


@pytest.mark.parametrize("fit", ["teach(self)", "getattr(self, lesson)()", "teach(Mine)", "eval('tile(1)')"])
def test_a_fit_that_hands_itself_on_rests_on_the_whole_class(desk, fit):
    files = {"lib/toy_training.py": "teach = 1", "lib/toy_tiling.py": "tile = 1", "lib/toy_export.py": "export = 1"}
    desk.write(files | {"mine.py": learned(fit=fit)})
    known = desk.keys()
    desk.write({"lib/toy_tiling.py": "tile = 2"})
    assert desk.keys()["quantizers"] != known["quantizers"]


def test_colorcnn_is_trained_anew_for_what_its_training_uses_alone():
    cls = discover().get("method", "colorcnn", "test").cls
    fitted, applied = (code_of(cls, CALLED[stage]).sources for stage in ("quantizers", "applied"))
    parts = {"training", "equations", "tiling", "explaining", "export"}
    names = {part: f"methods.colorcnn.{part}" for part in parts}
    assert {part for part in parts if names[part] in fitted} == {"training", "equations"}
    assert {part for part in parts if names[part] in applied} == {"equations", "tiling", "explaining"}
    assert "harness.learning" in fitted


def record(root, dist, files):
    """Writes a RECORD as pip does."""
    rows = io.StringIO()
    write = csv.writer(rows, lineterminator="\n").writerow
    for name in files:
        content = (root / name).read_bytes()
        write(
            [name, f"sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()[:-1]}", len(content)]
        )
    write([f"{dist}/RECORD", "", ""])
    (root / dist / "RECORD").write_text(rows.getvalue())


def install(desk, text=ONE, version="1.0", direct="", files=("toy_dist/__init__.py", "toy_dist/colors.py"), more=""):
    root = desk.folder / "lib"
    shutil.rmtree(root)
    dist = f"lib/Toy.Dist-{version}.dist-info"
    desk.write({"lib/toy_dist/__init__.py": "from toy_dist.colors import entries", "lib/toy_dist/colors.py": text})
    desk.write({f"{dist}/METADATA": f"Metadata-Version: 2.1\nName: Toy.Dist\nVersion: {version}\n{more}"})
    if direct:
        desk.write({f"{dist}/direct_url.json": direct})
    record(root, Path(dist).name, files)


USES_DISTRIBUTION = {"mine.py": plugin("import toy_dist", "toy_dist.entries(1)")}
FROM_A_FOLDER = '{"url": "file:///src", "dir_info": {}}'


def test_an_installed_distribution_counts_by_name_and_version(desk):
    desk.write(USES_DISTRIBUTION)
    install(desk)
    known = desk.keys()
    assert "toy-dist 1.0" in code_of(desk.plugin().cls, CALLED["applied"]).packages
    install(desk, ONE + "# rebuilt\n")
    assert desk.keys() == known
    install(desk, version="1.1")
    assert desk.keys() != known


def test_what_an_installed_distribution_computes_with_counts_too(desk):
    desk.write(USES_DISTRIBUTION)

    def keys(version, suffix):
        install(desk, more="Requires-Dist: toy-base[fast] (>=2) ; python_version > '3'\nRequires-Dist: no-such-dist\n")
        desk.write({"lib/toy_base-2.dist-info/METADATA": f"Name: toy-base\nVersion: {version}\n"})
        desk.write({f"lib/toy_base{suffix}": b""})
        record(desk.folder / "lib", "toy_base-2.dist-info", [f"toy_base{suffix}"])
        return desk.keys()

    assert keys("2.0", ".so") != keys("2.1", ".so")
    assert keys("2.0", ".py") == keys("2.1", ".py")


def modify(desk):
    """Another content of the same size, written after the RECORD."""
    path = desk.folder / "lib/toy_dist/colors.py"
    later = (desk.folder / "lib/Toy.Dist-1.0.dist-info/RECORD").stat().st_mtime_ns + 1_000_000_000
    path.write_text(ONE.replace("n)", "m)").replace("return n", "return m"))
    os.utime(path, ns=(later, later))


def rebuild(desk):
    install(desk, TWO, direct=FROM_A_FOLDER)


def edit(desk):
    desk.write({"lib/toy_dist/colors.py": TWO})


@pytest.mark.parametrize(
    ("installation", "change"),
    [
        ({}, modify),
        ({"direct": FROM_A_FOLDER}, rebuild),
        ({"direct": '{"url": "file:///src", "dir_info": {"editable": true}}'}, edit),
        ({"files": ()}, edit),
    ],
    ids=["modified", "installed again from a folder", "editable", "beside a distribution"],
)
def test_a_distribution_that_its_version_does_not_describe_counts_by_its_content(desk, installation, change):
    desk.write(USES_DISTRIBUTION)
    install(desk, **installation)
    known = desk.keys()
    change(desk)
    assert desk.keys() != known


def test_the_versions_of_what_built_in_methods_use_are_in_their_keys():
    registry = discover()

    def packages(name):
        found = code_of(registry.get("method", name, "test").cls, CALLED["applied"]).packages
        return {package.partition(" ")[0] for package in found}

    assert {"pillow", "numpy", "python"} <= packages("median-cut")
    assert {"numba", "pillow"} <= packages("kmeans")
    assert {"torch", "numpy"} <= packages("colorcnn")
    assert not {"torch", "pydantic"} & packages("median-cut")


READER = {
    "top": "from pathlib import Path",
    "inside": "return Path(self.path).read_bytes()",
    "more": "    path: str = 'palette.txt'\n    fingerprinted = ('path',)\n    def fingerprint(self):\n"
    "        return Path(self.path).read_text()\n",
}


def test_a_file_that_a_method_reads_counts_by_its_fingerprint(desk):
    desk.write({"mine.py": plugin(**READER), "a.txt": "one", "b.txt": "one", "c.txt": "two"})
    one, moved, other = (desk.keys(params={"path": str(desk.folder / f"{name}.txt")}) for name in "abc")
    assert one == moved
    assert one["applied"] != other["applied"]


def test_where_a_file_lies_counts_where_nothing_names_its_content(desk):
    desk.write({"mine.py": plugin(more="    path: str = ''\n    fingerprinted = ('path',)\n")})
    assert desk.keys(params={"path": "a"}) != desk.keys(params={"path": "b"})


def test_a_file_that_fitting_reads_counts_in_the_fit_and_in_trials(desk):
    fit = "    def fit(self, lesson): ...\n    def state(self): ...\n    def load(self, state, device): ...\n"
    desk.write({"mine.py": plugin(**READER | {"more": READER["more"] + fit})})
    path = desk.folder / "palette.txt"

    def found():
        plugin = desk.plugin()
        content = {"datasets": ["toy-dots"], "classifiers": ["toy-net"], "colors": 2, "name": "x"}
        method = {"name": "mine", "params": {"path": str(path)}}
        searched = resolve(
            content | {"methods": [method | {"search": {"gamma": {"choice": [1.0, 2.0]}}}]}, desk.registry
        )
        (search,) = plan_searches(searched)[1]
        fits = {desk.keys(params={"path": str(path)})["quantizers"], search.first.key}
        return {*fits, trial_job(search.first, plugin, {"gamma": 2.0}).key}, search.first

    path.write_text("one")
    before, first = found()
    path.write_text("two")
    after, _ = found()
    assert len(before | after) == 6
    assert trial_job(first, desk.plugin(), {}).source == first.source


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("raise KeyError('gone')", "fingerprint() failed: KeyError: 'gone'."),
        ("return 3", "fingerprint() returned int, it must return a string or None."),
        ("open('/no/such')", "'mine' cannot be read: "),
    ],
)
def test_a_fingerprint_that_cannot_be_taken_is_a_bad_input(desk, body, sentence):
    desk.write({"mine.py": plugin(more=f"    def fingerprint(self):\n        {body}\n")})
    with pytest.raises(BadInput) as error:
        desk.keys()
    assert sentence in str(error.value)


def test_a_stated_version_stands_for_the_plugins_own_source(desk):
    files = {"lib/toy_lib.py": ONE, "mine.py": plugin("import toy_lib", "toy_lib.entries(1)", "    version = 3")}
    desk.write(files)
    known = desk.keys()
    desk.write({"lib/toy_lib.py": TWO, "mine.py": files["mine.py"].replace("entries(1)", "entries(2)")})
    assert desk.keys() == known
    desk.write({"mine.py": files["mine.py"].replace("version = 3", "version = 4")})
    assert desk.keys() != known


def test_a_stated_version_does_not_stand_for_packages_and_fewcolors(desk):
    desk.write(USES_DISTRIBUTION | {"mine.py": plugin("import toy_dist", "toy_dist.entries(1)", "    version = 3")})
    install(desk)
    known = desk.keys()
    install(desk, version="1.1")
    assert desk.keys() != known


def test_the_modules_of_the_public_face_count(desk):
    assert digests._public_names() == {f"fewcolors.{name}": module for name, module in fewcolors.MODULES.items()}
    desk.write({"mine.py": plugin("import fewcolors as fc", "fc.learning.seeded(0, ''); fc.Needs()")})
    assert set(code_of(desk.plugin().cls, CALLED["applied"]).sources) == {"", "harness.learning"}
    desk.write({"mine.py": plugin("from fewcolors import encoding as e", "e.psnr()")})
    assert set(code_of(desk.plugin().cls, CALLED["applied"]).sources) == {"", "harness.encoding"}


def said(desk, more=()):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        desk.keys(more=more)
    return [str(warning.message) for warning in caught]


FILE, PROGRAM = "reads a file", "uses a program or library outside Python"


@pytest.mark.parametrize(
    ("top", "inside", "what"),
    [
        ("", "open('palette.txt').read()", FILE),
        ("from pathlib import Path", "Path(__file__).with_name('p.txt').read_text()", FILE),
        ("from pathlib import Path", "Path('p.txt').open()", FILE),
        ("", "np.load('palette.npy')", FILE),
        ("from numpy import loadtxt as lt", "lt('palette.txt')", FILE),
        ("from PIL import Image", "Image.open('palette.png')", FILE),
        ("from pathlib import Path\nTEXT = Path(__file__).read_text()", "return TEXT", FILE),
        ("import pandas as pd", "pd.read_table('palette.tsv')", FILE),
        ("import os", "os.listdir('palettes')", FILE),
        ("from pathlib import Path", "list(Path('palettes').glob('*'))", FILE),
        ("", "o = open; o('palette.txt')", FILE),
        ("", "open('a').read()", FILE),
        ("", "checkpoints = 'p.npy'; np.load(checkpoints)", FILE),
        ("import linecache", "linecache.getline('palette.txt', 1)", FILE),
        ("import os", "os.environ['DARK']", "reads an environment variable"),
        ("import os", "dict(os.environ)", "reads an environment variable"),
        ("import os", "for name, value in os.environ.items(): pass", "reads an environment variable"),
        ("from os import getenv", "getenv('DARK')", "reads an environment variable"),
        ("import importlib", "importlib.import_module(f'toy_{colors}')", "imports a module whose name is computed"),
        ("", "exec('x = 1')", "runs code from elsewhere"),
        ("import subprocess", "subprocess.run(['pngquant'])", PROGRAM),
        ("import ctypes", "ctypes.CDLL('libquant.so')", PROGRAM),
        ("", "import toy_not_here", "imports toy_not_here, which is not found here,"),
    ],
)
def test_what_cannot_be_known_is_said_once(desk, top, inside, what):
    desk.write({"mine.py": plugin(top, inside)})
    (sentence,) = said(desk, more=["median-cut"])
    assert sentence.startswith(f"method 'mine' {what} at {desk.folder / 'mine.py'}:")
    line = int(sentence.partition("mine.py:")[2].partition(".")[0])
    assert plugin(top, inside).splitlines()[line - 1].strip() in (inside, top.splitlines()[-1] if top else "")
    assert "fingerprint()" in sentence
    if "exec" not in inside:  # with it the class counts whole, fingerprint and all
        desk.write({"mine.py": plugin(top, inside, "    def fingerprint(self): return None")})
        assert len(said(desk)) == 1, "nothing has been said of it"
    for remedy in ("    version = '1'", "    def fingerprint(self): return ''"):
        desk.write({"mine.py": plugin(top, inside, remedy)})
        assert said(desk) == []


def test_what_a_library_reads_is_said_of_the_plugin(desk):
    desk.write({"mine.py": plugin("import toy_lib"), "lib/toy_lib.py": "import os\n\nDARK = os.environ.get('DARK')"})
    (sentence,) = said(desk)
    assert f"{desk.folder / 'lib' / 'toy_lib.py'}:3. No key can hold that: " in sentence


@pytest.mark.parametrize(
    ("top", "inside"),
    [
        ("import io\nfrom PIL import Image", "file = io.BytesIO(b''); Image.open(file)"),
        ("import tempfile\nfrom pathlib import Path", "with tempfile.TemporaryDirectory() as d: Path(d).read_bytes()"),
        ("", "here = images.checkpoints / 'a.npy'; np.load(here)"),
        ("", "open('log.txt', 'a').write('x')"),
        ("import os", "os.environ['OMP_NUM_THREADS'] = '1'"),
        ("try:\n    import toy_not_here\nexcept ImportError:\n    pass", "pass"),
        ("import importlib", "importlib.import_module('json')"),
        ("", "self.open = images; np.where(images)"),
    ],
)
def test_an_ordinary_plugin_is_not_complained_of(desk, top, inside):
    desk.write({"mine.py": plugin(top, inside)})
    assert said(desk) == []


def test_neither_built_in_plugins_nor_examples_read_what_no_key_tells():
    examples = [read_source(str(path)) for path in EXAMPLES.glob("my_*.py")]
    found: Registry = discover(examples)
    told = [p.unknown(called) for p in found if p.mark.kind != "report" for called in CALLED.values()]
    assert set(told) == {None}


def test_the_command_line_says_once_what_cannot_be_known(tmp_path):
    workplace = Workplace(tmp_path, "")
    (tmp_path / "mine.py").write_text(plugin(inside="open('palette.txt')"))
    spec = "datasets: [digits-on-photos]\nclassifiers: [alexnet, vgg16]\nmethods: [mine]\ncolors: [2, 3]\n"
    said = workplace.fewcolors("plan", workplace.spec(spec), "--plugin", "mine.py").err
    assert said.count("method 'mine' reads a file at ") == 1
