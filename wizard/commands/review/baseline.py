"""What a review is compared with: the rights that the settings give, and the review before.

Pure.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.policies.evaluation.account import KeyPermission
from components.policies.evaluation.conditions import matches
from components.policies.evaluation.statements import Statement, statements_of
from components.policies.stack import application_trust_of, vercel_provider_arn_of
from components.settings import Outputs, Settings
from wizard.core.models.access import AccessReview, PrincipalAccess


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """The rights that the settings give."""

    rights: Mapping[str, frozenset[str]]
    """By ARN, for every principal that the settings name."""
    patterns: tuple[str, ...] = ()
    """Administrators by pattern of role ARNs."""
    application: tuple[str, ...] = ()
    trust: tuple[str, ...] | None = None
    """The statements that trust the application, normalized; None: the stack does not create the role."""

    def names(self, arn: str) -> bool:
        return arn in self.rights or any(matches(pattern, arn) for pattern in self.patterns)

    def rights_of(self, arn: str) -> frozenset[str]:
        """The rights that the settings give to a principal."""
        by_pattern = {"administer"} if any(matches(pattern, arn) for pattern in self.patterns) else set()
        return self.rights.get(arn, frozenset()) | by_pattern

    def trusts(self, statement: Statement) -> bool:
        """Whether a statement of the application's trust policy is one of the settings."""
        return self.trust is None or _normalized(statement) in self.trust


def expectation_of(settings: Settings, outputs: Outputs | None) -> Expectation:
    """The expectation of these settings; the outputs, if there are any, have the application's ARNs."""
    application = outputs.app_principal_arns if outputs else settings.app_principal_arns
    rights: dict[str, frozenset[str]] = {}

    def give(arn: str, right: str) -> None:
        rights[arn] = rights.get(arn, frozenset()) | {right}

    for arn in application:
        give(arn, "use")
    for arn in (*settings.administrators, *settings.incident_responders):
        give(arn, "administer")
    for arn in settings.deletion_administrators:
        give(arn, "delete")
    if not settings.strict_key_policy:
        # The statement that delegates to IAM names the account, and so its root user.
        root = f"arn:{settings.partition}:iam::{settings.account_id}:root"
        rights[root] = frozenset(("use", "administer", "delete"))
    trust = application_trust_of(settings, vercel_provider_arn=vercel_provider_arn_of(settings))
    return Expectation(
        rights=rights,
        patterns=settings.administrator_patterns,
        application=tuple(application),
        trust=tuple(map(_normalized, statements_of(trust))) if settings.makes_role else None,
    )


def _normalized(statement: Statement) -> str:
    """A statement without its Sid, its lists in one order, as JSON."""
    return json.dumps(_sorted({name: value for name, value in statement.items() if name != "Sid"}), sort_keys=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        members = sorted((_sorted(member) for member in value), key=json.dumps)
        return members[0] if len(members) == 1 else members
    return value


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


def between(before: AccessReview, now: AccessReview, *, since: str) -> Differences:
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
