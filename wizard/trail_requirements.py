"""What an audit trail has to be, whoever made it, and what one that is there lacks of it.

Pure: facts in, words out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.contract import SHORTEST_RETENTION_DAYS
from wizard.facts import Retention, TrailFact


@dataclass(frozen=True, kw_only=True)
class Gap:
    """One thing that a trail or its bucket lacks."""

    what: str
    fatal: bool = False
    """Whether the use of the key is not recorded at all."""


def gaps(trail: TrailFact, retention: Retention | None) -> tuple[Gap, ...]:
    """What the trail and its bucket lack; what could not be read is no gap here, and `unknown` in the evidence."""
    return (*_of_trail(trail), *(_of_bucket(retention) if retention else ()))


def unread(trail: TrailFact, retention: Retention | None) -> tuple[str, ...]:
    """What could not be read of them, in words."""
    told = []
    if trail.logging is None:
        told.append("whether it is logging")
    if trail.kms_events is None:
        told.append("whether it records KMS")
    if retention is None:
        told.append(f"its bucket {trail.bucket}")
    elif retention.tls_only is None:
        told.append("the bucket's policy")
    return tuple(told)


def _of_trail(trail: TrailFact) -> Iterator[Gap]:
    if trail.logging is False:
        yield Gap(what="it is stopped", fatal=True)
    if trail.kms_events is False:
        yield Gap(what="it leaves out the events of KMS", fatal=True)
    if not trail.multi_region:
        yield Gap(what="it covers one Region only")
    if not trail.global_events:
        yield Gap(what="it leaves out the global services, IAM among them")
    if not trail.validation:
        yield Gap(what="its log files cannot be validated")


def _of_bucket(retention: Retention) -> Iterator[Gap]:
    days = retention.expires_after_days
    if days is not None and days < SHORTEST_RETENTION_DAYS:
        yield Gap(what=f"its logs expire after {days} days, before six years are over")
    if not retention.public_access_blocked:
        yield Gap(what="its bucket does not block public access")
    if not retention.versioned:
        yield Gap(what="its bucket keeps no earlier versions")
    if not retention.encrypted:
        yield Gap(what="its bucket is not encrypted")
    if retention.tls_only is False:
        yield Gap(what="its bucket may be read over plain HTTP")
