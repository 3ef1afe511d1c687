"""Entry point of `python -m benchmarks`, which runs the benchmark in `speed`."""

import sys

from benchmarks import speed

sys.exit(speed.main())
