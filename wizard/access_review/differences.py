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
    changed: tuple[Changed, ...] = ()
    new_grants: tuple[str, ...] = ()
    gone_grants: tuple[str, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether all is as it was."""
        return not (self.came or self.went or self.changed or self.new_grants or self.gone_grants)


def between(before: AccessReview, now: AccessReview, *, since: str) -> Differences:
    """What changed. What one of the two could not read is not told as a change."""
    old, new = _with_rights(before), _with_rights(now)
    # Of whom the other review knows that something is unknown, nobody can say that they came or went.
    unsure_before = {each.arn for each in before.principals if not each.is_known}
    unsure_now = {each.arn for each in now.principals if not each.is_known}
    everything_before = not before.undecided
    everything_now = not now.undecided
    changed = [_changed(old[arn], new[arn]) for arn in sorted(old.keys() & new.keys())]
    grants_known = before.grants is not None and now.grants is not None
    then = {grant.id for grant in before.grants or ()}
    today = {grant.id for grant in now.grants or ()}
    return Differences(
        since=since,
        came=tuple(sorted(arn for arn in new.keys() - old.keys() if everything_before or arn not in unsure_before)),
        went=tuple(sorted(arn for arn in old.keys() - new.keys() if everything_now and arn not in unsure_now)),
        changed=tuple(each for each in changed if each != Changed(arn=each.arn)),
        new_grants=tuple(sorted(today - then)) if grants_known else (),
        gone_grants=tuple(sorted(then - today)) if grants_known else (),
    )


def _with_rights(review: AccessReview) -> dict[str, PrincipalAccess]:
    return {each.arn: each for each in review.principals if each.rights}


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
