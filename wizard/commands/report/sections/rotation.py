"""Rotations of the key and versions of the data key, on the page and as text.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from wizard.commands.report import text
from wizard.commands.report.charts import Row, timeline
from wizard.commands.report.html import (
    Child,
    Fact,
    Form,
    Markup,
    cite,
    code,
    figure,
    join,
    pairs,
    section,
    table,
    tag,
    unknown,
)


def rotation(report: Fact) -> Markup:
    """The part of the page about rotations and the data key's versions."""
    told = report["rotation"]
    rotations, versions = told["rotations"], told["versions"]
    rows = _events(rotations, versions)
    parts: list[Child] = []
    if told["why"]:
        parts.append(unknown(told["why"]))
    if rotations.is_known:
        parts.append(_how(told))
    if rows:
        drawn = timeline(
            "rotation-timeline",
            "Timeline of rotations",
            "When the key's material was rotated, when it is next, and when each version of the data key was kept. "
            "The tables below say the same.",
            rows,
            report["madeAt"],
        )
        parts.append(
            figure(
                "Timeline of rotations", drawn, "A rotation of the KMS key changes no ciphertext: no record is touched."
            )
        )
    if rotations.is_known:
        listed = [
            (cite(each["at"], Form.MOMENT), "on demand" if each["onDemand"] else "automatic")
            for each in rotations["rotations"]
        ]
        parts.append(
            table("Rotations of the key's material so far", ("When", "How"), listed)
            if listed
            else tag("p", "The key's material was not rotated yet.")
        )
    if versions.is_known:
        parts.append(_versions(versions))
    return section("rotation", "Rotation", *parts)


def _how(told: Fact) -> Markup:
    rotations, left = told["rotations"], told["onDemandLeft"]
    return pairs(
        ("Automatic rotation", "on" if rotations["enabled"] else "off"),
        ("Days between rotations", rotations["periodDays"]),
        ("The next one", cite(rotations["nextAt"], Form.DAY) if rotations["nextAt"].is_known else "none is due"),
        ("Rotations on demand that are left", left if left.is_known else "not told by AWS"),
        class_="facts",
    )


def _versions(versions: Fact) -> Markup:
    rows = [
        (
            code(each["wrapped"]),
            each["origin"],
            cite(each["keptAt"], Form.MOMENT),
            code(each["sameAs"]),
            code(each["keyArn"]) if each["keyArn"] else join("unknown"),
            "delivered" if each["current"] else "kept",
        )
        for each in versions
    ]
    if not rows:
        return tag("p", "No version of the data key is kept.")
    headings = ("Fingerprint", "Came by", "Kept since", "Same data key as", "Wrapped by", "Role")
    return table("Versions of the wrapped data key; none is ever overwritten", headings, rows)


def _events(rotations: Fact, versions: Fact) -> list[Row]:
    rows = []
    for each in versions if versions.is_known else ():
        if each["keptAt"].is_known:
            rows.append(Row(told=each["wrapped"], kind="version dot", at=each["keptAt"]))
    if rotations.is_known:
        for each in rotations["rotations"]:
            on_demand = bool(each["onDemand"])
            told, kind = ("Rotation on demand", "demand diamond") if on_demand else ("Rotation", "automatic dot")
            rows.append(Row(told=told, kind=kind, at=each["at"]))
        if rotations["nextAt"].is_known:
            rows.append(Row(told="Next rotation", kind="next ring", at=rotations["nextAt"]))
    return sorted(rows, key=lambda row: row.at.time)


def rotation_as_text(report: Fact) -> Iterator[text.Piece]:
    """The same as Markdown."""
    told = report["rotation"]
    rotations, versions = told["rotations"], told["versions"]
    yield from text.heading("##", "Rotation")
    if told["why"]:
        yield from text.paragraph("Unknown: ", told["why"])
    if rotations.is_known:
        left = told["onDemandLeft"]
        yield from text.pairs(
            (
                ("Automatic rotation", text.cell("on" if rotations["enabled"] else "off")),
                ("Days between rotations", text.cell(rotations["periodDays"])),
                ("The next one", text.when(rotations["nextAt"], Form.DAY, "none is due")),
                (
                    "Rotations on demand that are left",
                    text.cell(left) if left.is_known else [text.hand("not told by AWS")],
                ),
            )
        )
        if rotations["rotations"]:
            yield from text.table(
                ("Rotated", "How"),
                (
                    (text.when(each["at"]), text.cell("on demand" if each["onDemand"] else "automatic"))
                    for each in rotations["rotations"]
                ),
            )
        else:
            yield from text.paragraph("The key's material was not rotated yet.")
    if versions.is_known:
        yield from text.table(
            ("Fingerprint", "Came by", "Kept since", "Same data key as", "Wrapped by", "Role"),
            (
                (
                    [text.code(each["wrapped"])],
                    text.cell(each["origin"]),
                    text.when(each["keptAt"]),
                    [text.code(each["sameAs"])],
                    [text.code(each["keyArn"])],
                    text.cell("delivered" if each["current"] else "kept"),
                )
                for each in versions
            ),
        )
