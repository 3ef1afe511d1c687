"""Everything that can go wrong, as one tree. A message names the value, the wish and the next step.

CxrError
├── UnreadableImage      the file is no film we can read
├── ModelError           a model's name, folder or weights
│   ├── UnknownModel     no such name
│   ├── ModelUnavailable it exists, but cannot be fetched now
│   └── BadModel         the files are there, but are not a model of ours
├── UnknownLabel         a finding the model does not predict
├── BadSetting           a method's setting outside its range, or no such setting or method
├── TooBusy              too many computations are waiting
├── DataError            a training table, folder or split that cannot be used
└── Stopped              a computation ended early; its last complete map stands
    ├── Cancelled        somebody asked for it
    └── DeadlinePassed   the time given was used up
"""

from __future__ import annotations

import errno

from cxr_demo.messages import message

#: What a disk says that is full, and one that may not be used.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


def remedy(error: BaseException) -> str | None:
    """What to do about a disk that is full or may not be used, as the start of a sentence; None for other errors."""
    number = error.errno if isinstance(error, OSError) else None
    if number in NO_ROOM:
        return "Make room there"
    return "Let this program read and write there" if number in NOT_ALLOWED else None


def sentence_of(error: BaseException) -> str:
    """The sentence of an error, a Message where it was raised with one; `str(error)` is plain English."""
    first = error.args[0] if len(error.args) == 1 else None
    return first if isinstance(first, str) else str(error)


class CxrError(Exception):
    """Base of all errors meant for a person to read."""


class UnreadableImage(CxrError):
    """The file is no film we can read."""


class ModelError(CxrError):
    """A model's name, folder or weights."""


class UnknownModel(ModelError):
    """No model goes by this name."""


class ModelUnavailable(ModelError):
    """The model exists, but cannot be fetched now."""


class BadModel(ModelError):
    """The files are there, but are not a model of ours."""


class UnknownLabel(CxrError):
    """A finding the model does not predict."""


class BadSetting(CxrError):
    """A method's setting outside its range, or no such setting or method; `field` is the setting's name, if known."""

    def __init__(self, sentence: str, field: str | None = None) -> None:
        super().__init__(sentence)
        self.field = field


class TooBusy(CxrError):
    """Too many computations are waiting."""


class DataError(CxrError):
    """A training table, folder or split that cannot be used."""


class Stopped(CxrError):
    """A computation ended early; its last complete map stands."""


class Cancelled(Stopped):
    """Somebody asked for it to end."""

    def __init__(self, sentence: str = message("error.stopped.on_request")) -> None:
        super().__init__(sentence)


class DeadlinePassed(Stopped):
    """The time given was used up."""
