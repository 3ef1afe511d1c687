"""The interface of a method: a frozen dataclass with settings as fields and one function that yields maps."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from cxr_demo.errors import BadSetting
from cxr_demo.messages import decimal, message, message_or

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer
    from cxr_demo.types import Cost, Unit


#: Shares of the masked copies after which a slow method yields an intermediate map.
SHOWN = tuple(n / 10 for n in range(1, 11))


@dataclass(frozen=True)
class Setting:
    """One setting of a method, as described to the page's controls, the command line and the API.

    A number has a default and a range from `low` to `high`; a setting with `choices` is one of these strings.
    """

    name: str
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The setting's display name."""
        return message_or(f"setting_name.{self.name}", self.name.replace("_", " "))

    def check(self, value: Any) -> Any:
        """Convert a value to the setting's type; BadSetting, naming the range or the choices, if it is invalid."""
        given = {"name": self.title, "value": decimal(repr(value)) if isinstance(value, float) else repr(value)}
        if self.choices:
            if value not in self.choices:
                names = ", ".join(self.choices)
                raise BadSetting(message("error.setting.choice", **given, names=names), self.name)
            return value
        try:
            number = type(self.default)(float(value))
        except (TypeError, ValueError, OverflowError):
            raise BadSetting(message("error.setting.no_number", **given), self.name) from None
        if float(value) != number or not self.low <= number <= self.high:
            given |= {"low": decimal(f"{self.low:g}"), "high": decimal(f"{self.high:g}")}
            whole = isinstance(self.default, int)
            needed = message("error.setting.whole_number" if whole else "error.setting.number", **given)
            raise BadSetting(needed, self.name)
        return number


def setting(
    default: Any,
    *,
    help: str,  # noqa: A002 - named as in argparse
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a dataclass field as a method's setting: a number with a range, or one of several choices."""
    return field(default=default, metadata={"setting": Setting("", default, help, low, high, step, choices)})


def seed_setting() -> Any:
    """The `seed` setting of methods that draw at random."""
    return setting(0, low=0, high=9999, step=1, help=message("setting.seed"))


@dataclass(frozen=True, eq=False)
class Step:
    """Maps of all findings at one point of a run, and the method's own measures of their quality.

    Every step covers the whole model input; early steps are coarser than later ones.
    """

    values: np.ndarray  # (L, S, S)
    fidelity: np.ndarray | None = None  # (L,) R2 of the surrogate on samples that it was not fitted to
    sure: np.ndarray | None = None  # (L, S, S) in [0, 1]: chance that the sign of a pixel holds, nan where unknown
    error: np.ndarray | None = None  # (L, S, S) standard errors in the map's unit, nan where unknown
    missing: np.ndarray | None = None  # (L,) logits by which the map's sum falls short of the exact sum it stands for
    grain: float = 0.0  # share of the side by which displays blur the map, since smaller parts of it mean nothing


@runtime_checkable
class Method(Protocol):
    """An explanation method. Implement it as a frozen dataclass with these members; no base class is needed."""

    key: ClassVar[str]  # its name in files, flags and endpoints
    title: ClassVar[str]  # its display name
    unit: ClassVar[Unit]
    paper: ClassVar[str]  # "arXiv:1610.02391"
    cost: ClassVar[Cost]
    reading: ClassVar[str]  # two sentences: how to read the map, and its limits

    def copies(self, side: int) -> int:
        """The number of masked copies that it scores for an input of `side` pixels; 0 for a method without copies."""
        ...

    def expected_sums(self, scorer: Scorer) -> np.ndarray | None:
        """Logits (L,) to which the maps of an additive model sum; None for a method that only ranks.

        Methods differ here: the logit without its constant, or the part of it that covering the whole film takes away.
        """
        ...

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Yield maps (L, S, S) of every finding for the model input `x` (1, 1, S, S), coarse first; the last is final.

        Positive values are evidence for the finding. Cancelled or DeadlinePassed when the scorer's budget ends the run.
        """
        ...


def settings_of(method: Method | type[Method]) -> tuple[Setting, ...]:
    """The settings declared by a method, in the order of its fields."""
    found = ((f.name, f.metadata["setting"]) for f in fields(method) if "setting" in f.metadata)  # type: ignore[arg-type]
    return tuple(Setting(name, s.default, s.help, s.low, s.high, s.step, s.choices) for name, s in found)


def configure(kind: type[Method], values: Mapping[str, Any]) -> Method:
    """Create a method with the given settings; BadSetting for an unknown name or an invalid value."""
    declared = {s.name: s for s in settings_of(kind)}
    for name in values:
        if name not in declared:
            asked = {"method": kind.title, "name": repr(name)}
            if not declared:
                raise BadSetting(message("error.setting.none", **asked))
            raise BadSetting(message("error.setting.unknown", **asked, names=", ".join(declared)))
    return kind(**{name: declared[name].check(value) for name, value in values.items()})


def values_of(method: Method) -> dict[str, Any]:
    """A method's settings by name, after validation; BadSetting for a value out of range."""
    return {s.name: s.check(getattr(method, s.name)) for s in settings_of(method)}
