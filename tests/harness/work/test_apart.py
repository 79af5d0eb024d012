"""Jobs that run one after the other in one process: what one of them does to its arrays and to the process's state
does not reach the next."""

# ruff: noqa: ARG002 - toy plugins have no use for what they are handed

import contextlib
import decimal
import gc
import locale
import os
import random
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest

from harness.contracts import DatasetArrays, Palettized, Split, say_how_far
from harness.plan import make_plan
from harness.registry import dataset, quantizer
from harness.work import jobs
from harness.work.artifacts import load_dataset
from harness.work.jobs import Context, read_how_far, run_job
from harness.work.process_state import put_back
from harness.work.store import Store


@dataset("noise")
class Noise:
    version = "1"

    def load(self):
        split = Split.of(np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8), np.arange(6) % 2)
        return DatasetArrays(split, split, ("a", "b"))


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.create()
    return store


@pytest.fixture
def stored(registry, make_spec, store):
    """The key of a dataset in the store."""
    registry.add(Noise, "toys")
    plan = make_plan(make_spec(datasets=["noise"], methods=["flat"]))
    job = next(job for job in plan.jobs.values() if job.stage == "datasets")
    run_job(job, Context(store, registry))
    return job.key


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_dataset_says_of_its_making_can_be_read_until_it_is_made(registry, make_spec, store, monkeypatch, fails):
    seen = []

    class Telling(Noise):
        def load(self):
            for done in range(3):
                say_how_far(done, 3)
                seen.append(read_how_far(store.watched(job.key)))
            if fails:
                raise OSError("no more")
            return super().load()

    monkeypatch.setattr(jobs, "NOTE_SECONDS", 0.0)
    registry.add(dataset("telling")(Telling), "toys")
    plan = make_plan(make_spec(datasets=["telling"], methods=["flat"]))
    job = next(job for job in plan.jobs.values() if job.stage == "datasets")
    with pytest.raises(OSError, match="no more") if fails else contextlib.nullcontext():
        run_job(job, Context(store, registry))
    assert seen == [(0, 3), (1, 3), (2, 3)]
    assert not store.checkpoints(job.key).exists()
    say_how_far(1, 2)


def test_what_is_written_into_an_array_is_seen_by_nobody_else(store, stored):
    mine, theirs = load_dataset(store, stored), load_dataset(store, stored)
    before = theirs.train.images.copy()
    mine.train.images[:] = 255 - mine.train.images
    mine.train.labels[:] = 1
    for other in (theirs, load_dataset(store, stored)):
        assert np.array_equal(other.train.images, before)
        assert list(other.train.labels) == [0, 1, 0, 1, 0, 1]
    assert store.verify("datasets", stored)


def test_training_needs_no_copy_of_the_arrays(store, stored):
    from harness.learning import tensor_of

    images = load_dataset(store, stored).train.images
    assert np.shares_memory(tensor_of(images).numpy(), images)


def change_torch():
    import torch

    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.enabled = False
    torch.backends.cudnn.benchmark = True
    torch.set_autocast_enabled("cpu", True)
    torch.set_flush_denormal(True)
    torch.set_anomaly_enabled(True)
    torch.set_num_threads(3)
    torch.manual_seed(5)
    torch._C._set_mkldnn_enabled(False)


def change_the_rest():
    from PIL import Image, ImageFile

    os.chdir("/")
    os.umask(0o777)
    os.environ["FEWCOLORS_DATA_ROOT"] = "elsewhere"
    os.environ.pop("PATH", None)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    np.seterr(all="raise")
    np.set_printoptions(precision=1)
    decimal.getcontext().prec = 3
    locale.setlocale(locale.LC_ALL, "C.UTF-8" if locale.setlocale(locale.LC_ALL) == "C" else "C")
    warnings.simplefilter("error")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    sys.setrecursionlimit(5000)
    sys.path.insert(0, "/nowhere")
    sys.stdout = None
    gc.disable()
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    Image.MAX_IMAGE_PIXELS = 1


def everything():
    """What there is of state, in words, read by other means than by those that put it back."""
    import torch
    from PIL import Image, ImageFile

    single = torch.ones(2, 2, device="cpu", dtype=torch.float32)
    denormals = torch.full((2,), 1e-310, dtype=torch.float64, device="cpu")
    return {
        "dtype": torch.tensor(1.0).dtype,
        "device": torch.empty(1).device,
        "grad": torch.ones(1, requires_grad=True, device="cpu").mul(2).requires_grad,
        "deterministic": torch.get_deterministic_debug_mode(),
        "matmul": torch.get_float32_matmul_precision(),
        "cudnn": (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark),
        "autocast": torch.nn.functional.linear(single, single).dtype,
        "denormal": (denormals * 1).tolist(),
        "anomaly": torch.is_anomaly_enabled(),
        "threads": torch.get_num_threads(),
        "torch.random": torch.get_rng_state().tolist(),
        "mkldnn": torch._C._get_mkldnn_enabled(),
        "folder": os.getcwd(),
        "umask": oct(os.umask(0o22)) + oct(os.umask(0o22)),
        "environment": sorted(os.environ.items()),
        "random": random.getstate(),
        "numpy": str(np.random.get_state()),  # noqa: NPY002
        "errors": np.geterr(),
        "print": str(np.array([1.23456789])),
        "decimal": str(decimal.Decimal(1) / decimal.Decimal(3)),
        "locale": locale.setlocale(locale.LC_ALL),
        "warnings": list(warnings.filters),
        "signal": signal.getsignal(signal.SIGUSR1),
        "recursion": sys.getrecursionlimit(),
        "path": list(sys.path),
        "streams": sys.stdout,
        "gc": gc.isenabled(),
        "pillow": (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS),
    }


@pytest.mark.parametrize("error", [None, ValueError("no"), SystemExit(1)])
def test_state_that_is_kept_for_a_whole_process_is_put_back(error):
    before = everything()

    @put_back()
    def job():
        change_torch()
        change_the_rest()
        changed.update(everything())
        if error is not None:
            raise error

    changed = {}
    with contextlib.suppress(ValueError, SystemExit):
        job()
    assert {name for name in before if changed[name] == before[name]} <= {"warnings"}
    assert everything() == before


def test_torch_that_is_first_imported_by_a_job_is_left_as_an_import_leaves_it():
    program = (
        "import sys\n"
        "from harness.work.process_state import put_back\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "with put_back():\n"
        "    assert 'torch' not in sys.modules\n"
        "    import torch\n"
        "    torch.set_default_dtype(torch.float64)\n"
        "    torch.set_grad_enabled(False)\n"
        "    torch.backends.cudnn.benchmark = True\n"
        "assert torch.tensor(1.0).dtype == torch.float32\n"
        "assert torch.is_grad_enabled()\n"
        "assert not torch.backends.cudnn.benchmark\n"
    )
    subprocess.run([sys.executable, "-c", program, "."], check=True)


@quantizer("plainly")
class Plainly:
    version = "1"

    def palettize(self, images, colors):
        return Palettized((images.mean(axis=3) > 128).astype(np.uint8), np.zeros((len(images), 2, 3), np.uint8))


@quantizer("changes-all")
class ChangesAll(Plainly):
    def palettize(self, images, colors):
        change_torch()
        change_the_rest()
        images[:] = 0
        raise RuntimeError("and fails")


def test_a_job_after_one_that_changed_everything_stores_the_same_bytes(registry, make_spec, tmp_path):
    for plugin in (Noise, Plainly, ChangesAll):
        registry.add(plugin, "toys")
    plan = make_plan(make_spec(datasets=["noise"], methods=["changes-all", "plainly"], colors=[2]))
    jobs = [job for job in plan.jobs.values() if job.stage in ("datasets", "applied")]
    stored = []
    for name, left_out in (("alone", "changes-all"), ("after", None)):
        store = Store(tmp_path / name)
        store.create()
        for job in (job for job in jobs if job.plugin != left_out):
            with contextlib.suppress(RuntimeError):
                run_job(job, Context(store, registry))
        stored.append(
            {
                str(path.relative_to(store.root)): path.read_bytes()
                for path in store.root.rglob("*")
                if path.is_file() and path.name not in ("about.json", "manifest.json")
            }
        )
    assert stored[0] == stored[1]
    assert any(path.startswith("applied") for path in stored[0])
