"""Faults seeded into a world that is right: one pass tells exactly those, none hidden by another, none told twice.

Touches nothing: the world is in memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

import pytest

from tests.wizard.fakes.clients import (
    ACCOUNT,
    APP_POLICY,
    DENIED,
    IDENTITY,
    OTHER_KEY,
    REGION,
    SECOND,
    STORED_KEY,
    TRAIL,
    FakeAwsClient,
    FakeEngine,
    FakeVercelClient,
    key_fact,
    trail_fact,
    wrapped,
)
from tests.wizard.setup.preflight.test_account import VALUES
from wizard.core.errors import CredentialsError, PermissionDenied, Problem, SetupError, Unreachable, UsageError
from wizard.core.models.account import Identity, QuotaFact
from wizard.core.models.delivery import StoredDataKey
from wizard.core.next_command import VERCEL_LOGIN
from wizard.setup.preflight import checks

NOBODY = f"arn:aws:iam::{ACCOUNT}:role/nobody"
GONE = f"arn:aws:iam::{ACCOUNT}:user/gone"
LOST = f"arn:aws:iam::{ACCOUNT}:role/lost-execution"


@dataclass(kw_only=True)
class Seeded:
    """A world in which nothing is wrong yet, for an application on Vercel and on ECS."""

    aws: FakeAwsClient = field(default_factory=FakeAwsClient)
    vercel: FakeVercelClient = field(default_factory=FakeVercelClient)
    identity: Identity | SetupError = IDENTITY
    values: dict[str, Any] = field(default_factory=lambda: {**VALUES, "target": ("vercel", "ecs"), "alerts": False})
    engine: FakeEngine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = FakeEngine(aws=self.aws)

    def add(self, key: str, arn: str) -> None:
        self.values[key] = (*self.values.get(key, ()), arn)

    def exists(self, **found: str) -> None:
        self.aws.existing = replace(self.aws.existing, found={**self.aws.existing.found, **found})

    def problems(self) -> tuple[Problem, ...]:
        """What one pass tells; it must not have written anything."""
        found = checks.check(
            stack="production",
            values=self.values,
            saved=None,
            identity=self.identity,
            aws=self.aws,
            vercel=self.vercel,
            engine=self.engine,
        )
        assert self.aws.stored_keys.keys() <= {STORED_KEY} and self.engine.prepared is None
        return found.problems


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong by itself, and the phrase by which its problem is known."""

    name: str
    phrase: str
    seed: Callable[[Seeded], None]
    uses: frozenset[str] = frozenset()
    """What has to work for it to be found at all."""
    breaks: frozenset[str] = frozenset()
    """What does not work with it."""


FAULTS: list[Fault] = []


def fault(phrase: str, *, uses: str = "account", breaks: str = "") -> Callable[[Callable[[Seeded], None]], None]:
    def add(seed: Callable[[Seeded], None]) -> None:
        FAULTS.append(
            Fault(
                name=seed.__name__,
                phrase=phrase,
                seed=seed,
                uses=frozenset(uses.split()),
                breaks=frozenset(breaks.split()),
            )
        )

    return add


# --- who asks, and where


@fault("the profile clinic have expired", uses="", breaks="account region names stored_key")
def expired_credentials(world: Seeded) -> None:
    world.identity = CredentialsError("the credentials from the profile clinic have expired", "aws sso login")


@fault("belong to the account", uses="account", breaks="account region names stored_key")
def another_account(world: Seeded) -> None:
    world.values["account"] = ACCOUNT
    world.identity = replace(IDENTITY, account_id="444455556666")


@fault("Region af-south-1 is not enabled", uses="account", breaks="region names stored_key")
def region_off(world: Seeded) -> None:
    world.values["region"] = "af-south-1"


@fault("account:ListRegions", uses="account region", breaks="region-list")
def regions_denied(world: Seeded) -> None:
    denied = PermissionDenied(
        "the caller may not do account:ListRegions", "have account:ListRegions allowed: AWS_PROFILE=…"
    )
    world.aws.failures["list_regions"] = denied


@fault("clock is 600 seconds behind", uses="account")
def clock_behind(world: Seeded) -> None:
    world.aws.skew = -600.0


# --- for whom


@fault(f"the administrator {NOBODY} does not exist")
def absent_administrator(world: Seeded) -> None:
    world.add("administrators", NOBODY)


@fault(f"the deletion administrator {GONE} does not exist")
def absent_deletion_administrator(world: Seeded) -> None:
    world.add("deletion_administrators", GONE)


@fault(f"the execution role {LOST} does not exist")
def absent_execution_role(world: Seeded) -> None:
    world.values["ecs_execution_role"] = LOST


@fault("would lock")
def locked_out(world: Seeded) -> None:
    world.aws.evaluation = DENIED
    world.values["administrators"] = (SECOND, *(arn for arn in world.values["administrators"] if arn != "caller"))


@fault("you are not allowed to do: iam:CreateRole, kms:CreateKey")
def rights_lacking(world: Seeded) -> None:
    world.aws.lacking = ("iam:CreateRole", "kms:CreateKey")


@fault("trails in us-east-1: 5 of 5", uses="account region")
def quota_used_up(world: Seeded) -> None:
    used_up = QuotaFact(what=f"trails in {REGION}", used=5, limit=5, needed=1, next="aws cloudtrail list-trails")
    world.aws.quotas = (used_up,)


# --- what is there already


@fault("iam:ListPolicies", uses="account region", breaks="names")
def names_denied(world: Seeded) -> None:
    world.aws.failures["find_existing"] = PermissionDenied(
        "the caller may not do iam:ListPolicies",
        "have iam:ListPolicies allowed, or use a profile that may: AWS_PROFILE=…",
    )


@fault("alias/eonpro-phi-key already points to", uses="account region names")
def alias_taken(world: Seeded) -> None:
    world.aws.existing = replace(world.aws.existing, alias_target=key_fact(OTHER_KEY, tags={"Owner": "billing"}))


@fault("eonpro-cloudtrail-logs", uses="account region names own-trail")
def bucket_taken(world: Seeded) -> None:
    world.exists(trail_bucket="foreign")


@fault("the role arn:aws:iam::111122223333:role/eonpro-app-role exists", uses="account region names state")
def role_taken(world: Seeded) -> None:
    world.exists(app_role=f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role")


@fault(f"the policy {APP_POLICY} exists", uses="account region names state")
def policy_taken(world: Seeded) -> None:
    world.exists(app_policy=APP_POLICY)


@fault("the alert topic", uses="account region names state")
def topic_taken(world: Seeded) -> None:
    world.values["alerts"] = True
    world.exists(alert_topic=f"arn:aws:sns:{REGION}:{ACCOUNT}:eonpro-alerts")


@fault("it is stopped", uses="account region", breaks="own-trail")
def trail_stopped(world: Seeded) -> None:
    world.aws.trails = (trail_fact(logging=False),)
    world.values["trail"] = TRAIL


# --- the data key


@fault("ssm:GetParameter", uses="account region", breaks="stored_key")
def stored_key_denied(world: Seeded) -> None:
    world.aws.failures["read_stored_data_key"] = PermissionDenied(
        "the caller may not do ssm:GetParameter",
        "have ssm:GetParameter allowed, or use a profile that may: AWS_PROFILE=…",
    )


@fault(f"{STORED_KEY} already holds a data key", uses="account region stored_key state")
def orphaned_stored_data_key(world: Seeded) -> None:
    world.aws.stored_keys[STORED_KEY] = StoredDataKey(
        parameter=STORED_KEY, wrapped=wrapped(), key_arn=OTHER_KEY, version=1
    )


@fault("has another ENCRYPTED_PHI_KEY", uses="account region stored_key project variables")
def foreign_data_key(world: Seeded) -> None:
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped("foreign").value


# --- Vercel


@fault("no project portla", uses="token", breaks="project")
def wrong_project(world: Seeded) -> None:
    world.values["vercel_project"] = "portla"


@fault("Vercel refuses the token", uses="", breaks="token project")
def wrong_token(world: Seeded) -> None:
    world.vercel.token = "wrong"


@fault("may not list variables", uses="token project", breaks="variables")
def variables_denied(world: Seeded) -> None:
    denied = PermissionDenied("the token may not list variables", VERCEL_LOGIN)
    world.vercel.failures |= {"overlaps": denied, "conflict": denied}


# --- Pulumi


@fault("no `pulumi` program", uses="", breaks="engine backend state")
def no_engine(world: Seeded) -> None:
    world.engine.failures["check"] = SetupError("there is no `pulumi` program on the PATH", "make setup")


@fault("s3://clinic-state does not answer", uses="engine", breaks="backend state")
def no_backend(world: Seeded) -> None:
    gone = Unreachable("the backend s3://clinic-state does not answer", "pulumi whoami -v")
    world.engine.failures |= {"check_backend": gone, "state": SetupError("no such stack", "pulumi stack ls")}


@fault("passphrase", uses="engine backend")
def wrong_passphrase(world: Seeded) -> None:
    wrong = UsageError("the stack's passphrase is not right", "export PULUMI_CONFIG_PASSPHRASE_FILE=FILE")
    world.engine.failures.setdefault("check_backend", wrong)


@fault("the stack's file is torn", uses="engine backend", breaks="state")
def unreadable_state(world: Seeded) -> None:
    world.engine.failures["state"] = SetupError("the stack's file is torn", "pulumi stack export --stack production")


COMMAND = re.compile(
    r"(^|\s)(aws|vercel|pulumi|python -m wizard|make|export|timedatectl) \S|(^|[\s(])--[a-z]|https?://|vercel\.com/|[A-Z]+=\S"
)
"""A command to type, an option to change, a variable to set, or an address to go to."""


def compatible(faults: Iterable[Fault]) -> bool:
    """Whether each is found where all the others are."""
    return not any(one.breaks & other.uses for one, other in permutations(faults, 2))


def pass_over(faults: Iterable[Fault]) -> tuple[Problem, ...]:
    world = Seeded()
    for one in faults:
        one.seed(world)
    return world.problems()


def untold(faults: Iterable[Fault], problems: tuple[Problem, ...]) -> list[str]:
    """The faults that are not told exactly once."""
    told = {one.name: [problem.what for problem in problems if one.phrase in problem.what] for one in faults}
    return [name for name, whats in told.items() if len(whats) != 1]


def test_a_world_without_a_fault_has_no_problem() -> None:
    assert pass_over([]) == ()


@pytest.mark.parametrize("one", FAULTS, ids=lambda one: one.name)
def test_no_fault_hides_another_and_none_is_told_twice(one: Fault) -> None:
    for other in FAULTS:
        if other is not one and compatible([one, other]):
            problems = pass_over([one, other])
            assert (untold([one, other], problems), len(problems)) == ([], 2), (other.name, problems)


@pytest.mark.parametrize("one", FAULTS, ids=lambda one: one.name)
def test_every_problem_says_why_it_stops_and_what_to_type(one: Fault) -> None:
    (problem,) = pass_over([one])
    assert problem.why
    assert COMMAND.search(problem.next), problem.next
