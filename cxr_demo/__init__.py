"""Compare how Grad-CAM, LIME and occlusion explain a chest X-ray classifier.

The names of `__all__`, described in docs/python.md, are the public face; everything else is internal and may move.
Importing this package neither imports torch nor opens a socket: a name brings its module at its first use.
"""

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

#: Where each public name comes from: module and object.
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

if not TYPE_CHECKING:  # to the type checker a name that no module has stays an error

    def __getattr__(name: str) -> Any:
        if name not in _FACE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return resolve_name(f"{__name__}.{_FACE[name]}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FACE})
