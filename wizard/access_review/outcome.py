"""A review with what it is held against: the one before it, and the last that somebody signed.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wizard import documents
from wizard.access_review import record
from wizard.access_review.differences import Differences
from wizard.facts_access import AccessReview, PrincipalAccess, SignOff


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All that a run of `review` found."""

    review: AccessReview
    file: str
    digest: str
    differences: Differences | None = None
    """None: there is no earlier review."""
    accepted: AccessReview | None = None
    """The review that was signed last: whom it shows, somebody looked at and left. None: none was signed."""
    sign_off: SignOff | None = None
    """Of this review."""
    faults: tuple[str, ...] = ()
    """What is wrong with the reviews that are kept."""

    @property
    def not_accepted(self) -> tuple[PrincipalAccess, ...]:
        """Who has more than the settings give, and than the last signed review shows."""
        if self.sign_off is not None:
            return ()
        before = {each.arn: each for each in self.accepted.principals} if self.accepted else {}
        return tuple(each for each in self.review.principals if _surplus(each) - _surplus_before(before.get(each.arn)))

    @property
    def ok(self) -> bool:
        """Whether nobody has more than was given or accepted, nothing that matters is unknown, no file was changed."""
        return not (self.not_accepted or self.review.undecided or self.faults)


def _surplus(principal: PrincipalAccess) -> frozenset[str]:
    return frozenset(principal.beyond) if principal.is_expected else principal.rights


def _surplus_before(principal: PrincipalAccess | None) -> frozenset[str]:
    # One that the settings named then, and do not any more, was accepted with what it was named for.
    return frozenset() if principal is None else principal.rights


def document(outcome: Outcome) -> documents.Document:
    """The document of `--json`."""
    return {
        **documents.head("review", ok=outcome.ok),
        "stack": outcome.review.stack,
        "review": record.plain(outcome.review),
        "file": outcome.file,
        "digest": outcome.digest,
        "unexpected": [each.arn for each in outcome.review.unexpected],
        "notAccepted": [each.arn for each in outcome.not_accepted],
        "undecided": [each.arn for each in outcome.review.undecided],
        "differences": _plain(outcome.differences),
        "signOff": record.plain(outcome.sign_off) if outcome.sign_off else None,
        "faults": list(outcome.faults),
    }


def _plain(differences: Differences | None) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = record.plain(differences) if differences else None
    return found
