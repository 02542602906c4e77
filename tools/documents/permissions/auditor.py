"""`python -m tools.documents.permissions.auditor` measures the permissions that a reader of the stack needs.

Touches `wizard/core/required_permissions/measured.json`, the sandboxes that it starts and ends, and a temporary directory.
Every scenario is a setup in a cloud of its own, and then every command that only reads, by a user of its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from components.settings import Target
from tests.day_two.patient import deployed_anew
from tests.day_two.the_service import service_of
from tests.onboarding.clinic import ACCOUNT, Clinic, onboarding, running_clinic
from tools.documents.permissions.operator import (
    SCENARIOS,
    Measured,
    explained,
    leaves,
    prepare,
    saved_settings,
    told,
    write,
)
from wizard.commands.policy.command import resources_read
from wizard.core.required_permissions.resources import FEATURES, Setup

AUDITOR = f"arn:aws:iam::{ACCOUNT}:user/auditor"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "status": (),
    "verify": (),
    "doctor": (),
    "review": ("--out", "reviews-of-the-auditor"),
    "report": ("--out", "report-of-the-auditor"),
    "cost": ("--used",),
}
"""The commands that only read, with what they take in CI."""

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def an_auditor(clinic: Clinic, document: object = EVERYTHING, name: str = "auditor") -> dict[str, str | None]:
    """A user who has one policy and nothing else; the environment of their commands."""
    iam = clinic.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="auditor", PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}


def measure(name: str, folder: Path) -> Measured:
    """Set one scenario up, read it with every command, and tell what that needed."""
    scenario = SCENARIOS[name]
    with running_clinic(folder) as clinic:
        prepare(clinic, scenario)
        arguments = (*onboarding(scenario.example), *scenario.options)
        clinic.wizard(*arguments, *(("--adopt",) if scenario.imports else ()))
        if scenario.later:
            clinic.wizard(*onboarding(scenario.later), *scenario.options)
        setup = Setup(settings=saved_settings(clinic), operator=AUDITOR, imports=scenario.imports)
        with deployed(clinic, setup):
            env = an_auditor(clinic)
            for command, more in COMMANDS.items():
                # Some end with exit code 1: what they found is not what is measured.
                clinic.wizard(command, "--stack", "production", "--non-interactive", *more, env=env, expect=None)
        found = told(name, setup, leaves(clinic), known=resources_read(setup))
        return replace(found, needed=frozenset((_whose(thing, action), action) for thing, action in found.needed))


def _whose(thing: str, action: str) -> str:
    """Access keys are read of any user, whoever they are: by one pattern."""
    return "users" if action in ("iam:ListAccessKeys", "iam:GetAccessKeyLastUsed") else thing


@contextmanager
def deployed(clinic: Clinic, setup: Setup) -> Iterator[None]:
    """The application runs with the variables, so that the doctor finds nothing wrong and looks at everything."""
    with ExitStack() as stack:
        if Target.ECS in setup.settings.deploy_targets and setup.settings.ecs_service:
            stack.enter_context(service_of(clinic))
            clinic.wizard("push", "--stack", "production", "--non-interactive", "--yes", "--redeploy")
        if Target.VERCEL in setup.settings.deploy_targets:
            deployed_anew(clinic)
        yield


def main() -> int:
    """Measure everything, write the table, and tell what it does not explain."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=2) as pool:
        measured = list(pool.map(lambda name: measure(name, Path(folder) / name), SCENARIOS))
    strange = [f"{one.name}: {what}" for one in measured for what in one.unknown]
    if strange:
        print("\n".join(["these belong to no thing of wizard/commands/policy/command.py:", *strange]), file=sys.stderr)
        return 1
    write(auditor=explained(map(_widened, measured), known=resources_read))
    return 0


WIDER = (("secrets", "secretsmanager:ListSecretVersionIds", "Secrets Manager"),)
"""What is needed where two features meet, ECS and this one; it is a read, and granted wherever this one is."""


def _widened(one: Measured) -> Measured:
    more = {(thing, action) for thing, action, feature in WIDER if FEATURES[feature](one.setup)}
    return replace(one, needed=one.needed | more)


if __name__ == "__main__":
    sys.exit(main())
