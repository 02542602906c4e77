"""What changed between two access reviews.

Pure.
"""

from dataclasses import dataclass

from components.policies.evaluation import KeyPermission
from wizard.core.models.access import AccessReview, PrincipalAccess


@dataclass(frozen=True, kw_only=True)
class PrincipalChange:
    arn: str
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    new_ways: tuple[str, ...] = ()
    removed_ways: tuple[str, ...] = ()
    newly_assumed_by: tuple[str, ...] = ()
    no_longer_assumed_by: tuple[str, ...] = ()
    used_again: bool = False
    """Whether it used the key, but not in the window of the review before."""


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What changed since another review."""

    since: str
    """The file of the earlier review."""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    first_visible: tuple[str, ...] = ()
    """Principals with a right now, which may have had it before: the earlier review could not read it."""
    no_longer_visible: tuple[str, ...] = ()
    """Principals with a right before, which may still have it: this review could not read it."""
    changed: tuple[PrincipalChange, ...] = ()
    new_grants: tuple[str, ...] = ()
    removed_grants: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self == Differences(since=self.since)


def differences_between(before: AccessReview, now: AccessReview, *, since: str) -> Differences:
    """What changed. What one of the two could not read is not a change."""
    old, new = _with_rights(before), _with_rights(now)
    added, removed = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    changed = [_changed(old[arn], new[arn]) for arn in sorted(old.keys() & new.keys())]
    grants_known = before.grants is not None and now.grants is not None
    old_grants = {grant.id for grant in before.grants or ()}
    new_grants = {grant.id for grant in now.grants or ()}
    return Differences(
        since=since,
        added=tuple(arn for arn in added if not _may_have(before, arn)),
        removed=tuple(arn for arn in removed if not _may_have(now, arn)),
        first_visible=tuple(arn for arn in added if _may_have(before, arn)),
        no_longer_visible=tuple(arn for arn in removed if _may_have(now, arn)),
        changed=tuple(change for change in changed if change != PrincipalChange(arn=change.arn)),
        new_grants=tuple(sorted(new_grants - old_grants)) if grants_known else (),
        removed_grants=tuple(sorted(old_grants - new_grants)) if grants_known else (),
    )


def _with_rights(review: AccessReview) -> dict[str, PrincipalAccess]:
    return {principal.arn: principal for principal in review.principals if principal.rights}


def _may_have(review: AccessReview, arn: str) -> bool:
    """Whether a principal may have a right that the review could not read: by its own row or the row of all others."""
    return any(principal.arn == arn or principal.arn.endswith(":*") for principal in review.undecided)


def _changed(old: PrincipalAccess, new: PrincipalAccess) -> PrincipalChange:
    lost = [right for right in sorted(old.rights - new.rights) if _permission(new, right) is KeyPermission.NO]
    gained = [right for right in sorted(new.rights - old.rights) if _permission(old, right) is KeyPermission.NO]
    return PrincipalChange(
        arn=new.arn,
        gained=tuple(gained),
        lost=tuple(lost),
        new_ways=_without(new.ways, old.ways),
        removed_ways=_without(old.ways, new.ways) if new.is_known else (),
        newly_assumed_by=_without(new.assumed_by, old.assumed_by),
        no_longer_assumed_by=_without(old.assumed_by, new.assumed_by) if new.is_known else (),
        used_again=bool(new.events) and old.events == 0,
    )


def _permission(principal: PrincipalAccess, right: str) -> KeyPermission:
    return {"use": principal.use, "administer": principal.administer, "delete": principal.delete}[right]


def _without(these: tuple[str, ...], those: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(entry for entry in these if entry not in those)
