"""A page read without a browser: its elements, and each text with the fact that it names. Touches nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser
from typing import Any

from wizard.core.safe_text import clean, lines

_VOID = frozenset(("meta", "link", "br", "hr", "wbr", "input", "col"))
_UNSEEN = frozenset(("style", "script"))


@dataclass(kw_only=True)
class Element:
    """An element that was opened."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    """All text in it, however deep."""
    within: tuple[Element, ...] = ()
    children: list[Element] = field(default_factory=list)


class Page(HTMLParser):
    """All elements of a page, and its visible texts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.texts: list[tuple[str, str | None]] = []
        """(text, the nearest `data-fact` around it)."""
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert self._open == [], [each.name for each in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(name=tag, attributes={k: v or "" for k, v in attrs}, within=tuple(self._open))
        self.elements.append(element)
        if self._open:
            self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        closed = self._open.pop()
        assert closed.name == tag, f"</{tag}> closes <{closed.name}>"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data
        if any(each.name in _UNSEEN for each in self._open):
            return
        facts = [each.attributes["data-fact"] for each in self._open if "data-fact" in each.attributes]
        self.texts.append((data, facts[-1] if facts else None))

    def named(self, *names: str) -> list[Element]:
        return [each for each in self.elements if each.name in names]


def resolved(document: Any, pointer: str) -> Any:
    """The value at a JSON Pointer (RFC 6901). Raises KeyError or IndexError where there is none."""
    value = document
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def ways_to_tell(value: Any) -> set[str]:
    """How a value may be written for a person; a thing that is told in another way is not that value."""
    if value is None:
        return {"unknown"}
    if isinstance(value, bool):
        return {"yes", "no"} & {"yes" if value else "no"}
    if isinstance(value, int | float):
        plain = f"{value:,.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"
        return {plain, f"${value:,.2f}"}
    forms = {clean(str(value)), lines(str(value)), str(value).capitalize()}
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        return forms
    day = f"{when.day} {when:%B %Y}"
    return forms | {day, f"{day}, {when:%H:%M} UTC"}
