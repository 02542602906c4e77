"""A review and a sign-off as plain values and back, and the digest that binds the one to the other.

Pure. The canonical form is JSON with sorted names and no white space, so that equal reviews have equal digests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from wizard.facts_access import (
    AccessKeyAge,
    AccessReview,
    GrantFact,
    History,
    KeyUse,
    May,
    PrincipalAccess,
    ReplicaUse,
    SignOff,
    Unread,
)

VERSION = "1"
"""Of the form of the files."""


def plain(value: Any) -> Any:
    """Facts as JSON has them: names in camelCase, times in ISO 8601 with Z."""
    if is_dataclass(value) and not isinstance(value, type):
        return {_camel(each.name): plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value


def canonical(value: Any) -> bytes:
    """The one form of a value, for its digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def digest(value: Any) -> str:
    """`sha256:` and 64 hex of the canonical JSON."""
    return f"sha256:{hashlib.sha256(canonical(value)).hexdigest()}"


def review_of(told: Mapping[str, Any]) -> AccessReview:
    """A review from its plain form. Raises KeyError, TypeError or ValueError for what is none."""
    return AccessReview(
        stack=told["stack"],
        key_arn=told["keyArn"],
        at=_required(told["at"]),
        window_days=int(told["windowDays"]),
        principals=tuple(map(_principal, told["principals"])),
        grants=None if told["grants"] is None else tuple(map(_grant, told["grants"])),
        last_use=_use(told["lastUse"]),
        replicas=tuple(ReplicaUse(arn=each["arn"], use=_use(each["use"])) for each in told["replicas"]),
        history=_history(told["history"]),
        unread=tuple(Unread(what=each["what"], why=each["why"]) for each in told["unread"]),
    )


def sign_off_of(told: Mapping[str, Any]) -> SignOff:
    """A sign-off from its plain form. Raises KeyError, TypeError or ValueError for what is none."""
    return SignOff(
        signer=told["signer"],
        signer_arn=told["signerArn"],
        at=_required(told["at"]),
        review_digest=told["reviewDigest"],
        file=told["file"],
    )


def _principal(told: Mapping[str, Any]) -> PrincipalAccess:
    return PrincipalAccess(
        arn=told["arn"],
        use=May(told["use"]),
        administer=May(told["administer"]),
        delete=May(told["delete"]),
        ways=tuple(told["ways"]),
        assumed_by=tuple(told["assumedBy"]),
        last_use=_time(told["lastUse"]),
        events=told["events"],
        refused=told["refused"],
        access_keys=tuple(
            AccessKeyAge(
                id=key["id"],
                active=bool(key["active"]),
                age_days=int(key["ageDays"]),
                last_used=_time(key["lastUsed"]),
            )
            for key in told["accessKeys"]
        ),
        are_access_keys_known=bool(told["areAccessKeysKnown"]),
        is_expected=bool(told["isExpected"]),
        beyond=tuple(told["beyond"]),
    )


def _grant(told: Mapping[str, Any]) -> GrantFact:
    return GrantFact(
        id=told["id"],
        grantee=told["grantee"],
        operations=tuple(told["operations"]),
        made=_time(told["made"]),
        retiring=told["retiring"],
        name=told["name"],
        key_arn=told["keyArn"],
        constraints=tuple(told["constraints"]),
    )


def _use(told: Mapping[str, Any] | None) -> KeyUse | None:
    if told is None:
        return None
    return KeyUse(at=_time(told["at"]), operation=told["operation"], tracked_since=_time(told["trackedSince"]))


def _history(told: Mapping[str, Any] | None) -> History | None:
    if told is None:
        return None
    return History(since=_required(told["since"]), events=int(told["events"]), is_cut_off=bool(told["isCutOff"]))


def _time(text: str | None) -> datetime | None:
    return None if text is None else _required(text)


def _required(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
