"""`python -m tools.documents.permissions.operator` measures the permissions that the operator of the setup needs.

Writes `wizard/core/required_permissions/measured.json`, in sandboxes and a temporary directory of its own.
Every scenario is a whole set-up in its own sandbox; what IAM evaluated for the operator is what it needs.
"""

import json
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from components.settings import PROJECT as NAMESPACE
from components.settings import Settings
from components.targets.ecs import execution_trust_policy
from tests.onboarding.deployment import CALLER, Deployment, onboarding, running_deployment
from wizard.core.required_permissions.resources import FEATURES, Setup, resources_of
from wizard.core.required_permissions.table import OPTIONAL, TABLE, load

OFFICER = "arn:aws:iam::123456789012:user/security-officer"
PLATFORM = "arn:aws:iam::123456789012:role/platform-admin"
ROLE = "arn:aws:iam::123456789012:role/"
DOCUMENTS = "clinic-documents"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One set-up, from an empty account to its first change and after."""

    example: str
    options: tuple[str, ...] = ()
    before: str = ""
    """A script of examples/manual-setup that runs first."""
    imports: bool = False
    roles: tuple[str, ...] = ()
    """Existing roles of the account that trust ECS."""
    buckets: tuple[str, ...] = ()
    """Existing buckets of the application."""
    then: tuple[tuple[str, ...], ...] = ()
    """Further commands, each with its options."""
    later: str = ""
    """Another example's answers, for a later run."""
    at_last: tuple[tuple[str, ...], ...] = ()
    """Commands after that."""


SCENARIOS: Mapping[str, Scenario] = {
    "vercel": Scenario(example="vercel"),
    "ecs": Scenario(example="ecs"),
    "vercel-user": Scenario(example="vercel-user", then=(("access-key", "rotate"), ("access-key", "retire"))),
    "ecs-secrets-manager": Scenario(example="ecs-secrets-manager"),
    "eks": Scenario(example="eks"),
    "multi-region": Scenario(example="multi-region"),
    "existing-trail": Scenario(example="existing-trail", before="trail.sh"),
    "adopted": Scenario(example="imported", before="guide.sh", imports=True),
    "cloudwatch-logs": Scenario(example="vercel", options=("--cloudwatch-logs", "yes")),
    "another-region": Scenario(example="vercel", options=("--region", "eu-central-1")),
    "alert-emails": Scenario(example="vercel", options=("--alert-emails", "security@clinic.example")),
    "administered-by-another": Scenario(
        example="multi-region", options=("--administrators", OFFICER, "--administrators", PLATFORM)
    ),
    "administered-by-another-in-one-region": Scenario(example="vercel", options=("--administrators", OFFICER)),
    "as-little-as-possible": Scenario(example="vercel", options=("--access-logging", "no", "--trail-lock", "none")),
    "documents": Scenario(
        example="vercel", options=("--document-buckets", DOCUMENTS, "--documents-key", "yes"), buckets=(DOCUMENTS,)
    ),
    "roles-of-their-own": Scenario(
        example="ecs",
        roles=("their-task", "their-execution"),
        options=("--app-principal", f"{ROLE}their-task", "--ecs-execution-role", f"{ROLE}their-execution"),
    ),
    "several-targets": Scenario(example="vercel", later="ecs"),
    "user-and-several-targets": Scenario(
        example="ecs", later="vercel-user", at_last=(("access-key", "rotate"), ("access-key", "retire"))
    ),
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The IAM permissions that one scenario needed, as (resource, action) pairs, and its set-up."""

    name: str
    setup: Setup
    needed: frozenset[tuple[str, str]]
    unknown: tuple[str, ...] = field(default=())
    """Permissions on no known resource."""


def measure(name: str, scenario: Scenario, folder: Path) -> Measured:
    """Run one scenario. Returns the permissions that it needed."""
    with running_deployment(folder) as deployment:
        prepare(deployment, scenario)
        run(deployment, scenario)
        setup = Setup(settings=saved_settings(deployment), operator=CALLER, imports=scenario.imports)
        return needed_permissions(name, setup, leaves(deployment))


def prepare(deployment: Deployment, scenario: Scenario) -> None:
    """Create the resources that exist before the operator's first command."""
    for role in scenario.roles:
        deployment.client("iam").create_role(
            RoleName=role, AssumeRolePolicyDocument=json.dumps(execution_trust_policy())
        )
    if scenario.before:
        output = deployment.run(["bash", f"examples/manual-setup/{scenario.before}"]).out
        if scenario.before == "trail.sh":
            with (deployment.folder / "examples" / f"{scenario.example}.yaml").open("a") as answers:
                answers.write(output)
    for bucket in scenario.buckets:
        deployment.client("s3").create_bucket(Bucket=bucket)
    _ask(deployment, "DELETE", "permissions")


def run(deployment: Deployment, scenario: Scenario, env: Mapping[str, str] | None = None) -> None:
    """Run the operator's commands: the first run, a second one, the delivery again, further ones, and a change."""
    saved, arguments = onboarding(scenario.example), (*onboarding(scenario.example), *scenario.options)
    first = (*arguments, *(("--adopt",) if scenario.imports else ()))
    deployment.wizard(*first, env=env)
    deployment.wizard(*arguments, env=env)
    for command in (("push",), *scenario.then):
        # Of a deployed stack they take the settings that are saved.
        deployment.wizard(*command, *saved, env=env)
    deployment.wizard("verify", "--stack", "production", "--non-interactive", env=env)
    deployment.wizard("preview", *arguments, "--rotation-period-days", "180", env=env)
    deployment.wizard(*arguments, "--rotation-period-days", "180", env=env)
    if scenario.later:
        later = (*onboarding(scenario.later), *scenario.options, "--rotation-period-days", "180")
        deployment.wizard("preview", *later, env=env)
        deployment.wizard(*later, env=env)
        for command in scenario.at_last:
            deployment.wizard(*command, *onboarding(scenario.later), env=env)


def saved_settings(deployment: Deployment) -> Settings:
    config = yaml.safe_load((deployment.folder / "Pulumi.production.yaml").read_text())["config"]
    texts = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
        if key == "aws:region" or key.startswith(f"{NAMESPACE}:")
    }
    return Settings.from_config(texts)


def leaves(deployment: Deployment) -> list[dict[str, str]]:
    """Every call that was allowed, with its principal and the policy that allowed it, from the sandbox."""
    calls: list[dict[str, str]] = _ask(deployment, "GET", "permissions")["permissions"]
    return calls


def needed_permissions(
    name: str,
    setup: Setup,
    calls: Iterable[Mapping[str, str]],
    *,
    known: Mapping[str, tuple[str, ...]] | None = None,
    optional: frozenset[str] = OPTIONAL,
) -> Measured:
    """The permissions that the operator needs from IAM; a permission of a key policy needs no IAM policy."""
    known = resources_of(setup) if known is None else known
    needed, unknown = set(), set()
    for call in calls:
        if call["principal"] != setup.operator or call["by"] != "iam" or call["action"] in optional:
            continue
        if call["action"].startswith("secretsmanager:") and not FEATURES["Secrets Manager"](setup):
            # The operator needs no permission for a store that this stack never uses.
            continue
        thing = _resource_name(known, call["action"], call["resource"])
        if thing is None:
            unknown.add(f"{call['action']} on {call['resource']}")
        else:
            needed.add((thing, call["action"]))
    return Measured(name=name, setup=setup, needed=frozenset(needed), unknown=tuple(sorted(unknown)))


def _resource_name(known: Mapping[str, tuple[str, ...]], action: str, resource: str) -> str | None:
    fits = [
        # The exact name before a pattern: the application's role is also a role.
        ("*" in arn, name)
        for name, arns in known.items()
        for arn in arns
        if resource == arn or (arn != "*" and fnmatchcase(resource, arn))
        if _is_asked_as(name, arn, action, resource)
    ]
    return min(fits)[1] if fits else None


def _is_asked_as(thing: str, arn: str, action: str, resource: str) -> bool:
    """Whether the request is about this pattern resource: callers are simulated, new keys have no ARN yet."""
    if action == "iam:SimulatePrincipalPolicy" or thing == "callers":
        return action == "iam:SimulatePrincipalPolicy" and thing == "callers"
    if thing not in load("operator") and thing in load("unmeasured"):
        return False  # Of what is only written again nothing is measured.
    return (thing == "new keys") == (resource == arn and arn.endswith(":key/*"))


def explain(
    measured: Iterable[Measured], *, known: Callable[[Setup], Mapping[str, object]] = resources_of
) -> list[tuple[str, str, tuple[str, ...]]]:
    """The table: the features that need an action on a resource; none where every stack with the resource needs it.

    Raises ValueError for a permission that no feature explains.
    """
    scenarios = list(measured)
    rows: list[tuple[str, str, tuple[str, ...]]] = []
    unexplained = []
    for thing, action in sorted({pair for scenario in scenarios for pair in scenario.needed}):
        # An imported resource was not created: that its scenario needs no permission says nothing about the others.
        having = [
            scenario
            for scenario in scenarios
            if thing in known(scenario.setup) and ((thing, action) in scenario.needed or not scenario.setup.imports)
        ]
        needing = {scenario.name for scenario in having if (thing, action) in scenario.needed}
        if len(needing) == len(having):
            rows.append((thing, action, ()))
            continue
        features: list[str] = []
        unexplained_names = set(needing)
        candidates = {
            feature: {scenario.name for scenario in having if holds(scenario.setup)}
            for feature, holds in FEATURES.items()
        }
        while unexplained_names:
            sound = {feature: names for feature, names in candidates.items() if names and names <= needing}
            best = max(sorted(sound), key=lambda feature: len(sound[feature] & unexplained_names), default=None)
            if best is None or not sound[best] & unexplained_names:
                unexplained.append(f"{action} on {thing}: needed by {', '.join(sorted(needing))}")
                break
            features.append(best)
            unexplained_names -= sound[best]
        rows.append((thing, action, tuple(sorted(features))))
    if unexplained:
        raise ValueError(
            "\n".join(
                [
                    "no feature of wizard/core/required_permissions/resources.py explains these permissions:",
                    *unexplained,
                ]
            )
        )
    return rows


def write(**parts: Iterable[tuple[str, str, tuple[str, ...]]]) -> None:
    """Replace these parts of the measured table; the others do not change."""
    tables: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    for part, rows in parts.items():
        tables[part] = {}
        for resource, action, features in rows:
            tables[part].setdefault(resource, {})[action] = list(features)
    TABLE.write_text(json.dumps(tables, indent=2) + "\n", encoding="utf-8")


def _ask(deployment: Deployment, method: str, path: str) -> dict[str, Any]:
    address = f"{deployment.environment['AWS_ENDPOINT_URL']}/_sandbox/{path}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(address, method=method), timeout=20) as answer:
        document: dict[str, Any] = json.loads(answer.read())
        return document


def main() -> int:
    """Measure all scenarios and write the table; 1 when a permission belongs to no known resource."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=2) as pool:
        futures = [pool.submit(measure, name, scenario, Path(folder) / name) for name, scenario in SCENARIOS.items()]
        measured = [future.result() for future in futures]
    unknown = [f"{scenario.name}: {permission}" for scenario in measured for permission in scenario.unknown]
    if unknown:
        print(
            "\n".join(
                ["these permissions belong to no resource of wizard/core/required_permissions/resources.py:", *unknown]
            ),
            file=sys.stderr,
        )
        return 1
    write(operator=explain(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
