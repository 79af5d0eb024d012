"""Memory that a job's process keeps or gives back, of its own and of a GPU."""

import subprocess
import sys

import pytest
import torch

from harness import environment

PROGRAM = """
import resource, sys
import torch
from harness.environment import set_torch_up

set_torch_up(int(sys.argv[1]) or None)

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

# Aligned blocks don't fit into the holes that the first of them leave: it takes some until all have room.
for _ in range(40):
    faults()
print(max(faults() for _ in range(10)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="malloc is glibc's on Linux alone")
def test_a_job_on_a_cpu_fills_the_same_pages_again():
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", PROGRAM, threads], capture_output=True, check=True).stdout)
        for threads in ("1", "0")
    )
    assert kept < 100 < given_back


def raised_from(cause):
    error = ValueError("step 1 failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), True),
        (torch.cuda.OutOfMemoryError("CUDA out of memory."), True),
        (raised_from(torch.OutOfMemoryError("CUDA out of memory.")), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (raised_from(RuntimeError("shapes differ")), False),
        (MemoryError("cannot allocate"), False),
    ],
)
def test_what_says_that_a_gpu_has_no_memory_left(error, expected):
    assert environment.is_out_of_gpu_memory(error) is expected


def test_exceptions_that_name_each_other_are_looked_at_once():
    first = ValueError("first")
    first.__cause__ = raised_from(first)
    assert not environment.is_out_of_gpu_memory(first)


@pytest.mark.parametrize(("error", "goes_on"), [(None, True), (RuntimeError("device-side assert"), False)])
def test_gpu_memory_is_given_back_unless_cuda_has_broken(monkeypatch, error, goes_on):
    done = []

    def synchronize():
        if error is not None:
            raise error

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: done.append("emptied"))
    assert environment.gpu_goes_on() is goes_on
    assert done == ["emptied"] * goes_on


def test_where_nothing_was_computed_on_a_gpu_none_is_asked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: pytest.fail("asked"))
    assert environment.gpu_goes_on()


@pytest.mark.parametrize(
    ("limits", "least"),
    [([], None), (["max"], None), ([f"{2**20}"], 2**20), (["max", f"{2**21}"], 2**21), ([f"{2**62}"], None)],
)
def test_a_machine_has_the_memory_that_is_built_in_or_that_its_container_may_have(limits, least, tmp_path, monkeypatch):
    paths = [tmp_path / str(number) for number in range(3)]
    for path, limit in zip(paths, limits, strict=False):
        path.write_text(f"{limit}\n")
    monkeypatch.setattr(environment, "_LIMITS", paths)
    monkeypatch.setattr(environment.os, "sysconf", {"SC_PHYS_PAGES": 2**20, "SC_PAGE_SIZE": 2**12}.get)
    assert environment.memory_here() == least or (least is None and environment.memory_here() == 2**32)
    monkeypatch.delattr(environment.os, "sysconf")
    assert environment.memory_here() is None
