"""The reviews that are kept, one file each, and their sign-offs: written once, never changed, and read back with doubt.

Touches the folder it is given: `<folder>/<stack>/<date>.json`, a second review of a day `<date>-2.json`, and beside
each its sign-off, `….signed.json`. Each review tells the digest of the one before it, so that a later change of that
one shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from wizard.access_review import record
from wizard.errors import SetupError
from wizard.facts_access import AccessReview, SignOff

_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:-(\d+))?\.json")


@dataclass(frozen=True, kw_only=True)
class Kept:
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


def read(folder: Path, stack: str) -> tuple[Kept, ...]:
    """Every review of a stack, the oldest first."""
    place = folder / _plain_name(stack)
    files = sorted(
        (each for each in (place.iterdir() if place.is_dir() else ()) if _NAME.fullmatch(each.name)), key=_position
    )
    kept = [_read(file) for file in files]
    return tuple(_chained(kept))


def last_signed(kept: Sequence[Kept]) -> Kept | None:
    """The newest review that is whole and signed."""
    return next((each for each in reversed(kept) if each.is_whole and each.sign_off), None)


def last_whole(kept: Sequence[Kept]) -> Kept | None:
    """The newest review that is whole."""
    return next((each for each in reversed(kept) if each.is_whole), None)


def _plain_name(stack: str) -> str:
    return stack.rsplit("/", 1)[-1]


def _position(file: Path) -> tuple[str, int]:
    match = _NAME.fullmatch(file.name)
    return (match[1], int(match[2] or 1)) if match else ("", 0)


def _signed(file: Path) -> Path:
    return file.with_suffix(".signed.json")


def _read(file: Path) -> Kept:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        body = {name: told[name] for name in ("version", "previous", "review")}
        found = Kept(file=file, review=record.review_of(told["review"]), digest=record.digest(body))
        claimed = told["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Kept(file=file, review=None, digest="", fault=f"{file} is no review that can be read: {error!r}")
    if claimed != found.digest:
        return replace(found, fault=f"{file} was changed since it was written: it no longer matches its digest")
    return _with_sign_off(found)


def _with_sign_off(kept: Kept) -> Kept:
    file = _signed(kept.file)
    if not file.exists():
        return kept
    try:
        sign_off = record.sign_off_of(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return replace(kept, fault=f"{file} is no sign-off that can be read: {error!r}")
    if sign_off.review_digest != kept.digest:
        return replace(kept, fault=f"{file} signs another review than {kept.file.name} is now: the digests differ")
    return replace(kept, sign_off=replace(sign_off, file=str(file)))


def _chained(kept: list[Kept]) -> Iterator[Kept]:
    """Each review, with a fault where the next one remembers another digest of it."""
    for one, after in zip_longest(kept, kept[1:]):
        remembered = _previous(after) if after is not None and after.is_whole else None
        is_of_it = one.is_whole and remembered is not None and remembered.get("file") == one.file.name
        if is_of_it and remembered is not None and remembered.get("digest") != one.digest:
            fault = f"{one.file} was changed since: {after.file.name if after else ''} remembers another digest"
            yield replace(one, fault=fault, sign_off=None)
        else:
            yield one


def _previous(kept: Kept) -> Mapping[str, Any] | None:
    told: Mapping[str, Any] = json.loads(kept.file.read_text(encoding="utf-8"))
    previous: Mapping[str, Any] | None = told.get("previous")
    return previous


# --- writing ------------------------------------------------------------------------------------------------------


def write(folder: Path, review: AccessReview, before: Kept | None) -> Kept:
    """Keep a review in a new file; nothing is ever overwritten. Raises SetupError where it cannot be written."""
    previous = {"file": before.file.name, "digest": before.digest} if before is not None and before.digest else None
    body = {"version": record.VERSION, "previous": previous, "review": record.plain(review)}
    digest = record.digest(body)
    place = folder / _plain_name(review.stack)
    date = review.at.astimezone(UTC).strftime("%Y-%m-%d")
    number = 1
    while True:
        file = place / (f"{date}.json" if number == 1 else f"{date}-{number}.json")
        if _create(file, {"digest": digest, **body}):
            return Kept(file=file, review=review, digest=digest)
        number += 1


def sign(kept: Kept, *, signer: str, signer_arn: str, at: datetime) -> SignOff:
    """Keep the word that this very review was looked at. Raises SetupError where it is signed already."""
    file = _signed(kept.file)
    made = SignOff(
        signer=signer,
        signer_arn=signer_arn,
        at=at.replace(microsecond=0),
        review_digest=kept.digest,
        file=file.name,
    )
    if not _create(file, {"version": record.VERSION, **record.plain(made)}):
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
