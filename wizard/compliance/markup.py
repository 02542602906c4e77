"""Facts as they are cited in the page: each by its place in the document, and nothing else with a digit in it.

Pure. Words written by hand hold no digit, so whatever number a reader sees is a fact that names its place in
`report.json`: `data-fact` is a JSON Pointer (RFC 6901).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from html import escape
from typing import Any


class Form(StrEnum):
    """How a value is written."""

    PLAIN = "plain"
    MONEY = "money"
    DAY = "day"
    MOMENT = "moment"


@dataclass(frozen=True)
class Fact:
    """A value of the document and where it is in it."""

    value: Any
    pointer: str = ""

    def __getitem__(self, key: str | int) -> Fact:
        return Fact(self.value[key], f"{self.pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")

    def __iter__(self) -> Iterator[Fact]:
        return (self[index] for index in range(len(self.value)))

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    @property
    def is_known(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    @property
    def time(self) -> datetime:
        """Of a value that is a time, UTC."""
        return datetime.fromisoformat(str(self.value))

    def told(self, form: Form = Form.PLAIN) -> str:
        """The value as a person reads it."""
        return told(self.value, form)


def told(value: Any, form: Form = Form.PLAIN) -> str:
    """A value as a person reads it."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    match form:
        case Form.MONEY:
            return f"${value:,.2f}"
        case Form.DAY:
            return f"{datetime.fromisoformat(value):%-d %B %Y}"
        case Form.MOMENT:
            return f"{datetime.fromisoformat(value):%-d %B %Y, %H:%M} UTC"
        case _ if isinstance(value, float):
            return f"{value:,.3f}".rstrip("0").rstrip(".")
        case _:
            return f"{value:,}" if isinstance(value, int) else str(value)


class Markup(str):
    """HTML or SVG that is finished: every value in it is escaped."""

    __slots__ = ()


Child = Markup | Fact | str | None
"""What may stand in an element: markup, a fact, words written by hand, or nothing."""


def words(text: str) -> Markup:
    """Words written by hand. Raises ValueError for a digit: a number has to come from the facts."""
    if any(character.isdigit() for character in text):
        raise ValueError(f"a number that is no fact: {text!r}")
    return Markup(escape(text))


def cite(fact: Fact, form: Form = Form.PLAIN, *, in_drawing: bool = False) -> Markup:
    """A fact, with its place in the document."""
    attributes = {"data_fact": fact.pointer}
    name = "tspan" if in_drawing else "span"
    # The HTML parser leaves a drawing at the first of its own elements.
    if form in (Form.DAY, Form.MOMENT) and fact.is_known and not in_drawing:
        name, attributes = "time", {"datetime": fact.value, **attributes}
    return _element(name, escape(fact.told(form)), attributes)


def code(fact: Fact) -> Markup:
    """A name that a program gave: an ARN, a fingerprint, a command."""
    return _element("code", escape(fact.told()), {"data_fact": fact.pointer})


def tag(name: str, /, *children: Child, **attributes: Any) -> Markup:
    """An element. `class_` is `class`, `_` in other names is `-`; an attribute that is None is left out."""
    return _element(name, join(*children), attributes)


def join(*children: Child) -> Markup:
    """One after the other."""
    return Markup("".join(_finished(child) for child in children if child is not None))


def _finished(child: Markup | Fact | str) -> str:
    if isinstance(child, Markup):
        return child
    return cite(child) if isinstance(child, Fact) else words(child)


_VOID = frozenset(("meta", "link", "br", "hr", "wbr", "input", "col"))
_EMPTY = frozenset(("path", "line", "rect", "circle", "polyline", "polygon", "use"))


def _element(name: str, inner: str, attributes: dict[str, Any]) -> Markup:
    given = "".join(
        f' {_attribute(key)}="{escape(_number(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    if name in _EMPTY and not inner:
        return Markup(f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{inner}</{name}>")


def _attribute(name: str) -> str:
    # SVG's own attributes are in camel case where they are.
    return name.rstrip("_").replace("_", "-")


def _number(value: Any) -> str:
    # Places in a drawing, to a tenth of a pixel: the same on every machine.
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
