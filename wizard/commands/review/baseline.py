"""Whom the stack's settings give a right on the key, and whom they let become the application.

Pure: settings in, names out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components import policies
from components.policies.evaluation.account import KeyPermission
from components.policies.evaluation.conditions import matches
from components.policies.evaluation.statements import Statement, statements_of
from components.policies.stack import application_trust_of
from components.settings import Outputs, Settings
from wizard.core.models.access import AccessReview, PrincipalAccess


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a review is held against."""

    rights: Mapping[str, frozenset[str]]
    """By ARN: of everybody the settings name, what they give."""
    patterns: tuple[str, ...] = ()
    """Roles by pattern, which administer."""
    application: tuple[str, ...] = ()
    trust: tuple[str, ...] | None = None
    """The statements by which one becomes the application, each in one form; None: the role is the account's own."""

    def names(self, arn: str) -> bool:
        """Whether the settings name somebody."""
        return arn in self.rights or any(matches(pattern, arn) for pattern in self.patterns)

    def given(self, arn: str) -> frozenset[str]:
        """The rights that the settings give to somebody."""
        by_pattern = {"administer"} if any(matches(pattern, arn) for pattern in self.patterns) else set()
        return self.rights.get(arn, frozenset()) | by_pattern

    def trusts(self, statement: Statement) -> bool:
        """Whether a statement of the application's trust policy is one that the settings mean."""
        return self.trust is None or _one_form(statement) in self.trust


def of(settings: Settings, outputs: Outputs | None) -> Expectation:
    """What the settings mean. The application's ARNs are the stack's own, where it tells them."""
    application = outputs.app_principal_arns if outputs else settings.app_principal_arns
    rights: dict[str, frozenset[str]] = {}

    def give(arn: str, right: str) -> None:
        rights[arn] = rights.get(arn, frozenset()) | {right}

    for arn in application:
        give(arn, "use")
    for arn in settings.administrators:
        give(arn, "administer")
    for arn in settings.deletion_administrators:
        give(arn, "delete")
    if not settings.strict_key_policy:
        # The statement that leaves the rest to IAM names the account, and with it its root user.
        root = f"arn:{settings.partition}:iam::{settings.account_id}:root"
        rights[root] = frozenset(("use", "administer", "delete"))
    provider = settings.vercel_oidc_provider_arn or policies.vercel_oidc_provider_arn(
        account_id=settings.account_id, team=settings.vercel_team or "", partition=settings.partition
    )
    meant = application_trust_of(settings, vercel_provider_arn=provider)
    return Expectation(
        rights=rights,
        patterns=settings.administrator_patterns,
        application=tuple(application),
        trust=tuple(map(_one_form, statements_of(meant))) if settings.makes_role else None,
    )


def _one_form(statement: Statement) -> str:
    """A statement without its Sid, its lists in one order."""
    return json.dumps(_sorted({name: value for name, value in statement.items() if name != "Sid"}), sort_keys=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        members = sorted((_sorted(each) for each in value), key=json.dumps)
        return members[0] if len(members) == 1 else members
    return value


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
    lost = [right for right in sorted(old.rights - new.rights) if _may(new, right) is KeyPermission.NO]
    gained = [right for right in sorted(new.rights - old.rights) if _may(old, right) is KeyPermission.NO]
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


def _may(principal: PrincipalAccess, right: str) -> KeyPermission:
    return {"use": principal.use, "administer": principal.administer, "delete": principal.delete}[right]


def _less(these: tuple[str, ...], those: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in these if each not in those)
