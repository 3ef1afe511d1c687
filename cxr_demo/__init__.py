"""Compare how Grad-CAM, LIME and occlusion explain a chest X-ray classifier.

The names in `__all__`, described in docs/python.md, are the public interface; everything else is internal and may move.
Importing this package does not import torch or open a socket: the first use of a name imports its module.
"""

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

#: The module and object behind each public name.
_FACE = {
    "explain": "output.notebook:explain",
    "load": "models.registry:load",
    "methods": "methods:",
    "predict": "output.notebook:predict",
    "read": "films.image:read",
    "save_failure_case": "models.failure_cases:save",
    "save_phantom": "films.phantom:save",
}
__all__ = list(_FACE)

if not TYPE_CHECKING:  # the type checker still reports unknown names

    def __getattr__(name: str) -> Any:
        if name not in _FACE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return resolve_name(f"{__name__}.{_FACE[name]}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FACE})
