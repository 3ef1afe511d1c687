"""Memory that was freed is used again."""

import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from cxr_demo.inference import memory
if sys.argv[1] == "kept":
    memory.keep_freed()
for step in range(40):
    if step == 30:  # the first few end some bytes off where the next must begin, and take new pages
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    large = torch.ones(2**24)
    del large
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this system's malloc is not glibc's")
def test_freed_memory_is_used_again_instead_of_cleared_page_by_page():
    returned, kept = (
        int(subprocess.run([sys.executable, "-c", FAULTS, how], check=True, capture_output=True, text=True).stdout)
        for how in ("returned", "kept")
    )
    assert kept < returned / 10
