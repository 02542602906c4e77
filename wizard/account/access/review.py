"""The review: who can use and administer the key, and who did. What could not be read is unknown, never guessed.

Reads through the facts.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from components.policies.evaluation import GrantFact
from components.policies.evaluation.account import KeyPermission
from components.policies.evaluation.key_access import RIGHTS
from components.policies.key import DENY_DISABLING_IN_USE
from components.policies.statements import statements_of
from components.settings.arn import Arn
from wizard.account.access.rights import KeyRights, is_ending
from wizard.account.facts import StackFacts
from wizard.account.key_access import Expectation, KeyReading
from wizard.account.strangers import Stranger, strangers_in
from wizard.core.errors import PermissionDenied, ResourceError, SetupError, Unreachable, Unsupported, known, known_or
from wizard.core.models import access as models
from wizard.core.next_command import plain_name
from wizard.core.retry import MAX_PARALLEL, Threads

_READ_ERRORS = (PermissionDenied, Unsupported, ResourceError, Unreachable)
"""Errors that make one reading unknown. Invalid credentials end the review."""


def review(facts: StackFacts, *, window_days: int) -> models.AccessReview:
    """Who can use and who can administer the stack's key and its replicas.

    Raises CredentialsError, but not for a reading that is denied: that one is in `unread`.
    """
    since = facts.at - timedelta(days=window_days)
    with Threads(max_workers=MAX_PARALLEL, thread_name_prefix="review") as pool:
        # CloudTrail answers two pages a second: everything else is done meanwhile.
        jobs = {arn: pool.submit(facts.events, arn, since) for arn in facts.key_arns}
        uses = {arn: pool.submit(facts.last_use, arn) for arn in facts.key_arns}
        readings = facts.key_readings
        # A replica that the settings do not name has a policy and grants of its own.
        for reading in readings:
            jobs.setdefault(reading.arn, pool.submit(facts.events, reading.arn, since))
            uses.setdefault(reading.arn, pool.submit(facts.last_use, reading.arn))
        rights = known(facts.rights)
        users = [principal.arn for principal in rights.principals if facts.is_user(principal.arn)]
        access_keys = {arn: pool.submit(facts.access_keys, arn) for arn in users}
        counts = UseCounts([jobs[reading.arn].result() for reading in readings])
        principals = [_with_use(each.listed, counts) for each in rights.principals]
        principals += _strangers(facts, {each.arn for each in principals})
        principals += other_callers(principals, counts, rights, facts.expectation)
        for principal in principals:
            if principal.arn not in access_keys and facts.is_user(principal.arn):
                access_keys[principal.arn] = pool.submit(facts.access_keys, principal.arn)
        keys = {arn: job.result() for arn, job in access_keys.items()}
        last_uses = [uses[reading.arn].result() for reading in readings]
    unread = tuple(_unread(facts, rights, counts, last_uses, keys))
    own, *replicas = readings
    use, *replica_uses = [known_or(each, None) for each in last_uses]
    return models.AccessReview(
        stack=plain_name(facts.stack),
        key_arn=own.arn,
        at=facts.at,
        window_days=window_days,
        principals=tuple(_with_keys(each, keys.get(each.arn, ())) for each in principals),
        grants=_grants(readings),
        last_use=use,
        replicas=tuple(
            models.ReplicaUse(arn=replica.arn, use=use) for replica, use in zip(replicas, replica_uses, strict=True)
        ),
        elsewhere=tuple(
            reading.arn
            for reading in readings
            if reading.arn not in facts.key_arns and not is_ending(reading, facts.key_arns)
        ),
        history=counts.history,
        unread=unread,
    )


def _grants(readings: Iterable[KeyReading]) -> tuple[GrantFact, ...] | None:
    """The grants of all keys; None where those of one could not be read."""
    grants: list[GrantFact] = []
    for reading in readings:
        if isinstance(reading.grants, SetupError):
            return None
        grants += reading.grants
    return tuple(grants)


def _named(facts: StackFacts, reading: KeyReading) -> tuple[Stranger, ...]:
    """Whom the policy of a key names beyond the settings, by the rules of the guardrails. Raises ValueError."""
    policy, region = known_or(reading.policy, None), reading.region
    is_home = region == facts.settings.region
    resource = "aws:kms/key:Key::phi-key" if is_home else f"aws:kms/replicaKey:ReplicaKey::phi-key-{region}"
    return tuple(strangers_in(facts.settings, resource, policy)) if policy else ()


def _strangers(facts: StackFacts, listed: Collection[str]) -> Iterator[models.PrincipalAccess]:
    """Whom the key policies name, and whom no right that was evaluated belongs to."""
    for reading in facts.key_readings:
        try:
            named = _named(facts, reading)
        except ValueError:
            continue  # In `unread`.
        for each in named:
            if each.name not in listed:
                can = {
                    right: KeyPermission.YES
                    if any(fnmatchcase(action, given) for action in actions for given in each.actions)
                    else KeyPermission.UNKNOWN
                    for right, actions in RIGHTS.items()
                }
                way = f"key policy: {', '.join(each.actions)}"
                yield models.PrincipalAccess(
                    arn=each.name,
                    ways=(way,),
                    is_expected=False,
                    use=can["use"],
                    administer=can["administer"],
                    delete=can["delete"],
                )


def _unread(
    facts: StackFacts,
    rights: KeyRights,
    counts: "UseCounts",
    last_uses: Sequence[models.KeyUse | SetupError],
    keys: dict[str, tuple[models.AccessKeyAge, ...] | SetupError],
) -> Iterator[models.Unread]:
    """What was not read. Raises CredentialsError where the credentials themselves are the reason."""
    iam = facts.iam
    if isinstance(iam, SetupError):
        yield _not_read("the account's IAM", iam)
    else:
        missing = {
            policy.name
            for principal in iam.principals
            for policy in (*principal.policies, *((principal.boundary,) if principal.boundary else ()))
            if policy.document is None
        }
        for name in sorted(missing):
            yield models.Unread(what=name, why="its document could not be read")
    for reading, history, last_use in zip(facts.key_readings, counts.histories, last_uses, strict=True):
        for what, answer in (
            ("the policy", reading.policy),
            ("the grants", reading.grants),
            ("the last use", last_use),
            ("the event history", history),
        ):
            if isinstance(answer, SetupError):
                yield _not_read(f"{what} of {reading.arn}", answer)
        try:
            _named(facts, reading)
        except ValueError as error:
            why = f"the guardrails cannot read it: {error}"
            yield models.Unread(what=f"whom the policy of {reading.arn} names", why=why)
        policy = known_or(reading.policy, {})
        sids = [statement.sid for statement in statements_of(policy)]
        if isinstance(last_use, Unsupported) and DENY_DISABLING_IN_USE in sids:
            why = "this Region does not count the days since the last use: whoever may disable the key can always do it"
            yield models.Unread(what=f"the rule '{DENY_DISABLING_IN_USE}' of {reading.arn}", why=why)
    for role in rights.incomplete:
        yield models.Unread(
            what=f"everybody who can assume {role}", why="there are more principals than review follows"
        )
    for role in rights.by_account_access:
        people = facts.assigned_people(role)
        if isinstance(people, SetupError):
            yield _not_read(f"the people who are assigned to {role} in AWS account access", people)
    for arn, listed in keys.items():
        if isinstance(listed, SetupError):
            yield _not_read(f"the access keys of {arn}", listed)


def _not_read(what: str, error: SetupError) -> models.Unread:
    if not isinstance(error, _READ_ERRORS):
        raise error
    return models.Unread(what=what, why=error.message)


def _with_use(principal: models.PrincipalAccess, counts: "UseCounts") -> models.PrincipalAccess:
    events, refused, verifications, last_use = counts.of(principal.arn)
    return replace(principal, events=events, refused=refused, verifications=verifications, last_use=last_use)


def _with_keys(
    principal: models.PrincipalAccess, keys: tuple[models.AccessKeyAge, ...] | SetupError
) -> models.PrincipalAccess:
    if isinstance(keys, SetupError):
        return replace(principal, are_access_keys_known=False)
    return replace(principal, access_keys=keys) if keys else principal


History = tuple[models.History, tuple[models.KeyEvents, ...]]


class UseCounts:
    """The calls on all keys, by principal. What is missing makes a count a lower bound, and none unknown."""

    def __init__(self, histories: Sequence[History | SetupError]) -> None:
        """`histories`: what was read of each key, or why it could not be read."""
        self.histories = histories
        self._read = [of_key for of_key in histories if not isinstance(of_key, SetupError)]
        self._is_incomplete = len(self._read) < len(histories) or any(history.is_cut_off for history, _ in self._read)
        self._by_name: dict[str, list[models.KeyEvents]] = {}
        for _, events in self._read:
            for each in events:
                self._by_name.setdefault(each.principal, []).append(each)

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody who called, as the events name them, sorted."""
        return tuple(sorted(self._by_name))

    def of(self, arn: str) -> tuple[int | None, int | None, int | None, datetime | None]:
        """Uses, refusals, verifications and the last use of a principal; None for a count that is not known."""
        events = [each for name in names_of(arn) for each in self._by_name.get(name, ())]
        uses, refused = sum(each.uses for each in events), sum(each.refused for each in events)
        if not (uses or refused) and self._is_incomplete:
            # No event in an incomplete history does not mean that there was none.
            return None, None, None, None
        last = max((each.last_use for each in events if each.last_use), default=None)
        return uses, refused, sum(each.verifications for each in events), last

    @property
    def history(self) -> models.History | None:
        """The histories of all keys together; None if one of them could not be read."""
        if not self._read or len(self._read) < len(self.histories):
            return None
        return models.History(
            since=max(history.since for history, _ in self._read),
            events=sum(history.events for history, _ in self._read),
            is_cut_off=any(history.is_cut_off for history, _ in self._read),
        )


def names_of(arn: str) -> tuple[str, ...]:
    """The names that events have for a principal: its ARN, and a role's without the path, as sessions name it."""
    role = Arn.find(arn)
    is_role = role is not None and role.kind == "role"
    return tuple(dict.fromkeys((arn, str(role.with_resource(f"role/{role.name}")) if role and is_role else arn)))


def other_callers(
    principals: Iterable[models.PrincipalAccess], counts: UseCounts, rights: KeyRights, expectation: Expectation
) -> Iterator[models.PrincipalAccess]:
    """The principals that used the key, or tried to, without a known right on it."""
    listed = {name for principal in principals for name in names_of(principal.arn)}
    permissions = rights.others
    for name in counts.names:
        uses, refused, verifications, last_use = counts.of(name)
        if (uses or refused) and name not in listed:
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
