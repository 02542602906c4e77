"""Decides the rights of a principal on a key from the key policy, the account's IAM and the grants together.

Pure: documents in, decisions out. An unreadable document makes the answers that depend on it unknown. Policies of an
organization and of sessions are not considered: they can only take permissions away.
https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from components.policies.evaluation.account import AccountIam, Document, GrantFact, KeyPermission
from components.policies.evaluation.conditions import Context
from components.policies.evaluation.principals import (
    Caller,
    PrincipalKind,
    PrincipalMatch,
    account_of,
    caller_of,
    match_principal,
)
from components.policies.evaluation.statements import (
    PolicyEvaluation,
    Request,
    StatementMatch,
    actions_covered,
    evaluate_policies,
    match_statement,
)
from components.policies.statements import PolicyStatement, statements_of
from components.settings.arn import Arn

DECRYPT = "kms:Decrypt"

USE = (DECRYPT, "kms:GenerateDataKey", "kms:GenerateDataKeyPair", "kms:ReEncryptFrom", "kms:CreateGrant")
"""The actions that return plaintext, and the grant that gives them to a principal."""

ADMINISTER = (
    "kms:PutKeyPolicy",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:DisableKeyRotation",
    "kms:RotateKeyOnDemand",
    "kms:CreateAlias",
    "kms:UpdateAlias",
    "kms:DeleteAlias",
    "kms:UpdateKeyDescription",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:RevokeGrant",
    "kms:CancelKeyDeletion",
    "kms:ReplicateKey",
    "kms:UpdatePrimaryRegion",
)
"""The actions that change the key, except its deletion."""

DELETE = ("kms:ScheduleKeyDeletion",)

RIGHTS: Mapping[str, tuple[str, ...]] = {"use": USE, "administer": ADMINISTER, "delete": DELETE}
"""Each right by its actions, of which one is enough; the first is the one that stands for the right."""

_CHOSEN: Context = {
    "kms:schedulekeydeletionpendingwindowindays": ("30",),
    "kms:trailingdayswithoutkeyusage": ("36500",),
}
"""The values of request parameters that a caller chooses freely: the longest waiting period, which is the default, and
to wait until the key is not in use any more. So a right that is only delayed counts as a right, on every day.
"""

GRANTABLE = frozenset(
    (
        DECRYPT,
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyPair",
        "kms:GenerateDataKeyPairWithoutPlaintext",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "kms:CreateGrant",
        "kms:RetireGrant",
        "kms:DescribeKey",
    )
)
"""The operations that a grant on a symmetric key can give.
https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
"""


@dataclass(frozen=True, kw_only=True)
class KeyAccessDocuments:
    """All facts about the access to one key; None for each that could not be read."""

    arn: str
    account: str
    policy: Document | None
    grants: tuple[GrantFact, ...] | None
    iam: AccountIam | None
    context: Context = field(default_factory=dict)
    """The condition keys that the key itself decides, above all its tags."""

    @cached_property
    def statements(self) -> tuple[PolicyStatement, ...]:
        """The statements of the key policy."""
        return statements_of(self.policy)

    def grants_of(self, grantee: str) -> tuple[GrantFact, ...]:
        """The grants of a principal."""
        return self._grants_by_grantee.get(grantee, ())

    @cached_property
    def _grants_by_grantee(self) -> Mapping[str, tuple[GrantFact, ...]]:
        by_grantee: dict[str, tuple[GrantFact, ...]] = {}
        for grant in self.grants or ():
            by_grantee[grant.grantee] = (*by_grantee.get(grant.grantee, ()), grant)
        return by_grantee

    def caller(self, arn: str) -> Caller:
        """A principal of the account, with its IAM policies where they were read."""
        return caller_of(arn, account=self.account, context=self.context, iam=self.iam)


class SourceKind(StrEnum):
    """The kind of document that gives a permission."""

    KEY_POLICY = "key policy"
    GRANT = "grant"
    IAM = "IAM policy"
    ROLE = "role"
    """A role with the permission, which somebody can assume."""


@dataclass(frozen=True, kw_only=True)
class PermissionSource:
    """One source of a permission, and its conditions."""

    kind: SourceKind
    source: str
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AccessDecision:
    """Whether a caller may do one action on a key, and by which sources."""

    permission: KeyPermission
    sources: tuple[PermissionSource, ...] = ()


def key_context(arn: str, *, tags: Mapping[str, str] | None = None, aliases: tuple[str, ...] | None = None) -> Context:
    """The known values of every request for a key: transport, Region, account, and its tags and aliases where read.

    KMS answers over TLS alone. https://docs.aws.amazon.com/kms/latest/developerguide/infrastructure-security.html
    """
    key = Arn.parse(arn)
    known = {
        "aws:securetransport": ("true",),
        "aws:requestedregion": (key.region,),
        "aws:resourceaccount": (key.account,),
    }
    named = {} if aliases is None else {"kms:resourcealiases": aliases}
    return known | named | {f"aws:resourcetag/{name.lower()}": (value,) for name, value in (tags or {}).items()}


def evaluate_access(
    documents: KeyAccessDocuments, caller: Caller, action: str, *, include_everybody: bool = True
) -> AccessDecision:
    """Whether a caller may do an action such as `kms:Decrypt` on the key.

    Without `include_everybody` a statement that allows everybody does not count for this caller: the review lists
    "everybody" once, and not as a right of each principal.
    """
    request = Request(action=action, resource=documents.arn, context={**_CHOSEN, **documents.context, **caller.context})
    identity = evaluate_policies(caller.iam.policies, request) if caller.iam else PolicyEvaluation()
    has_boundary = caller.iam is not None and caller.iam.boundary is not None
    boundary = evaluate_policies((caller.iam.boundary,), request) if caller.iam and caller.iam.boundary else None
    by_key = _match_key_policy(documents.statements, caller, request, documents.account)
    if any(not match.terms for match in by_key.denies) or identity.is_denied or (boundary and boundary.is_denied):
        return AccessDecision(permission=KeyPermission.NO)
    unless = tuple(
        f"not ({' and '.join(match.terms)}), by {match.source}"
        for match in (*by_key.denies, *identity.denies, *(boundary.denies if boundary else ()))
    )
    limit, passes_boundary = _limit(boundary)
    named = [*by_key.named, *by_key.everybody] if include_everybody else [*by_key.named, *by_key.everybody_meant]
    if caller.kind is PrincipalKind.EVERYBODY:
        named = [*by_key.named, *by_key.everybody]
    # A boundary limits a role that the key policy names; it does not limit a user that is named.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    is_limited = has_boundary and caller.iam is not None and caller.iam.is_role
    granted = [_source(SourceKind.GRANT, match, unless) for match in _grants(documents, caller, action)]
    by_name = [_source(SourceKind.KEY_POLICY, each, (*unless, *(limit if is_limited else ()))) for each in named]
    by_iam = [
        _source(SourceKind.IAM, allow, (*delegation.terms, *limit, *unless))
        for delegation in by_key.account[:1]
        for allow in identity.allows
    ]
    certain = list(granted)
    if passes_boundary is KeyPermission.YES or not is_limited:
        certain += by_name
    if passes_boundary is KeyPermission.YES:
        certain += by_iam
    if certain:
        return AccessDecision(permission=KeyPermission.YES, sources=tuple(certain))
    is_held_back = passes_boundary is KeyPermission.UNKNOWN and bool(by_name or by_iam)
    if is_held_back or _could_be_allowed(documents, caller, action, identity, is_delegated=bool(by_key.account)):
        return AccessDecision(permission=KeyPermission.UNKNOWN)
    return AccessDecision(permission=KeyPermission.NO)


def evaluate_actions(
    documents: KeyAccessDocuments, caller: Caller, actions: tuple[str, ...], *, include_everybody: bool = True
) -> dict[str, AccessDecision]:
    """`evaluate_access` for each of these actions.

    Only a few answers differ: those of actions that other statements or other grants cover. Each is evaluated once,
    for an account has thousands of roles.
    """
    policies = (*caller.iam.policies, *filter(None, (caller.iam.boundary,))) if caller.iam else ()
    statements = [each for each in documents.statements if match_principal(each, caller, documents.account)]
    statements += [statement for policy in policies for statement in policy.statements]
    columns = [actions_covered(each.actions, each.not_actions, actions) for each in statements]
    granted = {operation for grant in documents.grants_of(caller.arn) for operation in grant.operations}
    answers: dict[object, AccessDecision] = {}
    decisions = {}
    for position, action in enumerate(actions):
        is_grantable = action in GRANTABLE and (documents.grants is None or action.removeprefix("kms:") in granted)
        covered = (is_grantable, *(column[position] for column in columns))
        if covered not in answers or is_grantable:
            answers[covered] = evaluate_access(documents, caller, action, include_everybody=include_everybody)
        decisions[action] = answers[covered]
    return decisions


class KeyPolicyDecision(StrEnum):
    """The decision of a key policy alone for a principal and an action."""

    NAMED = "named"
    """The policy itself allows it, without IAM: it names the principal, or everybody."""
    THROUGH_IAM = "through-iam"
    """The policy leaves it to the account: an IAM policy must allow the principal the action on the key."""
    NONE = "none"
    """Nothing in the policy allows it."""
    DENIED = "denied"
    """The policy denies it; no other document can allow it."""
    UNKNOWN = "unknown"
    """It depends on conditions whose values are not known."""


def decide_by_key_policy(
    policy: Document, principal_arn: str, action: str, *, known: Context | None = None
) -> KeyPolicyDecision:
    """The decision of a key policy for a user, a role, a session or an account's root. The key may not exist yet.

    For a lockout UNKNOWN counts as no: KMS checks a new policy in the same way. `known` are the condition keys whose
    values are known beside those of the caller.
    """
    account = account_of(principal_arn) or ""
    caller = caller_of(principal_arn, account=account)
    # In a key policy "*" is the key itself: an Allow on anything else allows nothing. A Deny counts on anything.
    statements = [
        replace(statement, resources=None, not_resources=None) if statement.denies else statement
        for statement in statements_of(policy)
    ]
    request = Request(action=action, resource="*", context={**_CHOSEN, **(known or {}), **caller.context})
    by_key = _match_key_policy(statements, caller, request, account)
    named = (*by_key.named, *by_key.everybody_named)
    if any(not match.terms for match in by_key.denies):
        return KeyPolicyDecision.DENIED
    if not named and not by_key.account:
        return KeyPolicyDecision.NONE
    is_certain = not by_key.denies
    if is_certain and any(not match.terms for match in named):
        return KeyPolicyDecision.NAMED
    if is_certain and any(not match.terms for match in by_key.account):
        return KeyPolicyDecision.THROUGH_IAM
    return KeyPolicyDecision.UNKNOWN


@dataclass(kw_only=True)
class _KeyPolicyMatches:
    """The statements of a key policy that apply to a request, by how they cover the caller."""

    named: list[StatementMatch] = field(default_factory=list)
    account: list[StatementMatch] = field(default_factory=list)
    """Those that leave it to the account's IAM, the one with the fewest terms first."""
    everybody: list[StatementMatch] = field(default_factory=list)
    everybody_named: list[StatementMatch] = field(default_factory=list)
    """Those of `everybody` with a Principal. An allowing NotPrincipal is not reliable."""
    everybody_meant: list[StatementMatch] = field(default_factory=list)
    """Those of `everybody` whose conditions select this caller."""
    denies: list[StatementMatch] = field(default_factory=list)


def _match_key_policy(
    statements: Iterable[PolicyStatement], caller: Caller, request: Request, account: str
) -> _KeyPolicyMatches:
    matches = _KeyPolicyMatches()
    for statement in statements:
        source = f"key policy: {_quoted(statement.sid)}"
        match = match_statement(statement, request, source=source)
        covers = match_principal(statement, caller, account) if match is not None else None
        if covers is None or match is None:
            continue
        if statement.denies:
            matches.denies.append(match)
        elif covers is PrincipalMatch.ACCOUNT:
            matches.account.append(match)
        elif covers is PrincipalMatch.NAMED:
            matches.named.append(match)
        else:
            _add_for_everybody(matches, statement, match)
    matches.account.sort(key=lambda match: len(match.terms))
    return matches


def _add_for_everybody(matches: _KeyPolicyMatches, statement: PolicyStatement, match: StatementMatch) -> None:
    matches.everybody.append(match)
    if statement.not_principals is None:
        matches.everybody_named.append(match)
    if statement.conditions and not match.terms:
        matches.everybody_meant.append(match)


def _limit(boundary: PolicyEvaluation | None) -> tuple[tuple[str, ...], KeyPermission]:
    """Whether a permissions boundary allows the request, and its conditions."""
    if boundary is None:
        return (), KeyPermission.YES
    if boundary.unread:
        return (), KeyPermission.UNKNOWN
    if not boundary.allows:
        return (), KeyPermission.NO
    best = min(boundary.allows, key=lambda match: len(match.terms))
    return best.terms, KeyPermission.YES


def _grants(documents: KeyAccessDocuments, caller: Caller, action: str) -> Iterator[StatementMatch]:
    operation = action.removeprefix("kms:")
    for grant in documents.grants_of(caller.arn):
        if operation in grant.operations and action in GRANTABLE:
            yield StatementMatch(source=f"grant {grant.id}", terms=grant.constraints)


def _source(kind: SourceKind, match: StatementMatch, more: Iterable[str]) -> PermissionSource:
    source = f"{kind} {match.source}" if kind is SourceKind.IAM else match.source
    return PermissionSource(kind=kind, source=source, terms=tuple(dict.fromkeys((*match.terms, *more))))


def _could_be_allowed(
    documents: KeyAccessDocuments, caller: Caller, action: str, identity: PolicyEvaluation, *, is_delegated: bool
) -> bool:
    """Whether an unreadable document could allow it."""
    if documents.policy is None:
        return True
    if documents.grants is None and action in GRANTABLE:
        return True
    if caller.kind is not PrincipalKind.PRINCIPAL or not is_delegated:
        return False
    return documents.iam is None or bool(identity.unread)


_PLAIN_SID = re.compile("[A-Za-z0-9 _.,:/=+@-]{1,128}")


def _quoted(sid: str) -> str:
    """A statement's Sid on one line: one that is no plain name in quotation marks, with escapes, cut at 128 characters.

    Whoever may write the policy chooses it, and a line feed in it would look like a line of a report.
    """
    if not sid:
        return "a statement without Sid"
    return sid if _PLAIN_SID.fullmatch(sid) else json.dumps(sid[:128])
