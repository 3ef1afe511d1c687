"""The registry of explanation methods. To add one, write a module in this folder and list its class in `METHODS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxr_demo.errors import BadSetting
from cxr_demo.messages import message
from cxr_demo.methods.base import Method, Setting, Step, configure, setting, settings_of, values_of
from cxr_demo.methods.cam import GradCAM, GradCAMPlusPlus, LayerCAM
from cxr_demo.methods.ig import IntegratedGradients
from cxr_demo.methods.lime import LIME
from cxr_demo.methods.occlusion import Occlusion
from cxr_demo.methods.rise import RISE
from cxr_demo.methods.shap import KernelSHAP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "DEFAULTS", "METHODS", "GradCAM", "Method", "Setting", "Step", "choose", "configure", "method", "setting",
    "settings_of", "values_of",
]  # fmt: skip

METHODS: tuple[type[Method], ...] = (
    GradCAM,
    LIME,
    Occlusion,
    KernelSHAP,
    IntegratedGradients,
    RISE,
    GradCAMPlusPlus,
    LayerCAM,
)

#: The methods used by default, side by side.
DEFAULTS = METHODS[:3]


def method(key: str, settings: Mapping[str, Any]) -> Method:
    """Create the method with this key and these settings; BadSetting for an unknown key, setting or invalid value."""
    for kind in METHODS:
        if kind.key == key:
            return configure(kind, settings)
    raise BadSetting(message("error.method.unknown", name=repr(key), names=", ".join(kind.key for kind in METHODS)))


def choose(keys: Sequence[str], settings: Mapping[str, Any]) -> list[Method]:
    """Create the methods with these keys, in this order; `settings` has keys of the form `method.setting`.

    BadSetting for an invalid setting, or for a setting of a method that is not among `keys`.
    """
    values: dict[str, dict[str, Any]] = {key: {} for key in keys}
    for name, value in settings.items():
        key, dot, setting_name = name.partition(".")
        if not dot or key not in values:
            raise BadSetting(message("error.setting.unnamed", name=repr(name), methods=", ".join(keys)))
        values[key][setting_name] = value
    return [method(key, given) for key, given in values.items()]
