"""The objects of a bucket, counted by what stands in the way of their move; and the move, object by object.

Asks S3 for each object and changes what it is told to. A run that was killed is run again: each object says itself
whether it is done, so nothing is done twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from wizard.core.errors import PermissionDenied
from wizard.core.models.s3_documents import (
    CUSTOMER_PROVIDED,
    DUAL_LAYER,
    KMS,
    DocumentBucket,
    ObjectState,
    ObjectVersion,
)
from wizard.core.retry import Threads

if TYPE_CHECKING:
    from wizard.aws.s3_documents import S3Documents

T = TypeVar("T")

WORKERS = 8
"""Calls under way at once."""

OnProgress = Callable[[int], None]
"""How many objects are done with."""


class Place(StrEnum):
    """Where an object is, and whether it can be moved. The values are names in the JSON document."""

    UNDER_KEY = "underKey"
    TO_MOVE = "toMove"
    LOCKED = "locked"
    OTHER_KEY = "otherKey"
    DUAL_LAYER = "dualLayer"
    CUSTOMER_KEY = "customerKey"
    NOT_ENCRYPTED = "notEncrypted"
    DENIED = "denied"
    REFUSED = "refused"


WORDS = {
    Place.UNDER_KEY: "under the key of the documents",
    Place.TO_MOVE: "to be moved",
    Place.LOCKED: "left: under Object Lock, which S3 lets nobody re-encrypt",
    Place.OTHER_KEY: "left: under another KMS key, which nobody named with --from-key",
    Place.DUAL_LAYER: "left: under DSSE-KMS, which S3 does not change in place",
    Place.CUSTOMER_KEY: "left: under a key that its writer sends (SSE-C), which S3 does not have",
    Place.NOT_ENCRYPTED: "left: not encrypted, which S3 does not change in place",
    Place.DENIED: "left: this caller may not read them, or they belong to another account",
    Place.REFUSED: "left: S3 refused",
}
EXCEPTIONS = tuple(place for place in Place if place not in (Place.UNDER_KEY, Place.TO_MOVE))


@dataclass(frozen=True, kw_only=True)
class Left:
    """An object that stays where it is."""

    version: ObjectVersion
    place: Place
    why: str = ""


@dataclass(kw_only=True)
class Calls:
    """The calls to S3."""

    list: int = 0
    head: int = 0
    update: int = 0


@dataclass(kw_only=True)
class Survey:
    """The objects of a bucket at one time."""

    counts: Counter[Place] = field(default_factory=Counter)
    to_move: list[ObjectVersion] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    refused: list[Left] = field(default_factory=list)
    """Of those to be moved: what S3 refused."""

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def exceptions(self) -> int:
        return sum(self.counts[place] for place in EXCEPTIONS)


@dataclass(frozen=True, kw_only=True)
class Documents:
    """The objects that a run is about, and the key they are moved to."""

    s3: S3Documents
    bucket: DocumentBucket
    key_arn: str
    every: bool
    """Every version, or the current ones."""
    prefix: str = ""
    leaving: Collection[str] = ()
    """ARNs of the KMS keys whose objects are moved, besides S3's own."""
    calls: Calls = field(default_factory=Calls)

    def survey(self, on_progress: OnProgress, *, moving: bool = False) -> Survey:
        """Where every object is: one call for each, and one for each 1,000.

        `moving`: each page is moved before the next one is read, so that a run that is killed has not read in vain.
        """
        survey = Survey()
        for page in self.s3.versions(self.bucket, every=self.every, prefix=self.prefix):
            self.calls.list += 1
            self.calls.head += len(page)
            start = len(survey.to_move)
            for version, state in zip(page, _each(page, partial(_state, self.s3, self.bucket)), strict=True):
                self._count(survey, version, state)
            if moving:
                survey.refused += self.move(survey.to_move[start:])
            on_progress(survey.total)
        return survey

    def _count(self, survey: Survey, version: ObjectVersion, state: ObjectState | PermissionDenied | None) -> None:
        if state is None:
            return  # Deleted meanwhile.
        place, why = (Place.DENIED, state.message) if isinstance(state, PermissionDenied) else self._place(state)
        survey.counts[place] += 1
        if place is Place.TO_MOVE:
            survey.to_move.append(version)
        elif place is not Place.UNDER_KEY:
            survey.left.append(Left(version=version, place=place, why=why))

    def _place(self, state: ObjectState) -> tuple[Place, str]:
        algorithm, key = state.encryption.algorithm, state.encryption.key
        if algorithm == KMS and key == self.key_arn:
            return Place.UNDER_KEY, ""
        places = {CUSTOMER_PROVIDED: Place.CUSTOMER_KEY, DUAL_LAYER: Place.DUAL_LAYER, "": Place.NOT_ENCRYPTED}
        if algorithm in places:
            return places[algorithm], state.encryption.text
        if algorithm == KMS and key not in self.leaving:
            return Place.OTHER_KEY, state.encryption.text
        return (Place.LOCKED, state.lock) if state.lock else (Place.TO_MOVE, "")

    def move(self, versions: list[ObjectVersion], on_progress: OnProgress = lambda done: None) -> tuple[Left, ...]:
        """Move these objects. Returns those that S3 refused. Raises PermissionDenied where all of the first are."""
        left: list[Left] = []
        for start in range(0, len(versions), _CHUNK):
            chunk = versions[start : start + _CHUNK]
            self.calls.update += len(chunk)
            answers = list(_each(chunk, partial(_encrypt, self.s3, self.bucket, self.key_arn)))
            denials = [answer for answer in answers if isinstance(answer, PermissionDenied)]
            if len(denials) == len(chunk) == self.calls.update:
                raise denials[0]
            for version, answer in zip(chunk, answers, strict=True):
                if answer is not None:
                    why = answer.message if isinstance(answer, PermissionDenied) else answer
                    left.append(Left(version=version, place=Place.REFUSED, why=why))
            on_progress(start + len(chunk))
        return tuple(left)


_CHUNK = 200


def _each(versions: Iterable[ObjectVersion], ask: Callable[[ObjectVersion], T]) -> Iterator[T]:
    with Threads(max_workers=WORKERS, thread_name_prefix="documents") as pool:
        yield from pool.map(ask, versions)


def _state(s3: S3Documents, bucket: DocumentBucket, version: ObjectVersion) -> ObjectState | PermissionDenied | None:
    try:
        return s3.state(bucket, version)
    except PermissionDenied as error:
        # The object of another account, or one that a policy keeps from this caller.
        return error


def _encrypt(
    s3: S3Documents, bucket: DocumentBucket, key_arn: str, version: ObjectVersion
) -> str | PermissionDenied | None:
    try:
        return s3.encrypt(bucket, version, key_arn)
    except PermissionDenied as error:
        return error
