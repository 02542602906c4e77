"""Every example over its years: set up, changed one setting at a time, and removed by exactly the printed policies.

Touches deployments of its own. Any AWS plug-in passes it, as PROVIDER=PATH.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import yaml

from tests.onboarding.convergence import nothing_is_left_to_change
from tests.onboarding.deployment import Deployment, onboarding
from tests.onboarding.permissions import OFFICER, SCENARIOS, prepare
from tests.onboarding.test_operator_policy import an_operator

Options = tuple[str, ...]

ROTATION = ("--rotation-period-days", "180")
ADMINISTRATOR = ("--administrators", f"caller,{OFFICER}")
RETENTION = ("--trail-retention-days", "3000")
ADDRESS = ("--alert-emails", "security@clinic.example")
LOG_GROUP = ("--cloudwatch-logs", "yes")
HASH_KEY = ("--hash-key", "yes")
ECS_TOO = ("--target", "vercel,ecs", "--ecs-cluster", "eonpro", "--ecs-service", "eonpro")
ANOTHER_REGION = ("--replica-regions", "us-west-2,eu-central-1")

CHANGES: Mapping[str, tuple[Options, ...]] = {
    "vercel": (ROTATION, ADMINISTRATOR, RETENTION, ADDRESS, LOG_GROUP, ECS_TOO),
    "ecs": (("--ecs-service", "eonpro-web"), ADDRESS, HASH_KEY),
    "vercel-user": (ADMINISTRATOR,),
    "ecs-secrets-manager": (("--secret-store", "parameter-store"),),
    "eks": (("--eks-namespace", "clinic"),),
    "multi-region": (ROTATION, ANOTHER_REGION),
    "existing-trail": (ADDRESS,),
    "adopted": (ROTATION, RETENTION),
    "documents": (ADMINISTRATOR,),
    "roles-of-their-own": (ROTATION,),
    "as-little-as-possible": (RETENTION,),
}
"""Set-ups with which the permissions are measured, and the changes of each, one at a time."""


@pytest.mark.thorough
@pytest.mark.parametrize("name", CHANGES)
def test_it_is_set_up_changed_and_removed(deployment: Deployment, name: str) -> None:
    scenario = SCENARIOS[name]
    prepare(deployment, scenario)
    arguments = (*onboarding(scenario.example), *scenario.options)
    deployment.wizard(*arguments, *(("--adopt",) if scenario.imports else ()))
    nothing_is_left_to_change(deployment)
    for change in CHANGES[name]:
        arguments += change
        deployment.wizard(*arguments)
        nothing_is_left_to_change(deployment)

    # By somebody who has what is printed, and nothing else.
    printed = deployment.wizard("policy", "operator", "--stack", "production", "--with-removal").document
    policies = {"EONPROOperator": printed} if "Statement" in printed else printed
    # A stack that makes no role has no boundary.
    boundary = deployment.wizard("policy", "boundary", "--stack", "production", expect=2 if scenario.roles else 0)
    env = an_operator(deployment, policies, None if scenario.roles else boundary.document)
    keys, stored = deployment.all_keys(), deployment.parameters()
    deployment.wizard("destroy", "--stack", "production", "--confirm", "production", "--non-interactive", env=env)
    assert deployment.stack_resources() == []
    assert (deployment.all_keys(), deployment.parameters()) == (keys, stored)


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_a_target_is_removed_from_the_settings(deployment: Deployment) -> None:
    """The wizard adds targets and removes none: the settings do, and the plain engine."""
    deployment.set_up("vercel", *ECS_TOO)
    before = deployment.stored_key_versions()
    settings = yaml.safe_load((deployment.folder / "Pulumi.production.yaml").read_text())["config"]
    place = settings["eonpro-kms:deployTargets"].index("ecs")
    deployment.pulumi("config", "rm", "--stack", "production", "--path", f"eonpro-kms:deployTargets[{place}]")
    deployment.pulumi("up", "--stack", "production", "--yes", "--policy-pack", "guardrails")
    nothing_is_left_to_change(deployment)
    assert [role for role in deployment.inventory()["roles"] if role.startswith("eonpro-execution")] == []
    assert deployment.stored_key_versions() == before
