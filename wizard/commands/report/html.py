"""Facts as they are cited in the page: each by its place in the document, and nothing else with a digit in it.

Pure. Words written by hand hold no digit, so whatever number a reader sees is a fact that names its place in
`report.json`: `data-fact` is a JSON Pointer (RFC 6901).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from html import escape
from types import MappingProxyType
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


CHECK, CROSS, PERSON, QUESTION, BALANCE = "check", "cross", "person", "question", "balance"

_SIGNS = MappingProxyType(
    {
        CHECK: "M3.5 8.5l3 3 6-7",
        CROSS: "M4.5 4.5l7 7M11.5 4.5l-7 7",
        PERSON: "M8 8a2.4 2.4 0 100-4.8A2.4 2.4 0 008 8zM3.6 13.2c.5-2.4 2.2-3.6 4.4-3.6s3.9 1.2 4.4 3.6",
        QUESTION: "M5.6 6.2c0-1.5 1-2.5 2.4-2.5s2.4 1 2.4 2.2c0 1.7-2.4 1.9-2.4 3.6M8 12.3v.2",
        BALANCE: "M8 3v10M4 5.5h8M4 5.5l-1.6 4h3.2zM12 5.5l-1.6 4h3.2z",
    }
)

STATES = MappingProxyType(
    {
        "done": ("good", CHECK, "Done"),
        "open": ("bad", CROSS, "Open"),
        "needs a person": ("person", PERSON, "Needs a person"),
        "unknown": ("unknown", QUESTION, "Unknown"),
        "pass": ("good", CHECK, "Pass"),
        "fail": ("bad", CROSS, "Fail"),
        "fails by choice": ("person", BALANCE, "Fails by choice"),
    }
)
"""Of each state's word: its colour, its sign and how it is written."""


def signs() -> Markup:
    """The drawings that `sign` refers to, once for the whole page."""
    drawn = (
        tag("symbol", tag("path", d=path), id=f"sign-{name}", viewBox="0 0 16 16") for name, path in _SIGNS.items()
    )
    return tag("svg", *drawn, width=0, height=0, class_="signs", aria_hidden="true")


def sign(name: str) -> Markup:
    """A small drawing for the eye alone; the word beside it is what is read."""
    return tag("svg", tag("use", href=f"#sign-{name}"), class_="sign", aria_hidden="true")


def badge(state: Fact) -> Markup:
    """A state, by its sign, its colour and its word."""
    colour, drawn, word = STATES[str(state.value)]
    return tag("span", sign(drawn), tag("span", word, data_fact=state.pointer), class_=f"badge {colour}")


def may(state: Fact) -> Markup:
    """Yes, no, or that it is unknown. The word says it; its weight only helps the eye."""
    match state.value:
        case "yes":
            return tag("b", "Yes", data_fact=state.pointer)
        case "no":
            return tag("span", "No", data_fact=state.pointer)
        case _:
            return badge(state)


def scroll(label: str, *children: Child) -> Markup:
    """What may be wider than a small screen: it scrolls by itself, by the keyboard too."""
    return tag("div", *children, class_="scroll", tabindex="0", role="group", aria_label=label)


def table(
    caption: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[Child]],
    *,
    class_: str | None = None,
    numbers: frozenset[int] = frozenset(),
) -> Markup:
    """A table; the first cell of a row names it. `numbers`: the columns that are aligned as numbers are."""
    head = tag("tr", *(tag("th", each, scope="col", class_=_svg_number(i, numbers)) for i, each in enumerate(headings)))
    body = (
        tag(
            "tr",
            *(
                tag("td" if i else "th", cell, scope=None if i else "row", class_=_svg_number(i, numbers))
                for i, cell in enumerate(row)
            ),
        )
        for row in rows
    )
    drawn = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body), class_=class_)
    return scroll(caption, drawn)


def _svg_number(index: int, numbers: frozenset[int]) -> str | None:
    return "number" if index in numbers else None


def pairs(*rows: tuple[str, Child], class_: str | None = None) -> Markup:
    """Names and values."""
    told = (tag("div", tag("dt", name), tag("dd", value)) for name, value in rows if value is not None)
    return tag("dl", *told, class_=class_)


def figure(label: str, drawing: Markup, caption: str) -> Markup:
    """A drawing with what it shows below it."""
    return tag("figure", scroll(label, drawing), tag("figcaption", caption))


def svg(name: str, title: str, description: str, width: float, height: float, *children: Child) -> Markup:
    """A drawing that a screen reader tells by title and description; its data stands beside it as a table or text."""
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", description, id=f"{name}-description"),
        *children,
        role="img",
        aria_labelledby=f"{name}-title {name}-description",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
    )


def label(x: float, y: float, child: Fact | str, form: Form = Form.PLAIN, **attributes: str) -> Markup:
    """A text in a drawing."""
    told = cite(child, form, in_drawing=True) if isinstance(child, Fact) else child
    return tag("text", told, x=x, y=y, **attributes)


def listed(facts: Fact, empty: str = "none", how: Callable[[Fact], Markup] = code) -> Markup:
    """Facts one below the other; as names that programs gave, unless `how` says otherwise."""
    if not facts:
        return join(empty)
    if len(facts) == 1:
        return how(facts[0])
    return tag("ul", *(tag("li", how(each)) for each in facts), class_="names")


def section(name: str, heading: str, *children: Child) -> Markup:
    """A part of the page, which its heading names."""
    title = tag("h2", heading, id=f"{name}-heading")
    return tag("section", title, *children, id=name, aria_labelledby=f"{name}-heading")


def unknown(why: Fact) -> Markup:
    """That something is not known, and why."""
    told = tag("strong", "Unknown.")
    return tag("p", sign(QUESTION), told, " ", why, class_="note unknown")
