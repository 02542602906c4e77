"""One look-up of the pass before anything is created: its answer or its error, and what is told of it.

Pure: touches nothing but the call that it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from wizard.core.errors import CredentialsError, Problem, SetupError

T = TypeVar("T")

_ACTION = re.compile(r"\b[a-z0-9-]+:[A-Z]\w+")
_WHILE = re.compile(rf" \({_ACTION.pattern}\)$")
"""The look-up during which an endpoint did not answer."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What a part of the pass has to say."""

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def attempt(call: Callable[..., T], *args: Any) -> tuple[T | None, SetupError | None]:
    """The call's answer or its error; only errors of the tree, a bug still crashes."""
    try:
        return call(*args), None
    except SetupError as error:
        return None, error


def problem(error: SetupError, why: str) -> Problem:
    """An error as a problem among others."""
    return Problem(what=error.message, why=why, next=error.hint, exit_code=error.exit_code)


def deduplicate(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each problem once, though several look-ups met it; so an endpoint that does not answer is told once."""
    kept: dict[str, Problem] = {}
    for each in problems:
        kept.setdefault(_WHILE.sub("", each.what), each)
    return tuple(kept.values())


def drop_covered(problems: Iterable[Problem], denied: Iterable[str]) -> list[Problem]:
    """Those that are more than the refusal of an action that is among `denied`, which are told together."""
    known = set(denied)

    def refused(each: Problem) -> set[str]:
        return set(_ACTION.findall(each.what)) if each.exit_code == CredentialsError.exit_code else set()

    return [each for each in problems if not refused(each) or not refused(each) <= known]
