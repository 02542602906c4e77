"""Who can use and who can administer the key, on the page: the newest review, its sign-off, and every principal.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from wizard.commands.report import text
from wizard.commands.report.html import (
    CROSS,
    Child,
    Fact,
    Form,
    Markup,
    cite,
    code,
    join,
    listed,
    may,
    pairs,
    section,
    sign,
    table,
    tag,
    unknown,
)

SHOWN = 200
"""Principals on the page, which has to stay small enough to be sent; all are in `report.json`."""


def access(report: Fact) -> Markup:
    """The part of the page."""
    told = report["access"]
    review = told["review"]
    parts: list[Child] = [unknown(told["why"])] if told["why"] else []
    parts += [
        tag("p", sign(CROSS), tag("strong", "A kept review is not whole."), " ", each, class_="note bad")
        for each in told["faults"]
    ]
    parts.append(_about(told))
    if review.is_known:
        parts += [
            _last_use(review),
            _principals(review, report["summary"]["principals"]),
            *_keys(review),
            _grants(review),
            *_unread(review),
        ]
    return section("access", "Access to the key", *parts)


def _about(told: Fact) -> Markup:
    review = told["review"]
    read = "for this report" if told["isLive"] else "from the review that was kept"
    return pairs(
        ("Access as read", join(cite(review["at"], Form.MOMENT), f", {read}") if review.is_known else join("unknown")),
        ("Newest review that was kept", _kept(told)),
        ("Age of that review in days", told["ageDays"] if told["ageDays"].is_known else join("no review is kept")),
        ("Signed", _signed(told["signOff"])),
        ("Days since it was signed", told["signedDaysAgo"] if told["signedDaysAgo"].is_known else join("never")),
        ("Days that a signed review holds", told["dueDays"]),
        class_="facts",
    )


def _kept(told: Fact) -> Markup:
    if not told["keptFile"]:
        return join("none")
    return join(cite(told["keptAt"], Form.MOMENT), ", ", code(told["keptFile"]), tag("br"), code(told["keptDigest"]))


def _signed(sign_off: Fact) -> Markup:
    if not sign_off:
        return tag("strong", "by nobody yet")
    return join(
        "by ",
        tag("strong", sign_off["signer"]),
        " with ",
        code(sign_off["signerArn"]),
        ", ",
        cite(sign_off["at"], Form.MOMENT),
        tag("br"),
        code(sign_off["file"]),
        tag("br"),
        code(sign_off["reviewDigest"]),
    )


def _last_use(review: Fact) -> Markup:
    last, history = review["lastUse"], review["history"]
    more = " or more" if history and history["isCutOff"] else None
    return pairs(
        ("Key last used", _used(last) if last else join("unknown")),
        ("Days of CloudTrail looked at", review["windowDays"]),
        ("Events of the key in them", join(history["events"], more) if history else join("unknown")),
        class_="facts",
    )


def _used(last: Fact) -> Markup:
    if not last["at"].is_known:
        return (
            join("not since ", cite(last["trackedSince"], Form.MOMENT)) if last["trackedSince"] else join("never seen")
        )
    by = join(", by ", code(last["operation"])) if last["operation"] else None
    return join(cite(last["at"], Form.MOMENT), by)


def _principals(review: Fact, number: Fact) -> Markup:
    rows = [
        (
            join(
                code(each["arn"]),
                None if each["isExpected"] else tag("span", " not named by the settings", class_="warn"),
                tag("span", " beyond the settings: ", listed(each["beyond"]), class_="warn")
                if each["beyond"]
                else None,
            ),
            may(each["use"]),
            may(each["administer"]),
            may(each["delete"]),
            listed(each["ways"], how=cite),
            listed(each["assumedBy"], how=cite),
            cite(each["lastUse"], Form.DAY) if each["lastUse"].is_known else "not seen",
            each["events"],
        )
        for each in islice(review["principals"], SHOWN)
    ]
    headings = ("Principal", "May use", "May administer", "May delete", "By", "Who may become it", "Last use", "Calls")
    told = table("Principals and what they may do with the key", headings, rows, numbers=frozenset((7,)), class_="wide")
    if len(review["principals"]) <= SHOWN:
        return told
    return join(
        told, tag("p", "Of ", number, " principals the first; the data beside this page has all.", class_="small")
    )


def _keys(review: Fact) -> list[Markup]:
    rows = [
        (
            code(key["id"]),
            code(each["arn"]),
            "active" if key["active"] else "switched off",
            key["ageDays"],
            cite(key["lastUsed"], Form.DAY) if key["lastUsed"].is_known else "not seen",
        )
        for each in islice(review["principals"], SHOWN)
        for key in each["accessKeys"]
    ]
    if not rows:
        return []
    headings = ("Access key", "Of", "State", "Age in days", "Last used")
    return [table("Long-lived access keys of these users", headings, rows, numbers=frozenset((3,)))]


def _grants(review: Fact) -> Markup:
    grants = review["grants"]
    if not grants.is_known:
        return tag("p", "The grants on the key could not be read.")
    if not grants:
        return tag("p", "There are no grants on the key.")
    rows = [
        (code(each["id"]), code(each["grantee"]), listed(each["operations"]), cite(each["made"], Form.DAY))
        for each in grants
    ]
    return table("Grants on the key", ("Grant", "To", "Operations", "Made"), rows)


def _unread(review: Fact) -> list[Markup]:
    if not review["unread"]:
        return []
    rows = [(each["what"], each["why"]) for each in review["unread"]]
    return [table("What the review could not read: it is unknown, not absent", ("What", "Why"), rows)]


def access_as_text(report: Fact) -> Iterator[text.Piece]:
    """The same as Markdown."""
    told = report["access"]
    review, sign_off = told["review"], told["signOff"]
    yield from text.heading("##", "Access to the key")
    if told["why"]:
        yield from text.paragraph("Unknown: ", told["why"])
    for fault in told["faults"]:
        yield from text.paragraph("A kept review is not whole: ", fault)
    signed = (
        text.cell(
            "by ",
            sign_off["signer"],
            " with ",
            text.code(sign_off["signerArn"]),
            ", ",
            *text.when(sign_off["at"]),
            ", ",
            text.code(sign_off["file"]),
        )
        if sign_off
        else [text.hand("by nobody yet")]
    )
    yield from text.pairs(
        (
            ("Access as read", text.when(review["at"]) if review.is_known else [text.hand("unknown")]),
            ("Newest review that was kept", text.when(told["keptAt"], none="none")),
            (
                "Age of that review in days",
                text.cell(told["ageDays"]) if told["ageDays"].is_known else [text.hand("none is kept")],
            ),
            ("Signed", signed),
            (
                "Days since it was signed",
                text.cell(told["signedDaysAgo"]) if told["signedDaysAgo"].is_known else [text.hand("never")],
            ),
            ("Days that a signed review holds", text.cell(told["dueDays"])),
        )
    )
    if not review.is_known:
        return
    yield from text.table(
        ("Principal", "May use", "May administer", "May delete", "By", "Who may become it", "Last use", "Calls"),
        (
            (
                text.cell(text.code(each["arn"]), "" if each["isExpected"] else " (not named by the settings)"),
                text.cell(each["use"]),
                text.cell(each["administer"]),
                text.cell(each["delete"]),
                text.codes(each["ways"]),
                text.codes(each["assumedBy"]),
                text.when(each["lastUse"], Form.DAY, "not seen"),
                text.cell(each["events"]),
            )
            for each in review["principals"]
        ),
    )
    keys = [(each, key) for each in review["principals"] for key in each["accessKeys"]]
    if keys:
        yield from text.table(
            ("Access key", "Of", "State", "Age in days", "Last used"),
            (
                (
                    [text.code(key["id"])],
                    [text.code(each["arn"])],
                    text.cell("active" if key["active"] else "switched off"),
                    text.cell(key["ageDays"]),
                    text.when(key["lastUsed"], Form.DAY, "not seen"),
                )
                for each, key in keys
            ),
        )
    grants = review["grants"]
    if not grants.is_known:
        yield from text.paragraph("The grants on the key could not be read.")
    elif not grants:
        yield from text.paragraph("There are no grants on the key.")
    else:
        yield from text.table(
            ("Grant", "To", "Operations", "Made"),
            (
                (
                    [text.code(each["id"])],
                    [text.code(each["grantee"])],
                    text.codes(each["operations"]),
                    text.when(each["made"], Form.DAY),
                )
                for each in grants
            ),
        )
    if review["unread"]:
        yield from text.table(
            ("The review could not read", "Why"),
            ((text.cell(each["what"]), text.cell(each["why"])) for each in review["unread"]),
        )
