"""The JSON document of a report, from which the page and the Markdown are rendered, and its values as text.

Pure. The document has no wrapped key, only fingerprints.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypedDict

from components.policies.evaluation.account import GrantFact
from components.policies.safeguards import LAW
from wizard.account.access.stored_reviews import digest_of
from wizard.account.views import ItemState
from wizard.commands.report.facts import ReportFacts
from wizard.core import json_documents
from wizard.core.models import access
from wizard.core.models.rotation import DataKeyVersion, KeyRotations, Rotation
from wizard.core.models.trail import LogValidation
from wizard.core.next_command import SCRIPT, Run
from wizard.core.safe_text import clean, lines

INCLUDED: Mapping[type, tuple[str, ...]] = MappingProxyType(
    {
        access.AccessReview: ("at", "window_days", "principals", "grants", "last_use", "history", "unread"),
        access.PrincipalAccess: (
            *(
                "arn",
                "use",
                "administer",
                "delete",
                "ways",
                "assumed_by",
                "last_use",
                "events",
                "verifications",
                "refused",
            ),
            *("access_keys", "is_expected", "beyond"),
        ),
        access.AccessKeyAge: ("id", "active", "age_days", "last_used"),
        GrantFact: ("id", "grantee", "operations", "made"),
        access.KeyUse: ("at", "operation", "tracked_since"),
        access.History: ("events", "is_cut_off"),
        access.SignOff: ("signer", "signer_arn", "at", "review_digest", "file"),
        access.Unread: ("what", "why"),
        access.SignIn: (*("arn", "mfa", "has_password", "password_age_days", "access_keys", "has_root_keys", "why"),),
        LogValidation: ("region", "since", "until", "digests", "logs", "faults", "left", "unread"),
        KeyRotations: ("enabled", "period_days", "next_at", "rotations"),
        Rotation: ("at", "on_demand"),
        DataKeyVersion: ("wrapped", "key_arn", "origin", "kept_at", "same_as", "current"),
    }
)
"""The fields that the report includes of facts that other commands use, too; of its own facts it has all."""


class Summary(TypedDict):
    """Counts; null means that it could not be read."""

    items: int
    done: int
    open: int
    person: int
    unknown: int
    findings: int | None
    principals: int | None
    unread: int


class Files(TypedDict):
    """The folder of the report, and the names of its files."""

    folder: str
    copy: str | None
    page: str
    text: str
    data: str
    agreements: str | None


class Change(TypedDict):
    what: str
    before: str
    now: str


class Changes(TypedDict):
    """What changed since an earlier report."""

    since: json_documents.Time
    digest: json_documents.Digest
    entries: list[Change]


class ReportDocument(json_documents.Head):
    """The compliance report of a stack, beside the fields of `ReportFacts`."""

    digest: json_documents.Digest
    law: str
    summary: Summary
    files: Files
    changes: Changes | None


def document(
    facts: ReportFacts, *, files: Mapping[str, str | None], before: json_documents.Document | None = None
) -> json_documents.Document:
    """All facts as JSON values, with a summary of counts; `files` names the folder and the three files.

    `before`: an earlier report, with which this one is compared.
    """
    states = Counter(item.state for item in facts.checklist)
    summary = {
        "items": len(facts.checklist),
        "done": states[ItemState.DONE],
        "open": states[ItemState.OPEN],
        "person": states[ItemState.PERSON],
        "unknown": states[ItemState.UNKNOWN],
        "findings": None if facts.doctor.findings is None else len(facts.doctor.findings),
        "principals": len(facts.access.review.principals) if facts.access.review else None,
        "unread": len(facts.unread),
    }
    content = {
        **json_documents.head("report"),
        "law": LAW,
        "summary": summary,
        # A report is read on other machines: its commands name this program, and no path of this one.
        **Run(program=SCRIPT).complete_all(json_documents.plain(facts, INCLUDED)),
        "files": dict(files),
    }
    content["changes"] = changes(before, content) if before else None
    return {"digest": digest_of(content), **content}


def changes(before: json_documents.Document, now: json_documents.Document) -> json_documents.Document:
    """What changed between two reports: the states of items, principals with a right, policies, findings."""
    old, new = ({item["title"]: item["state"] for item in report["checklist"]} for report in (before, now))
    entries = [
        {"what": title, "before": old.get(title, "not in it"), "now": new.get(title, "not in it")}
        for title in dict.fromkeys((*old, *new))
        if old.get(title) != new.get(title)
    ]
    for label, of in (("principal", _rights), ("policy", _hashes), ("finding", _findings)):
        former, current = of(before), of(now)
        entries += [
            {"what": f"{label} {name}", "before": former.get(name, "none"), "now": current.get(name, "none")}
            for name in sorted(former.keys() | current.keys())
            if former.get(name) != current.get(name)
        ]
    return {"since": before["createdAt"], "digest": before["digest"], "entries": entries}


def _rights(report: json_documents.Document) -> dict[str, str]:
    review = report["access"]["review"] or {"principals": ()}
    rights = {
        principal["arn"]: ", ".join(right for right in ("use", "administer", "delete") if principal[right] != "no")
        for principal in review["principals"]
    }
    return {arn: words for arn, words in rights.items() if words}


def _hashes(report: json_documents.Document) -> dict[str, str]:
    return {policy["name"]: str(policy["sha256"]) for policy in report["policies"]}


def _findings(report: json_documents.Document) -> dict[str, str]:
    by_cause: dict[str, list[str]] = {}
    for finding in report["doctor"]["findings"] or ():
        by_cause.setdefault(finding["cause"], []).append(str(finding["what"]))
    return {cause: "; ".join(sorted(whats)) for cause, whats in by_cause.items()}


def faults(document: json_documents.Document) -> tuple[str, ...]:
    """What contradicts itself in a report that was read again: its digest, its counts, its policies. Empty: nothing."""
    content = {name: value for name, value in document.items() if name != "digest"}
    wrong = []
    if document.get("digest") != digest_of(content):
        wrong.append(f"its content has the digest {digest_of(content)}, but it says {document.get('digest')}")
    states = Counter(item["state"] for item in document["checklist"])
    for name, state in (("done", "done"), ("open", "open"), ("person", "needs a person"), ("unknown", "unknown")):
        if document["summary"][name] != states[state]:
            wrong.append(f"its summary counts {document['summary'][name]} items as {state}, but {states[state]} are")
    if document["summary"]["unread"] != len(document["unread"]):
        wrong.append("its summary counts other things as unread than it lists")
    for policy in document["policies"]:
        if policy["sha256"] != hashlib.sha256(policy["text"].encode()).hexdigest():
            wrong.append(f"the text of {policy['name']} does not have the SHA-256 beside it")
    return tuple(wrong)


def text(document: json_documents.Document) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


# --- values as text


class Form(StrEnum):
    PLAIN = "plain"
    MONEY = "money"
    DAY = "day"
    MOMENT = "moment"
    LINES = "lines"


def written(value: Any, form: Form = Form.PLAIN) -> str:
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
        case Form.LINES:
            return lines(str(value))
        case _ if isinstance(value, float):
            return f"{value:,.3f}".rstrip("0").rstrip(".")
        case _:
            return f"{value:,}" if isinstance(value, int) else clean(str(value))


@dataclass(frozen=True)
class Fact:
    """A value of the document and its JSON Pointer."""

    value: Any
    pointer: str = ""

    def __getitem__(self, key: str | int) -> "Fact":
        return Fact(self.value[key], f"{self.pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")

    def __iter__(self) -> "Iterator[Fact]":
        return (self[index] for index in range(len(self.value)))

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    @property
    def is_known(self) -> bool:
        return self.value is not None

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(str(self.value))

    def text(self, form: Form = Form.PLAIN) -> str:
        return written(self.value, form)
