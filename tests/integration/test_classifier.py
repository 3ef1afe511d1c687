"""What importing classifiers does to a process."""

import subprocess
import sys


def test_importing_it_silences_nobody():
    code = (
        "import warnings\n"
        "import cxr_demo.models.classifier\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.warn('still heard')\n"
        "assert [str(w.message) for w in seen] == ['still heard'], seen\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
