"""Processes that torchrun starts together: none ends another that is still at work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

PROGRAM = """
import pathlib, sys, time
from cxr_demo import processes

rank, count = processes.place()
if rank:
    time.sleep(3)
    pathlib.Path(sys.argv[1], "done").touch()
if sys.argv[2] == "together":
    processes.end_together()
sys.exit(1 if rank == 0 else 0)
"""


@pytest.mark.parametrize(("how", "finished"), [("together", True), ("alone", False)])
def test_a_process_that_fails_waits_for_the_others(tmp_path, how, finished):
    """Without it torchrun kills the slower one: the second case shows that the first can fail."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script), str(tmp_path), how]
    done = subprocess.run([sys.executable, *words], env=HERE, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert (tmp_path / "done").exists() == finished, done.stderr
