"""The clients of one subject, such as KMS or IAM: what they share, and how they read common values of answers.

Touches what a session touches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from wizard.aws.auth.session import Session
from wizard.core import errors

T = TypeVar("T")


def tags_of(pairs: Sequence[Mapping[str, str]], *, key: str = "Key", value: str = "Value") -> dict[str, str]:
    return {pair[key]: pair.get(value, "") for pair in pairs}


def or_none(call: Callable[[], T]) -> T | None:
    """The call's result; None where AWS denies it, answers with an error or does not have the operation."""
    try:
        return call()
    except (errors.PermissionDenied, errors.ResourceError, errors.Unsupported):
        return None


def utc(moment: object) -> datetime | None:
    """The moment in UTC; None for anything but a datetime."""
    if not isinstance(moment, datetime):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class SessionClient:
    """The calls of one subject, made with a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
