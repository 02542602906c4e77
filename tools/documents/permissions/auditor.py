"""`python -m tools.documents.permissions.auditor` measures the permissions that a reader of the stack needs.

Writes `wizard/core/required_permissions/measured.json`, in sandboxes and a temporary directory of its own. Every
scenario is a set-up in its own sandbox, followed by every command that only reads, as a separate user.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from components.settings import Target
from tests.day_two.doctor_fixture import deliver_logs, redeployed
from tests.day_two.the_service import service_of
from tests.onboarding.deployment import ACCOUNT, Deployment, onboarding, running_deployment
from tools.documents.permissions.operator import (
    SCENARIOS,
    Measured,
    explain,
    leaves,
    needed_permissions,
    prepare,
    saved_settings,
    write,
)
from wizard.cli.commands import READ_ONLY
from wizard.commands.policy.command import resources_read
from wizard.core.required_permissions.resources import FEATURES, LOGS_KEY, Setup
from wizard.core.required_permissions.table import OPTIONAL

AUDITOR = f"arn:aws:iam::{ACCOUNT}:user/auditor"
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "review": ("--out", "reviews-of-the-auditor"),
    "report": ("--out", "report-of-the-auditor"),
}

COMMANDS: Mapping[str, tuple[str, ...]] = {name: _OPTIONS.get(name, ()) for name in READ_ONLY}
"""The commands that only read, with their options in CI."""

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def an_auditor(deployment: Deployment, document: object = EVERYTHING, name: str = "auditor") -> dict[str, str | None]:
    """Create a user with one policy and nothing else; returns the environment of its commands."""
    iam = deployment.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="auditor", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def measure(name: str, folder: Path) -> Measured:
    """Set up one scenario and read it with every command. Returns the permissions that the reader needed."""
    scenario = SCENARIOS[name]
    with running_deployment(folder) as deployment:
        prepare(deployment, scenario)
        arguments = (*onboarding(scenario.example), *scenario.options)
        deployment.wizard(*arguments, *(("--adopt",) if scenario.imports else ()))
        if scenario.later:
            deployment.wizard(*onboarding(scenario.later), *scenario.options)
        setup = Setup(settings=saved_settings(deployment), operator=AUDITOR, imports=scenario.imports)
        with deployed(deployment, setup):
            env = an_auditor(deployment)
            for command, more in COMMANDS.items():
                # Some end with exit code 1: their findings are not measured.
                deployment.wizard(command, "--stack", "production", "--non-interactive", *more, env=env, expect=None)
        measured = needed_permissions(
            name, setup, leaves(deployment), known=resources_read(setup), optional=OPTIONAL - REPORTED
        )
        needed = ((_whose(thing, action), action) for thing, action in measured.needed)
        return replace(measured, needed=frozenset(needed) - OPENING)


def _whose(thing: str, action: str) -> str:
    """The sign-in of any user is read, so there is one pattern; a key is used only to read the logs."""
    if action in SIGN_IN:
        return "users"
    return LOGS_KEY if action == "kms:Decrypt" else thing


OPENING = frozenset({("documents' buckets", "s3:ListBucket")})
"""Names of documents and documents: under which key they are is a question to whoever may read them."""

REPORTED = frozenset(
    {"ecs:DescribeServices", "ecs:DescribeTaskDefinition", "iam:GetAccountSummary", "iam:ListAccountAliases"}
)
"""Permissions of a reader that a set-up can do without."""

SIGN_IN = ("iam:ListAccessKeys", "iam:GetAccessKeyLastUsed", "iam:ListMFADevices", "iam:GetLoginProfile")


@contextmanager
def deployed(deployment: Deployment, setup: Setup) -> Iterator[None]:
    """The application runs with the variables, so that the doctor has no finding and runs every check.

    CloudTrail has delivered logs, so that the report can validate them.
    """
    deliver_logs(deployment)
    with ExitStack() as stack:
        if Target.ECS in setup.settings.deploy_targets and setup.settings.ecs_service:
            stack.enter_context(service_of(deployment))
            deployment.wizard("push", "--stack", "production", "--non-interactive", "--yes", "--redeploy")
        if Target.VERCEL in setup.settings.deploy_targets:
            redeployed(deployment)
        yield


def main() -> int:
    """Measure all scenarios and write the table; 1 when a permission belongs to no known resource."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=2) as pool:
        measured = list(pool.map(lambda name: measure(name, Path(folder) / name), SCENARIOS))
    unknown = [f"{scenario.name}: {permission}" for scenario in measured for permission in scenario.unknown]
    if unknown:
        heading = "these permissions belong to no resource of wizard/commands/policy/command.py:"
        print("\n".join([heading, *unknown]), file=sys.stderr)
        return 1
    write(auditor=explain(map(_widened, measured), known=resources_read))
    return 0


WIDER = (("secrets", "secretsmanager:ListSecretVersionIds", "Secrets Manager"),)
"""Needed only where ECS and this feature are used together; a read, so it is granted wherever the feature is used."""


def _widened(measured: Measured) -> Measured:
    more = {(thing, action) for thing, action, feature in WIDER if FEATURES[feature](measured.setup)}
    return replace(measured, needed=measured.needed | more)


if __name__ == "__main__":
    sys.exit(main())
