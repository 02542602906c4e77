"""The forms of a report: every number names its fact, every value is escaped, and the page reads well by ear."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.browsing.reading import Page, resolved, ways_to_tell
from tests.golden import compare
from tests.wizard.commands.report import samples
from tests.wizard.commands.report.samples import FILES, STATES, STRANGE, facts
from tests.wizard.fakes.clients import wrapped
from wizard.commands.report.document import Fact, Form, document, text, written
from wizard.commands.report.facts import ReportFacts
from wizard.commands.report.render import markdown, page

GOLDEN = Path(__file__).parent / "golden"
PLACE = "\ue000"
"""Stands for a fact in the Markdown."""


def document_of(of: ReportFacts) -> dict[str, Any]:
    """The document as a program reads it back from report.json."""
    read: dict[str, Any] = json.loads(text(document(of, files=FILES)))
    return read


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A report in one state, and its page read once for all tests."""

    of: ReportFacts
    document: dict[str, Any]
    html: str
    read: Page


@cache
def report(name: str) -> Rendered:
    of = STATES[name]
    html = page(document_of(of))
    return Rendered(of=of, document=document_of(of), html=html, read=Page(html))


EVERY_STATE = pytest.mark.parametrize("name", list(STATES))


# --- every number traces to a fact


@EVERY_STATE
def test_every_visible_number_is_in_an_element_that_names_its_fact(name) -> None:
    seen = report(name).read.texts
    loose = [each for each, pointer in seen if pointer is None and any(c.isdigit() for c in each)]
    assert seen
    # The heading and the date of the page cite what the title of the window says.
    assert loose == [report(name).read.named("title")[0].text]


@EVERY_STATE
def test_every_element_that_names_a_fact_shows_that_fact_and_nothing_else(name) -> None:
    document_ = report(name).document
    cited = [each for each in report(name).read.elements if "data-fact" in each.attributes]
    wrong = [
        (each.attributes["data-fact"], each.text)
        for each in cited
        if each.text not in ways_to_tell(resolved(document_, each.attributes["data-fact"]))
    ]
    assert len(cited) > 100
    assert wrong == []


@EVERY_STATE
def test_every_number_of_the_markdown_is_a_fact_too(name) -> None:
    document_ = report(name).document
    facts_: list[tuple[str, str]] = []

    def mark(fact: Fact, text_: str) -> str:
        facts_.append((fact.pointer, text_))
        return PLACE

    words = markdown(document_, mark=mark)
    assert words.count(PLACE) == len(facts_) > 100
    assert [line for line in words.splitlines() if any(c.isdigit() for c in line)] == []
    for pointer, text_ in facts_:
        plain = {" ".join(way.split()) for way in ways_to_tell(resolved(document_, pointer))}
        assert " ".join(text_.split()).replace("\\", "").strip("`") in {
            way.replace("\\", "").strip("`") for way in plain
        }


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        (None, Form.PLAIN, "unknown"),
        (True, Form.PLAIN, "yes"),
        (8760, Form.PLAIN, "8,760"),
        (0.5, Form.PLAIN, "0.5"),
        (5.0, Form.PLAIN, "5"),
        (1234.5, Form.MONEY, "$1,234.50"),
        ("2026-03-02T09:30:00Z", Form.DAY, "2 March 2026"),
        ("2026-03-02T09:30:00Z", Form.MOMENT, "2 March 2026, 09:30 UTC"),
    ],
)
def test_a_value_is_written_as_a_person_reads_it(value, form, expected) -> None:
    assert written(value, form) == expected


# --- nothing is let out or in


@EVERY_STATE
def test_the_page_asks_no_other_address_for_anything(name) -> None:
    read = report(name).read
    asking = {"src", "href", "action", "data", "poster", "srcset", "background", "formaction", "xlink:href"}
    addresses = [v for each in read.elements for k, v in each.attributes.items() if k in asking]
    assert addresses
    assert [each for each in addresses if not each.startswith("#")] == []
    styles = [each.text for each in read.named("style")]
    assert len(styles) == 1
    assert "@import" not in styles[0]
    assert styles[0].count("url(") == 0


def test_its_policy_allows_only_its_own_style_and_script() -> None:
    read = report("in full").read
    policy = next(
        each.attributes["content"]
        for each in read.named("meta")
        if each.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    digests = [
        "'sha256-" + base64.b64encode(hashlib.sha256(each.text.encode()).digest()).decode() + "'"
        for each in read.named("style")
    ]
    assert policy.startswith("default-src 'none';")
    assert [digest in policy for digest in digests] == [True]
    assert read.named("script") == []
    assert "unsafe" not in policy
    assert [each for each in read.elements if any(k.startswith("on") or k == "style" for k in each.attributes)] == []


def test_every_internal_link_leads_somewhere() -> None:
    read = report("in full").read
    ids = [each.attributes["id"] for each in read.elements if "id" in each.attributes]
    links = [v[1:] for each in read.elements for k, v in each.attributes.items() if k == "href"]
    assert len(ids) == len(set(ids))
    assert set(links) <= set(ids)


def test_a_name_with_markup_is_shown_and_harmless() -> None:
    read = report("strange names").read
    assert read.named("script") == []
    assert read.named("h1")[0].text == f"Compliance report: {STRANGE}"


def test_a_name_with_markup_is_harmless_in_the_markdown() -> None:
    written = markdown(report("strange names").document)
    assert "<script>" not in written.replace("\\<script\\>", "").replace("`", "")
    rows = [line for line in written.splitlines() if line.startswith("| Vercel") and "acme" in line]
    assert [line.replace("\\|", "").count("|") for line in rows] == [6] * len(rows)


def test_invisible_characters_of_a_name_are_in_no_form() -> None:
    of = facts(account_alias="cli\u202enic\x1b[31m")
    for form in (page(document_of(of)), markdown(document_of(of))):
        assert "clinic[31m" in form.replace("\\", "")
        assert "\u202e" not in form and "\x1b" not in form


@EVERY_STATE
def test_no_wrapped_key_is_in_any_form_and_every_fingerprint_may_be(name) -> None:
    document_ = report(name).document
    for form in (json.dumps(document_), report(name).html, markdown(document_)):
        assert wrapped("new").value not in form
        assert wrapped("old").value not in form
    if report(name).of.rotation.versions:
        assert wrapped("new").fingerprint in report(name).html


# --- it reads well


@EVERY_STATE
def test_headings_go_down_one_step_at_a_time_under_one_first(name) -> None:
    levels = [int(each.name[1]) for each in report(name).read.named("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


@EVERY_STATE
def test_every_table_has_a_caption_and_every_heading_of_it_a_scope(name) -> None:
    read = report(name).read
    tables = read.named("table")
    assert tables
    assert [each for each in tables if each.children[0].name != "caption" or not each.children[0].text] == []
    assert [each for each in read.named("th") if each.attributes.get("scope") not in ("col", "row")] == []


@EVERY_STATE
def test_every_sign_is_hidden_from_screen_readers(name) -> None:
    assert {each.attributes["aria-hidden"] for each in report(name).read.named("svg")} == {"true"}


def test_it_has_landmarks_a_language_and_a_skip_link() -> None:
    read = report("in full").read
    assert read.named("html")[0].attributes["lang"] == "en"
    assert [len(read.named(name)) for name in ("main", "nav", "footer")] == [1, 1, 1]
    first = next(each for each in read.named("a"))
    assert first.attributes == {"href": "#report", "class": "skip"}


def test_no_state_is_shown_by_its_colour_alone() -> None:
    read = report("in full").read
    badges = [each for each in read.elements if "badge" in each.attributes.get("class", "").split()]
    assert badges
    assert [each for each in badges if not each.text or each.children[0].name != "svg"] == []


def test_with_too_many_principals_the_page_says_how_many_there_are() -> None:
    many = tuple(replace(samples.PRINCIPALS[1], arn=f"arn:aws:iam::111122223333:role/r{n}") for n in range(450))
    of = facts(access=replace(samples.ACCESS, review=replace(samples.REVIEW, principals=many)))
    read = Page(page(document_of(of)))
    shown = [each for each in read.elements if each.attributes.get("data-fact", "").endswith("/arn")]
    principals = [each for each in shown if each.attributes["data-fact"].startswith("/access/review/principals")]
    assert len(principals) == 200
    assert "Only the first of 450 principals" in " ".join(each.text for each in read.named("p"))
    assert len(page(document_of(of)).encode()) < 300_000


# --- nothing changes by itself


def without_style(html: str) -> str:
    """The page without the text of page.css. Its digest is in the page's policy, so a change of it shows here too."""
    return re.sub(r"(?s)<style>.*?</style>", "<style>page.css</style>", html)


@pytest.mark.parametrize(("form", "ending"), [(page, "html"), (markdown, "md")])
def test_every_form_equals_its_golden_file(form, ending) -> None:
    """To accept a change: UPDATE_GOLDEN=1, which fails for each file that it changes; then review the diff."""
    compare(GOLDEN / f"in-full.{ending}", without_style(form(report("in full").document)))


def test_each_section_that_could_not_be_read_says_why() -> None:
    unread = report("nothing could be read")
    sections = ("Findings", "Access to the key", "Rotation", "Retention of the audit logs")
    words = markdown(unread.document)
    assert all(f"## {section}\n\nUnknown: {unread.of.rotation.why}\n" in words for section in sections)
    pointers = re.findall(r'<strong>Unknown.</strong> <span data-fact="([^"]*)"', unread.html)
    assert pointers == ["/doctor/why", "/access/why", "/rotation/why", "/retention/why"]
