"""The life of the access key of the application on Vercel: made once, pushed, replaced, switched off, deleted.

Pure: acts through the edges' Protocols. The key is outside the stack, whose state would keep its secret; what tells
whose a key is are IAM's list of the user's keys and the id that Vercel's variables name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from wizard.core.errors import ResourceError, SetupError
from wizard.core.models.delivery import AccessKey, AccessKeyFact, VercelProject
from wizard.core.next_command import Command, wizard
from wizard.core.ports.run import AwsClient, VercelClient

OLDEST = timedelta(days=90)
"""How old an access key may get (CIS AWS Foundations Benchmark 1.14)."""
ON_ITS_WAY = timedelta(minutes=5)
"""How long another run may take between making an access key and pushing it, clocks that differ included."""

ROTATE = wizard("access-key", "rotate")
RETIRE = wizard("access-key", "retire")

Tell = Callable[[str], None]
"""Says one line to the person; never a secret."""


@dataclass(frozen=True, kw_only=True)
class Ensured:
    """The access key that the application has on Vercel."""

    key_id: str
    is_new: bool
    age_days: int
    key: AccessKey | None = field(default=None, repr=False)
    """Only when it was made now: nobody gets a secret twice."""


@dataclass(frozen=True, kw_only=True)
class Rotated:
    """A second access key is on Vercel; the old one still works, for deployments that have it."""

    key_id: str
    old_id: str | None
    """None where the user had none."""
    key: AccessKey = field(repr=False)


class Retirement(StrEnum):
    """What became of the old access key."""

    SWITCHED_OFF = "switched off"
    """It can be switched on again."""
    DELETED = "deleted"
    NOTHING = "nothing"
    """There was no old one."""


@dataclass(frozen=True, kw_only=True)
class Retired:
    """What retiring did, and to which access key."""

    key_id: str | None
    done: Retirement


def _utc() -> datetime:
    return datetime.now(UTC)


def ensure(
    aws: AwsClient,
    vercel: VercelClient,
    project: VercelProject,
    user: str,
    tell: Tell,
    *,
    clock: Callable[[], datetime] = _utc,
) -> Ensured:
    """The access key that Vercel names, if the user has it and it is on; else a new one, made and pushed.

    What a crashed run left is cleaned up where it takes the last place. Raises ResourceError where both places are
    taken by keys that may be in use, and what the edges raise; a key that was not pushed is deleted again.
    """
    now = clock()
    keys = aws.iam.list_access_keys(user)
    # After the list: a key that another run has just pushed must not look like one left behind.
    named = vercel.access_key_id(project)
    if kept := _kept(keys, named, now):
        _tell_others(keys, named, tell)
        return kept
    if off := next((key for key in keys if key.id == named), None):
        tell(f"the access key {off.id}, which Vercel names, is switched off; it is replaced")
    left = _make_room(aws, user, keys, named, now, tell) if len(keys) >= LIMIT else keys
    try:
        key = aws.iam.make_access_key(user)
    except ResourceError as error:
        # Another run may have taken the last place meanwhile, and may be done.
        if kept := _kept_by_another(aws, vercel, project, user, now):
            return kept
        raise _full(user, aws.iam.list_access_keys(user), error) from error
    if overtaken := _push(aws, vercel, project, user, key, tell, before=named):
        # What ours was made for is done, by another run.
        if kept := _kept_by_another(aws, vercel, project, user, now):
            return kept
        raise overtaken
    _tell_others(left, key.id, tell)
    return Ensured(key_id=key.id, is_new=True, age_days=0, key=key)


def rotate(aws: AwsClient, vercel: VercelClient, project: VercelProject, user: str, tell: Tell) -> Rotated:
    """A second access key, made and pushed; the old one stays on, for running deployments have it.

    Raises ResourceError where the user has two already; a key that was not pushed is deleted again.
    """
    keys = aws.iam.list_access_keys(user)
    named = vercel.access_key_id(project)
    if len(keys) >= LIMIT:
        known = any(key.id == named and key.active for key in keys)
        raise ResourceError(
            f"the user {user} has two access keys already: {described(keys, named)}",
            f"{RETIRE}   # then rotate again" if known else by_hand(user, keys, named),
        )
    key = aws.iam.make_access_key(user)
    if overtaken := _push(aws, vercel, project, user, key, tell, before=named):
        raise overtaken
    old = keys[0].id if keys else None
    tell(f"Vercel has the access key {key.id}; a deployment takes it up when it is made: vercel redeploy, or push")
    if old:
        tell(f"the access key {old} stays on for the deployments that have it; when none has: {RETIRE}")
    return Rotated(key_id=key.id, old_id=old, key=key)


def retire_old(
    aws: AwsClient,
    vercel: VercelClient,
    project: VercelProject,
    user: str,
    now: datetime,
    tell: Tell,
    *,
    force: bool = False,
) -> Retired:
    """The access key that Vercel does not name: switched off where it is on, deleted where it was off already.

    Raises ResourceError where Vercel names none of the user's, or the old one may still be in use, unless forced.
    """
    keys = aws.iam.list_access_keys(user)
    named = vercel.access_key_id(project)
    current = next((key for key in keys if key.id == named and key.active), None)
    if current is None:
        raise ResourceError(
            f"Vercel names no access key of the user {user} that is active, so which one is the old one is not known"
            + (f": {described(keys, named)}" if keys else ""),
            ROTATE if len(keys) < LIMIT else by_hand(user, keys, named),
        )
    others = [key for key in keys if key.id != named]
    if not others:
        tell(f"there is no old access key: the user {user} has {current.id} only, which Vercel names")
        return Retired(key_id=None, done=Retirement.NOTHING)
    old = min(others, key=lambda key: (not key.active, key.made))
    if not old.active:
        aws.iam.delete_access_key(user, old.id)
        tell(f"the access key {old.id} was off and is deleted")
        return Retired(key_id=old.id, done=Retirement.DELETED)
    if not force and (why := use_of(old, current, now)):
        raise ResourceError(
            f"the access key {old.id} may still be in use: {why}",
            Command(RETIRE, advice=f"an hour after vercel redeploy; or at once, whatever has the key: {RETIRE} --yes"),
        )
    aws.iam.retire_access_key(user, old.id)
    tell(f"the access key {old.id} is switched off; if the application misses it: {switch(user, old.id, 'Active')}")
    tell(f"if it does not, delete it: {RETIRE}")
    return Retired(key_id=old.id, done=Retirement.SWITCHED_OFF)


def age_warning(facts: Sequence[AccessKeyFact], now: datetime) -> str | None:
    """That an access key is too old (CIS AWS Foundations Benchmark 1.14), with what to do; None where none is."""
    old = [key for key in facts if key.active and now - key.made > OLDEST]
    if not old:
        return None
    told = ", ".join(f"{key.id} is {(now - key.made).days} days old" for key in old)
    return f"access keys are to be replaced every {OLDEST.days} days (CIS 1.14), and {told}: {ROTATE}"


def of_stack(line: str, stack: str) -> str:
    """The line with the stack's name in its commands about the access key."""
    for command in (ROTATE, RETIRE):
        line = line.replace(command, f"{command} --stack {stack}")
    return line


# --- pushing


def _push(
    aws: AwsClient,
    vercel: VercelClient,
    project: VercelProject,
    user: str,
    key: AccessKey,
    tell: Tell,
    *,
    before: str | None,
) -> ResourceError | None:
    """The key to Vercel; the error where another run was quicker, whose key is not the one named `before`.

    A key that did not get there is deleted again.
    """
    try:
        if (named := vercel.access_key_id(project)) not in (before, key.id):
            raise ResourceError(
                f"Vercel names the access key {named} now: another run pushed it meanwhile",
                "run the same command again, in one place only",
            )
        vercel.deliver_access_key(project, key)
    except SetupError as error:
        named, known = _look_again(vercel, project)
        if not known or named == key.id:
            # Deleting what production may have by now is the worse of two errors.
            tell(f"the access key {key.id} was left, for Vercel may have it; the same command again finds out")
            raise
        _discard(aws, user, key, tell)
        if isinstance(error, ResourceError) and named not in (None, before):
            return error
        raise
    return None


def _look_again(vercel: VercelClient, project: VercelProject) -> tuple[str | None, bool]:
    """What Vercel names now, and whether that could be asked."""
    try:
        return vercel.access_key_id(project), True
    except SetupError:
        return None, False


def _discard(aws: AwsClient, user: str, key: AccessKey, tell: Tell) -> None:
    try:
        aws.iam.delete_access_key(user, key.id)
    except SetupError as error:
        tell(
            f"the access key {key.id}, whose secret nobody has, could not be deleted again ({error.message}):"
            f" {deletion(user, key.id)}"
        )


# --- telling keys apart


def _kept(keys: Iterable[AccessKeyFact], named: str | None, now: datetime) -> Ensured | None:
    for key in keys:
        if key.id == named and key.active:
            return Ensured(key_id=key.id, is_new=False, age_days=max(0, (now - key.made).days))
    return None


def _kept_by_another(
    aws: AwsClient, vercel: VercelClient, project: VercelProject, user: str, now: datetime
) -> Ensured | None:
    return _kept(aws.iam.list_access_keys(user), vercel.access_key_id(project), now)


def _make_room(
    aws: AwsClient,
    user: str,
    keys: Sequence[AccessKeyFact],
    named: str | None,
    now: datetime,
    tell: Tell,
) -> tuple[AccessKeyFact, ...]:
    """One place made free by the oldest key that nobody can have; what is left. Raises ResourceError for none."""
    unused = sorted((key for key in keys if key.id != named and key.last_used is None), key=lambda key: key.made)
    orphans = [key for key in unused if now - key.made >= ON_ITS_WAY]
    if not orphans:
        if unused:
            raise ResourceError(
                f"the user {user} has two access keys, and another run may be pushing one: {described(keys, named)}",
                f"wait until {unused[0].made + ON_ITS_WAY:%H:%M:%S} UTC, then run the same command again",
            )
        raise ResourceError(
            f"the user {user} has two access keys, which is IAM's limit, and they were used: {described(keys, named)}",
            by_hand(user, keys, named),
        )
    orphan = orphans[0]
    if orphan.active:
        aws.iam.retire_access_key(user, orphan.id)
    aws.iam.delete_access_key(user, orphan.id)
    tell(f"the access key {orphan.id} was never used and Vercel does not name it; it is deleted")
    return tuple(key for key in keys if key.id != orphan.id)


def _full(user: str, keys: Sequence[AccessKeyFact], error: ResourceError) -> ResourceError:
    if len(keys) < LIMIT:
        return error
    return ResourceError(
        f"another run took the last place for an access key of the user {user} ({error.message})",
        "wait until that run is done, then run the same command again",
    )


def _tell_others(keys: Iterable[AccessKeyFact], named: str | None, tell: Tell) -> None:
    for key in keys:
        if key.id != named:
            state = "is on" if key.active else "is off, but there"
            tell(f"the access key {key.id} {state}, and Vercel does not name it: {RETIRE}")


LIMIT = 2
"""Access keys of one user (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""
QUIET = timedelta(hours=1)
"""How long an access key must have been unused before it is switched off."""


def described(keys: Iterable[AccessKeyFact], named: str | None) -> str:
    """Which is where, in words: `named` is the id that Vercel's variables name."""
    return "; ".join(
        f"{key.id} ({'on' if key.active else 'off'}, {'on Vercel' if key.id == named else 'not named by Vercel'},"
        f" made {key.made:%Y-%m-%d},"
        f" {f'last used {key.last_used:%Y-%m-%d %H:%M} UTC' if key.last_used else 'never used'})"
        for key in keys
    )


def by_hand(user: str, keys: Sequence[AccessKeyFact], named: str | None) -> str:
    """What frees a place when nothing tells which key is in use."""
    off = next((key for key in keys if not key.active and key.id != named), None)
    if off is not None:
        return f"{deletion(user, off.id)}   # then run the same command again"
    first = min((key for key in keys if key.id != named), key=lambda key: key.last_used or key.made)
    off_and_away = f"{switch(user, first.id, 'Inactive')} && {deletion(user, first.id)}"
    return f"find out who uses {first.id}; if nobody does: {off_and_away}   # then run the same command again"


def switch(user: str, key_id: str, status: str) -> str:
    """The command that switches an access key: `Active` or `Inactive`."""
    return f"aws iam update-access-key --user-name {user} --access-key-id {key_id} --status {status}"


def deletion(user: str, key_id: str) -> str:
    """The command that deletes an access key."""
    return f"aws iam delete-access-key --user-name {user} --access-key-id {key_id}"


def use_of(old: AccessKeyFact, current: AccessKeyFact, now: datetime) -> str | None:
    """Why the old key may be in use, in words. IAM tells the last use only, some minutes late."""
    if old.last_used is None:
        # A younger one that was never used is what a crashed run left behind.
        never = old.made < current.made and current.last_used is None
        return f"neither it nor {current.id} is known to have been used yet" if never else None
    if now - old.last_used < QUIET:
        return f"it was used at {old.last_used:%Y-%m-%d %H:%M} UTC, less than an hour ago"
    if current.last_used is None:
        return f"{current.id}, which Vercel has, was never used"
    if old.last_used >= current.last_used:
        return (
            f"it was used at {old.last_used:%Y-%m-%d %H:%M} UTC,"
            f" and {current.id} not since {current.last_used:%Y-%m-%d %H:%M} UTC"
        )
    return None
