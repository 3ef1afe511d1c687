"""Entry point of `python -m cxr_demo`."""

import sys

from cxr_demo.cli import main

sys.exit(main())
