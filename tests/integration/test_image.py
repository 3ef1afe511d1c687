"""Every file there is, in a process of its own, and real films."""

import subprocess
import sys

import numpy as np

from cxr_demo.films import image
from tests.support import corpus

#: Reads every file there is in a process of its own, and says how many, the longest time and the most memory.
ALL = """
import sys
import time
from pathlib import Path
from cxr_demo.films import image
from tests.support import corpus, memory
image.decode(corpus.SAME["dicom jpeg-ls"][0], "first")  # loads the decoders
files = [data for kinds in (corpus.SAME, corpus.REFUSED, corpus.MASKS) for data, _ in kinds.values()]
files += [data[: len(data) * n // 10] for data, _ in corpus.SAME.values() for n in range(10)]
files += [corpus.bomb(n) for n in (49, 51, 200)]
files += corpus.damaged(1000, list(corpus.SAME), seed=1)
idle, longest = memory.peak(), 0.0

def tried(read, *given):
    global longest
    began = time.monotonic()
    try:
        read(*given)
    except image.UnreadableImage:
        pass
    longest = max(longest, time.monotonic() - began)

for data in files:
    tried(image.decode, data, "x")
for path in Path(sys.argv[1]).iterdir():
    tried(image.read, path)
print(len(files), longest, memory.peak() - idle)
"""


def test_no_file_takes_long_or_much_memory(tmp_path):
    for number, data in enumerate(corpus.grown_archives()):
        (tmp_path / str(number)).write_bytes(data)
    done = subprocess.run([sys.executable, "-c", ALL, str(tmp_path)], capture_output=True, text=True, check=True)
    count, seconds, gigabytes = map(float, done.stdout.split())
    assert count >= 1500
    assert seconds < 10
    assert gigabytes < 1


def test_real_files_are_read(films):
    read = {path.name: image.read(path) for path in (films / "xrays").iterdir()}
    assert len(read) == 15
    for film in read.values():
        assert film.pixels.std() > 0.05
    inverted = read["Fake_MONOHR1.dcm"].pixels
    plain = next(f.pixels for name, f in read.items() if name.endswith(".dcm") and name != "Fake_MONOHR1.dcm")
    assert np.allclose(plain, 1 - inverted, atol=1e-6)
