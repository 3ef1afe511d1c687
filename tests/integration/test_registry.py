"""What listing models takes."""

import subprocess
import sys
from pathlib import Path

# ---------------------------------------------------------------------- names


def test_listing_needs_neither_torch_nor_the_hubs_library():
    code = (
        "import sys; from cxr_demo.models import hub, registry, xrv_weights\n"
        "assert len(registry.choices()) == 4 and len(hub.example_films()) == 1\n"
        "assert all(map(xrv_weights.title, xrv_weights.ZOO))\n"
        "assert not {'torch', 'torchxrayvision', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
