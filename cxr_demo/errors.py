"""The errors of this package, as one tree. Each message names the value, the expectation and the next step.

CxrError
├── UnreadableImage      the file is not a readable film
│   └── SeveralFilms     it is an archive of several
├── ModelError           a model's name, folder or weights
│   ├── UnknownModel     no model has this name
│   ├── ModelUnavailable it exists, but cannot be downloaded now
│   └── BadModel         its files exist, but do not form a valid model
├── UnknownLabel         a finding that the model does not predict
├── BadSetting           a setting outside its range, or an unknown setting or method
├── TooBusy              the queue of computations is full
├── DataError            an unusable training table, folder or split
└── Stopped              a computation ended early; its last complete map stands
    ├── Cancelled        it was stopped on request
    └── DeadlinePassed   its time limit passed
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from cxr_demo.messages import message

if TYPE_CHECKING:
    from collections.abc import Sequence

#: errno values of a full disk, and of a place without permission to read or write.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


def remedy(error: BaseException) -> str | None:
    """The start of a sentence that advises on a full disk or missing permission; None for other errors."""
    number = error.errno if isinstance(error, OSError) else None
    if number in NO_ROOM:
        return "Make room there"
    return "Let this program read and write there" if number in NOT_ALLOWED else None


def sentence_of(error: BaseException) -> str:
    """The sentence of an error: the Message itself if the error was raised with one, else `str(error)`."""
    first = error.args[0] if len(error.args) == 1 else None
    return first if isinstance(first, str) else str(error)


class CxrError(Exception):
    """Base of all errors whose message is shown to the user."""


class UnreadableImage(CxrError):
    """The file is not a readable film."""


class SeveralFilms(UnreadableImage):
    """The file is an archive of several films: its `members` by path, beside `others` that are no films."""

    def __init__(self, sentence: str, members: Sequence[str] = (), others: int = 0) -> None:  # defaults: to be pickled
        super().__init__(sentence)
        self.members, self.others = tuple(members), others


class ModelError(CxrError):
    """Base of the errors of a model's name, folder or weights."""


class UnknownModel(ModelError):
    """No model has this name."""


class ModelUnavailable(ModelError):
    """The model exists, but cannot be downloaded now."""


class BadModel(ModelError):
    """The model's files exist, but do not form a valid model."""


class UnknownLabel(CxrError):
    """The model does not predict this finding."""


class BadSetting(CxrError):
    """A setting is outside its range, or the setting or method is unknown; `field` is the setting's name, if known."""

    def __init__(self, sentence: str, field: str | None = None) -> None:
        super().__init__(sentence)
        self.field = field


class TooBusy(CxrError):
    """The queue of computations is full."""


class DataError(CxrError):
    """A training table, folder or split is unusable."""


class Stopped(CxrError):
    """A computation ended early; its last complete map stands."""


class Cancelled(Stopped):
    """The computation was stopped on request."""

    def __init__(self, sentence: str = message("error.stopped.on_request")) -> None:
        super().__init__(sentence)


class DeadlinePassed(Stopped):
    """The computation reached its time limit."""
