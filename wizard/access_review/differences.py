"""What changed between two reviews: who came, went, gained and lost, the grants, and who used the key again.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from wizard.facts_access import AccessReview, May, PrincipalAccess


@dataclass(frozen=True, kw_only=True)
class Changed:
    """What one principal has otherwise than before."""

    arn: str
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    new_ways: tuple[str, ...] = ()
    gone_ways: tuple[str, ...] = ()
    newly_assumed_by: tuple[str, ...] = ()
    no_longer_assumed_by: tuple[str, ...] = ()
    used_again: bool = False
    """Whether it used the key, and had not in the window of the review before."""


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What changed since another review."""

    since: str
    """The file of the earlier one."""
    came: tuple[str, ...] = ()
    went: tuple[str, ...] = ()
    first_seen: tuple[str, ...] = ()
    """Have a right now, and may have had it before: the earlier review could not see it."""
    out_of_sight: tuple[str, ...] = ()
    """Had a right before, and may have it still: this review could not see it."""
    changed: tuple[Changed, ...] = ()
    new_grants: tuple[str, ...] = ()
    gone_grants: tuple[str, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether all is as it was."""
        return self == Differences(since=self.since)


def between(before: AccessReview, now: AccessReview, *, since: str) -> Differences:
    """What changed. What one of the two could not read is not told as a change."""
    old, new = _with_rights(before), _with_rights(now)
    newcomers, leavers = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    changed = [_changed(old[arn], new[arn]) for arn in sorted(old.keys() & new.keys())]
    grants_known = before.grants is not None and now.grants is not None
    then = {grant.id for grant in before.grants or ()}
    today = {grant.id for grant in now.grants or ()}
    return Differences(
        since=since,
        came=tuple(arn for arn in newcomers if not _may_have(before, arn)),
        went=tuple(arn for arn in leavers if not _may_have(now, arn)),
        first_seen=tuple(arn for arn in newcomers if _may_have(before, arn)),
        out_of_sight=tuple(arn for arn in leavers if _may_have(now, arn)),
        changed=tuple(each for each in changed if each != Changed(arn=each.arn)),
        new_grants=tuple(sorted(today - then)) if grants_known else (),
        gone_grants=tuple(sorted(then - today)) if grants_known else (),
    )


def _with_rights(review: AccessReview) -> dict[str, PrincipalAccess]:
    return {each.arn: each for each in review.principals if each.rights}


def _may_have(review: AccessReview, arn: str) -> bool:
    """Whether one may have a right that the review could not see: by its own row, or by that of everybody else."""
    return any(each.arn == arn or each.arn.endswith(":*") for each in review.undecided)


def _changed(old: PrincipalAccess, new: PrincipalAccess) -> Changed:
    lost = [right for right in sorted(old.rights - new.rights) if _may(new, right) is May.NO]
    gained = [right for right in sorted(new.rights - old.rights) if _may(old, right) is May.NO]
    return Changed(
        arn=new.arn,
        gained=tuple(gained),
        lost=tuple(lost),
        new_ways=_less(new.ways, old.ways),
        gone_ways=_less(old.ways, new.ways) if new.is_known else (),
        newly_assumed_by=_less(new.assumed_by, old.assumed_by),
        no_longer_assumed_by=_less(old.assumed_by, new.assumed_by) if new.is_known else (),
        used_again=bool(new.events) and old.events == 0,
    )


def _may(principal: PrincipalAccess, right: str) -> May:
    return {"use": principal.use, "administer": principal.administer, "delete": principal.delete}[right]


def _less(these: tuple[str, ...], those: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in these if each not in those)
