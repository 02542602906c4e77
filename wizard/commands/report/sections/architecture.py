"""The architecture of this stack, on the page and as text: its drawing, and the same as tables.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from wizard.commands.report import text
from wizard.commands.report.diagram import drawing
from wizard.commands.report.html import Fact, Markup, code, figure, join, listed, pairs, section, table, tag
from wizard.targets.port import deploy_target


def architecture(report: Fact) -> Markup:
    """The part of the page."""
    drawn = report["architecture"]
    keys = [
        (code(each["arn"]), each["region"], "replica" if each["replica"] else "primary", each["state"])
        for each in drawn["keys"]
    ]
    places = [
        (
            deploy_target(each["target"].value).title,
            code(each["place"]),
            code(each["principal"]),
            each["identity"],
            each["readsFrom"],
        )
        for each in drawn["applications"]
    ]
    return section(
        "architecture",
        "Architecture of this stack",
        tag(
            "p",
            "The application encrypts each field with ",
            drawn["cipher"],
            " under one data key. The KMS key wraps it; the application opens it at start and keeps it in memory only.",
        ),
        figure(
            "Drawing of the architecture",
            drawing(report),
            "Solid lines: what happens while the application runs. The tables below say the same.",
        ),
        table(
            "Where the application runs",
            ("Platform", "Place", "Runs as", "How it becomes that", "Reads its variables from"),
            places,
        ),
        table("The KMS key, Region by Region", ("Key", "Region", "Kind", "State"), keys),
        _rest(drawn),
    )


def _rest(drawn: Fact) -> Markup:
    data_key, trail = drawn["dataKey"], drawn["trail"]
    kept = (
        join(
            code(data_key["name"]),
            ", ",
            data_key["store"],
            ", version ",
            data_key["version"],
            ", ",
            code(data_key["fingerprint"]),
        )
        if data_key
        else join("none, or it could not be read")
    )
    return pairs(
        ("Alias of the key", code(drawn["alias"])),
        ("Key administrators", listed(drawn["administrators"])),
        ("May schedule its deletion", listed(drawn["deletionAdministrators"], "nobody")),
        ("Days until a deletion is carried out", drawn["deletionWindowDays"]),
        ("Wrapped data key", kept),
        ("Variables that travel together", listed(drawn["variables"])),
        (
            "Audit trail",
            join(code(trail["arn"]), ", made by the stack" if trail["made"] else ", there before and used"),
        ),
        ("Its bucket", code(trail["bucket"])),
        ("Its logs are encrypted by", join(trail["encryptedBy"])),
        ("Log of who reads the logs", code(trail["accessLogBucket"]) if trail["accessLogBucket"] else join("none")),
        ("Copy in CloudWatch Logs", code(trail["logGroup"]) if trail["logGroup"] else join("none")),
        (
            "Alerts",
            join(code(trail["alertTopic"]), ", e-mail addresses: ", trail["alertEmails"])
            if trail["alertTopic"]
            else join("none"),
        ),
        class_="facts",
    )


def architecture_as_text(report: Fact) -> Iterator[text.Piece]:
    """The same as Markdown."""
    drawn = report["architecture"]
    data_key, trail = drawn["dataKey"], drawn["trail"]
    yield from text.heading("##", "Architecture of this stack")
    yield from text.paragraph(
        "Records are encrypted with ", drawn["cipher"], " under one data key, which the KMS key wraps."
    )
    yield from text.table(
        ("Platform", "Place", "Runs as", "How it becomes that", "Reads its variables from"),
        (
            (
                [text.hand(deploy_target(each["target"].value).title)],
                [text.code(each["place"])],
                [text.code(each["principal"])],
                text.cell(each["identity"]),
                text.cell(each["readsFrom"]),
            )
            for each in drawn["applications"]
        ),
    )
    yield from text.table(
        ("Key", "Region", "Kind", "State"),
        (
            (
                [text.code(each["arn"])],
                [text.code(each["region"])],
                text.cell("replica" if each["replica"] else "primary"),
                text.cell(each["state"]),
            )
            for each in drawn["keys"]
        ),
    )
    wrapped = (
        text.cell(
            text.code(data_key["name"]),
            ", ",
            data_key["store"],
            ", version ",
            data_key["version"],
            ", ",
            text.code(data_key["fingerprint"]),
        )
        if data_key
        else [text.hand("none, or it could not be read")]
    )
    alerts = (
        text.cell(text.code(trail["alertTopic"]), ", e-mail addresses: ", trail["alertEmails"])
        if trail["alertTopic"]
        else None
    )
    yield from text.pairs(
        (
            ("Alias of the key", [text.code(drawn["alias"])]),
            ("Key administrators", text.codes(drawn["administrators"])),
            ("May schedule its deletion", text.codes(drawn["deletionAdministrators"], "nobody")),
            ("Days until a deletion is carried out", text.cell(drawn["deletionWindowDays"])),
            ("Wrapped data key", wrapped),
            ("Variables that travel together", text.codes(drawn["variables"])),
            (
                "Audit trail",
                text.cell(
                    text.code(trail["arn"]), ", made by the stack" if trail["made"] else ", there before and used"
                ),
            ),
            ("Its bucket", [text.code(trail["bucket"])]),
            ("Its logs are encrypted by", text.cell(trail["encryptedBy"])),
            (
                "Log of who reads the logs",
                [text.code(trail["accessLogBucket"])] if trail["accessLogBucket"] else [text.hand("none")],
            ),
            ("Copy in CloudWatch Logs", [text.code(trail["logGroup"])] if trail["logGroup"] else [text.hand("none")]),
            ("Alerts", alerts or [text.hand("none")]),
        )
    )
