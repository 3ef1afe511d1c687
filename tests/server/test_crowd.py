"""Many visitors of one served page: nobody gets another's answer, those who wait are told, those who leave are gone."""

import os
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.visitor import Visitor
from cxr_demo.case import Case
from cxr_demo.films import image, phantom
from cxr_demo.models import registry
from cxr_demo.web.queue import WORKERS

pytestmark = pytest.mark.alone

#: So many samples that the method is at work until it is ended.
LONG = {"samples": 5000}


@pytest.fixture(scope="module", autouse=True)
def _warm(address, folder):
    """The engine is chosen before anything is timed."""
    with closing(Visitor(address)) as first:
        source = first.upload("film.png", phantom.png("normal", 256))
        first.answer("run_lime", {"run": 1, "model": str(folder / "fourteen"), "source": source})


@pytest.fixture
def crowd(address, folder):
    """Makes visitors with a film each; all have left at the end."""
    came = []

    def visitor(key="normal", **settings):
        one = Visitor(address)
        came.append(one)
        source = one.upload(f"{len(came)}.png", phantom.png(key, 256))
        one.told = {"run": 1, "model": str(folder / "fourteen"), "source": source, "settings": settings}
        return one

    yield visitor
    for one in came:
        one.close()


def seconds_of(process: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_who_waits_is_told_and_a_new_film_does_not_wait(crowd):
    working = [crowd(**LONG) for _ in range(WORKERS)]
    at_work = [one.ask(("run_lime", one.told)) for one in working]
    for answers in at_work:
        assert "ahead" not in next(answers)[1], "they are at work"
    late = crowd()
    answers = late.ask(("run_lime", late.told))
    assert next(answers)[1]["ahead"] == 0
    began = time.monotonic()
    seen = crowd("effusion").answer("film", {"model": late.told["model"], "source": late.told["source"]})
    assert len(seen["probabilities"]) == 14
    assert time.monotonic() - began < 5
    at_work[0].close()
    working[0].close()
    *_, (_, last) = answers
    assert last["complete"]
    for one in at_work[1:]:
        one.close()


@pytest.mark.skipif(not Path("/proc").exists(), reason="this system does not tell what a process uses")
def test_who_leaves_frees_the_processor(crowd, address):
    visitors = [crowd(**LONG) for _ in range(WORKERS + 2)]
    streams = [one.ask(("run_lime", one.told)) for one in visitors]
    for stream in streams:
        next(stream)
    process = listening(address)
    for stream, one in zip(streams, visitors, strict=True):
        stream.close()
        one.close()
    time.sleep(2)
    before = seconds_of(process)
    time.sleep(2)
    assert seconds_of(process) - before < 0.4, "of two seconds"


def listening(address) -> int:
    """The process behind an address."""
    port = int(address.rstrip("/").rsplit(":", 1)[1])
    sockets = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    }
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                links = [str(link.readlink()) for link in (process / "fd").iterdir()]
            except OSError:
                continue
            if any(f"socket:[{number}]" in links for number in sockets):
                return int(process.name)
    raise AssertionError("nobody listens")


def test_every_visitor_gets_their_own_films_answer(crowd, folder):
    model = registry.load(str(folder / "fourteen"))
    keys = list(phantom.PHANTOMS)
    expected = {
        key: Case(model, image.decode(phantom.png(key, 256), "x")).predict().probabilities.tolist() for key in keys
    }
    found = {}

    def visit(n):
        one = crowd(keys[n % len(keys)])
        seen = one.answer("film", {**one.told, "run": 0})  # ends earlier runs, as in the viewer
        with closing(one.ask(("run_gradcam", one.told), ("run_occlusion", one.told))) as answers:
            last = dict(answers)
        found[n] = seen["probabilities"], last

    threads = [threading.Thread(target=visit, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    for n, (probabilities, last) in found.items():
        assert probabilities == pytest.approx(expected[keys[n % len(keys)]], abs=1e-5)
        for name in ("run_gradcam", "run_occlusion"):
            assert last[name]["complete"]
            assert last[name]["maps"] == found[n % len(keys)][1][name]["maps"]
