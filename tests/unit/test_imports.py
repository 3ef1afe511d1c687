"""Libraries that threads import at once."""

import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

from cxr_demo import imports


def test_libraries_that_threads_import_leave_the_filters_of_warnings_alone(tmp_path, monkeypatch):
    names = ("first_library", "second_library")
    for name in names:
        (tmp_path / f"{name}.py").write_text(
            "import time, warnings\nwarnings.simplefilter('ignore')\ntime.sleep(0.2)\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    before = list(warnings.filters)
    threads = [threading.Thread(target=imports.import_library, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
        time.sleep(0.1)  # the second begins while the first silences all warnings
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_modules_that_import_one_another_are_whole_for_every_thread(tmp_path, monkeypatch):
    """As scipy's do: a thread that begins at the second one while the first is half made would break both."""
    (tmp_path / "first_half.py").write_text("import time\nx = 1\ntime.sleep(0.4)\nfrom second_half import z\n")
    (tmp_path / "second_half.py").write_text("from first_half import x\nz = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(imports.import_library, "first_half")
        time.sleep(0.1)
        second = pool.submit(imports.import_library, "second_half")
        assert (first.result().z, second.result().x) == (1, 1)
