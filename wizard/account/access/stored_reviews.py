"""The stored reviews, one file each, and their sign-offs: written once, never changed, verified when they are read.

Reads and writes one folder: `<folder>/<stack>/<date>.json`, a second review of a day `<date>-2.json`, and next to each
its sign-off, `….signed.json`. Each review contains the digest of the one before it, which shows a later change of it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol, get_args, get_origin, get_type_hints

from components.policies.evaluation.account import KeyPermission
from wizard.core import files, safe_text
from wizard.core.errors import SetupError
from wizard.core.json_documents import camel
from wizard.core.json_documents import plain as plain
from wizard.core.models.access import AccessReview, SignOff
from wizard.core.next_command import eonpro, plain_name

_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:-(\d+))?\.json")


@dataclass(frozen=True, kw_only=True)
class StoredReview:
    file: Path
    review: AccessReview | None
    """None: the file is not a review."""
    digest: str
    """Of the file's current content."""
    fault: str = ""
    """Why the file cannot be trusted; empty: it is intact."""
    sign_off: SignOff | None = None
    """Only if it is a sign-off of exactly this review."""
    previous: Mapping[str, Any] | None = None
    """File and digest of the review before it, as this one names them."""

    @property
    def is_intact(self) -> bool:
        """Whether it is unchanged since it was written."""
        return self.review is not None and not self.fault


REVIEWS = "reviews"
"""The folder, next to Pulumi.<stack>.yaml, to be committed with it."""

VALID_DAYS = 92
"""Access is reviewed quarterly."""


@dataclass(frozen=True, kw_only=True)
class StoredReviews:
    """The stored reviews of a stack. One of another key, stack or account, or a damaged one, counts for nothing."""

    files: tuple[StoredReview, ...] = ()
    """All of the stack's folder, the oldest first."""
    stack: str = ""
    key_arn: str = ""

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the files: changed since they were written, or unreadable."""
        return tuple(each.fault for each in self.files if each.fault)

    @property
    def newest(self) -> StoredReview | None:
        """The newest intact review of this stack and key."""
        return next(reversed(self._of_key), None)

    @property
    def signed(self) -> StoredReview | None:
        """The newest intact and signed review of this stack and key."""
        return next((each for each in reversed(self._of_key) if each.sign_off), None)

    @property
    def last(self) -> StoredReview | None:
        """The newest intact review of the folder, of any stack and key: the next one contains its digest."""
        return next((each for each in reversed(self.files) if each.is_intact), None)

    def age_days(self, at: datetime) -> int | None:
        """The age of the newest signed review; None: there is none. A sign-off says its time, a review proves its."""
        signed = self.signed
        if signed is None or signed.review is None or signed.sign_off is None:
            return None
        return (at - min(signed.review.at, signed.sign_off.at)).days

    def accepted(self, at: datetime) -> AccessReview | None:
        """The review whose signature holds at this time. None: there is none, it is too old, or of the future."""
        age = self.age_days(at)
        return self.signed.review if self.signed and age is not None and -1 <= age <= VALID_DAYS else None

    @property
    def _of_key(self) -> tuple[StoredReview, ...]:
        return tuple(
            each
            for each in self.files
            if each.is_intact and each.review and (each.review.stack, each.review.key_arn) == (self.stack, self.key_arn)
        )


class Holder(Protocol):
    """A principal with rights on the key, as a review lists it or as it was just evaluated."""

    @property
    def arn(self) -> str: ...

    @property
    def surplus(self) -> Collection[str]:
        """The principal's rights that the settings do not give it."""

    @property
    def assumed_by(self) -> tuple[str, ...]: ...


class Acceptance:
    """The rights that a signed review accepts; none without a review."""

    def __init__(self, review: AccessReview | None, listed: Iterable[Holder]) -> None:
        """`listed`: the principals that have rights of their own now, and are judged for themselves."""
        self._former = {each.arn: each for each in review.principals} if review else {}
        self._listed = {each.arn for each in listed}

    def covers(self, holder: Holder) -> bool:
        """Whether the review shows a principal with these rights, and everybody who can assume it."""
        former = self._former.get(holder.arn)
        if former is None:
            return False
        # A principal that the settings no longer name was accepted with the rights that it had then.
        new = {path for path in holder.assumed_by if path.partition(" ")[0] not in self._listed}
        return new <= {*former.assumed_by} and {*holder.surplus} <= former.rights


def read(folder: Path, stack: str) -> tuple[StoredReview, ...]:
    """Every review of a stack, oldest first."""
    return tuple(_with_chain_faults([_read(file) for file in _files(folder / plain_name(stack))]))


def _files(directory: Path) -> list[Path]:
    """Every review of a folder, oldest first."""
    files = directory.iterdir() if directory.is_dir() else ()
    return sorted((file for file in files if _NAME.fullmatch(file.name)), key=_position)


def _position(file: Path) -> tuple[str, int]:
    match = _NAME.fullmatch(file.name)
    return (match[1], int(match[2] or 1)) if match else ("", 0)


def _signed(file: Path) -> Path:
    return file.with_suffix(".signed.json")


def _read(file: Path) -> StoredReview:
    try:
        content = safe_text.parse_json(files.read_text(file))
        body = {name: content[name] for name in ("version", "previous", "review")}
        stored = StoredReview(
            file=file,
            review=_reader(AccessReview)(content["review"]),
            digest=digest_of(body),
            previous=None if content["previous"] is None else dict(content["previous"]),
        )
        written_digest = content["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return StoredReview(file=file, review=None, digest="", fault=f"{file} cannot be read as a review: {error!r}")
    if written_digest != stored.digest:
        return replace(stored, fault=f"{file} was changed since it was written: it no longer matches its digest")
    return _with_sign_off(stored)


def _with_sign_off(stored: StoredReview) -> StoredReview:
    file = _signed(stored.file)
    if not file.exists():
        return stored
    try:
        sign_off = _reader(SignOff)(safe_text.parse_json(files.read_text(file)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return replace(stored, fault=f"{file} cannot be read as a sign-off: {error!r}")
    if sign_off.review_digest != stored.digest:
        return replace(
            stored, fault=f"{file} is a sign-off of another content of {stored.file.name}: the digests differ"
        )
    return replace(stored, sign_off=replace(sign_off, file=str(file)))


def _with_chain_faults(reviews: list[StoredReview]) -> Iterator[StoredReview]:
    """Each review, with a fault if the next one contains another digest of it."""
    for review, following in zip_longest(reviews, reviews[1:]):
        previous = following.previous if following is not None and following.is_intact else None
        is_previous = review.is_intact and previous is not None and previous.get("file") == review.file.name
        if is_previous and previous is not None and previous.get("digest") != review.digest:
            name = following.file.name if following else ""
            fault = f"{review.file} was changed since it was written: {name} contains another digest of it"
            yield replace(review, fault=fault, sign_off=None)
        else:
            yield review


# --- writing


def write(folder: Path, review: AccessReview, before: StoredReview | None) -> StoredReview:
    """Write a review to a new file; no file is ever overwritten. Raises SetupError if it cannot be written."""
    previous = {"file": before.file.name, "digest": before.digest} if before is not None and before.digest else None
    body = {"version": VERSION, "previous": previous, "review": plain(review)}
    digest = digest_of(body)
    directory = folder / plain_name(review.stack)
    date = review.at.astimezone(UTC).strftime("%Y-%m-%d")
    number = max((number for day, number in map(_position, _files(directory)) if day == date), default=0)
    while True:
        # A second time only where another process takes the name meanwhile.
        number += 1
        file = directory / (f"{date}.json" if number == 1 else f"{date}-{number}.json")
        if _create(file, {"digest": digest, **body}):
            return StoredReview(file=file, review=review, digest=digest, previous=previous)


def sign(stored: StoredReview, *, signer: str, signer_arn: str, at: datetime) -> SignOff:
    """Write the sign-off of exactly this review. Raises SetupError if it is already signed."""
    file = _signed(stored.file)
    sign_off = SignOff(
        signer=signer, signer_arn=signer_arn, at=at.replace(microsecond=0), review_digest=stored.digest, file=file.name
    )
    if not _create(file, {"version": VERSION, **plain(sign_off)}):
        raise SetupError(f"{file} exists: this review is already signed", eonpro("review", "--sign", signer))
    return replace(sign_off, file=str(file))


def _create(file: Path, value: Mapping[str, Any]) -> bool:
    """Write a new file; False if one of that name exists."""
    try:
        files.make_folder(file.parent, own=True)
        return files.create(file, f"{json.dumps(value, indent=2, sort_keys=True)}\n".encode())
    except OSError as error:
        raise SetupError(
            f"the review cannot be written to {file}: {error}", eonpro("review", "--out", "FOLDER")
        ) from error


VERSION = "1"
"""Version of the file format."""


def canonical(value: Any) -> bytes:
    """The canonical JSON of a value, for its digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def digest_of(value: Any) -> str:
    """`sha256:` and 64 hex of the canonical JSON."""
    return f"sha256:{hashlib.sha256(canonical(value)).hexdigest()}"


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """A function that turns a JSON value of `plain` back into this type; one for each type, as reviews are long."""
    members = get_args(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        known = [
            (each.name, camel(each.name), _reader(hints[each.name]), each.default is not MISSING)
            for each in fields(kind)
        ]
        # A review that an earlier release stored lacks the fields that were added since.
        return lambda value: kind(
            **{name: read(value[key]) for name, key, read, is_new in known if not is_new or key in value}
        )
    if get_origin(kind) is tuple:
        read = _reader(members[0])
        return lambda value: tuple(map(read, value))
    if members:
        read = _reader(members[0])
        return lambda value: None if value is None else read(value)
    if kind is datetime:
        return lambda value: datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return kind if kind in (KeyPermission, bool, int) else lambda value: value
