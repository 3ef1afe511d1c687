"""The memory that a process has needed."""

from pathlib import Path


def peak() -> float:
    """Largest resident memory of this process so far, GiB; Linux only.

    `ru_maxrss` would begin with the memory of the process that started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kilobytes) / 2**20
