"""The review itself: read through the edge, side by side, and judged; what may not be read is told, never guessed.

Pure but for the edge that it is given, of which it only asks. Partial readings stand: each answer that hangs on what
could not be read is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from components.policies.evaluation import trust
from components.policies.evaluation.account import AccountIam, Document, GrantFact, KeyPermission
from components.policies.evaluation.key_access import RIGHTS, KeyAccessDocuments
from components.policies.evaluation.principals import PrincipalKind
from components.settings import Outputs, Settings
from wizard.commands.review import baseline, output
from wizard.commands.review.baseline import Expectation
from wizard.commands.review.output import Rights
from wizard.core.errors import PermissionDenied, ResourceError, SetupError, Unreachable, Unsupported
from wizard.core.key_access import documents_of
from wizard.core.models.access import (
    AccessReview,
    History,
    KeyEvents,
    KeyUse,
    PrincipalAccess,
    ReplicaUse,
    Unread,
)
from wizard.core.models.account import KeyFact
from wizard.core.ports.run import AwsClient

T = TypeVar("T")

_TOLERATED = (PermissionDenied, Unsupported, ResourceError, Unreachable)
"""What leaves one reading out. Credentials that are no good at all end the review."""


@dataclass(frozen=True, kw_only=True)
class KeyReading:
    """What was read of one key."""

    arn: str
    policy: Document | SetupError
    grants: tuple[GrantFact, ...] | SetupError
    fact: KeyFact | SetupError | None
    last_use: KeyUse | SetupError
    events: tuple[History, tuple[KeyEvents, ...]] | SetupError


def review(
    aws: AwsClient, settings: Settings, outputs: Outputs, *, stack: str, now: datetime, window_days: int
) -> AccessReview:
    """Who can use and who can administer the stack's key and its replicas. Asks only, and changes nothing.

    Raises CredentialsError, but never for a reading that is denied: that one is `unread`.
    """
    keys = outputs.key_arns
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="review") as pool:
        iam_reading = pool.submit(_tolerated, aws.access.iam)
        readings = list(pool.map(lambda arn: _read(aws, arn, now - timedelta(days=window_days)), keys))
        iam = iam_reading.result()
    meant = baseline.of(settings, outputs)
    papers = [_documents(reading, iam) for reading in readings]
    found = output.together(
        right
        for each in papers
        for right in output.rights_on(each, expected=tuple(meant.rights), where=_region(each.arn) if keys[1:] else "")
    )
    known_iam = None if isinstance(iam, SetupError) else iam
    unread = [*_unread(readings, iam)]
    ways_in, cut_off = _ways_in(found, known_iam, settings.account_id)
    unread += [
        Unread(what=f"everybody who may become {role}", why="there are more ways than are followed") for role in cut_off
    ]
    found = _with_those_who_become(found, ways_in, meant)
    histories = [each.events for each in readings]
    principals = [
        _principal(each, ways_in.get(each.arn, ()), histories, meant) for each in sorted(found.values(), key=_order)
    ]
    principals += who_else_called(principals, histories, found, meant)
    principals, more = _with_access_keys(principals, aws, settings.account_id, now)
    grants = [each.grants for each in readings]
    first = readings[0]
    return AccessReview(
        stack=stack,
        key_arn=outputs.key_arn,
        at=now,
        window_days=window_days,
        principals=tuple(principals),
        grants=None
        if any(isinstance(each, SetupError) for each in grants)
        else tuple(grant for each in grants if not isinstance(each, SetupError) for grant in each),
        last_use=None if isinstance(first.last_use, SetupError) else first.last_use,
        replicas=tuple(
            ReplicaUse(arn=each.arn, use=None if isinstance(each.last_use, SetupError) else each.last_use)
            for each in readings[1:]
        ),
        history=history_of(histories),
        unread=(*unread, *more),
    )


# --- reading ------------------------------------------------------------------------------------------------------


def _tolerated(call: Callable[..., T], *arguments: Any, **more: Any) -> T | SetupError:
    try:
        return call(*arguments, **more)
    except _TOLERATED as error:
        return error


def _read(aws: AwsClient, arn: str, since: datetime) -> KeyReading:
    there = aws if _region(arn) == aws.region else aws.with_region(_region(arn))
    access = there.access
    return KeyReading(
        arn=arn,
        policy=_tolerated(there.kms.key_policy, arn),
        grants=_tolerated(access.grants, arn),
        fact=_tolerated(there.kms.describe_key, arn),
        last_use=_tolerated(access.last_use, arn),
        events=_tolerated(access.events, arn, since=since),
    )


def _region(arn: str) -> str:
    return arn.split(":")[3]


def _documents(reading: KeyReading, iam: AccountIam | SetupError) -> KeyAccessDocuments:
    return documents_of(reading.arn, policy=reading.policy, grants=reading.grants, iam=iam, key=reading.fact)


def _unread(readings: Iterable[KeyReading], iam: AccountIam | SetupError) -> Iterator[Unread]:
    if isinstance(iam, SetupError):
        yield Unread(what="the account's IAM", why=iam.message)
    else:
        lacking = {
            policy.name
            for each in iam.principals
            for policy in (*each.policies, *((each.boundary,) if each.boundary else ()))
            if policy.document is None
        }
        for name in sorted(lacking):
            yield Unread(what=name, why="its document may not be read")
    for reading in readings:
        for what, found in (
            ("the policy", reading.policy),
            ("the grants", reading.grants),
            ("the last use", reading.last_use),
            ("the event history", reading.events),
        ):
            if isinstance(found, SetupError):
                yield Unread(what=f"{what} of {reading.arn}", why=found.message)


# --- judging ------------------------------------------------------------------------------------------------------


def _ways_in(
    found: Mapping[str, Rights], iam: AccountIam | None, account: str
) -> tuple[dict[str, tuple[trust.AssumePath, ...]], list[str]]:
    """Who may become each role that has a right; and the roles of which that is not all."""
    ways: dict[str, tuple[trust.AssumePath, ...]] = {}
    cut_off = []
    for arn, rights in found.items():
        role = iam.find(arn) if iam else None
        if role is not None and role.is_role and rights.has_some:
            ways[arn], is_cut_off = trust.assume_paths(role, iam or AccountIam(principals=()), account=account)
            cut_off += [arn] if is_cut_off else []
    return ways, cut_off


def _with_those_who_become(
    found: Mapping[str, Rights], ways_in: Mapping[str, tuple[trust.AssumePath, ...]], meant: Expectation
) -> dict[str, Rights]:
    """Everybody, and beside them who has a right by becoming somebody.

    A service or an identity provider is told with its role; on its own only where it makes the application of somebody
    whom the settings do not mean.
    """
    more = []
    for arn, assume_paths in ways_in.items():
        for entrance in assume_paths:
            theirs = entrance.kind in (PrincipalKind.SERVICE, PrincipalKind.FEDERATED)
            is_strange = (
                arn in meant.application
                and not entrance.through
                and entrance.statement is not None
                and not meant.trusts(entrance.statement)
            )
            if theirs and not is_strange:
                continue
            more.append(_becoming(found[arn], entrance))
    return output.together((*found.values(), *more))


def _becoming(role: Rights, entrance: trust.AssumePath) -> Rights:
    gained = [right for right in RIGHTS if role.may[right] is KeyPermission.YES]
    terms = f" if {' and '.join(entrance.terms)}" if entrance.terms else ""
    through = "".join(f" through {arn.rpartition('/')[2]}" for arn in entrance.through)
    return Rights(
        arn=entrance.principal,
        kind=entrance.kind,
        may={right: role.may[right] if right in gained else KeyPermission.NO for right in RIGHTS},
        ways=(f"becomes {role.arn}{through} ({'; '.join(gained)}){terms}",),
    )


def _principal(
    rights: Rights,
    ways_in: Iterable[trust.AssumePath],
    histories: Histories,
    meant: Expectation,
) -> PrincipalAccess:
    events, refused, last_use = counted(rights.arn, histories)
    surplus = rights.direct - meant.given(rights.arn)
    return PrincipalAccess(
        arn=rights.arn,
        use=rights.may["use"],
        administer=rights.may["administer"],
        delete=rights.may["delete"],
        ways=rights.ways,
        assumed_by=tuple(entrance.description for entrance in ways_in),
        last_use=last_use,
        events=events,
        refused=refused,
        is_expected=meant.names(rights.arn),
        beyond=tuple(right for right in RIGHTS if right in surplus) if meant.names(rights.arn) else (),
    )


def _with_access_keys(
    principals: Iterable[PrincipalAccess], aws: AwsClient, account: str, now: datetime
) -> tuple[list[PrincipalAccess], list[Unread]]:
    """The access keys of the users among them."""
    listed = list(principals)
    users = [each for each in listed if ":user/" in each.arn and f"::{account}:" in each.arn]
    access = aws.access
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="access-keys") as pool:
        asked = {
            each.arn: pool.submit(_tolerated, access.access_keys, each.arn.rpartition("/")[2], now=now)
            for each in users
        }
    unread = []
    for position, each in enumerate(listed):
        if each.arn not in asked:
            continue
        keys = asked[each.arn].result()
        if isinstance(keys, SetupError):
            listed[position] = replace(each, are_access_keys_known=False)
            unread.append(Unread(what=f"the access keys of {each.arn}", why=keys.message))
        else:
            listed[position] = replace(each, access_keys=keys)
    return listed, unread


def _order(rights: Rights) -> tuple[bool, bool, str]:
    """Who uses it before who administers it, by ARN."""
    return rights.may["use"] is not KeyPermission.YES, rights.may["administer"] is not KeyPermission.YES, rights.arn


Histories = Sequence[tuple[History, tuple[KeyEvents, ...]] | SetupError]
"""What was read of each key, or why it could not be."""


def counted(arn: str, histories: Histories) -> tuple[int | None, int | None, datetime | None]:
    """Uses, refusals and the last use of somebody; None for a count that is not known.

    What is missing makes a count a lower bound.
    """
    uses, refused, last = 0, 0, None
    is_partial = False
    for each in histories:
        if isinstance(each, SetupError):
            is_partial = True
            continue
        history, told = each
        is_partial |= history.is_cut_off
        for one in told:
            if _is_same(one.principal, arn):
                uses, refused = uses + one.uses, refused + one.refused
                last = max(filter(None, (last, one.last_use)), default=None)
    # Nothing in what was read is not yet nothing at all.
    known = bool(uses or refused) or not is_partial
    return (uses, refused, last) if known else (None, None, None)


def _is_same(told: str, arn: str) -> bool:
    """Whether an event's principal is this one: a role may be told without its path, as its sessions are."""
    if told == arn:
        return True
    head, kind, rest = arn.partition(":role/")
    return bool(kind) and told == f"{head}:role/{rest.rpartition('/')[2]}"


def who_else_called(
    principals: Iterable[PrincipalAccess],
    histories: Histories,
    found: Mapping[str, Rights],
    meant: Expectation,
) -> Iterator[PrincipalAccess]:
    """Who used the key, or tried to, and has no right on it that is known."""
    there = [each.arn for each in principals]
    rest = next((each for each in found.values() if each.arn.endswith(":*")), None)
    may = rest.may if rest else dict.fromkeys(RIGHTS, KeyPermission.NO)
    called = {one.principal for each in histories if not isinstance(each, SetupError) for one in each[1]}
    for name in sorted(called):
        uses, refused, last_use = counted(name, histories)
        if (uses or refused) and not any(_is_same(name, arn) for arn in there):
            yield PrincipalAccess(
                arn=name,
                use=may["use"],
                administer=may["administer"],
                delete=may["delete"],
                ways=(),
                last_use=last_use,
                events=uses,
                refused=refused,
                is_expected=meant.names(name),
            )


def history_of(found: Histories) -> History | None:
    """What was read of all keys together; None where one of them could not be read."""
    told = [each for each in found if not isinstance(each, SetupError)]
    if not told or len(told) < len(found):
        return None
    return History(
        since=max(history.since for history, _ in told),
        events=sum(history.events for history, _ in told),
        is_cut_off=any(history.is_cut_off for history, _ in told),
    )
