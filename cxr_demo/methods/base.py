"""What every method is: a frozen dataclass whose fields are its settings, and one function."""

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


#: Shares of the altered copies after which a method that takes seconds shows its map so far.
SHOWN = tuple(n / 10 for n in range(1, 11))


@dataclass(frozen=True)
class Setting:
    """A field of a method, as the page's controls, the command line and the API see it."""

    name: str
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its name for people."""
        return message_or(f"setting_name.{self.name}", self.name.replace("_", " "))

    def check(self, value: Any) -> Any:
        """The value in the setting's own type; BadSetting names the range where it does not fit."""
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
    help: str,  # noqa: A002 - the word the reader knows from argparse
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that is a method's setting: a number with its range, or one of some choices."""
    return field(default=default, metadata={"setting": Setting("", default, help, low, high, step, choices)})


@dataclass(frozen=True, eq=False)
class Step:
    """A complete map, coarse at first, and what the method knows of its quality."""

    values: np.ndarray  # (L, S, S)
    fidelity: np.ndarray | None = None  # (L,) R2 of a surrogate
    sure: np.ndarray | None = None  # (L, S, S) in [0, 1]: how often a place keeps its sign with other samples


@runtime_checkable
class Method(Protocol):
    """A way to explain. Subclass nothing: write a frozen dataclass with these names."""

    key: ClassVar[str]  # in files, flags and endpoints
    title: ClassVar[str]  # for people
    unit: ClassVar[Unit]
    paper: ClassVar[str]  # "arXiv:1610.02391"
    cost: ClassVar[Cost]
    reading: ClassVar[str]  # how to read the map and what it cannot tell, two sentences

    def copies(self, side: int) -> int:
        """How many altered copies of an input of this side it scores; 0 where it needs none."""
        ...

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Maps of every finding for the model input `x` (1, 1, S, S), coarse first; the last is the result."""
        ...


def settings_of(method: Method | type[Method]) -> tuple[Setting, ...]:
    """The settings that a method declares, in the order of its fields."""
    found = ((f.name, f.metadata["setting"]) for f in fields(method) if "setting" in f.metadata)  # type: ignore[arg-type]
    return tuple(Setting(name, s.default, s.help, s.low, s.high, s.step, s.choices) for name, s in found)


def configure(kind: type[Method], values: Mapping[str, Any]) -> Method:
    """A method with the given settings, each checked; BadSetting for an unknown name or a value out of range."""
    declared = {s.name: s for s in settings_of(kind)}
    for name in values:
        if name not in declared:
            asked = {"method": kind.title, "name": repr(name)}
            if not declared:
                raise BadSetting(message("error.setting.none", **asked))
            raise BadSetting(message("error.setting.unknown", **asked, names=", ".join(declared)))
    return kind(**{name: declared[name].check(value) for name, value in values.items()})


def values_of(method: Method) -> dict[str, Any]:
    """A method's settings by name, each checked; BadSetting where one is out of range."""
    return {s.name: s.check(getattr(method, s.name)) for s in settings_of(method)}
