"""The one document of a report, which `report.json` holds and the page and the text are made from.

Pure. No wrapped key is in it, only fingerprints.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from components.policies.evaluation.account import GrantFact
from wizard.commands.doctor.finding import Finding, NotChecked
from wizard.commands.report.facts import ReportFacts
from wizard.core import json_documents
from wizard.core.data_key import WrappedDataKey
from wizard.core.models.access import (
    AccessKeyAge,
    AccessReview,
    History,
    KeyUse,
    PrincipalAccess,
    SignOff,
    Unread,
)
from wizard.core.models.rotation import DataKeyVersion, KeyRotations, Rotation
from wizard.setup.checklist import ItemState

TOLD: Mapping[type, tuple[str, ...]] = MappingProxyType(
    {
        AccessReview: ("at", "window_days", "principals", "grants", "last_use", "history", "unread"),
        PrincipalAccess: (
            *("arn", "use", "administer", "delete", "ways", "assumed_by", "last_use", "events", "refused"),
            *("access_keys", "is_expected", "beyond"),
        ),
        AccessKeyAge: ("id", "active", "age_days", "last_used"),
        GrantFact: ("id", "grantee", "operations", "made"),
        KeyUse: ("at", "operation", "tracked_since"),
        History: ("events", "is_cut_off"),
        SignOff: ("signer", "signer_arn", "at", "review_digest", "file"),
        Unread: ("what", "why"),
        KeyRotations: ("enabled", "period_days", "next_at", "rotations"),
        Rotation: ("at", "on_demand"),
        DataKeyVersion: ("wrapped", "key_arn", "origin", "kept_at", "same_as", "current"),
        Finding: ("cause", "what", "why", "command", "then"),
        NotChecked: ("what", "why"),
    }
)
"""What the report tells of facts that it shares with other commands; of its own facts it tells all."""

LAW = "45 CFR Part 164, Subpart C (HIPAA Security Rule)"


def document(facts: ReportFacts, *, files: Mapping[str, str]) -> json_documents.Document:
    """All facts as plain values, with what can be counted in them counted; `files` says where the forms are."""
    told = plain(facts)
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
    return {**json_documents.head("report"), "law": LAW, "summary": summary, **told, "files": dict(files)}


def text(told: json_documents.Document) -> str:
    """As `report.json` holds it."""
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def plain(value: Any) -> Any:
    """A fact as JSON knows it: names in camel case, times in ISO 8601 with Z, a data key as its fingerprint."""
    if isinstance(value, WrappedDataKey):
        return value.fingerprint
    if is_dataclass(value) and not isinstance(value, type):
        names = TOLD.get(type(value)) or tuple(field.name for field in fields(value))
        return {_camel(name): plain(getattr(value, name)) for name in names}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    # A StrEnum is written as the plain string that it is.
    return str(value) if isinstance(value, str) else value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
