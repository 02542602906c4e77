"""Saved plans: applied when nothing changed, refused with each reason when something did.

Touches a deployment of its own, in which a plan is saved and applied, then a second environment made like the first.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.onboarding.deployment import CompletedCommand, Deployment, onboarding, running_deployment
from tests.onboarding.shipped_schemas import next_step


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A deployment with a saved plan, and what there was before and after it was saved."""

    deployment: Deployment
    plan: Path
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    changes: Counter[str]
    completed: CompletedCommand

    @property
    def document(self) -> Any:
        """The saved plan."""
        return json.loads(self.plan.read_text())


@dataclass(frozen=True, kw_only=True)
class Built:
    """The deployment once its plan was carried out."""

    planned: Planned
    document: Mapping[str, Any]

    @property
    def deployment(self) -> Deployment:
        return self.planned.deployment


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planned]:
    """A plan for ECS is drawn and saved; nothing else."""
    with running_deployment(tmp_path_factory.mktemp("planned")) as deployment:
        plan, before = deployment.root / "plan.json", deployment.inventory()
        deployment.forget_calls()
        completed = deployment.wizard("preview", *onboarding("ecs"), "--save-plan", str(plan), "--json")
        changes = deployment.changes()
        yield Planned(
            deployment=deployment,
            plan=plan,
            before=before,
            after=deployment.inventory(),
            changes=changes,
            completed=completed,
        )


@pytest.fixture(scope="module")
def other_setting(planned: Planned) -> str:
    """What the plan's refusal says where a setting is another now."""
    return refused(planned, "--rotation-period-days", "180")


@pytest.fixture(scope="module")
def built(planned: Planned, other_setting: str) -> Built:
    """The plan, carried out without a further word."""
    deployment = planned.deployment
    answers = ("--stack", "production", "--answers", "examples/ecs.yaml")
    document = deployment.wizard(*answers, "--plan", str(planned.plan), "--non-interactive", "--json").document
    return Built(planned=planned, document=document)


def refused(planned: Planned, *more: str) -> str:
    """What is told when the saved plan no longer fits; nothing is changed."""
    deployment = planned.deployment
    deployment.forget_calls()
    completed = deployment.set_up("ecs", "--plan", str(planned.plan), "--json", *more, expect=1)
    assert deployment.changes() == {}
    assert "--save-plan" in next_step(completed.document)
    return str(completed.document["message"])


# --- a plan that only is one ------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_dry_run_makes_nothing(planned: Planned):
    assert planned.changes == {}
    assert planned.after == planned.before
    assert planned.completed.document["ok"] is True and f"--plan {planned.plan}" in planned.completed.output


@pytest.mark.thorough
def test_a_plan_that_was_edited_is_not_read(planned: Planned, tmp_path: Path):
    edited = tmp_path / "plan.json"
    edited.write_text(planned.plan.read_text().replace('"us-east-1"', '"eu-west-1"'))
    planned.deployment.forget_calls()
    completed = planned.deployment.wizard("--plan", str(edited), "--json", expect=2)
    assert "was changed after it was saved" in completed.document["message"]
    assert planned.deployment.calls() == {}


@pytest.mark.thorough
def test_a_setting_that_is_another_is_named(other_setting: str):
    assert "the setting rotationPeriodDays is 180, and was 365" in other_setting
    # It is the only thing that moved, but for what it changes.
    assert [line.split(":")[0].strip() for line in other_setting.splitlines()[2:]] in ([], ["phi-key"])


# --- a plan that is carried out ---------------------------------------------------------------------------------


def test_exactly_the_planned_resources_are_made(built: Built):
    wanted = Counter(step["urn"] for step in built.planned.document["steps"])
    assert len(wanted) > 20 and set(wanted.values()) == {1}
    made = [urn for urn in built.deployment.urns("production") if "aws:" in urn.split("::")[2].rpartition("$")[2]]
    assert Counter(made) == Counter(urn for urn in wanted if "aws:" in urn.split("::")[2].rpartition("$")[2])
    assert {change["op"] for change in built.document["changes"]} == {"create"}
    assert [proof["state"] for proof in built.document["proofs"]] != ["failed"]


@pytest.mark.thorough
def test_a_plan_that_was_carried_out_is_refused_the_second_time_with_each_reason(built: Built):
    refusal = refused(built.planned)
    assert "the stack was changed since" in refusal
    assert f"the stored data key is {built.document['dataKey']['fingerprint']}, and was none" in refusal
    assert "phi-key: Pulumi would now leave it unchanged, and the plan was to create" in refusal
    assert "setting" not in refusal


# --- exactly the plan -------------------------------------------------------------------------------------------


# --- a second environment ---------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_a_plan_is_applied_after_a_refresh_that_changed_nothing(deployment: Deployment) -> None:
    """AWS gives the URL of an identity provider without its scheme, and a refresh records what AWS gives."""
    plan = deployment.root / "plan.json"
    rotation = ("--rotation-period-days", "180")
    deployment.wizard("preview", *onboarding("vercel"), *rotation, "--save-plan", str(plan))
    deployment.pulumi("refresh", "--yes", "--skip-preview", "--stack", "production")
    [provider] = [each for each in deployment.state()["resources"] if each["type"].endswith(":OpenIdConnectProvider")]
    assert provider["inputs"]["url"] == "oidc.vercel.com/eonpro"
    deployment.set_up("vercel", *rotation, "--plan", str(plan))
    key = deployment.keys()[0]
    assert deployment.client("kms").get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 180
    # What was changed since is still refused.
    rotation = ("--rotation-period-days", "200")
    deployment.wizard("preview", *onboarding("vercel"), *rotation, "--save-plan", str(plan))
    deployment.pulumi("config", "set", "--stack", "production", "rotationPeriodDays", "220")
    deployment.pulumi("up", "--yes", "--skip-preview", "--stack", "production")
    ended = deployment.set_up("vercel", *rotation, "--plan", str(plan), expect=1)
    assert "the stack was changed since" in ended.output
