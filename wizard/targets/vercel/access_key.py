"""The access key of the application on Vercel: create it, deliver it, rotate it, deactivate and delete the old one.

Acts through the clients. The key is not in the stack, whose state would contain its secret: IAM's list of the user's
keys and the key id in Vercel's variables say which key is in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from wizard.core.errors import OutcomeUnknown, ResourceError, SetupError, Unsupported
from wizard.core.models.deployment import Deployment
from wizard.core.models.vercel import VercelProject
from wizard.core.models.verification import AccessKey, AccessKeyFact
from wizard.core.next_command import Command, Text, chain, eonpro, shell
from wizard.targets.port import Consent, DeliveredAccessKey, OnMessage

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.vercel.client import VercelClient

OLDEST = timedelta(days=90)
"""How old an access key may get (CIS AWS Foundations Benchmark 1.14)."""
DELIVERY_TIME = timedelta(minutes=5)
"""How long another run may take to deliver an access key that it created, including clock differences."""
LIMIT = 2
"""Access keys of one user (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""
QUIET = timedelta(hours=1)
"""How long an access key must be unused before it is deactivated."""

ROTATE = eonpro("access-key", "rotate")
RETIRE = eonpro("access-key", "retire")
REDEPLOY = eonpro("push", "--redeploy")
_AGAIN = "then run the same command again"


@dataclass(frozen=True, kw_only=True)
class RotatedAccessKey:
    """A second access key is on Vercel; the old one stays active for the deployments that have it."""

    key_id: str
    old_id: str | None
    """None if the user had none."""


class Retirement(StrEnum):
    """What happened to the old access key."""

    DEACTIVATED = "switched off"
    """It can be activated again."""
    DELETED = "deleted"
    NOTHING = "nothing"
    """There was no old access key."""


@dataclass(frozen=True, kw_only=True)
class RetiredAccessKey:
    """Which access key was retired, and how."""

    key_id: str | None
    done: Retirement


@dataclass(frozen=True, kw_only=True)
class AccessKeys:
    """The access keys of the application's user in IAM, and the one in Vercel's variables."""

    aws: AwsClient
    vercel: VercelClient
    project: VercelProject
    user: str
    on_message: OnMessage
    consent: Consent
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def ensure(self) -> DeliveredAccessKey:
        """The access key in Vercel's variables, if the user has it and it is active; else a new one, delivered there.

        A key of a crashed run, or of a lost answer, is deleted with consent. Raises ResourceError if the user has two
        that stay, and the errors of the clients; a new key that was not delivered is deleted again.
        """
        now = self.clock()
        keys = self.aws.iam.list_access_keys(self.user)
        # After the list: a key that another run delivers meanwhile must not look unused.
        named = self.vercel.access_key_id(self.project)
        if delivered := _active_key(keys, named, now):
            self._end_others(keys, delivered.key_id, now)
            return delivered
        if off := next((key for key in keys if key.id == named), None):
            self.on_message(f"the access key {off.id} on Vercel is inactive; it is replaced")
        remaining = self._with_room(keys, keys, named, now)
        try:
            key = self._create(remaining, named)
        except ResourceError as error:
            # Another run may have created the second key meanwhile, and may have delivered it: then this one is done.
            if delivered := _active_key(
                self.aws.iam.list_access_keys(self.user), self.vercel.access_key_id(self.project), now
            ):
                return delivered
            if len(self.aws.iam.list_access_keys(self.user)) < LIMIT:
                raise
            raise ResourceError(
                f"another run created the second access key of the user {self.user} ({error.message})",
                "wait until that run has ended, then run the same command again",
            ) from error
        self._end_others(remaining, key.id, now)
        return DeliveredAccessKey(key_id=key.id, is_new=True, age_days=0, key=key)

    def rotate(self) -> RotatedAccessKey:
        """Create and deliver a second access key; the old one stays active for the running deployments.

        A key of a crashed run, or of a lost answer, is deleted with consent. Raises ResourceError if the user has two
        that stay. The same command again within an hour reports the rotation that was complete.
        """
        now, keys = self.clock(), self.aws.iam.list_access_keys(self.user)
        named = self.vercel.access_key_id(self.project)
        current = next((key for key in keys if key.id == named), None)
        if current and len(keys) >= LIMIT and current == keys[-1] and current.active and now - current.made < QUIET:
            self.on_message(
                f"Vercel has the access key {current.id} already: the rotation before this one was complete"
            )
            return self._rotated(RotatedAccessKey(key_id=current.id, old_id=keys[0].id))
        # A run that was killed in the middle of a delivery leaves half a pair: Vercel then names no key, and the newer
        # of two is of that run. An older key may be the one before, whose last use IAM does not show yet.
        newer = keys[1:] if current is None else [key for key in keys if key.made > current.made]
        remaining = self._with_room(keys, newer, named, now)
        key = self._create(remaining, named)
        old_id = remaining[0].id if remaining else None
        return self._rotated(RotatedAccessKey(key_id=key.id, old_id=old_id))

    def _rotated(self, done: RotatedAccessKey) -> RotatedAccessKey:
        self.on_message(
            f"Vercel has the access key {done.key_id}; it takes effect in a new deployment: vercel redeploy, or push"
        )
        if old := done.old_id:
            self.on_message(
                Text(f"the access key {old} stays active for the deployments that use it; when none does: ", RETIRE)
            )
        return done

    def retire_old(self, *, force: bool = False) -> RetiredAccessKey:
        """Deactivate the access key that is not on Vercel, or delete it if it is inactive already.

        Raises ResourceError if Vercel has none of the user's keys, or the old one may still be in use, unless forced.
        """
        keys = self.aws.iam.list_access_keys(self.user)
        named = self.vercel.access_key_id(self.project)
        current = next((key for key in keys if key.id == named and key.active), None)
        if current is None:
            raise ResourceError(
                f"no active access key of the user {self.user} is on Vercel, so the old one is not known"
                + (f": {_described(keys, named)}" if keys else ""),
                ROTATE if len(keys) < LIMIT else _manual_commands(self.user, keys, named),
            )
        others = [key for key in keys if key.id != named]
        if not others:
            self.on_message(
                f"there is no old access key: the user {self.user} has only {current.id}, which is on Vercel"
            )
            return RetiredAccessKey(key_id=None, done=Retirement.NOTHING)
        old = min(others, key=lambda key: (not key.active, key.made))
        if not old.active:
            self.aws.iam.delete_access_key(self.user, old.id)
            self.on_message(f"the access key {old.id} was inactive and is deleted")
            return RetiredAccessKey(key_id=old.id, done=Retirement.DELETED)
        # A key that is newer than the one on Vercel was never delivered.
        is_former = old.made < current.made
        if not force and is_former and (deployment := self._deployed_before(current)):
            raise ResourceError(
                f"the access key {old.id} is in use: {self.project.scope.words} runs {deployment.name}, which was "
                f"deployed before {current.id} was created and cannot have it",
                Command(REDEPLOY, advice=Text("then, an hour later: ", RETIRE)),
            )
        if not force and (why := _possible_use(old, current, self.clock())):
            raise ResourceError(
                f"the access key {old.id} may still be in use: {why}",
                Command(
                    RETIRE,
                    advice=Text(
                        "an hour after vercel redeploy; or at once, even if it is in use: ", RETIRE.plus("--yes")
                    ),
                ),
            )
        self.aws.iam.retire_access_key(self.user, old.id)
        activate = _status_command(self.user, old.id, "Active")
        self.on_message(Text(f"the access key {old.id} is deactivated; if the application still needs it: ", activate))
        self.on_message(Text("if it does not, delete the key: ", RETIRE))
        return RetiredAccessKey(key_id=old.id, done=Retirement.DEACTIVATED)

    def _deployed_before(self, current: AccessKeyFact) -> Deployment | None:
        """What the environment runs, where that is older than its access key; None also where that is unknown."""
        try:
            deployment = self.vercel.current_deployment(self.project)
        except Unsupported:
            # Then only IAM's last use says anything.
            return None
        return deployment if deployment is not None and deployment.made <= current.made else None

    def _create(self, keys: Sequence[AccessKeyFact], named: str | None) -> AccessKey:
        """A new access key, delivered. `keys` and `named` are what was read before.

        A key that was not delivered is deleted again. Raises ResourceError if another run delivered one meanwhile.
        """
        try:
            key = self.aws.iam.make_access_key(self.user)
        except OutcomeUnknown as error:
            key = self._create_again(keys, error)
        try:
            if (actual := self.vercel.access_key_id(self.project)) not in (named, key.id):
                raise ResourceError(
                    f"Vercel has the access key {actual} now: another run delivered it meanwhile",
                    "run the same command again, on one machine only",
                )
            self.vercel.deliver_access_key(self.project, key)
        except SetupError:
            try:
                is_delivered = self.vercel.access_key_id(self.project) == key.id
            except SetupError:
                # The application may use the key by now: deleting it would be the worse error.
                is_delivered = True
            if is_delivered:
                self.on_message(
                    f"the access key {key.id} was not deleted: Vercel may have it; run the same command again"
                )
            else:
                self._discard(key)
            raise
        return key

    def _discard(self, key: AccessKey) -> None:
        try:
            # The client deletes no active key.
            self.aws.iam.retire_access_key(self.user, key.id)
            self.aws.iam.delete_access_key(self.user, key.id)
        except SetupError as error:
            what = f"the access key {key.id}, whose secret nobody has, could not be deleted ({error.message}): "
            self.on_message(Text(what, _deletion(self.user, key.id)))

    def _with_room(
        self, keys: Sequence[AccessKeyFact], candidates: Sequence[AccessKeyFact], named: str | None, now: datetime
    ) -> Sequence[AccessKeyFact]:
        """The keys without the oldest orphan of the candidates, which is deleted with consent.

        Raises ResourceError if there is no room for another key then.
        """
        full, orphans = len(keys) >= LIMIT, _orphans(candidates, named, now)
        if orphans and self.consent(_orphan_question(orphans[0], "Delete"), needed=full):
            return self._delete_orphan(keys, orphans[0])
        if not full:
            return keys
        limit = f"the user {self.user} has two access keys, which is IAM's limit: {_described(keys, named)}"
        if orphans:
            raise ResourceError(limit, Command(_removal(self.user, orphans[0].id), advice=_AGAIN))
        unused = [key.made for key in candidates if key.id != named and key.last_used is None]
        if unused:
            raise ResourceError(
                f"{limit}. A run that was interrupted left one of them, or another run delivers it now",
                f"wait until {min(unused) + DELIVERY_TIME:%H:%M:%S} UTC, then run the same command again",
            )
        is_known = any(key.id == named and key.active for key in keys)
        retired = Command(RETIRE, advice=_AGAIN)
        raise ResourceError(limit, retired if is_known else _manual_commands(self.user, keys, named))

    def _delete_orphan(self, keys: Sequence[AccessKeyFact], orphan: AccessKeyFact) -> tuple[AccessKeyFact, ...]:
        if orphan.active:
            self.aws.iam.retire_access_key(self.user, orphan.id)
        self.aws.iam.delete_access_key(self.user, orphan.id)
        self.on_message(f"the access key {orphan.id} was never used and is not on Vercel; it is deleted")
        return tuple(key for key in keys if key.id != orphan.id)

    def _create_again(self, before: Sequence[AccessKeyFact], lost: OutcomeUnknown) -> AccessKey:
        """Another access key after a lost answer. The one whose secret was lost with it is deleted first, with consent.

        Raises ResourceError if that key stays, `lost` if IAM does not show which key it is.
        """
        known = {key.id for key in before}
        created = [key for key in self.aws.iam.list_access_keys(self.user) if key.id not in known]
        # A key that is on Vercel is that of another run.
        if len(created) != 1 or self.vercel.access_key_id(self.project) == created[0].id:
            raise lost
        orphan = created[0]
        self.on_message(f"IAM created the access key {orphan.id}, and its answer was lost: nobody has its secret")
        if not self.consent(f"Delete the access key {orphan.id}, whose secret nobody has?", needed=True):
            raise ResourceError(
                f"IAM created the access key {orphan.id}, whose secret nobody has: its answer was lost; it is active",
                Command(_removal(self.user, orphan.id), advice=_AGAIN),
            )
        self._delete_orphan((orphan,), orphan)
        return self.aws.iam.make_access_key(self.user)

    def _end_others(self, keys: Iterable[AccessKeyFact], current: str, now: datetime) -> None:
        """Deactivate, with consent, each active key that nobody can have; show the others that are not on Vercel."""
        for key in keys:
            if key.id == current:
                continue
            if not key.active or key.last_used is not None or self._may_be_deployed(key):
                state = "is active" if key.active else "is inactive"
                self.on_message(Text(f"the access key {key.id} {state} and is not on Vercel: ", RETIRE))
            elif now - key.made < DELIVERY_TIME:
                self.on_message(
                    f"the access key {key.id} is active, was never used and is not on Vercel: an interrupted run "
                    "created it, or another run delivers it now. To deactivate it, run the same command again after "
                    f"{key.made + DELIVERY_TIME:%H:%M:%S} UTC"
                )
            elif self.consent(_orphan_question(key, "Deactivate"), needed=True):
                self.aws.iam.retire_access_key(self.user, key.id)
                done = f"the access key {key.id} was never used and is not on Vercel; it is deactivated. To delete it: "
                self.on_message(Text(done, RETIRE))

    def _may_be_deployed(self, key: AccessKeyFact) -> bool:
        """Whether what runs may have the key: it was deployed after the key was created, or that is unknown."""
        try:
            deployment = self.vercel.current_deployment(self.project)
        except Unsupported:
            return True
        return deployment is not None and deployment.made >= key.made


def age_warning(facts: Sequence[AccessKeyFact], now: datetime) -> str | None:
    """A warning with a command if an access key is too old (CIS AWS Foundations Benchmark 1.14); else None."""
    old = [key for key in facts if key.active and now - key.made > OLDEST]
    if not old:
        return None
    ages = ", ".join(f"{key.id} is {(now - key.made).days} days old" for key in old)
    return Text(f"access keys have to be rotated every {OLDEST.days} days (CIS 1.14), but {ages}: ", ROTATE)


def _active_key(keys: Iterable[AccessKeyFact], named: str | None, now: datetime) -> DeliveredAccessKey | None:
    for key in keys:
        if key.id == named and key.active:
            return DeliveredAccessKey(key_id=key.id, is_new=False, age_days=max(0, (now - key.made).days))
    return None


def _orphans(keys: Iterable[AccessKeyFact], named: str | None, now: datetime) -> list[AccessKeyFact]:
    """The keys, the oldest first, that are not on Vercel, that no run delivers now, and of which IAM shows no use."""
    unused = (key for key in keys if key.id != named and key.last_used is None and now - key.made >= DELIVERY_TIME)
    return sorted(unused, key=lambda key: key.made)


def _orphan_question(orphan: AccessKeyFact, verb: str) -> str:
    return (
        f"The access key {orphan.id}, created {orphan.made:%Y-%m-%d %H:%M} UTC, was never used and is not on Vercel: a "
        f"run that was interrupted created it. {verb} it?"
    )


def _described(keys: Iterable[AccessKeyFact], named: str | None) -> str:
    """The state of each key, in words; `named` is the key id on Vercel."""
    return "; ".join(
        f"{key.id} ({'active' if key.active else 'inactive'}, {'on Vercel' if key.id == named else 'not on Vercel'},"
        f" created {key.made:%Y-%m-%d},"
        f" {f'last used {key.last_used:%Y-%m-%d %H:%M} UTC' if key.last_used else 'never used'})"
        for key in keys
    )


def _manual_commands(user: str, keys: Sequence[AccessKeyFact], named: str | None) -> Text:
    """The commands that delete one of two keys when it is not known which key is in use."""
    off = next((key for key in keys if not key.active and key.id != named), None)
    if off is not None:
        return Command(_deletion(user, off.id), advice=_AGAIN)
    first = min((key for key in keys if key.id != named), key=lambda key: key.last_used or key.made)
    return Text(f"find out who uses {first.id}; if nobody does: ", _removal(user, first.id), f"; {_AGAIN}")


def _removal(user: str, key_id: str) -> Command:
    return chain(_status_command(user, key_id, "Inactive"), _deletion(user, key_id))


def _status_command(user: str, key_id: str, status: str) -> Command:
    return shell("aws", "iam", "update-access-key", "--user-name", user, "--access-key-id", key_id, "--status", status)


def _deletion(user: str, key_id: str) -> Command:
    return shell("aws", "iam", "delete-access-key", "--user-name", user, "--access-key-id", key_id)


def _possible_use(old: AccessKeyFact, current: AccessKeyFact, now: datetime) -> str | None:
    """Why the old key may be in use, in words; None if it is not. IAM reports only the last use, minutes late."""
    if old.last_used is None:
        # A newer key that was never used is from a crashed run.
        never = old.made < current.made and current.last_used is None
        return f"IAM has no use of it or of {current.id} yet" if never else None
    if now - old.last_used < QUIET:
        return f"it was used at {old.last_used:%Y-%m-%d %H:%M} UTC, less than an hour ago"
    if current.last_used is None:
        return f"{current.id}, which is on Vercel, was never used"
    if old.last_used >= current.last_used:
        return (
            f"it was used at {old.last_used:%Y-%m-%d %H:%M} UTC,"
            f" and {current.id} not since {current.last_used:%Y-%m-%d %H:%M} UTC"
        )
    return None
