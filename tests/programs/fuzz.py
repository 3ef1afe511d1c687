"""Coverage-guided fuzzing of the reader: whatever the bytes, a film or a sentence, soon, and in little memory.

`make fuzz` runs it for ten minutes. It begins with the files of the reader's own tests, keeps what reaches new code in
runs/fuzz/corpus, and says at the end how much of the reader all of that covers. A finding lies in runs/fuzz as a file.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

#: Seconds that one file may take, and megabytes over what the program takes before the first one.
MOST_SECONDS, MOST_MEGABYTES = 10, 1024
#: What is watched for new code: the reader, and the decoders that are written in Python.
READER = ("image", "formats", "archives", "dicom")
WATCHED = (*(f"cxr_demo.films.{name}" for name in READER), "pydicom", "tifffile")
LONGEST = 20_000


def main() -> int:
    """Fuzz for some minutes and print a table; 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return _fuzz(arguments.out, arguments.minutes)
    corpus = arguments.out / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = write_seeds(corpus)
    words = [sys.executable, "-m", "tests.programs.fuzz", "--child", "--minutes", str(arguments.minutes)]
    done = subprocess.run([*words, "--out", str(arguments.out)], stderr=subprocess.PIPE, text=True, check=False)
    stats = dict(re.findall(r"stat::(\w+):\s+(\d+)", done.stderr))
    findings = sorted(p.name for p in arguments.out.glob("*-*") if p.is_file())
    if done.returncode and not findings:
        print(done.stderr[-3000:])
    reached = [int(found) for found in re.findall(r"\bcov: (\d+)", done.stderr)]
    print(f"files tried              {int(stats.get('number_of_executed_units', 0)):,}")
    print(f"files a second           {stats.get('average_exec_per_sec', '?')}")
    print(f"files begun with, kept   {seeds}, {len(list(corpus.iterdir()))}")
    first, last = (reached[0], reached[-1]) if reached else ("?", "?")
    print(f"places in code reached   {first} at first, {last} at last")
    print(f"peak memory              {stats.get('peak_rss_mb', '?')} MB")
    for name, share in covered(corpus).items():
        print(f"lines of {name:<16}{share:.0%}")
    print(f"findings                 {len(findings)} {' '.join(findings)}")
    return 1 if findings or done.returncode else 0


def write_seeds(corpus: Path) -> int:
    """The files of the reader's tests, those that are read and those that are refused."""
    from tests.support.corpus import MASKS, REFUSED, SAME

    files = {name: data for kinds in (SAME, REFUSED, MASKS) for name, (data, _) in kinds.items()} | archived()
    for name, data in files.items():
        if len(data) <= LONGEST:
            (corpus / re.sub(r"\W+", "-", name)).write_bytes(data)
    return len(files)


def archived() -> dict[str, bytes]:
    """Archives with a film, and of one inside the other."""
    from tests.support.corpus import SAME
    from tests.unit.test_archives import tarred, zipped

    film = SAME["dicom"][0]
    inner = zipped({"IM1": film, "notes.txt": b"-"})
    return {"gz": gzip.compress(film), "tar": tarred({"IM1": film}), "zip": inner, "zips": zipped({"a.zip": inner})}


def _fuzz(out: Path, minutes: float) -> int:
    import atheris

    with atheris.instrument_imports(include=list(WATCHED)):
        from cxr_demo.films import image

    path = out / "fuzz"

    def one(data: bytes) -> None:
        path.write_bytes(data)
        read(image, path)

    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    flags = [
        f"-max_total_time={round(60 * minutes)}", f"-timeout={MOST_SECONDS}", f"-max_len={LONGEST}",
        f"-rss_limit_mb={idle + MOST_MEGABYTES}", "-print_final_stats=1", f"-artifact_prefix={out}/",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *flags, str(out / "corpus")], one)
    atheris.Fuzz()
    return 0


def read(image: ModuleType, path: Path) -> None:
    """Read one file; AssertionError where the film is none, any error but UnreadableImage as it is."""
    import numpy as np

    film, sentence = None, path.name
    try:
        film = image.read(path)
    except image.UnreadableImage as error:
        sentence = str(error)
    assert sentence.startswith(path.name) or image.archives.is_archive(path), sentence
    assert len(sentence) < 500, sentence
    if film is None:
        return
    assert np.isfinite(film.pixels).all()
    assert 0 <= film.pixels.min() < film.pixels.max() <= 1
    assert min(film.pixels.shape) >= image.SHORTEST_SIDE


def covered(corpus: Path) -> dict[str, float]:
    """Share of the lines of each of the reader's modules that the files of a corpus run."""
    script = (
        "import sys; from pathlib import Path; from tests.programs.fuzz import read; from cxr_demo.films import image\n"
        "for path in Path(sys.argv[1]).iterdir(): read(image, path)"
    )
    data = corpus.parent / "coverage"
    measure = [sys.executable, "-m", "coverage", "run", f"--data-file={data}"]
    one_script = corpus.parent / "replay.py"
    one_script.write_text(script, encoding="utf-8")
    subprocess.run([*measure, str(one_script), str(corpus)], check=True, env={**os.environ, "PYTHONPATH": "."})
    places = ",".join(f"cxr_demo/films/{name}{end}" for name in READER for end in (".py", "/*"))
    words = [sys.executable, "-m", "coverage", "report", f"--data-file={data}", f"--include={places}"]
    report = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return {name: int(share) / 100 for name, share in re.findall(r"cxr_demo/films/([\w/]+)\.py .*?(\d+)%", report)}


if __name__ == "__main__":
    sys.exit(main())
