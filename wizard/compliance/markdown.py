"""The report as Markdown: the same facts in the same order as the page, for whoever reads it as text.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from wizard.compliance.drawing import TARGETS
from wizard.compliance.markup import Fact, Form
from wizard.compliance.text import Piece, cell, cited, code, codes, hand, heading, pairs, paragraph, table, when
from wizard.documents import Document


def markdown(document: Document) -> str:
    """The whole text, from the report's document alone."""
    return "".join(piece.text for piece in pieces(document))


def pieces(document: Document) -> Iterator[Piece]:
    """The text, part by part."""
    report = Fact(document)
    for part in (_head, _checklist, _findings, _well, _architecture, _access, _rotation, _retention, _cost, _unread):
        yield from part(report)


def _head(report: Fact) -> Iterator[Piece]:
    summary = report["summary"]
    yield from heading("#", "Compliance report: ", report["stack"])
    yield from pairs(
        (
            ("Made", when(report["madeAt"])),
            ("Account", [code(report["account"])]),
            ("Region", [code(report["region"])]),
            ("Environment", cell(report["environment"])),
            ("Read with", [code(report["madeBy"])]),
            ("Held against", cell(report["law"])),
        )
    )
    yield from paragraph(
        "Of ",
        summary["items"],
        " items of the checklist: ",
        summary["done"],
        " done, ",
        summary["open"],
        " open, ",
        summary["person"],
        " need a person, ",
        summary["unknown"],
        " unknown. Open findings of the doctor: ",
        summary["findings"],
        ". Things that could not be read: ",
        summary["unread"],
        ". What could not be read is told as unknown, never as done.",
    )


def _checklist(report: Fact) -> Iterator[Piece]:
    yield from heading("##", "Compliance checklist")
    yield from table(
        ("Item", "State", "Evidence"),
        ((cell(i["asked"]), cell(i["state"]), cell(i["evidence"])) for i in report["checklist"]),
    )
    for item in report["checklist"]:
        yield from heading("###", item["asked"])
        rows = [
            ("State", cell(item["state"])),
            ("Evidence", cell(item["evidence"])),
            ("Read from", codes(item["calls"], "nothing: it is a person's to do")),
            ("Read at", when(item["readAt"])),
        ]
        if item["next"]:
            rows.append(("Next", [code(item["next"])]))
        for each in item["safeguards"]:
            rows.append(("Serves", cell(each["section"], ", ", each["name"])))
        yield from pairs(rows)
        if item["checks"]:
            yield from table(
                ("Check of prowler", "Result", "By what was read"),
                (([code(each["id"])], cell(each["result"]), cell(each["evidence"])) for each in item["checks"]),
            )


def _findings(report: Fact) -> Iterator[Piece]:
    doctor = report["doctor"]
    yield from heading("##", "Open findings")
    if not doctor["findings"].is_known:
        yield from paragraph("Unknown: ", doctor["why"])
    elif not doctor["findings"]:
        yield from paragraph("The doctor found nothing wrong in what it could look at.")
    else:
        yield from table(
            ("Cause", "What is wrong", "Why it matters", "What mends it", "Then"),
            (
                (
                    [code(each["cause"])],
                    cell(each["what"]),
                    cell(each["why"]),
                    [code(each["command"])],
                    cell(each["then"]),
                )
                for each in doctor["findings"]
            ),
        )
    if doctor["unlooked"]:
        yield from table(
            ("Not looked at", "Why"), ((cell(each["what"]), cell(each["why"])) for each in doctor["unlooked"])
        )


def _well(report: Fact) -> Iterator[Piece]:
    well = report["doctor"]["well"]
    if well:
        yield from heading("###", "What the doctor looked at and found as it should be")
    for each in well:
        yield from (hand("- "), cited(each), hand("\n"))
    if well:
        yield hand("\n")


def _architecture(report: Fact) -> Iterator[Piece]:
    drawn = report["architecture"]
    data_key, trail = drawn["dataKey"], drawn["trail"]
    yield from heading("##", "Architecture of this stack")
    yield from paragraph(
        "Records are encrypted with ", drawn["cipher"], " under one data key, which the KMS key wraps."
    )
    yield from table(
        ("Platform", "Place", "Runs as", "How it becomes that", "Reads its variables from"),
        (
            (
                [hand(TARGETS[each["target"].value])],
                [code(each["place"])],
                [code(each["principal"])],
                cell(each["identity"]),
                cell(each["readsFrom"]),
            )
            for each in drawn["applications"]
        ),
    )
    yield from table(
        ("Key", "Region", "Kind", "State"),
        (
            (
                [code(each["arn"])],
                [code(each["region"])],
                cell("replica" if each["replica"] else "primary"),
                cell(each["state"]),
            )
            for each in drawn["keys"]
        ),
    )
    wrapped = (
        cell(
            code(data_key["name"]),
            ", ",
            data_key["store"],
            ", version ",
            data_key["version"],
            ", ",
            code(data_key["fingerprint"]),
        )
        if data_key
        else [hand("none, or it could not be read")]
    )
    alerts = (
        cell(code(trail["alertTopic"]), ", e-mail addresses: ", trail["alertEmails"]) if trail["alertTopic"] else None
    )
    yield from pairs(
        (
            ("Alias of the key", [code(drawn["alias"])]),
            ("Key administrators", codes(drawn["administrators"])),
            ("May schedule its deletion", codes(drawn["deletionAdministrators"], "nobody")),
            ("Days until a deletion is carried out", cell(drawn["deletionWindowDays"])),
            ("Wrapped data key", wrapped),
            ("Variables that travel together", codes(drawn["variables"])),
            (
                "Audit trail",
                cell(code(trail["arn"]), ", made by the stack" if trail["made"] else ", there before and used"),
            ),
            ("Its bucket", [code(trail["bucket"])]),
            ("Its logs are encrypted by", cell(trail["encryptedBy"])),
            (
                "Log of who reads the logs",
                [code(trail["accessLogBucket"])] if trail["accessLogBucket"] else [hand("none")],
            ),
            ("Copy in CloudWatch Logs", [code(trail["logGroup"])] if trail["logGroup"] else [hand("none")]),
            ("Alerts", alerts or [hand("none")]),
        )
    )


def _access(report: Fact) -> Iterator[Piece]:
    told = report["access"]
    review, sign_off = told["review"], told["signOff"]
    yield from heading("##", "Access to the key")
    if told["why"]:
        yield from paragraph("Unknown: ", told["why"])
    for fault in told["faults"]:
        yield from paragraph("A kept review is not whole: ", fault)
    signed = (
        cell(
            "by ",
            sign_off["signer"],
            " with ",
            code(sign_off["signerArn"]),
            ", ",
            *when(sign_off["at"]),
            ", ",
            code(sign_off["file"]),
        )
        if sign_off
        else [hand("by nobody yet")]
    )
    yield from pairs(
        (
            ("Access as read", when(review["at"]) if review.is_known else [hand("unknown")]),
            ("Newest review that was kept", when(told["keptAt"], none="none")),
            (
                "Age of that review in days",
                cell(told["ageDays"]) if told["ageDays"].is_known else [hand("none is kept")],
            ),
            ("Signed", signed),
            (
                "Days since it was signed",
                cell(told["signedDaysAgo"]) if told["signedDaysAgo"].is_known else [hand("never")],
            ),
            ("Days that a signed review holds", cell(told["dueDays"])),
        )
    )
    if not review.is_known:
        return
    yield from table(
        ("Principal", "May use", "May administer", "May delete", "By", "Who may become it", "Last use", "Calls"),
        (
            (
                cell(code(each["arn"]), "" if each["isExpected"] else " (not named by the settings)"),
                cell(each["use"]),
                cell(each["administer"]),
                cell(each["delete"]),
                codes(each["ways"]),
                codes(each["assumedBy"]),
                when(each["lastUse"], Form.DAY, "not seen"),
                cell(each["events"]),
            )
            for each in review["principals"]
        ),
    )
    keys = [(each, key) for each in review["principals"] for key in each["accessKeys"]]
    if keys:
        yield from table(
            ("Access key", "Of", "State", "Age in days", "Last used"),
            (
                (
                    [code(key["id"])],
                    [code(each["arn"])],
                    cell("active" if key["active"] else "switched off"),
                    cell(key["ageDays"]),
                    when(key["lastUsed"], Form.DAY, "not seen"),
                )
                for each, key in keys
            ),
        )
    grants = review["grants"]
    if not grants.is_known:
        yield from paragraph("The grants on the key could not be read.")
    elif not grants:
        yield from paragraph("There are no grants on the key.")
    else:
        yield from table(
            ("Grant", "To", "Operations", "Made"),
            (
                (
                    [code(each["id"])],
                    [code(each["grantee"])],
                    codes(each["operations"]),
                    when(each["made"], Form.DAY),
                )
                for each in grants
            ),
        )
    if review["unread"]:
        yield from table(
            ("The review could not read", "Why"),
            ((cell(each["what"]), cell(each["why"])) for each in review["unread"]),
        )


def _rotation(report: Fact) -> Iterator[Piece]:
    told = report["rotation"]
    rotations, versions = told["rotations"], told["versions"]
    yield from heading("##", "Rotation")
    if told["why"]:
        yield from paragraph("Unknown: ", told["why"])
    if rotations.is_known:
        left = told["onDemandLeft"]
        yield from pairs(
            (
                ("Automatic rotation", cell("on" if rotations["enabled"] else "off")),
                ("Days between rotations", cell(rotations["periodDays"])),
                ("The next one", when(rotations["nextAt"], Form.DAY, "none is due")),
                ("Rotations on demand that are left", cell(left) if left.is_known else [hand("not told by AWS")]),
            )
        )
        if rotations["rotations"]:
            yield from table(
                ("Rotated", "How"),
                (
                    (when(each["at"]), cell("on demand" if each["onDemand"] else "automatic"))
                    for each in rotations["rotations"]
                ),
            )
        else:
            yield from paragraph("The key's material was not rotated yet.")
    if versions.is_known:
        yield from table(
            ("Fingerprint", "Came by", "Kept since", "Same data key as", "Wrapped by", "Role"),
            (
                (
                    [code(each["wrapped"])],
                    cell(each["origin"]),
                    when(each["keptAt"]),
                    [code(each["sameAs"])],
                    [code(each["keyArn"])],
                    cell("delivered" if each["current"] else "kept"),
                )
                for each in versions
            ),
        )


def _retention(report: Fact) -> Iterator[Piece]:
    told = report["retention"]
    yield from heading("##", "Retention of the audit log")
    if told["why"]:
        yield from paragraph("Unknown: ", told["why"])
    kept = (
        cell(told["keptDays"]) if told["keptDays"].is_known else [hand("without end" if told["phases"] else "unknown")]
    )
    yield from pairs(
        (
            ("Bucket", [code(told["bucket"])]),
            ("Days kept", kept),
            ("Days that are asked for", cell(told["requiredDays"])),
            ("Lock of the objects", cell(told["lock"]) if told["lock"].is_known else [hand("none, or unknown")]),
        )
    )
    if told["phases"]:
        yield from table(
            ("Phase of a log file written now", "From day", "Until day", "From", "Until", "Why"),
            (
                (
                    cell(each["name"]),
                    cell(each["fromDay"]),
                    cell(each["untilDay"]) if each["untilDay"].is_known else [hand("without end")],
                    when(each["fromDate"], Form.DAY),
                    when(each["untilDate"], Form.DAY, "without end"),
                    cell(each["why"]),
                )
                for each in told["phases"]
            ),
        )


def _cost(report: Fact) -> Iterator[Piece]:
    told = report["cost"]
    yield from heading("##", "Cost")
    if not told.is_known:
        yield from paragraph("Unknown: ", report["costWhy"])
        return
    yield from paragraph("In a month: ", cited(told["monthly"], Form.MONEY), ", ", told["basis"], ".")
    yield from table(
        ("Driver", "Quantity", "Unit", "Price", "Estimate", "By use"),
        (
            (
                cell(each["what"]),
                cell(each["quantity"]),
                cell(each["unit"]),
                cell(each["price"]),
                [cited(each["monthly"], Form.MONEY)] if each["monthly"].is_known else [hand("not planned")],
                [cited(each["used"], Form.MONEY)],
            )
            for each in told["drivers"]
        ),
    )
    counted = told["counted"]
    if counted.is_known:
        yield from pairs(
            (
                ("By use, a month", [cited(counted["monthly"], Form.MONEY)]),
                ("Counted since", when(counted["since"], Form.DAY)),
                ("Until", when(counted["until"], Form.DAY)),
                ("Calls on the key", cell(counted["keyRequests"])),
                ("Requests to KMS in the Region", cell(counted["kmsRequests"])),
                ("Octets of logs", cell(counted["trailBytes"])),
            )
        )
        for note in counted["notes"]:
            yield from paragraph(note)
        if counted["unknown"]:
            yield from table(
                ("Could not be counted", "Why"),
                ((cell(each["what"]), cell(each["why"])) for each in counted["unknown"]),
            )
    yield from table(
        ("Assumption", "Value", "Unit", "Where it comes from"),
        (
            (cell(each["what"]), cell(each["value"]), cell(each["unit"]), cell(each["source"]))
            for each in told["assumptions"]
        ),
    )
    for each in told["whatIfs"]:
        yield from heading("###", "What if: ", each["what"])
        yield from paragraph("Now: ", each["now"], " ", each["unit"], ". All else stays.")
        yield from table(
            ("Value", "Cost a month"),
            ((cell(point["at"]), [cited(point["monthly"], Form.MONEY)]) for point in each["points"]),
        )


def _unread(report: Fact) -> Iterator[Piece]:
    yield from heading("##", "What could not be read")
    if report["unread"]:
        yield from table(("What", "Why"), ((cell(each["what"]), cell(each["why"])) for each in report["unread"]))
    else:
        yield from paragraph("Everything that was to be read for this report could be read.")
    yield from paragraph(
        "Made by `python -m wizard report` from one set of facts, which ",
        code(report["files"]["data"]),
        " holds. Everything was read, nothing was changed. A data key is known by its fingerprint alone.",
    )
