"""The report's page and its Markdown: Jinja2 templates, and facts with their place in the report's document.

Reads only the templates in this package. The words of the templates have no digits, so each number in the report is a
fact: `data-fact` is its JSON Pointer (RFC 6901) in `report.json`.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from wizard.commands.report.document import Fact, Form
from wizard.core.json_documents import Document
from wizard.targets.port import all_targets

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
    platforms = {target.name: target.title for target in all_targets()}
    environment.globals |= {"STATES": STATES, "PLATFORMS": platforms}
    return environment
