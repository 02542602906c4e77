"""The review: the account is read in parallel and evaluated. What could not be read is unknown, never guessed.

Reads through the AWS port; changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from components.policies.evaluation import AccountIam, Document, GrantFact, KeyPermission, trust
from components.policies.evaluation.key_access import RIGHTS
from components.policies.evaluation.principals import PrincipalKind
from components.policies.evaluation.statements import statements_of
from components.policies.key import DENY_DISABLING_IN_USE
from components.settings import Outputs, Settings
from wizard.account import key_access
from wizard.commands.review.baseline import Expectation, expectation_of
from wizard.commands.review.rights import Rights, merge, rights_on
from wizard.core.errors import PermissionDenied, ResourceError, SetupError, Unreachable, Unsupported
from wizard.core.models import access as models
from wizard.core.models.account import KeyFact
from wizard.core.ports.run import AwsClient
from wizard.core.retry import MAX_PARALLEL, Threads, together

T = TypeVar("T")

_READ_ERRORS = (PermissionDenied, Unsupported, ResourceError, Unreachable)
"""Errors that make one reading unknown. Invalid credentials end the review."""


@dataclass(frozen=True, kw_only=True)
class KeyReading:
    arn: str
    policy: Document | SetupError
    grants: tuple[GrantFact, ...] | SetupError
    key: KeyFact | SetupError | None
    aliases: tuple[str, ...] | SetupError
    last_use: models.KeyUse | SetupError


def review(
    aws: AwsClient, settings: Settings, outputs: Outputs, *, stack: str, now: datetime, window_days: int
) -> models.AccessReview:
    """Who can use and who can administer the stack's key and its replicas.

    Raises CredentialsError, but not for a reading that is denied: that one is in `unread`.
    """
    keys = outputs.key_arns
    expectation = expectation_of(settings, outputs)
    with Threads(max_workers=MAX_PARALLEL, thread_name_prefix="review") as pool:
        iam_job = pool.submit(_attempt, aws.access.iam)
        reading_jobs = [pool.submit(_read, _in_region_of(arn, aws), arn) for arn in keys]
        # CloudTrail answers two pages a second: everything else is done meanwhile.
        since = now - timedelta(days=window_days)
        history_jobs = [pool.submit(_attempt, _in_region_of(arn, aws).access.events, arn, since=since) for arn in keys]
        readings = [job.result() for job in reading_jobs]
        # A replica that nobody named has a policy and grants of its own.
        others = key_access.elsewhere(keys, (reading.key for reading in readings))
        reading_jobs = [pool.submit(_read, _in_region_of(arn, aws), arn) for arn in others]
        history_jobs += [
            pool.submit(_attempt, _in_region_of(arn, aws).access.events, arn, since=since) for arn in others
        ]
        readings += [job.result() for job in reading_jobs]
        iam, has_replicas = iam_job.result(), len(readings) > 1
        direct = merge(
            rights
            for reading in readings
            if not _is_ending(reading, keys)
            for rights in rights_on(
                models.documents_of(
                    reading.arn,
                    policy=reading.policy,
                    grants=reading.grants,
                    iam=iam,
                    key=reading.key,
                    aliases=reading.aliases,
                ),
                expected=tuple(expectation.rights),
                region=_region(reading.arn) if has_replicas else "",
            )
        )
        paths, incomplete = _assume_paths(direct, None if isinstance(iam, SetupError) else iam, settings.account_id)
        rights = _with_assuming_principals(direct, paths, expectation)
        access_keys = _AccessKeys(pool=pool, aws=aws, account=settings.account_id, now=now)
        access_keys.ask(rights)
        histories = [job.result() for job in history_jobs]
        principals = [
            _principal(entry, paths.get(entry.arn, ()), histories, expectation)
            for entry in sorted(rights.values(), key=_order)
        ]
        principals += other_callers(principals, histories, rights, expectation)
        access_keys.ask(principal.arn for principal in principals)
        principals, unread_keys = access_keys.added_to(principals)
    unread = [
        *_unread(readings, histories, iam),
        *(
            models.Unread(what=f"everybody who can assume {role}", why="there are more principals than review follows")
            for role in incomplete
        ),
    ]
    grants = [reading.grants for reading in readings]
    return models.AccessReview(
        stack=stack,
        key_arn=outputs.key_arn,
        at=now,
        window_days=window_days,
        principals=tuple(principals),
        grants=None
        if any(isinstance(of_key, SetupError) for of_key in grants)
        else tuple(grant for of_key in grants if not isinstance(of_key, SetupError) for grant in of_key),
        last_use=_or_none(readings[0].last_use),
        replicas=tuple(models.ReplicaUse(arn=replica.arn, use=_or_none(replica.last_use)) for replica in readings[1:]),
        elsewhere=tuple(
            reading.arn for reading in readings if reading.arn not in keys and not _is_ending(reading, keys)
        ),
        history=history_of(histories),
        unread=(*unread, *unread_keys),
    )


def _is_ending(reading: KeyReading, named: Sequence[str]) -> bool:
    """Whether it is a replica that the settings do not name and that is going to be deleted: nobody can use it."""
    key = reading.key
    return reading.arn not in named and isinstance(key, KeyFact) and key.state == key_access.PENDING


def _or_none(use: models.KeyUse | SetupError) -> models.KeyUse | None:
    return None if isinstance(use, SetupError) else use


# --- reading


def _attempt(call: Callable[..., T], *arguments: Any, **options: Any) -> T | SetupError:
    try:
        return call(*arguments, **options)
    except _READ_ERRORS as error:
        return error


def _in_region_of(arn: str, aws: AwsClient) -> AwsClient:
    return aws if _region(arn) == aws.region else aws.with_region(_region(arn))


def _read(aws: AwsClient, arn: str) -> KeyReading:
    policy, grants, key, aliases, last_use = together(
        partial(_attempt, aws.kms.key_policy, arn),
        partial(_attempt, aws.access.grants, arn),
        partial(_attempt, aws.kms.describe_key, arn),
        partial(_attempt, aws.kms.aliases_of, arn),
        partial(_attempt, aws.access.last_use, arn),
    )
    return KeyReading(arn=arn, policy=policy, grants=grants, key=key, aliases=aliases, last_use=last_use)


def _region(arn: str) -> str:
    return arn.split(":")[3]


def _unread(
    readings: Iterable[KeyReading], histories: "Histories", iam: AccountIam | SetupError
) -> Iterator[models.Unread]:
    if isinstance(iam, SetupError):
        yield models.Unread(what="the account's IAM", why=iam.message)
    else:
        missing = {
            policy.name
            for principal in iam.principals
            for policy in (*principal.policies, *((principal.boundary,) if principal.boundary else ()))
            if policy.document is None
        }
        for name in sorted(missing):
            yield models.Unread(what=name, why="its document could not be read")
    for reading, history in zip(readings, histories, strict=True):
        for what, answer in (
            ("the policy", reading.policy),
            ("the grants", reading.grants),
            ("the last use", reading.last_use),
            ("the event history", history),
        ):
            if isinstance(answer, SetupError):
                yield models.Unread(what=f"{what} of {reading.arn}", why=answer.message)
        policy = {} if isinstance(reading.policy, SetupError) else reading.policy
        sids = [statement.get("Sid") for statement in statements_of(policy)]
        if isinstance(reading.last_use, Unsupported) and DENY_DISABLING_IN_USE in sids:
            why = "this Region does not count the days since the last use: whoever may disable the key can always do it"
            yield models.Unread(what=f"the rule '{DENY_DISABLING_IN_USE}' of {reading.arn}", why=why)


# --- evaluation


def _assume_paths(
    rights: Mapping[str, Rights], iam: AccountIam | None, account: str
) -> tuple[dict[str, tuple[trust.AssumePath, ...]], list[str]]:
    """The principals that can assume each role with a right, and the roles for which that list is incomplete."""
    paths: dict[str, tuple[trust.AssumePath, ...]] = {}
    direct: trust.DirectPaths = {}
    incomplete = []
    for arn, entry in rights.items():
        role = iam.find(arn) if iam else None
        if iam is not None and role is not None and role.is_role and entry.certain:
            paths[arn], is_incomplete = trust.assume_paths(role, iam, account=account, direct=direct)
            incomplete += [arn] if is_incomplete else []
    return paths, incomplete


def _with_assuming_principals(
    rights: Mapping[str, Rights], paths: Mapping[str, tuple[trust.AssumePath, ...]], expectation: Expectation
) -> dict[str, Rights]:
    """All principals, with those that have a right because they can assume a role.

    A service or an identity provider is listed with its role. It has an entry of its own only if it can assume the
    application's role by a statement that is not one of the settings.
    """
    more = []
    for arn, assume_paths in paths.items():
        for path in assume_paths:
            is_listed_with_role = path.kind in (PrincipalKind.SERVICE, PrincipalKind.FEDERATED)
            is_unexpected = (
                arn in expectation.application
                and not path.through
                and path.statement is not None
                and not expectation.trusts(path.statement)
            )
            if not is_listed_with_role or is_unexpected:
                more.append(_rights_by_assuming(rights[arn], path))
    return merge((*rights.values(), *more))


def _rights_by_assuming(role: Rights, path: trust.AssumePath) -> Rights:
    gained = [right for right in RIGHTS if right in role.certain]
    terms = f" if {' and '.join(path.terms)}" if path.terms else ""
    through = "".join(f" through {arn.rpartition('/')[2]}" for arn in path.through)
    return Rights(
        arn=path.principal,
        kind=path.kind,
        permissions={right: role.permissions[right] if right in gained else KeyPermission.NO for right in RIGHTS},
        ways=(f"assumes {role.arn}{through} ({'; '.join(gained)}){terms}",),
    )


def _principal(
    rights: Rights,
    paths: Iterable[trust.AssumePath],
    histories: "Histories",
    expectation: Expectation,
) -> models.PrincipalAccess:
    events, refused, verifications, last_use = counted(rights.arn, histories)
    is_expected = expectation.names(rights.arn)
    surplus = rights.certain - expectation.rights_of(rights.arn)
    listed = tuple(paths)
    return models.PrincipalAccess(
        arn=rights.arn,
        use=rights.permissions["use"],
        administer=rights.permissions["administer"],
        delete=rights.permissions["delete"],
        ways=rights.ways,
        assumed_by=tuple(path.description for path in listed),
        open_to=tuple(path.description for path in key_access.foreign(listed)),
        last_use=last_use,
        events=events,
        verifications=verifications,
        refused=refused,
        is_expected=is_expected,
        beyond=tuple(right for right in RIGHTS if right in surplus) if is_expected else (),
    )


@dataclass(frozen=True, kw_only=True)
class _AccessKeys:
    """The access keys of the account's users among the principals."""

    pool: Threads
    aws: AwsClient
    account: str
    now: datetime
    jobs: dict[str, Future[tuple[models.AccessKeyAge, ...] | SetupError]] = field(default_factory=dict)
    """By the user's ARN."""

    def ask(self, principals: Iterable[str]) -> None:
        """Begin to read those of the users that were not asked for yet, by ARN."""
        read = self.aws.access.access_keys
        for arn in principals:
            if arn not in self.jobs and ":user/" in arn and f"::{self.account}:" in arn:
                self.jobs[arn] = self.pool.submit(_attempt, read, arn.rpartition("/")[2], now=self.now)

    def added_to(
        self, principals: Iterable[models.PrincipalAccess]
    ) -> tuple[list[models.PrincipalAccess], list[models.Unread]]:
        """The principals with their access keys, and whose could not be listed."""
        listed, unread = list(principals), []
        for position, principal in enumerate(listed):
            if principal.arn not in self.jobs:
                continue
            keys = self.jobs[principal.arn].result()
            if isinstance(keys, SetupError):
                listed[position] = replace(principal, are_access_keys_known=False)
                unread.append(models.Unread(what=f"the access keys of {principal.arn}", why=keys.message))
            else:
                listed[position] = replace(principal, access_keys=keys)
        return listed, unread


def _order(rights: Rights) -> tuple[bool, bool, str]:
    """Users of the key first, then administrators, then by ARN."""
    permissions = rights.permissions
    return permissions["use"] is not KeyPermission.YES, permissions["administer"] is not KeyPermission.YES, rights.arn


Histories = Sequence[tuple[models.History, tuple[models.KeyEvents, ...]] | SetupError]
"""What was read of each key, or why it could not be read."""


def counted(arn: str, histories: Histories) -> tuple[int | None, int | None, int | None, datetime | None]:
    """Uses, refusals, verifications and the last use of a principal; None for a count that is not known.

    A history that is incomplete makes a count a lower bound.
    """
    uses, refused, verifications, last = 0, 0, 0, None
    is_incomplete = False
    for of_key in histories:
        if isinstance(of_key, SetupError):
            is_incomplete = True
            continue
        history, events = of_key
        is_incomplete |= history.is_cut_off
        for of_principal in events:
            if _is_same(of_principal.principal, arn):
                uses, refused = uses + of_principal.uses, refused + of_principal.refused
                verifications += of_principal.verifications
                last = max(filter(None, (last, of_principal.last_use)), default=None)
    # No event in an incomplete history does not mean that there was none.
    is_known = bool(uses or refused) or not is_incomplete
    return (uses, refused, verifications, last) if is_known else (None, None, None, None)


def _is_same(name: str, arn: str) -> bool:
    """Whether an event's principal has this ARN; an event may name a role without its path, as sessions do."""
    if name == arn:
        return True
    head, kind, rest = arn.partition(":role/")
    return bool(kind) and name == f"{head}:role/{rest.rpartition('/')[2]}"


def other_callers(
    principals: Iterable[models.PrincipalAccess],
    histories: Histories,
    rights: Mapping[str, Rights],
    expectation: Expectation,
) -> Iterator[models.PrincipalAccess]:
    """The principals that used the key, or tried to, without a known right on it."""
    known = [principal.arn for principal in principals]
    rest = next((entry for entry in rights.values() if entry.arn.endswith(":*")), None)
    permissions = rest.permissions if rest else dict.fromkeys(RIGHTS, KeyPermission.NO)
    names = {event.principal for of_key in histories if not isinstance(of_key, SetupError) for event in of_key[1]}
    for name in sorted(names):
        uses, refused, verifications, last_use = counted(name, histories)
        if (uses or refused) and not any(_is_same(name, arn) for arn in known):
            yield models.PrincipalAccess(
                arn=name,
                use=permissions["use"],
                administer=permissions["administer"],
                delete=permissions["delete"],
                ways=(),
                last_use=last_use,
                events=uses,
                verifications=verifications,
                refused=refused,
                is_expected=expectation.names(name),
            )


def history_of(histories: Histories) -> models.History | None:
    """The histories of all keys together; None if one of them could not be read."""
    read = [of_key for of_key in histories if not isinstance(of_key, SetupError)]
    if not read or len(read) < len(histories):
        return None
    return models.History(
        since=max(history.since for history, _ in read),
        events=sum(history.events for history, _ in read),
        is_cut_off=any(history.is_cut_off for history, _ in read),
    )
