"""The rights on the key that the settings give, what its policy and grants give beyond them, and unnamed replicas.

One judgement for the evidence of setup, for push, verify, status and doctor. Pure; `read_keys` calls the reader that it
is given.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from components import policies
from components.policies.evaluation import GrantFact
from components.policies.evaluation.conditions import matches
from components.policies.evaluation.principals import PrincipalKind
from components.policies.evaluation.trust import AssumePath
from components.policies.stack import application_trust_of
from components.policies.statements import PolicyStatement, statements_of
from components.settings import ImportGroup, Outputs, Settings
from components.settings.arn import Arn
from wizard.account.comparison.differences import key_policy_differences
from wizard.core.errors import SetupError, known_or
from wizard.core.models.account import Difference, KeyFact
from wizard.core.retry import together
from wizard.core.safe_text import first_of


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """The rights that the settings give."""

    rights: Mapping[str, frozenset[str]]
    """By ARN, for every principal that the settings name."""
    patterns: tuple[str, ...] = ()
    """Administrators by pattern of role ARNs."""
    application: tuple[str, ...] = ()
    trust: tuple[PolicyStatement, ...] | None = None
    """The statements that trust the application; None: the stack does not create the role."""

    def names(self, arn: str) -> bool:
        return arn in self.rights or any(matches(pattern, arn) for pattern in self.patterns)

    def rights_of(self, arn: str) -> frozenset[str]:
        """The rights that the settings give to a principal."""
        by_pattern = {"administer"} if any(matches(pattern, arn) for pattern in self.patterns) else set()
        return self.rights.get(arn, frozenset()) | by_pattern

    def trusts(self, statement: PolicyStatement) -> bool:
        """Whether a statement of the application's trust policy is one of the settings."""
        return self.trust is None or statement in self.trust


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
        root = settings.arn("iam", "root")
        rights[root] = frozenset(("use", "administer", "delete"))
    trust = application_trust_of(settings)
    return Expectation(
        rights=rights,
        patterns=settings.administrator_patterns,
        application=tuple(application),
        trust=statements_of(trust) if settings.makes_role else None,
    )


PENDING = "PendingDeletion"
"""The state of a key that nobody can use and that is going to be deleted."""


@dataclass(frozen=True, kw_only=True)
class KeyReading:
    """What was read of one key, each part or why it could not be read."""

    arn: str
    key: KeyFact | SetupError | None
    """None: there is no such key."""
    policy: Mapping[str, Any] | SetupError
    grants: tuple[GrantFact, ...] | SetupError

    @property
    def region(self) -> str:
        return Arn.parse(self.arn).region


@dataclass(frozen=True, kw_only=True)
class Surplus:
    """One thing that gives more than the settings."""

    key: KeyReading
    what: str
    """In words, as a sentence."""
    differences: tuple[Difference, ...] = ()
    """Of statements of the key policy: how it differs."""
    grant: GrantFact | None = None
    is_foreign: bool = True
    """Of a grant: whether it is for somebody else than the application."""


# --- reading


def read_keys(arns: Sequence[str], read: Callable[[str], KeyReading]) -> tuple[KeyReading, ...]:
    """The keys of these ARNs, then the replicas and the primary that they name and that are none of them."""
    named = together(*(partial(read, arn) for arn in arns))
    others = elsewhere(arns, (reading.key for reading in named))
    return (*named, *together(*(partial(read, arn) for arn in others)))


def elsewhere(arns: Sequence[str], keys: Iterable[KeyFact | SetupError | None]) -> tuple[str, ...]:
    """The ARNs of the primary and the replicas that DescribeKey names for these keys, and that are none of `arns`."""
    related = (arn for key in keys if isinstance(key, KeyFact) for arn in key.related)
    return tuple(arn for arn in dict.fromkeys(related) if arn not in arns)


def arns_of(key_arn: str, settings: Settings) -> tuple[str, ...]:
    """The key of this ARN and the replicas that the settings name, where the stack's outputs are not at hand."""
    key = Arn.parse(key_arn)
    others = tuple(str(key.with_region(region)) for region in settings.replica_regions)
    return (key_arn, *(arn for arn in others if arn != key_arn))


# --- what is beyond the settings


def is_kept(settings: Settings) -> bool:
    """Whether an import left the key's policy as it was found, on request."""
    return ImportGroup.KEY in settings.kept_as_found


def statements_beyond(reading: KeyReading, settings: Settings) -> Iterator[Surplus]:
    """What the policy of a key allows, or does not deny, beyond the settings, whether it was left as found or not."""
    if differences := widening_differences(reading, settings):
        what = f"{whose(reading, settings)} gives more than the settings: {in_words(differences)}"
        yield Surplus(key=reading, what=what, differences=differences)


def widening_differences(reading: KeyReading, settings: Settings) -> tuple[Difference, ...]:
    """The differences of a key's policy that give more; none of a policy that could not be read."""
    if isinstance(reading.policy, SetupError):
        return ()
    differences = key_policy_differences(reading.policy, settings, key_arn=reading.arn)
    return tuple(difference for difference in differences if difference.widens)


def whose(reading: KeyReading, settings: Settings) -> str:
    """The policy of a key as the subject of a sentence."""
    is_home = reading.region == settings.region
    return "the key's policy" if is_home else f"the policy of the replica in {reading.region}"


def in_words(differences: Sequence[Difference], most: int = 3) -> str:
    """The first differences of a key policy in one line, and how many more there are."""
    words = [
        f"{difference.what.removeprefix('key policy, ')}: {difference.actual} (settings: {difference.desired})"
        for difference in differences
    ]
    return first_of(words, most, separator="; ")


def grants_beyond(reading: KeyReading, settings: Settings) -> Iterator[Surplus]:
    """The grants that give somebody more than the settings, by their operations or by who can retire them."""
    for grant in known_or(reading.grants, ()):
        operations = operations_beyond(grant, settings)
        retiring = grant.retiring if grant.retiring and not _is_known(grant.retiring, settings) else None
        if operations or retiring:
            where = "" if reading.region == settings.region else f" of the replica in {reading.region}"
            constraints = f" if {' and '.join(grant.constraints)}" if grant.constraints else ""
            words = f"allows {grant.grantee} {', '.join(operations or grant.operations)} with the key{constraints}"
            words += f", and {retiring} can retire it" if retiring else ""
            yield Surplus(
                key=reading,
                what=f"a grant{where} {words}",
                grant=grant,
                is_foreign=bool(retiring) or grant.grantee not in settings.app_principal_arns,
            )


def operations_beyond(grant: GrantFact, settings: Settings) -> tuple[str, ...]:
    """The operations of a grant that the settings do not allow its grantee."""
    allowed: set[str] = set()
    if grant.grantee in settings.app_principal_arns:
        allowed |= {*policies.APPLICATION_ACTIONS}
    if _is_administrator(grant.grantee, settings):
        allowed |= {*policies.ADMINISTRATOR_ACTIONS}
    return tuple(operation for operation in grant.operations if f"kms:{operation}" not in allowed)


def _is_known(arn: str, settings: Settings) -> bool:
    return arn in settings.app_principal_arns or _is_administrator(arn, settings)


def _is_administrator(arn: str, settings: Settings) -> bool:
    return arn in settings.administrators or any(
        matches(pattern, arn) is True for pattern in settings.administrator_patterns
    )


def replica_beyond(reading: KeyReading, settings: Settings) -> Iterator[Surplus]:
    """The key in a Region that the settings do not name, with what its own policy and grants give there."""
    if reading.key is None or (isinstance(reading.key, KeyFact) and reading.key.state == PENDING):
        return
    given = [
        f"there {difference.what.removeprefix('key policy, ')} {difference.actual}"
        for difference in widening_differences(reading, settings)
        # Without the denials: the replica is to be deleted.
        if difference.actual.startswith("may ") and difference.what != "key policy, deletion"
    ]
    given += [grant.what for grant in grants_beyond(reading, settings)]
    more = f"; {first_of(given, 3, separator='; ')}" if given else ""
    what = f"the key has a replica in {reading.region}, which the settings do not name: {reading.arn}{more}"
    yield Surplus(key=reading, what=what)


def primary_beyond(readings: Sequence[KeyReading], settings: Settings) -> Iterator[Surplus]:
    """The primary key in another Region than the stack's own."""
    for reading in readings:
        primary = reading.key.replica_of if isinstance(reading.key, KeyFact) else None
        if primary is not None and reading.region == settings.region:
            home = Arn.find(primary)
            where = home.region if home else "another Region"
            what = f"the primary of the key is in {where}, not in {settings.region}: {primary}"
            yield Surplus(key=reading, what=what)


# --- who can assume a role


def foreign(paths: Iterable[AssumePath]) -> tuple[AssumePath, ...]:
    """The paths on which another account, or anybody, can assume the role."""
    return tuple(path for path in paths if path.kind in (PrincipalKind.OTHER_ACCOUNT, PrincipalKind.EVERYBODY))
