"""The reviews that are kept, one file each, and their sign-offs: written once, never changed, and read back with doubt.

Touches the folder it is given: `<folder>/<stack>/<date>.json`, a second review of a day `<date>-2.json`, and beside
each its sign-off, `….signed.json`. Each review tells the digest of the one before it, so that a later change of that
one shows.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path
from typing import Any

from components.policies.evaluation.account import GrantFact, KeyPermission
from wizard.core.errors import SetupError
from wizard.core.models.access import (
    AccessKeyAge,
    AccessReview,
    History,
    KeyUse,
    PrincipalAccess,
    ReplicaUse,
    SignOff,
    Unread,
)

_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:-(\d+))?\.json")


@dataclass(frozen=True, kw_only=True)
class StoredReview:
    """A review as it was kept."""

    file: Path
    review: AccessReview | None
    """None: the file is no review."""
    digest: str
    """Of what the file holds now."""
    fault: str = ""
    """Why the file is not to be relied on, in words; empty: it is whole."""
    sign_off: SignOff | None = None
    """Only where it is of this very review."""

    @property
    def is_whole(self) -> bool:
        """Whether it is what was written."""
        return self.review is not None and not self.fault


@dataclass(frozen=True, kw_only=True)
class Latest:
    """The newest review of a stack that is whole, for whoever cites it."""

    review: AccessReview | None = None
    digest: str = ""
    file: str = ""
    sign_off: SignOff | None = None
    """Of that review; None where nobody signed it."""
    age_days: int | None = None
    last_sign_off: SignOff | None = None
    """The newest of all; of an earlier review where the newest is not signed."""
    faults: tuple[str, ...] = ()
    """What is wrong with files of the folder, in words: changed since they were written, not to be read."""


def latest(folder: Path, stack: str, *, now: datetime) -> Latest:
    """The newest review of a stack that is whole, with its sign-off and its age; and what is wrong in the folder.

    `folder` is the one that `review` writes to: `reviews/`, or what `--out` named.
    """
    kept = read(folder, stack)
    faults = tuple(each.fault for each in kept if each.fault)
    newest = last_whole(kept)
    review = newest.review if newest else None
    if newest is None or review is None:
        return Latest(faults=faults)
    return Latest(
        review=review,
        digest=newest.digest,
        file=str(newest.file),
        sign_off=newest.sign_off,
        age_days=max((now - review.at).days, 0),
        last_sign_off=signed.sign_off if (signed := last_signed(kept)) else None,
        faults=faults,
    )


def read(folder: Path, stack: str) -> tuple[StoredReview, ...]:
    """Every review of a stack, the oldest first."""
    place = folder / _plain_name(stack)
    files = sorted(
        (each for each in (place.iterdir() if place.is_dir() else ()) if _NAME.fullmatch(each.name)), key=_position
    )
    kept = [_read(file) for file in files]
    return tuple(_chained(kept))


def last_signed(kept: Sequence[StoredReview]) -> StoredReview | None:
    """The newest review that is whole and signed."""
    return next((each for each in reversed(kept) if each.is_whole and each.sign_off), None)


def last_whole(kept: Sequence[StoredReview]) -> StoredReview | None:
    """The newest review that is whole."""
    return next((each for each in reversed(kept) if each.is_whole), None)


def _plain_name(stack: str) -> str:
    return stack.rsplit("/", 1)[-1]


def _position(file: Path) -> tuple[str, int]:
    match = _NAME.fullmatch(file.name)
    return (match[1], int(match[2] or 1)) if match else ("", 0)


def _signed(file: Path) -> Path:
    return file.with_suffix(".signed.json")


def _read(file: Path) -> StoredReview:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        body = {name: told[name] for name in ("version", "previous", "review")}
        found = StoredReview(file=file, review=review_of(told["review"]), digest=digest_of(body))
        claimed = told["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return StoredReview(file=file, review=None, digest="", fault=f"{file} is no review that can be read: {error!r}")
    if claimed != found.digest:
        return replace(found, fault=f"{file} was changed since it was written: it no longer matches its digest")
    return _with_sign_off(found)


def _with_sign_off(kept: StoredReview) -> StoredReview:
    file = _signed(kept.file)
    if not file.exists():
        return kept
    try:
        sign_off = sign_off_of(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return replace(kept, fault=f"{file} is no sign-off that can be read: {error!r}")
    if sign_off.review_digest != kept.digest:
        return replace(kept, fault=f"{file} signs another review than {kept.file.name} is now: the digests differ")
    return replace(kept, sign_off=replace(sign_off, file=str(file)))


def _chained(kept: list[StoredReview]) -> Iterator[StoredReview]:
    """Each review, with a fault where the next one remembers another digest of it."""
    for one, after in zip_longest(kept, kept[1:]):
        remembered = _previous(after) if after is not None and after.is_whole else None
        is_of_it = one.is_whole and remembered is not None and remembered.get("file") == one.file.name
        if is_of_it and remembered is not None and remembered.get("digest") != one.digest:
            fault = f"{one.file} was changed since: {after.file.name if after else ''} remembers another digest"
            yield replace(one, fault=fault, sign_off=None)
        else:
            yield one


def _previous(kept: StoredReview) -> Mapping[str, Any] | None:
    told: Mapping[str, Any] = json.loads(kept.file.read_text(encoding="utf-8"))
    previous: Mapping[str, Any] | None = told.get("previous")
    return previous


# --- writing ------------------------------------------------------------------------------------------------------


def write(folder: Path, review: AccessReview, before: StoredReview | None) -> StoredReview:
    """Keep a review in a new file; nothing is ever overwritten. Raises SetupError where it cannot be written."""
    previous = {"file": before.file.name, "digest": before.digest} if before is not None and before.digest else None
    body = {"version": VERSION, "previous": previous, "review": plain(review)}
    digest = digest_of(body)
    place = folder / _plain_name(review.stack)
    date = review.at.astimezone(UTC).strftime("%Y-%m-%d")
    number = 1
    while True:
        file = place / (f"{date}.json" if number == 1 else f"{date}-{number}.json")
        if _create(file, {"digest": digest, **body}):
            return StoredReview(file=file, review=review, digest=digest)
        number += 1


def sign(kept: StoredReview, *, signer: str, signer_arn: str, at: datetime) -> SignOff:
    """Keep the word that this very review was looked at. Raises SetupError where it is signed already."""
    file = _signed(kept.file)
    made = SignOff(
        signer=signer,
        signer_arn=signer_arn,
        at=at.replace(microsecond=0),
        review_digest=kept.digest,
        file=file.name,
    )
    if not _create(file, {"version": VERSION, **plain(made)}):
        raise SetupError(f"{file} is there already: that review was signed", "python -m wizard review --sign NAME")
    return replace(made, file=str(file))


def _create(file: Path, value: Mapping[str, Any]) -> bool:
    """Write a new file; False where there is one of that name."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(json.dumps(value, indent=2, sort_keys=True) + "\n")
    except FileExistsError:
        return False
    except OSError as error:
        raise SetupError(
            f"the review cannot be kept in {file}: {error}", "python -m wizard review --out FOLDER"
        ) from error
    return True


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


def digest_of(value: Any) -> str:
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
        use=KeyPermission(told["use"]),
        administer=KeyPermission(told["administer"]),
        delete=KeyPermission(told["delete"]),
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
