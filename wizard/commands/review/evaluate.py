"""What somebody may do with a key: the key's policy, the account's IAM and the grants, weighed together.

Pure: documents in, verdicts out. What could not be read makes the answers that hang on it unknown. Organizations'
policies and the policies of sessions are not seen: they can only take away.
https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from wizard.commands.review.conditions import Known
from wizard.commands.review.principals import PrincipalKind, Reach, Subject, reach
from wizard.commands.review.statements import (
    Asked,
    PolicyEvaluation,
    StatementMatch,
    hit_of,
    statements_of,
    weigh,
)
from wizard.core.models.access import GrantFact, KeyPermission
from wizard.core.models.iam import AccountIam, Document

USE = ("Decrypt", "GenerateDataKey", "GenerateDataKeyPair", "ReEncryptFrom", "CreateGrant")
"""What gives plaintext, and the grant by which one gives that to oneself or to somebody else."""

ADMINISTER = (
    "PutKeyPolicy",
    "DisableKey",
    "EnableKey",
    "EnableKeyRotation",
    "DisableKeyRotation",
    "RotateKeyOnDemand",
    "CreateAlias",
    "UpdateAlias",
    "DeleteAlias",
    "UpdateKeyDescription",
    "TagResource",
    "UntagResource",
    "RevokeGrant",
    "CancelKeyDeletion",
    "ReplicateKey",
    "UpdatePrimaryRegion",
)
"""What changes the key, but for ending it."""

DELETE = ("ScheduleKeyDeletion",)

RIGHTS: Mapping[str, tuple[str, ...]] = {"use": USE, "administer": ADMINISTER, "delete": DELETE}
"""Each right by the actions of which one is enough; the first is the one that is meant when none is named."""

GRANTABLE = frozenset(
    (
        "Decrypt",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
        "CreateGrant",
        "RetireGrant",
        "DescribeKey",
    )
)
"""What a grant on a symmetric key can give. https://docs.aws.amazon.com/kms/latest/developerguide/grants.html"""


@dataclass(frozen=True, kw_only=True)
class KeyAccessDocuments:
    """Everything that was read of one key's access; None is what could not be read."""

    arn: str
    account: str
    policy: Document | None
    grants: tuple[GrantFact, ...] | None
    iam: AccountIam | None
    facts: Known = field(default_factory=dict)
    """The condition keys that the key itself decides, its tags above all."""


@dataclass(frozen=True, kw_only=True)
class PermissionSource:
    """One source of rights: what it is, the actions it gives, and on what terms."""

    source: str
    terms: tuple[str, ...] = ()
    through_iam: bool = False


@dataclass(frozen=True, kw_only=True)
class AccessDecision:
    """Whether somebody may do one action on a key, and by what."""

    may: KeyPermission
    ways: tuple[PermissionSource, ...] = ()


def facts_of_key(arn: str, *, tags: Mapping[str, str] | None = None) -> Known:
    """What is known of every request about a key: how it must come, where to, and the key's tags where they were told.

    KMS answers over TLS alone. https://docs.aws.amazon.com/kms/latest/developerguide/infrastructure-security.html
    """
    found = {
        "aws:securetransport": ("true",),
        "aws:requestedregion": (arn.split(":")[3],),
        "aws:resourceaccount": (arn.split(":")[4],),
    }
    return found | {f"aws:resourcetag/{name.lower()}": (value,) for name, value in (tags or {}).items()}


def judge(papers: KeyAccessDocuments, who: Subject, action: str) -> AccessDecision:
    """Whether somebody may do an action of KMS's on the key."""
    asked = Asked(action=f"kms:{action}", resource=papers.arn, known={**papers.facts, **who.known})
    identity = weigh(who.iam.policies, asked) if who.iam else PolicyEvaluation()
    boundary = weigh((who.iam.boundary,), asked) if who.iam and who.iam.boundary else None
    named, account, denies = _of_the_key(papers, who, asked)
    if any(not hit.terms for hit in denies) or identity.is_denied or (boundary is not None and boundary.is_denied):
        return AccessDecision(may=KeyPermission.NO)
    unless = tuple(
        f"not ({' and '.join(hit.terms)}), by {hit.source}"
        for hit in (*denies, *identity.denies, *(boundary.denies if boundary else ()))
    )
    within, beyond_boundary = _within(boundary)
    granted = [_way(hit, unless) for hit in _grants(papers, who, action)]
    # A role is named together with its boundary; a user that is named needs none.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    limited = who.iam is not None and who.iam.is_role
    by_name = [_way(hit, (*unless, *(within if limited else ()))) for hit in named]
    by_iam = [
        _way(allow, (*delegation.terms, *within, *unless), through_iam=True)
        for delegation in account[:1]
        for allow in identity.allows
    ]
    if beyond_boundary is KeyPermission.NO:
        by_iam, by_name = [], [] if limited else by_name
    sure = [*granted, *(by_name if beyond_boundary is not KeyPermission.UNKNOWN or not limited else [])]
    sure += by_iam if beyond_boundary is not KeyPermission.UNKNOWN else []
    if sure:
        return AccessDecision(may=KeyPermission.YES, ways=tuple(sure))
    if _is_open(papers, who, action, identity, delegated=bool(account), held_back=bool(by_name or by_iam)):
        return AccessDecision(may=KeyPermission.UNKNOWN)
    return AccessDecision(may=KeyPermission.NO)


def _of_the_key(
    papers: KeyAccessDocuments, who: Subject, asked: Asked
) -> tuple[list[StatementMatch], list[StatementMatch], list[StatementMatch]]:
    """The key policy's statements: those that allow somebody by name, those that leave it to IAM, those that deny."""
    named: list[StatementMatch] = []
    account: list[StatementMatch] = []
    denies: list[StatementMatch] = []
    for statement in statements_of(papers.policy):
        how = reach(statement, who, papers.account)
        hit = hit_of(statement, asked, source=f"key policy: {statement.get('Sid') or 'a statement without Sid'}")
        if how is None or hit is None:
            continue
        if statement.get("Effect") == "Deny":
            denies.append(hit)
        elif how is Reach.ACCOUNT:
            account.append(hit)
        elif how is Reach.NAMED or who.kind is PrincipalKind.EVERYBODY or _is_meant(statement, hit):
            named.append(hit)
    # The statement that leaves most to IAM first.
    return named, sorted(account, key=lambda hit: len(hit.terms)), denies


def _is_meant(statement: Mapping[str, object], hit: StatementMatch) -> bool:
    """Whether a statement for everybody means this one: its conditions hold for them. Else `*` is told for all."""
    return bool(statement.get("Condition")) and not hit.terms


def _within(boundary: PolicyEvaluation | None) -> tuple[tuple[str, ...], KeyPermission]:
    """On what terms a boundary lets something through, and whether."""
    if boundary is None:
        return (), KeyPermission.YES
    if boundary.unread:
        return (), KeyPermission.UNKNOWN
    if not boundary.allows:
        return (), KeyPermission.NO
    best = min(boundary.allows, key=lambda hit: len(hit.terms))
    return best.terms, KeyPermission.YES


def _grants(papers: KeyAccessDocuments, who: Subject, action: str) -> Iterator[StatementMatch]:
    for grant in papers.grants or ():
        if grant.grantee == who.arn and action in grant.operations and action in GRANTABLE:
            yield StatementMatch(source=f"grant {grant.id}", terms=grant.constraints)


def _way(hit: StatementMatch, more: Iterable[str], *, through_iam: bool = False) -> PermissionSource:
    source = f"IAM policy {hit.source}" if through_iam else hit.source
    return PermissionSource(source=source, terms=tuple(dict.fromkeys((*hit.terms, *more))), through_iam=through_iam)


def _is_open(
    papers: KeyAccessDocuments,
    who: Subject,
    action: str,
    identity: PolicyEvaluation,
    *,
    delegated: bool,
    held_back: bool,
) -> bool:
    """Whether what was not read could have given it."""
    if held_back or papers.policy is None:
        # The boundary that would have let it through was not read; or the key's policy, which comes before all.
        return True
    if papers.grants is None and action in GRANTABLE:
        return True
    return who.kind is PrincipalKind.PRINCIPAL and delegated and (papers.iam is None or bool(identity.unread))
