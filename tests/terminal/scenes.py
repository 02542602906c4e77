"""Scenes of the wizard: what is in the folder, which keys a person presses, and the pages that show meanwhile.

Pure. What is behind the wizard stands in `tests/terminal/worlds.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.terminal.person import CTRL_C, DOWN, ENTER, SPACE
from tests.terminal.worlds import (
    NO_REGION,
    PROFILES,
    REGIONS,
    World,
    failing,
    holding,
    set_up_by_hand,
    under_way,
    with_a_lock_for_ever,
    with_a_service,
    with_many_projects,
    with_problems,
    with_the_vercel_cli,
    with_trail,
)
from tests.wizard.fakes.clients import ACCOUNT, ADMIN, SECOND, TOKEN
from wizard.inputs.registry import by_key


@dataclass(frozen=True, kw_only=True)
class Move:
    """What is waited for, the page that is kept of it, and the keys that are pressed then."""

    shows: tuple[str, ...]
    keys: str = ""
    page: str = ""
    whole: str = ""
    """The heading from which on the page is kept; without one it is the screen."""
    prompt: bool = True
    """Whether an answer is waited for."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One run of the wizard, from its first line to its last."""

    world: Callable[[], World] = World
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """By their paths in the person's home folder."""
    moves: tuple[Move, ...] = ()
    code: int = 130
    last: str = ""
    """The page that is kept of its end."""
    last_whole: str = ""


def at(*shows: str, keys: str = "", page: str = "", whole: str = "", prompt: bool = True) -> Move:
    """A move, in short."""
    return Move(shows=shows, keys=keys, page=page, whole=whole, prompt=prompt)


def asks(key: str) -> str:
    """The words of an input's question, as much of them as fits every screen."""
    return by_key[key].prompt[:40]


KNOWN = (
    *("--account", "caller", "--region", "us-east-1", "--multi-region", "no", "--administrators", "caller"),
    *("--alert-emails", "none"),
)
"""What every first run asks but the target."""
CARRY_OUT = ("Apply this plan?", "» Apply")
WHICH = ("Which answer?", "» target")
"""What only a menu that waits shows: its pointer. What was answered stays on the screen without it."""
TO_VERCEL = {"VERCEL_TOKEN": TOKEN}
LEAVE = DOWN + DOWN + ENTER
"""At the last page."""

APPLICATION = Path(__file__).parents[2] / "examples" / "application"
_PACKAGES = json.loads((APPLICATION / "package.json").read_text())["dependencies"]
LINKED = {
    "portal/src/instrumentation.ts": (APPLICATION / "src" / "instrumentation.ts").read_text(),
    "portal/.vercel/project.json": json.dumps({"projectId": "prj_1", "orgId": "team_1", "projectName": "portal"}),
    "portal/package.json": json.dumps(
        {"scripts": {"prebuild": "phi check"}, "dependencies": {**_PACKAGES, "next": "^15.1.0"}}
    ),
}
DRAFT = {
    "stage": "answering",
    "at": "2026-01-02T10:00:00+00:00",
    "asked": ["target", "account", "region", "administrators"],
    "answers": {
        "target": ["ecs"],
        "account": ACCOUNT,
        "region": "us-east-1",
        "multi_region": False,
        "administrators": [ADMIN],
    },
}

SCENES: Mapping[str, Scene] = {
    "nothing-but-an-empty-folder": Scene(
        environment=TO_VERCEL,
        moves=(
            at(asks("target"), page="first-question", keys="?"),
            at("It can also be given as", asks("target"), page="explanation", keys=SPACE + ENTER),
            at(asks("account"), page="account", keys=ENTER),
            at(asks("region"), page="region-detected", keys=ENTER),
            at(asks("administrators"), page="administrators", keys=ENTER),
            at(asks("alert_emails"), "» Later", page="alert-emails", keys=ENTER),
            at("Review", *CARRY_OUT, page="last-page", keys="d"),
            at("Review", "lines 1 to", page="details", keys=" " + " "),
            at("How long it takes", "(Space", page="details-further-on", keys="q"),
            at(*CARRY_OUT, keys=ENTER),
            at(asks("backup_to"), "» Later", page="backup", keys=ENTER),
        ),
        code=0,
        last="carried-out",
        last_whole="Resources",
    ),
    "a-linked-folder": Scene(
        world=holding(
            regions=REGIONS,
            disagreements=("AWS_REGION says us-east-1, AWS_DEFAULT_REGION says eu-west-1: the first is used",),
        ),
        environment=TO_VERCEL,
        files=LINKED,
        moves=(
            at(asks("target"), page="first-question-in-a-linked-folder", keys=ENTER),
            at(asks("account"), page="what-was-found", keys=ENTER),
            at(asks("region"), "» us-east-1", page="several-regions", keys=DOWN + ENTER),
            at("Which Region is the primary?", "» us-east-1", page="primary-region", keys=ENTER),
            at(asks("replica_regions"), page="replica-regions", keys=SPACE + ENTER),
            at(asks("administrators"), keys=ENTER),
            at(asks("alert_emails"), "» Later", keys=ENTER),
            at(*CARRY_OUT, page="last-page-with-a-replica", whole="Checks", keys=DOWN + ENTER),
            at(*WHICH, page="which-answer", keys="administrators" + ENTER),
            at(asks("administrators"), page="changing-the-administrators", keys=DOWN * 3 + SPACE + ENTER),
            at("Another administrator", "(? why", page="an-administrator-typed", keys=SECOND + ENTER),
            at(*CARRY_OUT, page="last-page-after-a-change", keys=LEAVE),
        ),
        code=8,
        last="cancelled",
    ),
    "a-token-typed": Scene(
        arguments=("--target", "vercel", *KNOWN),
        files=LINKED,
        moves=(
            at(asks("vercel_token"), keys="notThisOne"),
            at("*" * len("notThisOne"), page="token-masked", keys=ENTER),
            at("✗ ", "next:", "(? why", page="token-refused", keys=TOKEN + ENTER),
            at(*CARRY_OUT, keys=CTRL_C),
        ),
    ),
    "a-vercel-sign-in": Scene(
        world=with_the_vercel_cli,
        arguments=("--target", "vercel", *KNOWN),
        moves=(
            at("Sign in to Vercel in the browser", "(Y/n", page="vercel-sign-in", keys=ENTER),
            at(*CARRY_OUT, keys=CTRL_C),
        ),
    ),
    "a-project-chosen": Scene(
        world=with_many_projects,
        arguments=("--target", "vercel", *KNOWN),
        environment=TO_VERCEL,
        moves=(
            at(asks("vercel_project"), "acme/site", page="project-list", keys=DOWN + DOWN + ENTER),
            at(asks("vercel_team"), page="team-typed", keys="acme" + ENTER),
            at(asks("vercel_project") + " (? why", page="project-typed", keys="portal" + ENTER),
            at(*CARRY_OUT, keys=DOWN + ENTER),
            at(*WHICH, keys="vercel access" + ENTER),
            at(asks("vercel_access"), page="changing-the-access", keys=ENTER),
            at(*CARRY_OUT, keys=DOWN + ENTER),
            at(*WHICH, keys="app principal" + ENTER),
            at(asks("app_principal"), page="changing-the-application", keys=CTRL_C),
        ),
        last="interrupted",
    ),
    "ecs": Scene(
        world=with_a_service,
        arguments=KNOWN,
        moves=(
            at(asks("target"), keys=DOWN + SPACE + ENTER),
            at(asks("ecs_cluster"), page="ecs-services", keys=ENTER),
            at(*CARRY_OUT, page="last-page-of-ecs", whole="Checks", keys=CTRL_C),
        ),
    ),
    "ecs-typed": Scene(
        arguments=(*KNOWN, "--target", "ecs"),
        moves=(
            at(asks("ecs_cluster"), page="ecs-cluster", keys="clinic" + ENTER),
            at(asks("ecs_service"), page="ecs-service", keys="web" + ENTER),
            at(*CARRY_OUT, keys=CTRL_C),
        ),
    ),
    "eks": Scene(
        arguments=(*KNOWN, "--target", "eks"),
        moves=(
            at(asks("eks_cluster"), page="eks-cluster", keys="clinic" + ENTER),
            at(*CARRY_OUT, keys=CTRL_C),
        ),
    ),
    "a-trail-there": Scene(
        world=with_trail,
        arguments=(*KNOWN, "--target", "ecs", "--ecs-cluster", ""),
        moves=(at(asks("trail"), page="trail", keys=CTRL_C),),
    ),
    "no-state-yet": Scene(
        environment={"PULUMI_BACKEND_URL": ""},
        arguments=(*KNOWN, "--target", "ecs", "--ecs-cluster", ""),
        moves=(
            at(asks("backend"), page="state-backend", keys=DOWN + DOWN + ENTER),
            at(*CARRY_OUT, page="last-page-with-files-of-this-machine", whole="Details", keys=CTRL_C),
        ),
    ),
    "several-profiles": Scene(
        world=holding(has_environment_credentials=False, facts=PROFILES, **NO_REGION),
        arguments=("--target", "ecs", "--ecs-cluster", "", "--administrators", "caller"),
        moves=(
            at(asks("profile"), page="profile", keys=DOWN + ENTER),
            at(asks("region"), page="region", keys="eu-"),
            at("/ eu-", page="region-filtered", keys=CTRL_C),
        ),
    ),
    "a-sign-in-accepted": Scene(
        world=holding(signed_out="clinic"),
        arguments=("--target", "ecs", "--ecs-cluster", "", *KNOWN[2:]),
        moves=(
            at("Sign in now", page="sign-in", keys=ENTER),
            at(asks("account"), page="signed-in", keys=CTRL_C),
        ),
    ),
    "a-sign-in-refused": Scene(
        world=holding(signed_out="clinic"),
        arguments=("--target", "ecs", "--ecs-cluster", "", *KNOWN),
        moves=(at("Sign in now", keys="n" + ENTER),),
        code=3,
        last="error",
    ),
    "a-sign-in-declined-for-another": Scene(
        world=holding(has_environment_credentials=False, facts=PROFILES, signed_out="clinic"),
        arguments=("--target", "ecs", "--ecs-cluster", "", *KNOWN[2:]),
        moves=(
            at(asks("profile"), keys=ENTER),
            at("Sign in now", keys="n" + ENTER),
            at("Sign in now (aws sso login --profile clinic)? No", asks("profile"), page="profiles-again", keys=CTRL_C),
        ),
    ),
    "a-code": Scene(
        world=holding(code_of=f"arn:aws:iam::{ACCOUNT}:mfa/ada"),
        arguments=("--target", "ecs", "--ecs-cluster", "", *KNOWN[2:]),
        moves=(
            at("The code of ada", keys="987321"),
            at("******", page="mfa-code", keys=ENTER),
            at(asks("account"), keys=CTRL_C),
        ),
    ),
    "problems": Scene(
        world=with_problems,
        arguments=("--target", "ecs", "--ecs-cluster", "", *KNOWN[2:], "--account", "999988887777"),
        moves=(
            at("What now?", "» Edit an answer", page="problems", whole="Checks", keys=DOWN),
            at("What now?", "» Check again", keys=ENTER),
            at("What now?", "» Edit an answer", keys=DOWN + DOWN + ENTER),
        ),
        code=8,
        last="problems-left",
    ),
    "set-up-by-hand": Scene(
        world=set_up_by_hand,
        environment=TO_VERCEL,
        arguments=("--target", "vercel", *KNOWN, "--trail", "create"),
        moves=(
            at("Import it into the stack?", page="adoption-offer", whole="Checks", keys=ENTER),
            at(asks("repair"), page="adoption-repairs", keys=ENTER),
            at(asks("encrypted_phi_key"), page="adoption-data-key", keys="none" + ENTER),
            at(*CARRY_OUT, keys=CTRL_C),
        ),
    ),
    "what-cannot-be-undone": Scene(
        world=with_a_lock_for_ever,
        arguments=("--target", "ecs", "--ecs-cluster", "", "--trail-lock", "compliance"),
        moves=(
            at(asks("account"), keys=ENTER),
            at(asks("region"), keys=ENTER),
            at(asks("administrators"), keys=ENTER),
            at(asks("alert_emails"), "» Later", keys=ENTER),
            at(*CARRY_OUT, page="last-page-with-a-warning", keys=ENTER),
            at("Type the stack's name", page="typed-name", keys="prod" + ENTER),
        ),
        code=8,
        last="not-confirmed",
    ),
    "under-way": Scene(
        world=under_way,
        arguments=("--target", "ecs", "--ecs-cluster", "", *KNOWN),
        moves=(
            at(*CARRY_OUT, keys=ENTER),
            at("Resources", page="progress", prompt=False, keys=CTRL_C),
        ),
    ),
    "a-failure": Scene(
        world=failing,
        arguments=("--target", "ecs", "--ecs-cluster", "", "--multi-region", "no", "--yes"),
        moves=(),
        code=4,
        last="failure",
        last_whole="Resources",
    ),
    "left-before": Scene(
        files={".wizard/production.json": json.dumps(DRAFT)},
        moves=(
            at("Go on with it?", page="resume-offer", keys=ENTER),
            at(asks("alert_emails"), "» Later", keys=ENTER),
            at(asks("ecs_cluster"), keys=CTRL_C),
        ),
    ),
    "many-questions": Scene(world=with_trail, arguments=("--region", "us-east-1")),
}
