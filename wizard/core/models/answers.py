"""The answers of a run, each with its source, and the draft that an unfinished run leaves. Frozen.

Pure. Holds secrets: an answer's `repr` hides them, and a draft has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Source(StrEnum):
    """The source of an answer, the highest rank first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DRAFT = "draft"
    SAVED = "saved"
    COPIED = "copied"
    DETECTED = "detected"
    DEFAULT = "default"
    ASKED = "asked"


@dataclass(frozen=True, kw_only=True, repr=False)
class Answer:
    """A value with its source. None is the answer `none` to an optional input."""

    value: Any
    source: Source
    where: str
    """The exact source: `--region`, `EONPRO_REGION`, a file's name, `sts`."""
    secret: bool = False

    def __repr__(self) -> str:
        value = "<hidden>" if self.secret else repr(self.value)
        return f"Answer(value={value}, source={self.source.value!r}, where={self.where!r})"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The answers of a run when it ended."""

    stage: str
    at: datetime
    """The time of the last answer; UTC."""
    answers: Mapping[str, Any] = field(default_factory=dict)
    """Values by the key of their input; None is the answer `none`."""
    asked: tuple[str, ...] = ()
    """The questions that were answered, in order."""
