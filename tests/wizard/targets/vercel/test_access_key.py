"""The access key's life over AWS and Vercel in memory: made once, whatever crashes, and never told."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from wizard.aws.client import AwsClient
from wizard.core.errors import DataKeyConflict, OutcomeUnknown, ResourceError, SetupError, Unreachable
from wizard.core.models.deployment import Deployment
from wizard.core.models.vercel import VercelProject
from wizard.core.models.verification import AccessKey, AccessKeyFact
from wizard.core.next_command import Command
from wizard.targets.port import DeliveredAccessKey
from wizard.targets.vercel import access_key
from wizard.targets.vercel.access_key import AccessKeys, Retirement, RotatedAccessKey
from wizard.vercel.client import VercelClient

USER = "eonpro-app-user"
PROJECT = VercelProject(id="prj_1", name="eonpro", team_id=None, team_slug="clinic")
NOW = datetime(2026, 3, 14, 15, 0, tzinfo=UTC)
SECRET = "secret-of-"


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Keys:
    """The access keys of one user, as IAM keeps them: two at most."""

    facts: list[AccessKeyFact] = field(default_factory=list)
    made: int = 0
    calls: list[str] = field(default_factory=list)
    before_making: Callable[[], None] = lambda: None
    after_making: Callable[[], None] = lambda: None
    delete_fails: bool = False
    lose_answer: bool = False
    """The next key is created, and the answer with its secret is lost."""

    def add(self, id: str, *, age: timedelta = timedelta(days=1), active: bool = True, used: Any = None) -> None:
        """A key made `age` ago and last used `used` ago."""
        last = None if used is None else NOW - used
        self.facts.append(AccessKeyFact(id=id, active=active, made=NOW - age, last_used=last))

    @property
    def iam(self) -> Keys:
        return self

    def list_access_keys(self, user: str) -> tuple[AccessKeyFact, ...]:
        assert user == USER
        return tuple(sorted(self.facts, key=lambda fact: fact.made))

    def make_access_key(self, user: str) -> AccessKey:
        hook, self.before_making = self.before_making, lambda: None
        hook()
        if len(self.facts) >= 2:
            raise ResourceError("iam:CreateAccessKey failed (LimitExceeded: AccessKeysPerUser: 2)", "see the message")
        self.made += 1
        id = f"AKIAMADENUMBER{self.made:06}"
        self.calls.append(f"make {id}")
        self.facts.append(AccessKeyFact(id=id, active=True, made=NOW))
        hook, self.after_making = self.after_making, lambda: None
        hook()
        if self.lose_answer:
            self.lose_answer = False
            raise OutcomeUnknown("iam:CreateAccessKey was sent, and its answer was lost", "run the same command again")
        return AccessKey(id=id, secret=SECRET + id)

    def retire_access_key(self, user: str, key_id: str) -> None:
        self.calls.append(f"retire {key_id}")
        self.facts = [replace(each, active=False) if each.id == key_id else each for each in self.facts]

    def delete_access_key(self, user: str, key_id: str) -> None:
        if self.delete_fails:
            raise ResourceError("iam:DeleteAccessKey failed", "try again")
        # As the client of IAM does: an active key is never deleted.
        assert key_id not in self.ids(), f"{key_id} is active; it was not deleted"
        self.calls.append(f"delete {key_id}")
        self.facts = [each for each in self.facts if each.id != key_id]

    def ids(self, *, active: bool = True) -> list[str]:
        return [each.id for each in self.list_access_keys(USER) if each.active is active]


@dataclass
class Production:
    """The pair on Vercel: whose key each half is of."""

    halves: list[str | None] = field(default_factory=lambda: [None, None])
    secret: str | None = field(default=None, repr=False)
    deliveries: int = 0
    fault: SetupError | Crash | None = None
    fault_after: int = 0
    """How many halves are written before the fault."""
    silent: bool = False
    before_delivery: Callable[[], None] = lambda: None
    deployed: timedelta | None = timedelta()
    """How long ago what runs was deployed; None: nothing was."""

    def current_deployment(self, project: VercelProject) -> Deployment | None:
        if self.deployed is None:
            return None
        at = NOW - self.deployed
        return Deployment(target="vercel", id="dpl_1", name="eonpro-1.vercel.app", made=at, state="READY")

    def name(self, key_id: str | None) -> None:
        self.halves = [key_id, key_id]

    def access_key_id(self, project: VercelProject) -> str | None:
        if self.silent:
            raise Unreachable("Vercel does not answer", "check the network")
        return self.halves[0] if self.halves[0] == self.halves[1] else None

    def deliver_access_key(self, project: VercelProject, key: AccessKey) -> None:
        self.deliveries += 1
        hook, self.before_delivery = self.before_delivery, lambda: None
        hook()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            self.halves[: self.fault_after] = [key.id] * self.fault_after
            self.silent = isinstance(fault, Unreachable)
            raise fault
        self.name(key.id)
        self.secret = key.secret


@dataclass
class World:
    keys: Keys = field(default_factory=Keys)
    vercel: Production = field(default_factory=Production)
    told: list[str] = field(default_factory=list)
    consents: bool = True
    """`--yes`: a yes to what the run cannot go on without."""
    attended: bool = False
    """A person says yes to everything."""
    asked: list[str] = field(default_factory=list)

    def consent(self, question: str, *, needed: bool) -> bool:
        self.asked.append(question)
        return self.attended or (self.consents and needed)

    def access_keys(self, now: datetime = NOW) -> AccessKeys:
        return AccessKeys(
            aws=cast(AwsClient, self.keys),
            vercel=cast(VercelClient, self.vercel),
            project=PROJECT,
            user=USER,
            on_message=self.told.append,
            consent=self.consent,
            clock=lambda: now,
        )

    def ensure(self) -> DeliveredAccessKey:
        return self.access_keys().ensure()

    def rotate(self) -> RotatedAccessKey:
        return self.access_keys().rotate()

    def retire(self, *, force: bool = False, now: datetime = NOW) -> access_key.RetiredAccessKey:
        return self.access_keys(now).retire_old(force=force)

    def delivered_and_alive(self) -> bool:
        """Whether Vercel has a whole pair of a key that is on, with the secret of that key."""
        id = self.vercel.access_key_id(PROJECT)
        return id in self.keys.ids() and self.vercel.secret == f"{SECRET}{id}"

    def quiet(self) -> bool:
        return SECRET not in "\n".join((*self.told, repr(self.vercel), repr(self.keys)))


@pytest.fixture
def world() -> World:
    return World()


# --- ensure


def test_a_second_run_keeps_it_and_touches_nothing(world: World) -> None:
    first = world.ensure()
    calls = list(world.keys.calls)
    second = world.ensure()
    assert second == DeliveredAccessKey(key_id=first.key_id, is_new=False, age_days=0)
    assert (world.keys.calls, world.vercel.deliveries) == (calls, 1)


def test_a_key_that_vercel_names_and_is_switched_off_is_replaced(world: World) -> None:
    world.keys.add("AKIAOFF", active=False, used=timedelta(days=3))
    world.vercel.name("AKIAOFF")
    assert world.ensure().is_new
    assert world.delivered_and_alive()
    assert any("AKIAOFF" in line and "inactive" in line for line in world.told)
    assert world.keys.ids(active=False) == ["AKIAOFF"]


# --- crashes and failures


def test_a_crash_between_making_and_pushing_costs_one_key_and_the_next_run_ends_well(world: World) -> None:
    world.vercel.fault = Crash()
    with pytest.raises(Crash):
        world.ensure()
    (orphan,) = world.keys.ids()
    done = world.ensure()
    assert done.is_new
    assert done.key_id != orphan
    assert world.delivered_and_alive()
    assert world.quiet()


def test_crash_after_crash_ends_with_one_delivered_key(world: World) -> None:
    for _ in range(2):
        world.vercel.fault = Crash()
        with pytest.raises(Crash):
            world.ensure()
    world.keys.facts = [replace(each, made=each.made - timedelta(hours=1)) for each in world.keys.facts]
    world.ensure()
    assert world.delivered_and_alive()
    assert len(world.keys.ids()) == 2


@pytest.mark.parametrize("half", [0, 1])
def test_a_push_that_failed_or_went_half_deletes_the_key_and_the_next_run_mends_it(world: World, half: int) -> None:
    world.vercel.fault = ResourceError("the access key did not get whole", "run the same command again")
    world.vercel.fault_after = half
    with pytest.raises(ResourceError, match="did not get whole"):
        world.ensure()
    assert world.keys.ids() == []
    world.ensure()
    assert world.delivered_and_alive()
    assert len(world.keys.ids()) == 1
    assert world.quiet()


def test_a_key_that_vercel_may_have_is_left_and_the_next_run_finds_out(world: World) -> None:
    world.vercel.fault, world.vercel.fault_after = Unreachable("it is not known", "again"), 2
    with pytest.raises(Unreachable, match="it is not known"):
        world.ensure()
    (left,) = world.keys.ids()
    assert any(left in line and "Vercel may have it" in line for line in world.told)
    world.vercel.silent = False
    assert world.ensure() == DeliveredAccessKey(key_id=left, is_new=False, age_days=0)


def test_a_key_that_cannot_be_deleted_again_is_told_and_the_first_error_counts(world: World) -> None:
    world.vercel.fault = ResourceError("the push failed", "again")
    world.keys.delete_fails = True
    with pytest.raises(ResourceError, match="the push failed"):
        world.ensure()
    (left,) = world.keys.ids(active=False)
    command = f"aws iam delete-access-key --user-name eonpro-app-user --access-key-id {left}"
    assert any(command in line for line in world.told)


# --- a key whose secret nobody has


def test_a_lost_answer_ends_with_one_delivered_key_and_no_active_key_without_an_owner(world: World) -> None:
    world.keys.lose_answer = True
    done = world.ensure()
    (lost,) = [line.split()[1] for line in world.keys.calls if line.startswith("delete ")]
    assert (done.is_new, done.key_id != lost, world.keys.ids()) == (True, True, [done.key_id])
    assert world.delivered_and_alive()
    assert any(lost in question for question in world.asked)


def test_a_key_of_a_lost_answer_is_left_without_consent_and_named_with_the_command(world: World) -> None:
    world.keys.lose_answer, world.consents = True, False
    with pytest.raises(ResourceError, match="whose secret nobody has") as caught:
        world.ensure()
    (left,) = world.keys.ids()
    assert left in caught.value.message
    assert f"aws iam delete-access-key --user-name eonpro-app-user --access-key-id {left}" in caught.value.hint


def test_the_key_of_a_run_that_was_killed_does_not_stay_active_for_ever(world: World) -> None:
    world.vercel.fault = Crash()
    with pytest.raises(Crash):
        world.ensure()
    (orphan,) = world.keys.ids()
    world.keys.facts = [replace(each, made=each.made - timedelta(hours=1)) for each in world.keys.facts]
    world.attended = True
    done = world.ensure()
    assert world.keys.ids() == [done.key_id]
    assert any(orphan in question for question in world.asked)


@pytest.mark.parametrize("halves", [0, 1])
def test_the_key_of_a_killed_run_is_ended_by_the_same_command(world: World, halves: int) -> None:
    """Killed when IAM had created the key, and Vercel did not have it: the second run makes another."""
    world.vercel.deployed = timedelta(days=3)
    world.vercel.fault, world.vercel.fault_after = Crash(), halves
    with pytest.raises(Crash):
        world.ensure()
    (orphan,) = world.keys.ids()
    done = world.ensure()
    assert done.key_id != orphan and any(orphan in line and "run the same command again" in line for line in world.told)
    world.keys.facts = [replace(each, made=each.made - timedelta(minutes=6)) for each in world.keys.facts]
    assert world.ensure().key_id == done.key_id
    assert world.keys.ids() == [done.key_id], "no key is active that nobody has"
    assert world.delivered_and_alive()


def test_the_former_key_of_a_rotation_is_not_ended_while_what_runs_may_have_it(world: World) -> None:
    former = world.ensure().key_id
    world.keys.facts = [replace(each, made=NOW - timedelta(hours=3)) for each in world.keys.facts]
    world.vercel.deployed = timedelta(hours=2)
    current = world.rotate().key_id
    world.keys.facts = [
        replace(each, made=NOW - timedelta(hours=1)) if each.id == current else each for each in world.keys.facts
    ]
    assert world.ensure().key_id == current
    assert former in world.keys.ids(), "the deployment of two hours ago has it, and IAM may not show its use yet"


def test_a_key_that_was_made_by_hand_and_never_used_is_left_without_consent(world: World) -> None:
    world.keys.add("AKIABYHAND")
    assert world.ensure().is_new
    assert "AKIABYHAND" in world.keys.ids()
    assert any("AKIABYHAND" in line for line in world.told)


@pytest.mark.parametrize("halves", [0, 1])
def test_a_rotation_right_after_a_killed_one_says_when_it_can_go_on_and_that_is_enough(world: World, halves: int):
    first = world.ensure().key_id
    world.keys.facts = [replace(each, made=NOW - timedelta(hours=2)) for each in world.keys.facts]
    world.vercel.fault, world.vercel.fault_after = Crash(), halves
    with pytest.raises(Crash):
        world.rotate()
    calls = list(world.keys.calls)
    with pytest.raises(ResourceError, match="interrupted") as caught:
        world.rotate()
    assert caught.value.hint == "wait until 15:05:00 UTC, then run the same command again"
    assert world.keys.calls == calls

    done = world.access_keys(NOW + timedelta(minutes=5)).rotate()
    assert sorted(world.keys.ids()) == sorted([first, done.key_id])
    assert world.delivered_and_alive()


def test_a_rotation_after_one_that_was_killed_at_its_end_is_done_and_says_so(world: World) -> None:
    first = world.ensure().key_id
    world.keys.facts = [replace(each, made=NOW - timedelta(hours=2)) for each in world.keys.facts]
    second = world.rotate().key_id
    calls, deliveries = list(world.keys.calls), world.vercel.deliveries
    again = world.rotate()
    assert (again.key_id, again.old_id) == (second, first)
    assert (world.keys.calls, world.vercel.deliveries) == (calls, deliveries)
    assert any(f"{second} already" in line for line in world.told)


# --- two wizards at once


def other(world: World) -> World:
    """Another wizard at the same account and project."""
    return World(keys=world.keys, vercel=world.vercel)


def test_the_other_was_quicker_to_push_so_this_ones_key_is_deleted(world: World) -> None:
    winner: list[DeliveredAccessKey] = []
    world.keys.after_making = lambda: winner.append(other(world).ensure())
    done = world.ensure()
    assert (done.key_id, done.is_new) == (winner[0].key_id, False)
    assert world.keys.ids() == [winner[0].key_id]
    assert world.delivered_and_alive()
    assert world.quiet()


def test_the_other_pushed_in_the_same_moment_so_this_ones_key_is_deleted(world: World) -> None:
    winner: list[DeliveredAccessKey] = []

    def meanwhile() -> None:
        winner.append(other(world).ensure())
        world.vercel.fault = ResourceError("another run pushed the access key at the same time", "again")

    world.vercel.before_delivery = meanwhile
    done = world.ensure()
    assert (done.key_id, done.is_new) == (winner[0].key_id, False)
    assert world.keys.ids() == [winner[0].key_id]
    assert world.delivered_and_alive()


# --- rotate


@pytest.mark.parametrize("active", [True, False])
def test_rotation_is_refused_where_the_user_has_two_keys(world: World, active: bool) -> None:
    world.keys.add("AKIAONE", age=timedelta(days=2), active=active, used=timedelta(days=1))
    world.keys.add("AKIATWO")
    world.vercel.name("AKIATWO")
    with pytest.raises(ResourceError, match=r"AKIAONE \(.*not on Vercel.*AKIATWO \(active, on Vercel") as caught:
        world.rotate()
    assert caught.value.hint.startswith(access_key.RETIRE)
    assert (world.keys.calls, world.vercel.deliveries) == ([], 0)


def test_a_rotation_that_is_refused_for_want_of_a_name_leads_out_by_hand(world: World) -> None:
    world.keys.add("AKIAONE", used=timedelta(days=1))
    world.keys.add("AKIATWO", used=timedelta(hours=1))
    with pytest.raises(ResourceError) as caught:
        world.rotate()
    assert "aws iam update-access-key" in caught.value.hint
    assert access_key.RETIRE not in caught.value.hint


# --- retire


def rotated(*, old_used: timedelta | None, new_used: timedelta | None) -> World:
    """Vercel names the new key; each was last used that long ago."""
    world = World()
    world.keys.add("AKIAOLD", age=timedelta(days=99), used=old_used)
    world.keys.add("AKIANEW", age=timedelta(days=1), used=new_used)
    world.vercel.name("AKIANEW")
    return world


HOURS = {n: timedelta(hours=n) for n in range(1, 9)}


@pytest.mark.parametrize(
    ("old_used", "new_used"), [(HOURS[5], HOURS[2]), (HOURS[1], timedelta(minutes=1)), (None, HOURS[1])]
)
def test_an_old_key_that_has_fallen_silent_is_switched_off_and_then_deleted(
    old_used: timedelta | None, new_used: timedelta
) -> None:
    world = rotated(old_used=old_used, new_used=new_used)
    first = world.retire()
    assert (first.key_id, first.done) == ("AKIAOLD", Retirement.DEACTIVATED)
    assert world.keys.ids(active=False) == ["AKIAOLD"]
    assert any("--status Active" in line for line in world.told)
    second = world.retire()
    assert (second.key_id, second.done) == ("AKIAOLD", Retirement.DELETED)
    third = world.retire()
    assert (third.key_id, third.done) == (None, Retirement.NOTHING)
    assert world.keys.ids() == ["AKIANEW"]


@pytest.mark.parametrize(
    ("old_used", "new_used", "why"),
    [
        (timedelta(minutes=59), timedelta(minutes=1), "less than an hour ago"),
        (timedelta(), timedelta(), "less than an hour ago"),
        (HOURS[2], HOURS[5], "not since"),
        (HOURS[2], HOURS[2], "not since"),
        (HOURS[5], None, "AKIANEW, which is on Vercel, was never used"),
        (None, None, "IAM has no use of it or of AKIANEW"),
    ],
)
def test_an_old_key_that_may_be_in_use_is_left_unless_forced(
    old_used: timedelta | None, new_used: timedelta | None, why: str
) -> None:
    world = rotated(old_used=old_used, new_used=new_used)
    with pytest.raises(ResourceError, match=why) as caught:
        world.retire()
    hint = caught.value.hint
    assert isinstance(hint, Command) and hint == access_key.RETIRE and f"{access_key.RETIRE} --yes" in hint.advice
    assert world.keys.calls == []
    assert world.retire(force=True).done is Retirement.DEACTIVATED
    assert world.keys.calls == ["retire AKIAOLD"]


def test_the_key_that_runs_is_not_switched_off_before_the_redeploy() -> None:
    # IAM has not seen the old key for hours, and somebody tried the new one: but production was never deployed with it.
    world = rotated(old_used=HOURS[5], new_used=HOURS[2])
    world.vercel.deployed = timedelta(days=2)
    with pytest.raises(
        ResourceError, match="production runs eonpro-1.vercel.app, which was deployed before AKIANEW"
    ) as e:
        world.retire()
    assert e.value.hint == access_key.REDEPLOY
    assert world.keys.calls == []
    world.vercel.deployed = timedelta(hours=3)
    assert world.retire().done is Retirement.DEACTIVATED


# --- age


@pytest.mark.parametrize(("days", "warned"), [(0, False), (90, False), (91, True), (400, True)])
def test_a_key_of_more_than_ninety_days_is_warned_about(days: int, warned: bool) -> None:
    keys = Keys()
    keys.add("AKIAOLD", age=timedelta(days=days))
    keys.add("AKIAOFF", age=timedelta(days=500), active=False)
    words = access_key.age_warning(keys.list_access_keys(USER), NOW)
    assert (words is not None) is warned
    if words is not None:
        assert f"AKIAOLD is {days} days old" in words
        assert "python -m wizard access-key rotate" in words
        assert "AKIAOFF" not in words


# --- the secret


def test_the_secret_is_in_no_repr_and_no_line_told(world: World) -> None:
    ensured, turned = world.ensure(), world.rotate()
    assert SECRET not in repr(ensured) + str(ensured) + repr(turned) + "".join(world.told)


@pytest.mark.parametrize("run", [World.ensure, World.rotate], ids=["ensure", "rotate"])
@pytest.mark.parametrize(
    "fault", [ResourceError("no", "again"), Unreachable("no", "again"), DataKeyConflict("no", "x")]
)
def test_the_secret_is_in_no_error(world: World, run: Callable[[World], object], fault: SetupError) -> None:
    world.vercel.fault = fault
    with pytest.raises(SetupError) as caught:
        run(world)
    told = "".join(traceback.format_exception(caught.value)) + caught.value.hint + "".join(world.told)
    assert SECRET not in told
