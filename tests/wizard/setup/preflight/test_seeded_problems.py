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


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong by itself, and the phrase by which its problem is known."""

    name: str
    phrase: str
    seed: Callable[[Seeded], object]
    uses: str = "account"
    """What has to work for it to be found at all."""
    breaks: str = ""
    """What does not work with it."""


def values(**changes: Any) -> Callable[[Seeded], object]:
    return lambda world: world.values.update(changes)


def named(key: str, arn: str) -> Callable[[Seeded], object]:
    return lambda world: world.add(key, arn)


def exists(**found: str) -> Callable[[Seeded], object]:
    return lambda world: world.exists(**found)


def fails(edge: str, **failures: SetupError) -> Callable[[Seeded], object]:
    return lambda world: getattr(world, edge).failures.update(failures)


def has(edge: str, **fields: Any) -> Callable[[Seeded], object]:
    return lambda world: vars(getattr(world, edge) if edge else world).update(fields)


def both(*seeds: Callable[[Seeded], object]) -> Callable[[Seeded], object]:
    return lambda world: [seed(world) for seed in seeds]


def denied(action: str) -> PermissionDenied:
    return PermissionDenied(f"the caller may not do {action}", f"have {action} allowed: AWS_PROFILE=…")


def locked_out(world: Seeded) -> None:
    world.aws.evaluation = DENIED
    world.values["administrators"] = (SECOND, *(arn for arn in world.values["administrators"] if arn != "caller"))


def alias_taken(world: Seeded) -> None:
    world.aws.existing = replace(world.aws.existing, alias_target=key_fact(OTHER_KEY, tags={"Owner": "billing"}))


def orphaned(world: Seeded) -> None:
    world.aws.stored_keys[STORED_KEY] = StoredDataKey(
        parameter=STORED_KEY, wrapped=wrapped(), key_arn=OTHER_KEY, version=1
    )


def foreign(world: Seeded) -> None:
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped("foreign").value


def wrong_passphrase(world: Seeded) -> None:
    wrong = UsageError("the stack's passphrase is not right", "export PULUMI_CONFIG_PASSPHRASE_FILE=FILE")
    world.engine.failures.setdefault("check_backend", wrong)


EXPIRED = CredentialsError("the credentials from the profile clinic have expired", "aws sso login")
USED_UP = QuotaFact(what=f"trails in {REGION}", used=5, limit=5, needed=1, next="aws cloudtrail list-trails")
TOKEN_DENIED = PermissionDenied("the token may not list variables", VERCEL_LOGIN)
GONE_AWAY = Unreachable("the backend s3://clinic-state does not answer", "pulumi whoami -v")
NO_STACK = SetupError("no such stack", "pulumi stack ls")
TORN = SetupError("the stack's file is torn", "pulumi stack export --stack production")
NO_PULUMI = SetupError("there is no `pulumi` program on the PATH", "make setup")
ROLE, TOPIC = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role", f"arn:aws:sns:{REGION}:{ACCOUNT}:eonpro-alerts"
IN_REGION, NAMES = "account region", "account region names"
EVERYTHING = "account region names stored_key"
FAULTS = [
    # Who asks, where, and for whom.
    Fault("expired credentials", "the profile clinic have expired", has("", identity=EXPIRED), "", EVERYTHING),
    Fault("another account", "belong to the account",
        both(values(account=ACCOUNT), has("", identity=replace(IDENTITY, account_id="444455556666"))),
        "account", EVERYTHING),
    Fault("a Region that is off", "Region af-south-1 is not enabled", values(region="af-south-1"), "account",
        "region names stored_key"),
    Fault("Regions that may not be listed", "account:ListRegions",
        fails("aws", list_regions=denied("account:ListRegions")), IN_REGION, "region-list"),
    Fault("a clock that is behind", "clock is 600 seconds behind", has("aws", skew=-600.0)),
    Fault("an absent administrator", f"the administrator {NOBODY} does not exist", named("administrators", NOBODY)),
    Fault("an absent deletion administrator", f"the deletion administrator {GONE} does not exist",
        named("deletion_administrators", GONE)),
    Fault("an absent execution role", f"the execution role {LOST} does not exist", values(ecs_execution_role=LOST)),
    Fault("a caller who is locked out", "would lock", locked_out),
    Fault("rights that are lacking", "you are not allowed to do: iam:CreateRole, kms:CreateKey",
        has("aws", lacking=("iam:CreateRole", "kms:CreateKey"))),
    Fault("a quota that is used up", "trails in us-east-1: 5 of 5", has("aws", quotas=(USED_UP,)), IN_REGION),
    # What is there already.
    Fault("names that may not be read", "iam:ListPolicies", fails("aws", find_existing=denied("iam:ListPolicies")),
        IN_REGION, "names"),
    Fault("an alias that is taken", "alias/eonpro-phi-key already points to", alias_taken, NAMES),
    Fault("a bucket that is taken", "eonpro-cloudtrail-logs", exists(trail_bucket="foreign"), f"{NAMES} own-trail"),
    Fault("a role that is taken", f"the role {ROLE} exists", exists(app_role=ROLE), f"{NAMES} state"),
    Fault("a policy that is taken", f"the policy {APP_POLICY} exists", exists(app_policy=APP_POLICY), f"{NAMES} state"),
    Fault("a topic that is taken", "the alert topic", both(values(alerts=True), exists(alert_topic=TOPIC)),
        f"{NAMES} state"),
    Fault("a trail that is stopped", "it is stopped",
        both(has("aws", trails=(trail_fact(logging=False),)), values(trail=TRAIL)), IN_REGION, "own-trail"),
    # The data key.
    Fault("a stored data key that may not be read", "ssm:GetParameter",
        fails("aws", read_stored_data_key=denied("ssm:GetParameter")), IN_REGION, "stored_key"),
    Fault("a stored data key without a stack", f"{STORED_KEY} already holds a data key", orphaned,
        "account region stored_key state"),
    Fault("a foreign data key", "has another ENCRYPTED_PHI_KEY", foreign,
        "account region stored_key project variables"),
    # Vercel.
    Fault("a wrong project", "no project portla", values(vercel_project="portla"), "token", "project"),
    Fault("a wrong token", "Vercel refuses the token", has("vercel", token="wrong"), "", "token project"),
    Fault("variables that may not be listed", "may not list variables",
        fails("vercel", overlaps=TOKEN_DENIED, conflict=TOKEN_DENIED), "token project", "variables"),
    # Pulumi.
    Fault("no engine", "no `pulumi` program", fails("engine", check=NO_PULUMI), "", "engine backend state"),
    Fault("no backend", "s3://clinic-state does not answer", fails("engine", check_backend=GONE_AWAY, state=NO_STACK),
        "engine", "backend state"),
    Fault("a wrong passphrase", "passphrase", wrong_passphrase, "engine backend"),
    Fault("a state that cannot be read", "the stack's file is torn", fails("engine", state=TORN), "engine backend",
        "state"),
]  # fmt: skip


COMMAND = re.compile(
    r"(^|\s)(aws|vercel|pulumi|python -m wizard|make|export|timedatectl) \S|(^|[\s(])--[a-z]|https?://|vercel\.com/|[A-Z]+=\S"
)
"""A command to type, an option to change, a variable to set, or an address to go to."""


def compatible(faults: Iterable[Fault]) -> bool:
    """Whether each is found where all the others are."""
    return not any({*one.breaks.split()} & {*other.uses.split()} for one, other in permutations(faults, 2))


def pass_over(faults: Iterable[Fault]) -> tuple[Problem, ...]:
    world = Seeded()
    for one in faults:
        one.seed(world)
    return world.problems()


def untold(faults: Iterable[Fault], problems: tuple[Problem, ...]) -> list[str]:
    """The faults that are not told exactly once."""
    told = {one.name: [problem.what for problem in problems if one.phrase in problem.what] for one in faults}
    return [name for name, whats in told.items() if len(whats) != 1]


@pytest.mark.thorough
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
