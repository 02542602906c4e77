"""Every principal with a right on the key or a replica, what gives it the right, and who can assume it.

Pure: calls the evaluator (`components.policies.evaluation`) for each principal and each right.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

from components.policies.evaluation import AccessDecision, AccountIam, KeyAccessDocuments, KeyPermission, trust
from components.policies.evaluation.key_access import RIGHTS, SourceKind, evaluate_actions
from components.policies.evaluation.principals import (
    ACCOUNT_ACCESS,
    Caller,
    PrincipalKind,
    allowed_principals,
    caller_of,
    kind_of,
)
from components.policies.evaluation.statements import Request, evaluate_policies
from components.policies.evaluation.trust import AssumePath
from components.settings.arn import Arn, resource_name
from wizard.account.key_access import PENDING, Expectation, KeyReading, foreign
from wizard.core.errors import SetupError, known_or
from wizard.core.models.access import PrincipalAccess
from wizard.core.models.account import KeyFact

_BY_STRENGTH = (KeyPermission.NO, KeyPermission.UNKNOWN, KeyPermission.YES)
_RIGHT_OF = MappingProxyType({action: right for right, actions in RIGHTS.items() for action in actions})
_ACTIONS = tuple(_RIGHT_OF)
_NO_RIGHT: Mapping[str, KeyPermission] = MappingProxyType(dict.fromkeys(RIGHTS, KeyPermission.NO))


@dataclass(frozen=True, kw_only=True)
class Way:
    """One source of rights."""

    kind: SourceKind | None
    """None: what could not be read, and may give a right."""
    text: str
    """As a person reads it: the source, its rights, its Region where there are several, its conditions."""
    rights: frozenset[str] = frozenset()
    """`use`, `administer`, `delete`."""
    key_arn: str = ""
    """The key or replica that it is a way to; empty for a role, whose ways these are."""
    role: str = ""
    """The ARN of the role that is assumed."""


@dataclass(frozen=True, kw_only=True)
class PrincipalRights:
    """The rights of one principal on the key and its replicas together."""

    arn: str
    kind: PrincipalKind
    permissions: Mapping[str, KeyPermission]
    """By right: use, administer, delete."""
    actions: frozenset[str] = frozenset()
    """The actions of these rights that it certainly has."""
    ways: tuple[Way, ...] = ()
    paths: tuple[AssumePath, ...] = ()
    """Who can assume it, where it is a role."""
    people: tuple[str, ...] = ()
    """Who is assigned to its roles in AWS account access, as far as it was read."""
    is_expected: bool = False
    """Whether the settings name it."""
    given: frozenset[str] = frozenset()
    """The rights that the settings give it."""

    @property
    def certain(self) -> frozenset[str]:
        return frozenset(right for right, permission in self.permissions.items() if permission is KeyPermission.YES)

    @property
    def surplus(self) -> tuple[str, ...]:
        """The rights that the settings do not give it, in order."""
        return tuple(right for right in RIGHTS if right in self.certain - self.given)

    @property
    def is_known(self) -> bool:
        return KeyPermission.UNKNOWN not in self.permissions.values()

    @property
    def assumed_by(self) -> tuple[str, ...]:
        return (*(path.description for path in self.paths), *self.people)

    @property
    def order(self) -> tuple[bool, bool, str]:
        """Users of the key first, then administrators, then by ARN."""
        return "use" not in self.certain, "administer" not in self.certain, self.arn

    def merged_with(self, other: "PrincipalRights") -> "PrincipalRights":
        """The rights of both together; the stronger permission wins."""
        return replace(
            self,
            permissions={
                right: max(self.permissions[right], other.permissions[right], key=_BY_STRENGTH.index)
                for right in RIGHTS
            },
            actions=self.actions | other.actions,
            ways=tuple(dict.fromkeys((*self.ways, *other.ways))),
            given=self.given | other.given,
        )

    @property
    def listed(self) -> PrincipalAccess:
        """The principal as a review lists it, without its use of the key."""
        return PrincipalAccess(
            arn=self.arn,
            use=self.permissions["use"],
            administer=self.permissions["administer"],
            delete=self.permissions["delete"],
            ways=tuple(way.text for way in self.ways),
            assumed_by=self.assumed_by,
            open_to=tuple(path.description for path in foreign(self.paths)),
            is_expected=self.is_expected,
            beyond=self.surplus if self.is_expected else (),
        )


@dataclass(frozen=True, kw_only=True)
class KeyRights:
    """Who has a right, or an unknown right, on the key and its replicas."""

    principals: tuple[PrincipalRights, ...]
    """In order, with every one that the settings name."""
    incomplete: tuple[str, ...] = ()
    """The ARNs of the roles that more principals can assume than are followed."""

    def find(self, arn: str) -> PrincipalRights | None:
        """The principal of this ARN."""
        return self._by_arn.get(arn)

    @cached_property
    def _by_arn(self) -> Mapping[str, PrincipalRights]:
        return {principal.arn: principal for principal in self.principals}

    @property
    def surplus(self) -> tuple[PrincipalRights, ...]:
        """The principals with a right that the settings do not give them."""
        return tuple(principal for principal in self.principals if principal.surplus)

    @property
    def undecided(self) -> tuple[PrincipalRights, ...]:
        return tuple(principal for principal in self.principals if not principal.is_known)

    @property
    def by_account_access(self) -> tuple[str, ...]:
        """The ARNs of the roles that people reach through AWS account access."""
        return tuple(
            principal.arn
            for principal in self.principals
            if any(path.kind is PrincipalKind.ACCOUNT_ACCESS for path in principal.paths)
        )

    @property
    def others(self) -> Mapping[str, KeyPermission]:
        """The permissions of a principal that is not listed."""
        rest = next((principal for principal in self.principals if principal.arn.endswith(":*")), None)
        return rest.permissions if rest else _NO_RIGHT


def evaluate(documents: Sequence[KeyAccessDocuments], expectation: Expectation) -> KeyRights:
    """Who has which right on the keys of these documents, directly or because it can assume a role."""
    expected = tuple(expectation.rights)
    direct = merge(
        rights
        for of_key in documents
        for rights in rights_on(
            of_key, expected=expected, region=Arn.parse(of_key.arn).region if len(documents) > 1 else ""
        )
    )
    iam = documents[0].iam if documents else None
    with_paths, incomplete = _with_paths(direct, iam, documents[0].account if documents else "")
    rights = _with_assuming_principals(with_paths, expectation)
    principals = sorted((_compared(each, expectation) for each in rights.values()), key=lambda each: each.order)
    return KeyRights(principals=tuple(principals), incomplete=tuple(incomplete))


def is_ending(reading: KeyReading, named: Collection[str]) -> bool:
    """Whether it is a replica that the settings do not name and that is going to be deleted: nobody can use it."""
    return reading.arn not in named and isinstance(reading.key, KeyFact) and reading.key.state == PENDING


def with_people(rights: KeyRights, people: Mapping[str, tuple[str, ...] | SetupError]) -> KeyRights:
    """These rights, with the people who reach roles through AWS account access, by the role's ARN."""
    names = tuple(f"{person} as {role}" for role, assigned in people.items() for person in known_or(assigned, ()))
    principals = [replace(each, people=names) if each.arn == ACCOUNT_ACCESS else each for each in rights.principals]
    return replace(rights, principals=tuple(principals)) if names else rights


def _compared(rights: PrincipalRights, expectation: Expectation) -> PrincipalRights:
    given = rights.given | expectation.rights_of(rights.arn)
    return replace(rights, is_expected=expectation.names(rights.arn) or bool(rights.given), given=given)


def everybody_else(account: str, partition: str) -> str:
    """The pattern for the principals that could not be read."""
    return f"arn:{partition}:iam::{account}:*"


def rights_on(
    documents: KeyAccessDocuments, *, expected: Collection[str], region: str = ""
) -> Iterator[PrincipalRights]:
    """Every principal with a right or an unknown right on one key, and every `expected` one.

    `region` is added to each source if there are several keys.
    """
    for caller in _callers(documents, expected):
        rights = _rights(documents, caller, region)
        if rights.certain or caller.arn in expected or _is_uncertain(documents, caller, rights):
            yield rights
    if None in (documents.policy, documents.grants, documents.iam):
        # The unread documents may allow principals that no other document names.
        name = everybody_else(documents.account, Arn.parse(documents.arn).partition)
        unnamed = caller_of(name, account=documents.account, context=documents.context, kind=PrincipalKind.PRINCIPAL)
        context = {key: values for key, values in unnamed.context.items() if key != "aws:principalarn"}
        others = _rights(documents, Caller(arn=name, kind=PrincipalKind.PRINCIPAL, context=context), region)
        if KeyPermission.UNKNOWN in others.permissions.values():
            ways = tuple(Way(kind=None, text=text) for text in _unread(documents, region))
            yield replace(others, kind=PrincipalKind.OTHER, ways=ways, actions=frozenset())


def _callers(documents: KeyAccessDocuments, expected: Collection[str]) -> Iterator[Caller]:
    kinds: dict[str, PrincipalKind] = {}
    principals = documents.iam.principals if documents.iam else ()
    for arn in (*expected, *(principal.arn for principal in principals)):
        kinds.setdefault(arn, kind_of(arn, documents.account))
    kinds |= dict(allowed_principals(documents.policy, documents.account))
    for grant in documents.grants or ():
        principal_type = "Service" if grant.grantee.endswith(".amazonaws.com") else "AWS"
        kinds.setdefault(grant.grantee, kind_of(grant.grantee, documents.account, principal_type))
    for name in sorted(kinds):
        yield caller_of(name, account=documents.account, context=documents.context, iam=documents.iam, kind=kinds[name])


def _rights(documents: KeyAccessDocuments, caller: Caller, region: str) -> PrincipalRights:
    decisions = evaluate_actions(documents, caller, _ACTIONS, include_everybody=False)
    permissions = {
        right: max((decisions[action].permission for action in RIGHTS[right]), key=_BY_STRENGTH.index)
        for right in RIGHTS
    }
    return PrincipalRights(
        arn=caller.arn,
        kind=caller.kind,
        permissions=permissions,
        actions=frozenset(action for action, decision in decisions.items() if decision.permission is KeyPermission.YES),
        ways=tuple(_ways(decisions, caller, documents.arn, region)),
    )


def _ways(decisions: Mapping[str, AccessDecision], caller: Caller, key_arn: str, region: str) -> Iterator[Way]:
    """Each source once, with the rights that it gives and its terms."""
    actions_by_source: dict[tuple[SourceKind, str, tuple[str, ...]], dict[str, list[str]]] = {}
    for action, decision in decisions.items():
        for source in decision.sources:
            actions = actions_by_source.setdefault((source.kind, source.source, source.terms), {})
            actions.setdefault(_RIGHT_OF[action], []).append(action)
    # Another account has to allow it, too, which cannot be read from here.
    other_account = ("their own account allows it",) if caller.kind is PrincipalKind.OTHER_ACCOUNT else ()
    in_region = f" in {region}" if region else ""
    for (kind, name, terms), by_right in actions_by_source.items():
        rights = "; ".join(_right_text(right, actions) for right, actions in by_right.items())
        conditions = " and ".join((*terms, *other_account))
        text = f"{name} ({rights}){in_region}{f' if {conditions}' if conditions else ''}"
        yield Way(kind=kind, text=text, rights=frozenset(by_right), key_arn=key_arn)


def _right_text(right: str, actions: Collection[str]) -> str:
    # The name of the right if the actions include its main one, else the actions.
    names = ", ".join(action.removeprefix("kms:") for action in actions)
    return right if RIGHTS[right][0] in actions else f"{right}: {names}"


def _is_uncertain(documents: KeyAccessDocuments, caller: Caller, rights: PrincipalRights) -> bool:
    """Whether something is unknown for this caller that is known for others."""
    if rights.is_known or caller.kind is PrincipalKind.EVERYBODY:
        return False
    if caller.iam is None:
        return False
    boundary = caller.iam.boundary
    if documents.policy is None or (boundary is not None and boundary.document is None):
        return _is_allowed_by_iam(documents, caller)
    return any(policy.document is None for policy in caller.iam.policies)


def _is_allowed_by_iam(documents: KeyAccessDocuments, caller: Caller) -> bool:
    policies = caller.iam.policies if caller.iam else ()
    return any(
        evaluate_policies(policies, Request(action=action, resource=documents.arn, context=caller.context)).is_allowed
        for actions in RIGHTS.values()
        for action in actions
    )


def _unread(documents: KeyAccessDocuments, region: str) -> Iterator[str]:
    in_region = f" in {region}" if region else ""
    if documents.policy is None:
        yield f"the key policy could not be read{in_region}"
    if documents.iam is None:
        yield "the account's IAM could not be read"
    if documents.grants is None:
        yield f"the grants could not be read{in_region}"


def merge(rights: Iterable[PrincipalRights]) -> dict[str, PrincipalRights]:
    """The rights on several keys together, by ARN."""
    merged: dict[str, PrincipalRights] = {}
    for entry in rights:
        merged[entry.arn] = merged[entry.arn].merged_with(entry) if entry.arn in merged else entry
    return merged


# --- roles that somebody can assume


def _with_paths(
    rights: Mapping[str, PrincipalRights], iam: AccountIam | None, account: str
) -> tuple[dict[str, PrincipalRights], list[str]]:
    """The principals, each role with those that can assume it, and the roles for which that list is incomplete."""
    found = dict(rights)
    direct = trust.DirectPaths(iam=iam, account=account) if iam else None
    incomplete = []
    for arn, entry in rights.items():
        role = iam.find(arn) if iam else None
        if iam is not None and role is not None and role.is_role and entry.certain:
            paths, is_incomplete = trust.assume_paths(role, iam, account=account, direct=direct)
            found[arn] = replace(entry, paths=paths)
            incomplete += [arn] if is_incomplete else []
    return found, incomplete


def _with_assuming_principals(
    rights: Mapping[str, PrincipalRights], expectation: Expectation
) -> dict[str, PrincipalRights]:
    """All principals, with those that have a right because they can assume a role.

    A service or an identity provider is listed with its role. It has an entry of its own only if it can assume the
    application's role by a statement that is not one of the settings.
    """
    more = []
    for arn, entry in rights.items():
        for path in entry.paths:
            is_listed_with_role = path.kind in (PrincipalKind.SERVICE, PrincipalKind.FEDERATED)
            is_unexpected = (
                arn in expectation.application
                and not path.through
                and path.statement is not None
                and not expectation.trusts(path.statement)
            )
            if not is_listed_with_role or is_unexpected:
                by_role = _rights_by_assuming(entry, path)
                # Nobody has to sign for the people to whom AWS account access gives a role that the settings name.
                is_given = path.kind is PrincipalKind.ACCOUNT_ACCESS and arn not in expectation.application
                given = expectation.rights_of(arn) & entry.certain if is_given else frozenset()
                more.append(replace(by_role, given=given))
    return merge((*rights.values(), *more))


def _rights_by_assuming(role: PrincipalRights, path: AssumePath) -> PrincipalRights:
    gained = [right for right in RIGHTS if right in role.certain]
    terms = f" if {' and '.join(path.terms)}" if path.terms else ""
    through = "".join(f" through {resource_name(arn)}" for arn in path.through)
    people = " for the people who are assigned to it" if path.kind is PrincipalKind.ACCOUNT_ACCESS else ""
    text = f"assumes {role.arn}{through} ({'; '.join(gained)}){people}{terms}"
    return PrincipalRights(
        arn=path.principal,
        kind=path.kind,
        permissions={right: role.permissions[right] if right in gained else KeyPermission.NO for right in RIGHTS},
        actions=role.actions,
        ways=(Way(kind=SourceKind.ROLE, text=text, rights=role.certain, role=role.arn),),
    )
