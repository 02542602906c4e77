"""Which cases of a table every run has; `make check` has them all.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest


def first(number: int, cases: Iterable[Any]) -> list[Any]:
    """The cases of a table as parameters: after the first ones, each is `thorough`. A tuple has several parameters."""
    given = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*case, marks=() if at < number else pytest.mark.thorough) for at, case in enumerate(given)]


def always(chosen: Iterable[Any], cases: Iterable[Any]) -> list[Any]:
    """The chosen cases of a table, and each other one as `thorough`."""
    head = list(chosen)
    return first(len(head), [*head, *(case for case in cases if case not in head)])


def named(cases: Mapping[str, tuple[Any, ...]]) -> list[Any]:
    """The cases of a table as parameters, each with its sentence as its name."""
    return [pytest.param(*case, id=name) for name, case in cases.items()]
