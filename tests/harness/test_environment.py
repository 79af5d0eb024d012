"""Whether a job's process keeps the memory that it frees."""

import subprocess
import sys

import pytest

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
