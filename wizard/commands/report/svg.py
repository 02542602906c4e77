"""SVG from elements of the standard library, with facts that have their place in the report's document.

Pure.
"""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, tostring

from markupsafe import Markup

from wizard.commands.report.document import Fact, Form

Child = Element | Fact | str


def element(name: str, *children: Child | None, **attributes: Any) -> Element:
    """An element. `class_` is `class`, `_` in other names is `-`; an attribute or a child that is None is left out."""
    parent = Element(name, {_name(key): _number(value) for key, value in attributes.items() if value is not None})
    for child in children:
        if isinstance(child, Fact):
            child = cited(child)
        if isinstance(child, Element):
            parent.append(child)
        elif child is not None and len(parent):
            parent[-1].tail = (parent[-1].tail or "") + child
        elif child is not None:
            parent.text = (parent.text or "") + child
    return parent


def _name(name: str) -> str:
    # SVG's own camelCase names are passed as they are.
    return name.rstrip("_").replace("_", "-")


def _number(value: Any) -> str:
    # A tenth of a pixel: the same text on every machine.
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def cited(fact: Fact, form: Form = Form.PLAIN) -> Element:
    """A fact as a part of a text."""
    return element("tspan", fact.text(form), data_fact=fact.pointer)


def label(x: float, y: float, child: Fact | str, form: Form = Form.PLAIN, **attributes: str) -> Element:
    """A text at a position."""
    return element("text", cited(child, form) if isinstance(child, Fact) else child, x=x, y=y, **attributes)


def svg(name: str, title: str, description: str, width: float, height: float, *children: Child) -> Markup:
    """A drawing with a title and a description for screen readers; a table or text next to it has the same data."""
    drawing = element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-description"),
        *children,
        role="img",
        aria_labelledby=f"{name}-title {name}-description",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
    )
    return Markup(tostring(drawing, encoding="unicode"))
