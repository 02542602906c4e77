"""What an audit trail has to be, whoever made it, and what one that is there lacks of it.

Pure: facts in, words out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from components.settings import SHORTEST_RETENTION_DAYS
from wizard.core.models.account import Retention, TrailFact


class Trait(StrEnum):
    """What a trail and its bucket have to be, in words of a few letters, in the order of the evidence."""

    LOGGING = "logging"
    EVERY_REGION = "all Regions"
    GLOBAL_EVENTS = "global events"
    VALIDATED = "log files validated"
    KMS_EVENTS = "events of KMS"
    PRIVATE = "bucket private"
    VERSIONED = "versioned"
    ENCRYPTED = "encrypted"
    KEPT = "kept for six years"
    TLS_ONLY = "TLS only"


OF_THE_TRAIL = (Trait.LOGGING, Trait.EVERY_REGION, Trait.GLOBAL_EVENTS, Trait.VALIDATED, Trait.KMS_EVENTS)
OF_THE_BUCKET = tuple(trait for trait in Trait if trait not in OF_THE_TRAIL)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """One thing that a trail or its bucket lacks."""

    trait: Trait
    what: str
    fatal: bool = False
    """Whether the use of the key is not recorded at all."""


def gaps(trail: TrailFact, retention: Retention | None) -> tuple[Gap, ...]:
    """What the trail and its bucket lack; what could not be read is no gap here, and `unknown` in the evidence."""
    return (*trail_gaps(trail), *(bucket_gaps(retention) if retention else ()))


def unread(trail: TrailFact, retention: Retention | None) -> tuple[str, ...]:
    """What could not be read of them, in words."""
    told = [*trail_unread(trail)]
    if retention is None:
        told.append(f"its bucket {trail.bucket}")
    elif retention.tls_only is None:
        told.append("the bucket's policy")
    return tuple(told)


def trail_unread(trail: TrailFact) -> Iterator[str]:
    """What could not be read of the trail itself, in words."""
    if trail.logging is None:
        yield "whether it is logging"
    if trail.kms_events is None:
        yield "whether it records KMS"


def trail_gaps(trail: TrailFact) -> Iterator[Gap]:
    """What the trail itself lacks."""
    if trail.logging is False:
        yield Gap(trait=Trait.LOGGING, what="it is stopped", fatal=True)
    if trail.kms_events is False:
        yield Gap(trait=Trait.KMS_EVENTS, what="it leaves out the events of KMS", fatal=True)
    if not trail.multi_region:
        yield Gap(trait=Trait.EVERY_REGION, what="it covers one Region only")
    if not trail.global_events:
        yield Gap(trait=Trait.GLOBAL_EVENTS, what="it leaves out the global services, IAM among them")
    if not trail.validation:
        yield Gap(trait=Trait.VALIDATED, what="its log files cannot be validated")


def bucket_gaps(retention: Retention) -> Iterator[Gap]:
    """What its bucket lacks."""
    days = retention.expires_after_days
    if days is not None and days < SHORTEST_RETENTION_DAYS:
        yield Gap(trait=Trait.KEPT, what=f"its logs expire after {days} days, before six years are over")
    if not retention.public_access_blocked:
        yield Gap(trait=Trait.PRIVATE, what="its bucket does not block public access")
    if not retention.versioned:
        yield Gap(trait=Trait.VERSIONED, what="its bucket keeps no earlier versions")
    if not retention.encrypted:
        yield Gap(trait=Trait.ENCRYPTED, what="its bucket is not encrypted")
    if retention.tls_only is False:
        yield Gap(trait=Trait.TLS_ONLY, what="its bucket may be read over plain HTTP")
