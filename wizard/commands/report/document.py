"""The JSON document of a report, from which the page and the Markdown are rendered, and its values as text.

Pure. The document has no wrapped key, only fingerprints.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from components.policies.evaluation.account import GrantFact
from wizard.commands.doctor.diagnosis import Finding, NotChecked
from wizard.commands.report.facts import ReportFacts
from wizard.core import json_documents
from wizard.core.models import access
from wizard.core.models.rotation import DataKeyVersion, KeyRotations, Rotation
from wizard.core.safe_text import clean
from wizard.setup.checklist import ItemState

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
        KeyRotations: ("enabled", "period_days", "next_at", "rotations"),
        Rotation: ("at", "on_demand"),
        DataKeyVersion: ("wrapped", "key_arn", "origin", "kept_at", "same_as", "current"),
        Finding: ("cause", "what", "why", "command", "advice"),
        NotChecked: ("what", "why"),
    }
)
"""The fields that the report includes of facts that other commands use, too; of its own facts it has all."""

LAW = "45 CFR Part 164, Subpart C (HIPAA Security Rule)"


def document(facts: ReportFacts, *, files: Mapping[str, str]) -> json_documents.Document:
    """All facts as JSON values, with a summary of counts; `files` names the folder and the three files."""
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
    return {
        **json_documents.head("report"),
        "law": LAW,
        "summary": summary,
        **json_documents.plain(facts, INCLUDED),
        "files": dict(files),
    }


def text(document: json_documents.Document) -> str:
    """The content of `report.json`."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


# --- values as text


class Form(StrEnum):
    """The form of a value as text."""

    PLAIN = "plain"
    MONEY = "money"
    DAY = "day"
    MOMENT = "moment"


def written(value: Any, form: Form = Form.PLAIN) -> str:
    """A value as text for a person."""
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
        """Whether there is a value."""
        return self.value is not None

    @property
    def time(self) -> datetime:
        """The value as a time, UTC."""
        return datetime.fromisoformat(str(self.value))

    def text(self, form: Form = Form.PLAIN) -> str:
        """The value as text for a person."""
        return written(self.value, form)
