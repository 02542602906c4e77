"""Policy documents compared by their meaning: order, number of statements and Sids do not matter.

Pure. One comparison of the stack's own role and user with the settings, for the evidence of setup, verify and doctor.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from components import policies
from components.policies import stack as of_stack
from components.policies.evaluation.account import IamPolicy, IamPrincipal
from components.policies.s3_documents import DOCUMENT_ACTIONS
from components.policies.statements import PolicyStatement, Principal, Test, canonical_principal, statements_of
from components.settings import ImportGroup, Outputs, Settings
from components.targets.platform import NewRole

KEY_ACTIONS = tuple(
    sorted(
        {
            *policies.ADMINISTRATOR_ACTIONS,
            *policies.MULTI_REGION_ACTIONS,
            *policies.DELETION_ACTIONS,
            *policies.USE_ACTIONS,
            *policies.APPLICATION_ACTIONS,
            "kms:RetireGrant",
            "kms:SynchronizeMultiRegionKey",
        }
    )
)
"""The actions on a symmetric key with key material of KMS; a pattern means those that it matches.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html
"""


@dataclass(frozen=True, kw_only=True)
class Right:
    """One action that a statement allows or denies to one principal on one resource."""

    effect: str
    principal: str
    """An ARN, an account's id, `*`, `Service: …`, `Federated: …`; `not …` for NotPrincipal; empty without any."""
    action: str
    """In IAM's spelling; in lower case if it is not an action of a key; `not …` for NotAction."""
    resource: str
    condition: tuple[Test, ...] = ()


def rights(document: Mapping[str, Any] | None) -> frozenset[Right]:
    """All rights in the document; patterns of KMS actions are expanded."""
    return frozenset(right for statement in statements_of(document) for right in rights_of(statement))


def same(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> bool:
    """Whether two documents allow and deny the same."""
    # Most are as the stack wrote them, and the rights of each of their actions take long.
    return first == second or rights(first) == rights(second)


@dataclass(frozen=True, kw_only=True)
class Widening:
    """What a policy allows beyond another one; both empty where it allows no more."""

    allowed: frozenset[Right] = frozenset()
    """The rights that only this policy gives."""
    undenied: frozenset[Right] = frozenset()
    """The denials of the other one that this policy lacks."""


def widening(
    actual: Mapping[str, Any] | None, desired: Mapping[str, Any] | None, *, resource: str, account: str
) -> Widening:
    """What a policy on the resource of this ARN allows beyond the desired policy of the account.

    A statement with more conditions than a desired one allows no more. The id of a deleted principal allows nobody.
    """
    has, wanted = rights(actual), rights(desired)
    given = {right for right in wanted if right.effect == "Allow"}
    delegated = any(right.principal == account and not right.condition for right in given)
    return Widening(
        allowed=frozenset(
            right
            for right in has
            if right.effect == "Allow"
            and can_mean(right.resource, resource)
            and not right.principal.startswith(DELETED)
            and not (delegated and right.principal == account)
            and not any(covers(other, right) for other in given)
        ),
        undenied=frozenset(
            right
            for right in wanted
            if right.effect == "Deny" and not any(covers(other, right) for other in has if other.effect == "Deny")
        ),
    )


DELETED = ("AIDA", "AROA")
"""The beginnings of the ids that IAM shows for a deleted user and a deleted role; no later one has the same id."""


def can_mean(pattern: str, resource: str) -> bool:
    """Whether the resource of a statement can be this one."""
    return pattern.startswith("not ") or "${" in pattern or fnmatchcase(resource, pattern)


def covers(right: Right, other: Right) -> bool:
    """Whether a right holds wherever another one holds: the same, of more resources, or with fewer conditions."""
    is_same = (right.principal, right.action) == (other.principal, other.action)
    is_resource = right.resource == other.resource or fnmatchcase(other.resource, right.resource)
    return is_same and is_resource and _is_narrower(other.condition, right.condition)


def _is_narrower(condition: tuple[Test, ...], than: tuple[Test, ...]) -> bool:
    """Whether a condition has every test of another one, each with the same values or with stricter ones."""
    values = {(operator, key): set(each) for operator, key, each in condition}

    def is_met(operator: str, key: str, allowed: tuple[str, ...]) -> bool:
        mine = values.get((operator, key))
        if mine is None:
            return False
        return mine >= set(allowed) if "Not" in operator else mine <= set(allowed)

    return all(is_met(*test) for test in than)


def names_of(principals: Iterable[Principal]) -> tuple[str, ...]:
    """The principals of a statement: ARNs and `*` as they are, the root as its account, others as `kind: name`."""
    return tuple(
        name if kind in ("AWS", "*") else f"{kind}: {name}" for kind, name in map(canonical_principal, principals)
    )


def rights_of(statement: PolicyStatement) -> Iterator[Right]:
    """The rights of one statement."""
    named = names_of(statement.principals) or ("",)
    if statement.not_principals is not None:
        named = (_all_but(names_of(statement.not_principals)),)
    actions = tuple(action for pattern in statement.actions for action in _expanded(pattern))
    if statement.not_actions is not None:
        actions = (_all_but(action.lower() for action in statement.not_actions),)
    resources = statement.resources or ("",)
    if statement.not_resources is not None:
        resources = (_all_but(statement.not_resources),)
    for principal, action, resource in product(named, actions, resources):
        yield Right(
            effect=statement.effect, principal=principal, action=action, resource=resource, condition=statement.tests
        )


def _all_but(names: Iterable[str]) -> str:
    return f"not {', '.join(sorted(names))}"


def _expanded(pattern: str) -> tuple[str, ...]:
    matched = tuple(action for action in KEY_ACTIONS if fnmatchcase(action.lower(), pattern.lower()))
    # An action that no symmetric key has stays as it is.
    return matched or (pattern.lower(),)


@dataclass(frozen=True, kw_only=True)
class OwnPrincipal:
    """A role or a user that the stack makes, and what the settings give it."""

    arn: str
    trust: Mapping[str, Any] | None = None
    """None: not compared; a user has none, and an import may leave a role as it was found."""
    policies: Mapping[str, Mapping[str, Any] | None] | None = None
    """Documents by the ARN of a managed policy or the name of an inline one, None for one that is compared elsewhere.
    None for all of them: not compared."""


def own_principals(settings: Settings, outputs: Outputs) -> tuple[OwnPrincipal, ...]:
    """The role and the user that the stack makes for the application, and the roles that read the variables."""
    kept, iam = settings.kept_as_found, settings.arn("iam", "")
    reading = _reading(settings) if of_stack.reads_itself(settings) else {}
    own = None if ImportGroup.APPLICATION_POLICY in kept else {outputs.app_policy_arn: None, **reading}
    trust = None if ImportGroup.APPLICATION_ROLE in kept else application_trust(settings)
    role = OwnPrincipal(arn=f"{iam}role/{settings.names.app_role}", trust=trust, policies=own)
    user = OwnPrincipal(arn=f"{iam}user/{settings.names.app_user}", policies=own)
    application = ((role,) if settings.makes_role else ()) + ((user,) if settings.makes_user else ())
    return application + own_readers(settings)


def own_readers(settings: Settings) -> tuple[OwnPrincipal, ...]:
    """The roles that the stack makes for those who read the variables."""
    reading = _reading(settings)
    return tuple(
        OwnPrincipal(
            arn=reader.arn,
            trust=reader.role.trust,
            policies={**reading, **dict([reader.role.inline_policy] if reader.role.inline_policy else [])},
        )
        for reader in of_stack.readers_of(settings)
        if isinstance(reader.role, NewRole)
    )


def _reading(settings: Settings) -> dict[str, Mapping[str, Any] | None]:
    """The policy that reads the variables, by its ARN."""
    name, document = of_stack.reading_policy_of(settings)
    return {settings.arn("iam", f"policy/{name}"): document}


def application_trust(settings: Settings) -> Mapping[str, Any]:
    """Who may assume the application's role."""
    return of_stack.application_trust_of(settings)


def compare_trust(
    trust: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The principals that the settings let in and the role does not, and what it lets in beyond them: `ARN (ACTION)`.

    `wanted`: the trust by the settings; None: not compared.
    """
    if wanted is None:
        return (), ()
    expected = rights(wanted)
    actual = rights(trust)
    surplus = {right for right in actual - expected if right.effect == "Allow"}
    replaced = {(right.principal, right.action) for right in surplus}
    # Another condition on the same principal lets in somebody else: it is surplus.
    lacking = {right for right in expected - actual if (right.principal, right.action) not in replaced}
    return (
        tuple(sorted({right.principal for right in lacking})),
        tuple(sorted({_words(right, expected) for right in surplus})),
    )


def _words(right: Right, expected: frozenset[Right]) -> str:
    known = any((other.principal, other.action) == (right.principal, right.action) for other in expected)
    return f"{right.principal} ({right.action}{', by another condition' if known else ''})"


def surplus_policies(principal: IamPrincipal, own: OwnPrincipal) -> tuple[IamPolicy, ...]:
    """The policies that allow a principal of the stack more than the settings give it.

    A policy of somebody else that could not be read counts: what it allows is unknown.
    """
    return tuple(policy for policy in principal.policies if _allows_more(policy, own))


def is_foreign(policy: IamPolicy, own: OwnPrincipal) -> bool:
    """Whether the settings give the principal no policy of this name."""
    return own.policies is not None and policy.name.partition(" of ")[0] not in own.policies


def uses_documents_alone(policy: IamPolicy, bucket_arns: Sequence[str]) -> bool:
    """Whether a policy allows nothing but to read and write the objects of these buckets of documents."""
    allowed = {action.lower() for action in DOCUMENT_ACTIONS}

    def is_of_a_bucket(resource: str) -> bool:
        return any(resource == arn or resource.startswith(f"{arn}/") for arn in bucket_arns)

    return policy.document is not None and all(
        {action.lower() for action in each.actions} <= allowed
        and each.not_actions is None
        and each.resources is not None
        and all(map(is_of_a_bucket, each.resources))
        for each in policy.statements
        if each.allows
    )


def _allows_more(policy: IamPolicy, own: OwnPrincipal) -> bool:
    if is_foreign(policy, own):
        return policy.document is None or any(each.allows for each in policy.statements)
    expected = (own.policies or {}).get(policy.name.partition(" of ")[0])
    allowed = {right for right in rights(policy.document) if right.effect == "Allow"}
    return expected is not None and not allowed <= rights(expected)
