"""Worlds behind the scenes: what the fakes of the edges hold when the curtain rises.

Pure: fakes in memory. The one file that is written is the stack's configuration, which the engine would write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.settings import Outputs, Settings
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    CREDENTIALS,
    TOKEN,
    FakeAwsClient,
    FakeDecryptVerifier,
    FakeEngine,
    FakeVercelClient,
    by_hand,
    outputs_of,
    trail_fact,
)
from tests.wizard.setup.test_plan import FRESH, child
from wizard.core.clients import Answer, Source
from wizard.core.errors import ResourceError, SetupError, SignInNeeded
from wizard.core.models.account import Identity, ProfileFact, ProfileKind, RegionFact
from wizard.core.models.inputs import StepState
from wizard.core.models.stack import OnProgress, Progress
from wizard.core.models.vercel import VercelProject
from wizard.pulumi_engine import config


@dataclass(kw_only=True)
class StageAwsClient(FakeAwsClient):
    """A fake account whose credentials may take a code or a sign-in first."""

    code_of: str | None = None
    """The MFA device whose code is asked for."""
    signed_out: str | None = None
    """The profile whose sign-in has expired."""
    ask_code: Callable[[str], str] | None = None
    facts: tuple[ProfileFact, ...] = ()

    def profiles(self) -> tuple[ProfileFact, ...]:
        return self.facts

    def identify(self) -> Identity:
        if self.signed_out:
            raise SignInNeeded(
                f"the sign-in of the profile {self.signed_out} has expired",
                f"aws sso login --profile {self.signed_out}",
                self.signed_out,
            )
        if self.code_of and self.ask_code:
            self.ask_code(self.code_of)
        return super().identify()


@dataclass(kw_only=True)
class StageEngine(FakeEngine):
    """A fake engine that writes the stack's configuration, as the real one does, and may stop in the middle."""

    folder: Path = Path()
    stops: bool = False
    """Whether an update is under way until Ctrl-C."""
    fails: SetupError | None = None
    """What an update ends with."""

    def prepare(self, stack: str, settings: Settings) -> None:
        super().prepare(stack, settings)
        self.outputs = outputs_of(settings)
        document = config.document(settings.to_config())
        (self.folder / f"Pulumi.{stack}.yaml").write_text(document)

    def up(self, stack: str, on_progress: OnProgress) -> Outputs:
        if not (self.stops or self.fails):
            return super().up(stack, on_progress)
        self._call("up")
        done, failed = self.steps[2], self.steps[-1]
        for each, state in ((done, StepState.STARTED), (done, StepState.DONE), (failed, StepState.STARTED)):
            on_progress(Progress(step=each, state=state))
        if self.fails:
            on_progress(Progress(step=failed, state=StepState.FAILED, message="the bucket's policy does not let it"))
            raise self.fails
        while True:
            time.sleep(0.05)  # until Ctrl-C; it would not be noticed right before a longer wait


class World:
    """All edges, fakes over one log. Named as what they stand for: the stage puts them in their place."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.aws = StageAwsClient(log=self.log, credentials=CREDENTIALS)
        self.vercel = FakeVercelClient(log=self.log, projects=(PORTAL,))
        self.engine = StageEngine(aws=self.aws, log=self.log, steps=FRESH)
        self.prover = FakeDecryptVerifier(aws=self.aws, log=self.log)
        self.has_vercel_cli = False

    def connect(self, *, profile: str | None, region: str | None, ask_code: Any, **_: Any) -> StageAwsClient:
        self.aws.ask_code = ask_code
        if profile:
            self.aws.profile = profile
        if region:
            self.aws.region, self.aws.region_source = region, "the answers"
        return self.aws

    def sign_in(self, profile: str, environ: Mapping[str, str]) -> None:
        print(f"(here the AWS CLI signs {profile} in)")
        self.aws.signed_out = None

    def sign_in_to_vercel(self) -> Answer:
        print("(here the Vercel CLI signs in)")
        return Answer(value=TOKEN, source=Source.DETECTED, where="the login of the Vercel CLI", secret=True)

    def open_vercel(self, *, token: str, **_: Any) -> FakeVercelClient:
        return replace(self.vercel, token=token)

    def pulumi(self, *_: Any, **__: Any) -> StageEngine:
        return self.engine

    def child_prover(self, *_: Any, **__: Any) -> FakeDecryptVerifier:
        return self.prover


PORTAL = VercelProject(id="prj_1", name="portal", team_id="team_1", team_slug="acme", framework="nextjs")
SITE = VercelProject(id="prj_2", name="site", team_id="team_1", team_slug="acme")
ON = {
    "ap-northeast-1": "Asia Pacific, Tokyo",
    "ap-south-1": "Asia Pacific, Mumbai",
    "ap-southeast-2": "Asia Pacific, Sydney",
    "ca-central-1": "Canada, Central",
    "eu-central-1": "Europe, Frankfurt",
    "eu-west-1": "Europe, Ireland",
    "us-east-1": "US East, N. Virginia",
    "us-east-2": "US East, Ohio",
    "us-west-2": "US West, Oregon",
}
OFF = {"af-south-1": "Africa, Cape Town", "eu-south-1": "Europe, Milan", "me-south-1": "Middle East, Bahrain"}
REGIONS = tuple(
    RegionFact(name=name, enabled=places is ON, place=place) for places in (ON, OFF) for name, place in places.items()
)


def holding(**changes: Any) -> Callable[[], World]:
    """A world whose account has these fields."""

    def made() -> World:
        world = World()
        for name, value in changes.items():
            setattr(world.aws, name, value)
        return world

    return made


def with_trail() -> World:
    arn = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/company-trail"
    return holding(trails=(trail_fact(name="company-trail", arn=arn),), regions=REGIONS)()


def with_a_service() -> World:
    world = World()
    world.aws.ecs_services.have({"family": "web"})
    return world


def with_the_vercel_cli() -> World:
    world = World()
    world.has_vercel_cli = True
    return world


def with_many_projects() -> World:
    world = World()
    world.vercel.projects = (PORTAL, SITE)
    return world


def set_up_by_hand() -> World:
    world = World()
    # The guide's bucket locks nothing.
    assert world.aws.retention is not None
    by_hand(world.aws, retention=replace(world.aws.retention, lock=None, lock_days=None))
    world.engine.steps = tuple(replace(each, op="import") for each in FRESH[2:])
    return world


def with_a_lock_for_ever() -> World:
    world = World()
    lock = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
    world.engine.steps = (*FRESH, child("create", lock, "audit-trail-bucket"))
    return world


def under_way() -> World:
    world = World()
    world.engine.stops = True
    return world


def failing() -> World:
    world = World()
    world.engine.fails = ResourceError(
        "the trail audit-trail could not be made: InsufficientS3BucketPolicyException",
        "run the same command again: it goes on from here",
    )
    return world


def with_problems() -> World:
    world = World()
    world.aws.lacking = ("kms:CreateKey", "cloudtrail:CreateTrail")
    world.aws.skew = 420.0
    return world


PROFILES = (
    ProfileFact(name="clinic", kind=ProfileKind.SIGN_IN),
    ProfileFact(
        name="clinic-admin", kind=ProfileKind.ROLE, role_arn=ADMIN, mfa_serial=f"arn:aws:iam::{ACCOUNT}:mfa/ada"
    ),
    ProfileFact(name="default", kind=ProfileKind.KEYS),
)
NO_REGION = {"region_source": None, "regions": REGIONS}
