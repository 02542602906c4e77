"""`python -m tools.documents.permissions.operator` measures the permissions that the operator of the setup needs.

Touches `wizard/core/required_permissions/measured.json`, the sandboxes that it starts and ends, and a temporary directory.
Every scenario is a whole setup in a cloud of its own; what IAM was asked for on the operator's behalf is what it needs.
"""

from __future__ import annotations

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

from components.policies import execution_trust_policy
from components.settings import PROJECT as NAMESPACE
from components.settings import Settings
from tests.onboarding.deployment import CALLER, Deployment, onboarding, running_deployment
from wizard.core.required_permissions.resources import FEATURES, Setup, resources_of
from wizard.core.required_permissions.table import OPTIONAL, TABLE

OFFICER = "arn:aws:iam::123456789012:user/security-officer"
PLATFORM = "arn:aws:iam::123456789012:role/platform-admin"
ROLE = "arn:aws:iam::123456789012:role/"
AFTERWARDS = ((), ("push",))
"""After the first run: a second one, and the delivery again."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One set-up, from an empty account to its first change and after."""

    example: str
    options: tuple[str, ...] = ()
    before: str = ""
    """A script of examples/manual-setup that comes first."""
    imports: bool = False
    roles: tuple[str, ...] = ()
    """Roles of the account's own that are there already, trusted by ECS."""
    then: tuple[tuple[str, ...], ...] = ()
    """Further commands, each with its options."""
    later: str = ""
    """Another example's answers, added at the end."""
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
    "alert-emails": Scenario(example="vercel", options=("--alert-emails", "security@clinic.example")),
    "administered-by-another": Scenario(
        example="multi-region", options=("--administrators", OFFICER, "--administrators", PLATFORM)
    ),
    "administered-by-another-in-one-region": Scenario(example="vercel", options=("--administrators", OFFICER)),
    "as-little-as-possible": Scenario(example="vercel", options=("--access-logging", "no", "--trail-lock", "none")),
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
    """What one scenario needed of IAM: (thing, action) pairs; and what it is, for the features that explain them."""

    name: str
    setup: Setup
    needed: frozenset[tuple[str, str]]
    unknown: tuple[str, ...] = field(default=())
    """What no thing explains."""


def measure(name: str, scenario: Scenario, folder: Path) -> Measured:
    """Run one scenario and tell what was needed."""
    with running_deployment(folder) as deployment:
        prepare(deployment, scenario)
        run(deployment, scenario)
        setup = Setup(settings=saved_settings(deployment), operator=CALLER, imports=scenario.imports)
        return told(name, setup, leaves(deployment))


def prepare(deployment: Deployment, scenario: Scenario) -> None:
    """What is there before the operator comes."""
    for role in scenario.roles:
        deployment.client("iam").create_role(
            RoleName=role, AssumeRolePolicyDocument=json.dumps(execution_trust_policy())
        )
    if scenario.before:
        said = deployment.run(["bash", f"examples/manual-setup/{scenario.before}"]).out
        if scenario.before == "trail.sh":
            with (deployment.folder / "examples" / f"{scenario.example}.yaml").open("a") as answers:
                answers.write(said)
    _ask(deployment, "DELETE", "permissions")


def run(deployment: Deployment, scenario: Scenario, env: Mapping[str, str] | None = None) -> None:
    """The operator's work: the first run, what follows, and a change."""
    arguments = (*onboarding(scenario.example), *scenario.options)
    first = (*arguments, *(("--adopt",) if scenario.imports else ()))
    deployment.wizard(*first, env=env)
    for command in (*AFTERWARDS, *scenario.then):
        deployment.wizard(*command, *arguments, env=env)
    deployment.wizard("verify", "--stack", "production", "--non-interactive", env=env)
    deployment.wizard("preview", *arguments, "--rotation-period-days", "180", env=env)
    deployment.wizard(*arguments, "--rotation-period-days", "180", env=env)
    if scenario.later:
        later = (*onboarding(scenario.later), *scenario.options, "--rotation-period-days", "180")
        deployment.wizard("preview", *later, env=env)
        deployment.wizard(*later, env=env)
        for command in scenario.at_last:
            deployment.wizard(*command, *later, env=env)


def saved_settings(deployment: Deployment) -> Settings:
    """The settings of the stack `production`."""
    config = yaml.safe_load((deployment.folder / "Pulumi.production.yaml").read_text())["config"]
    texts = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
        if key == "aws:region" or key.startswith(f"{NAMESPACE}:")
    }
    return Settings.from_config(texts)


def leaves(deployment: Deployment) -> list[dict[str, str]]:
    """What each principal was allowed, and by what, as the sandbox remembers it."""
    found: list[dict[str, str]] = _ask(deployment, "GET", "permissions")["permissions"]
    return found


def told(
    name: str,
    setup: Setup,
    given: Iterable[Mapping[str, str]],
    *,
    known: Mapping[str, tuple[str, ...]] | None = None,
) -> Measured:
    """What IAM was asked for on the operator's behalf; what a key policy granted needs no policy of the operator's."""
    known = resources_of(setup) if known is None else known
    needed, unknown = set(), set()
    for leave in given:
        if leave["principal"] != setup.operator or leave["by"] != "iam" or leave["action"] in OPTIONAL:
            continue
        if leave["action"].startswith("secretsmanager:") and not FEATURES["Secrets Manager"](setup):
            # The store that this stack never used may be closed to the operator.
            continue
        thing = _thing(known, leave["action"], leave["resource"])
        if thing is None:
            unknown.add(f"{leave['action']} on {leave['resource']}")
        else:
            needed.add((thing, leave["action"]))
    return Measured(name=name, setup=setup, needed=frozenset(needed), unknown=tuple(sorted(unknown)))


def _thing(known: Mapping[str, tuple[str, ...]], action: str, resource: str) -> str | None:
    fits = [
        # The exact name before a pattern: the application's role is a role, too.
        ("*" in arn, name)
        for name, arns in known.items()
        for arn in arns
        if resource == arn or (arn != "*" and fnmatchcase(resource, arn))
        if _is_asked_as(name, arn, action, resource)
    ]
    return min(fits)[1] if fits else None


def _is_asked_as(thing: str, arn: str, action: str, resource: str) -> bool:
    """Whether a thing that is a pattern over others is meant: callers are simulated, new keys have no ARN yet."""
    if action == "iam:SimulatePrincipalPolicy" or thing == "callers":
        return action == "iam:SimulatePrincipalPolicy" and thing == "callers"
    return (thing == "new keys") == (resource == arn and arn.endswith(":key/*"))


def explained(
    measured: Iterable[Measured], *, known: Callable[[Setup], Mapping[str, object]] = resources_of
) -> list[tuple[str, str, tuple[str, ...]]]:
    """The table: for each thing and action the features that need it; none: whoever has the thing.

    Raises ValueError for what no feature explains.
    """
    all_of_them = list(measured)
    rows: list[tuple[str, str, tuple[str, ...]]] = []
    unexplained = []
    for thing, action in sorted({pair for one in all_of_them for pair in one.needed}):
        # What was there already was not made: that it was not asked for there says nothing of the others.
        having = [
            one
            for one in all_of_them
            if thing in known(one.setup) and ((thing, action) in one.needed or not one.setup.imports)
        ]
        needing = {one.name for one in having if (thing, action) in one.needed}
        if len(needing) == len(having):
            rows.append((thing, action, ()))
            continue
        features: list[str] = []
        left = set(needing)
        candidates = {feature: {one.name for one in having if holds(one.setup)} for feature, holds in FEATURES.items()}
        while left:
            sound = {feature: names for feature, names in candidates.items() if names and names <= needing}
            best = max(sorted(sound), key=lambda feature: len(sound[feature] & left), default=None)
            if best is None or not sound[best] & left:
                unexplained.append(f"{action} on {thing}: needed by {', '.join(sorted(needing))}")
                break
            features.append(best)
            left -= sound[best]
        rows.append((thing, action, tuple(sorted(features))))
    if unexplained:
        raise ValueError(
            "\n".join(["no feature of wizard/core/required_permissions/resources.py says why:", *unexplained])
        )
    return rows


def write(**parts: Iterable[tuple[str, str, tuple[str, ...]]]) -> None:
    """Replace these parts of the measured table, and leave the others."""
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
        found: dict[str, Any] = json.loads(answer.read())
        return found


def main() -> int:
    """Measure everything, write the table, and tell what it does not explain."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=2) as pool:
        running = {
            name: pool.submit(measure, name, scenario, Path(folder) / name) for name, scenario in SCENARIOS.items()
        }
        measured = [one.result() for one in running.values()]
    strange = [f"{one.name}: {what}" for one in measured for what in one.unknown]
    if strange:
        print(
            "\n".join(["these belong to no thing of wizard/core/required_permissions/resources.py:", *strange]),
            file=sys.stderr,
        )
        return 1
    write(operator=explained(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
