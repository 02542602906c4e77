"""The report's page and its Markdown: Jinja2 templates, timelines, and facts with their place in the report's document.

Reads only the templates in this package. The words of the templates have no digits, so each number in the report is a
fact: `data-fact` is its JSON Pointer (RFC 6901) in `report.json`.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from xml.etree.ElementTree import Element

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from wizard.commands.report import drawing
from wizard.commands.report.document import Fact, Form
from wizard.commands.report.drawing import cited, element, label, svg
from wizard.core.json_documents import Document

TEMPLATES = Path(__file__).parent / "templates"


CITATION = Markup('<{0} data-fact="{1}">{2}</{0}>')
"""Element, JSON Pointer and text of a fact."""

STATES = MappingProxyType(
    {
        "done": ("good", "check", "Done"),
        "open": ("bad", "cross", "Open"),
        "needs a person": ("person", "person", "Needs a person"),
        "unknown": ("unknown", "question", "Unknown"),
    }
)
"""By state: the CSS class, the icon and the name."""

_TIMELINE_WIDTH = 960
_TIMELINE_LEFT = 250
_TIMELINE_RIGHT = 930
_TIMELINE_ROW = 30
_TIMELINE_TOP = 44
_TIMELINE_TOP_WITHOUT_NOW = 6


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a timeline: an event, or a period."""

    name: Fact | str
    kind: str
    """Class of its mark, which ends with a shape: `dot`, `diamond`, `ring`, or `bar`."""
    at: Fact
    until: Fact | None = None
    """The end of a bar; None without an end."""


def _timeline(name: str, title: str, description: str, rows: Sequence[Row], now: Fact | None) -> Markup:
    """A timeline from the first to the last time; `now` is marked, if any."""
    times = [row.at.time for row in rows]
    times += [row.until.time for row in rows if row.until is not None and row.until.is_known]
    times += [now.time] if now is not None else []
    first, last = min(times), max(times)
    span = max(last - first, timedelta(days=1))

    def x(when: datetime) -> float:
        return _TIMELINE_LEFT + (_TIMELINE_RIGHT - _TIMELINE_LEFT) * ((when - first) / span)

    top = _TIMELINE_TOP if now is not None else _TIMELINE_TOP_WITHOUT_NOW
    height = top + _TIMELINE_ROW * len(rows) + 10
    drawn: list[Element] = []
    for index, row in enumerate(rows):
        y = top + _TIMELINE_ROW * index + _TIMELINE_ROW / 2
        drawn += [
            element("line", x1=_TIMELINE_LEFT, x2=_TIMELINE_RIGHT, y1=y, y2=y, class_="rail"),
            label(_TIMELINE_LEFT - 18, y + 4, row.name, class_="row-label", text_anchor="end"),
            *_mark(row, x, y),
        ]
    if now is not None:
        at, end = x(now.time), top + _TIMELINE_ROW * len(rows) + 2
        anchor = "end" if at > (_TIMELINE_LEFT + _TIMELINE_RIGHT) / 2 else "start"
        caption = element(
            "text",
            "this report, ",
            cited(now, Form.DAY),
            x=at,
            y=top - 14,
            class_="now",
            text_anchor=anchor,
        )
        # Behind the dates, whose outline keeps them clear of the line.
        drawn = [element("line", x1=at, x2=at, y1=top - 8, y2=end, class_="now"), caption, *drawn]
    return svg(name, title, description, _TIMELINE_WIDTH, height, *drawn)


def _mark(row: Row, x: Callable[[datetime], float], y: float) -> list[Element]:
    at = x(row.at.time)
    shape = row.kind.split()[-1]
    if shape == "bar":
        ends = row.until is not None and row.until.is_known
        end = x(row.until.time) if ends and row.until is not None else float(_TIMELINE_RIGHT)
        bar = element("rect", x=at, y=y - 9, width=max(end - at, 3.0), height=18, rx=3, class_=row.kind)
        inside = end - at > 150
        where = (end - 8, "end", "in-bar") if inside else (end + 8, "start", "date")
        if not ends or row.until is None:
            return [bar, label(end - 8, y + 4, "no end", class_="in-bar", text_anchor="end")]
        if not inside and end > _TIMELINE_RIGHT - 130:
            where = (at - 8, "end", "date")
        return [bar, label(where[0], y + 4, row.until, Form.DAY, class_=where[2], text_anchor=where[1])]
    left = at > (_TIMELINE_LEFT + _TIMELINE_RIGHT) / 2 + 120
    date = label(
        at - 14 if left else at + 14, y + 4, row.at, Form.DAY, class_="date", text_anchor="end" if left else "start"
    )
    if shape == "diamond":
        mark = element("path", d=f"M{at:.1f} {y - 8:.1f}l8 8l-8 8l-8 -8z", class_=row.kind)
    else:
        mark = element("circle", cx=at, cy=y, r=6, class_=row.kind)
    return [mark, date]


def rotation_timeline(report: Fact) -> Markup | None:
    """When the key rotated and rotates next, and when each version of the data key was stored; None without any."""
    rotations, versions = report["rotation"]["rotations"], report["rotation"]["versions"]
    rows = [
        Row(name=version["wrapped"], kind="version dot", at=version["keptAt"])
        for version in (versions if versions.is_known else ())
        if version["keptAt"].is_known
    ]
    if rotations.is_known:
        for rotation in rotations["rotations"]:
            on_demand = bool(rotation["onDemand"])
            name, kind = ("Rotation on demand", "demand diamond") if on_demand else ("Rotation", "automatic dot")
            rows.append(Row(name=name, kind=kind, at=rotation["at"]))
        if rotations["nextAt"].is_known:
            rows.append(Row(name="Next rotation", kind="next ring", at=rotations["nextAt"]))
    if not rows:
        return None
    return _timeline(
        "rotation-timeline",
        "Timeline of rotations",
        "When the key's material was rotated, when it rotates next, and when each version of the data key was stored. "
        "The tables below have the same data.",
        sorted(rows, key=lambda row: row.at.time),
        report["createdAt"],
    )


_PHASES = ("storage", "archive", "lock", "required")


def retention_timeline(phases: Fact) -> Markup:
    """The life of a log file that is written at the time of the report."""
    rows = [
        Row(name=phase["name"], kind=f"{_PHASES[index % 4]} bar", at=phase["fromDate"], until=phase["untilDate"])
        for index, phase in enumerate(phases)
    ]
    return _timeline(
        "retention-timeline",
        "Timeline of retention",
        "The life of a log file that is written at the time of the report: its storage class, how long it is locked, "
        "and how long it has to be retained. The table below has the same data.",
        rows,
        None,
    )


# --- the page


def page(document: Document) -> str:
    """The whole page: HTML that loads nothing from another address and has no script."""
    # In the margins of each printed page. Only a digest and a word get into the style, whatever the document holds.
    application = re.fullmatch(r"EONPRO|[a-z][a-z0-9]{1,19}", str(document["application"]))
    digest = document["digest"] if re.fullmatch(r"sha256:[0-9a-f]{64}", str(document["digest"])) else "unknown"
    style = _file("page.css").replace("DIGEST", digest).replace("APPLICATION", application[0] if application else "The")
    policy = f"default-src 'none'; style-src '{_digest(style)}'; base-uri 'none'; form-action 'none'"
    template = _page_environment().get_template("page.html.j2")
    return template.render(report=Fact(document), style=Markup(style), policy=policy)


@cache
def _page_environment() -> Environment:
    environment = _environment(autoescape=True, finalize=_cited)
    environment.filters |= {
        "money": lambda fact: _cited(fact, Form.MONEY),
        "day": lambda fact: _cited(fact, Form.DAY),
        "moment": lambda fact: _cited(fact, Form.MOMENT),
        "lines": lambda fact: _cited(fact, Form.LINES),
        "code": lambda fact: CITATION.format("code", fact.pointer, _whole_arns(fact.text())),
    }
    environment.globals |= {
        "architecture_drawing": drawing.architecture,
        "rotation_timeline": rotation_timeline,
        "retention_timeline": retention_timeline,
    }
    return environment


def _cited(value: Any, form: Form = Form.PLAIN) -> Any:
    """A fact as an element with its JSON Pointer; any other value unchanged."""
    if not isinstance(value, Fact):
        return value
    if form in (Form.DAY, Form.MOMENT) and value.is_known:
        time = Markup('<time datetime="{}" data-fact="{}">{}</time>')
        return time.format(value.value, value.pointer, value.text(form))
    text = value.text(form)
    return CITATION.format("span", value.pointer, text if form is Form.LINES else _whole_arns(text))


_ARN = re.compile(r"(arn:aws[a-z-]*:[^\s,;()'\"<>]+[^\s,;:.()'\"<>])")


def _whole_arns(text: str) -> Markup:
    """The text, each ARN in it marked: on paper none is broken between two lines."""
    parts = _ARN.split(text)
    return Markup("").join(
        Markup('<span class="arn">{}</span>').format(part) if position % 2 else part
        for position, part in enumerate(parts)
    )


@cache
def _file(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# --- the Markdown

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&])")
# In a code span only its end is special, and the bar in a table cell.
_SPECIAL_IN_CODE = re.compile(r"[`|\r\n]")

Mark = Callable[[Fact, str], str]


def markdown(document: Document, *, mark: Mark = lambda fact, text: text) -> str:
    """The report as Markdown, in the page's order. `mark` gets each fact with its text, and returns the text."""

    def cited(value: Any, form: Form = Form.PLAIN) -> Any:
        if not isinstance(value, Fact):
            return value
        return mark(value, _SPECIAL.sub(r"\\\1", " ".join(value.text(form).split())))

    def code(fact: Fact) -> str:
        text = fact.text()
        return str(cited(fact)) if _SPECIAL_IN_CODE.search(text) else mark(fact, f"`{text}`")

    environment = _environment(autoescape=False, finalize=cited)
    environment.filters |= {
        "money": lambda fact: cited(fact, Form.MONEY),
        "day": lambda fact: cited(fact, Form.DAY),
        "moment": lambda fact: cited(fact, Form.MOMENT),
        "lines": lambda fact: mark(fact, fact.text(Form.LINES)),
        "code": code,
        "codes": lambda facts: ", ".join(code(fact) for fact in facts),
    }
    return environment.get_template("report.md.j2").render(report=Fact(document))


def _environment(*, autoescape: bool, finalize: Callable[[Any], Any]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=autoescape,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"STATES": STATES, "PLATFORMS": drawing.PLATFORMS}
    return environment
