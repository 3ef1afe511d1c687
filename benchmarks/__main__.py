"""`python -m benchmarks`: see speed."""

import sys

from benchmarks import speed

sys.exit(speed.main())
