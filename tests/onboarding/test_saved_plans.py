"""Saved plans: applied when nothing changed, refused with each reason when something did.

Touches a deployment of its own, in which a plan is saved and applied, then a second environment made like the first.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.onboarding.deployment import ALIAS, CompletedCommand, Deployment, onboarding, running_deployment
from tests.onboarding.screen_waits import ended, shows
from tests.onboarding.shipped_schemas import next_step
from tests.terminal.person import ENTER, WIZARD, Person

LAST_PAGE = "Apply this plan?"
STAGING = ("--account", "caller", "--ecs-cluster", "eonpro", "--ecs-service", "eonpro-staging")
"""What a second environment on ECS does not take over from the first."""


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


def test_a_plan_that_was_edited_is_not_read(planned: Planned, tmp_path: Path):
    edited = tmp_path / "plan.json"
    edited.write_text(planned.plan.read_text().replace('"us-east-1"', '"eu-west-1"'))
    planned.deployment.forget_calls()
    completed = planned.deployment.wizard("--plan", str(edited), "--json", expect=2)
    assert "was changed after it was saved" in completed.document["message"]
    assert planned.deployment.calls() == {}


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


@pytest.fixture
def undecided(built: Built) -> Iterator[Person]:
    """Somebody looks at a plan that changes the rotation period to 180 days, and at nothing else."""
    settings = built.deployment.folder / "Pulumi.production.yaml"
    before = settings.read_text()
    person = Person(
        (*WIZARD, "--stack", "production", "--rotation-period-days", "180"),
        folder=built.deployment.folder,
        environment=built.deployment.before_a_person(),
    )
    shows(person, LAST_PAGE)
    assert "resources ~ Key" in person.words
    yield person
    person.kill()
    settings.write_text(before)


@pytest.mark.thorough
def test_settings_that_change_while_somebody_looks_at_the_plan_are_not_carried_out(built: Built, undecided: Person):
    deployment = built.deployment
    settings = deployment.folder / "Pulumi.production.yaml"
    settings.write_text(re.sub(r"(rotationPeriodDays: )\S+", r'\g<1>"200"', settings.read_text()))
    deployment.forget_calls()
    undecided.type(ENTER)
    assert ended(undecided) == 1
    assert "Pulumi.production.yaml was changed while the plan was shown" in undecided.words
    assert deployment.changes() == {} and '"200"' in settings.read_text()


@pytest.mark.thorough
def test_what_a_colleague_did_while_somebody_looks_at_the_plan_is_not_done_again(built: Built, undecided: Person):
    deployment, folder = built.deployment, built.deployment.another_folder("colleague")
    up = ("up", "--yes", "--skip-preview", "--stack", "production")
    settings = folder / "Pulumi.production.yaml"
    # The colleague came to the same settings, and applies them while the plan is shown.
    settings.write_text(re.sub(r"(rotationPeriodDays: )\S+", r'\g<1>"180"', settings.read_text()))
    deployment.pulumi(*up, folder=folder)
    try:
        deployment.forget_calls()
        undecided.type(ENTER)
        assert ended(undecided) == 0
        assert deployment.changes() == {}
    finally:
        settings.write_text(re.sub(r"(rotationPeriodDays: )\S+", r'\g<1>"365"', settings.read_text()))
        deployment.pulumi(*up, folder=folder)


# --- a second environment ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Second:
    """A deployment with production, and staging made from its settings."""

    deployment: Deployment
    before: Mapping[str, Any]
    document: Mapping[str, Any]


@pytest.fixture(scope="module")
def second(built: Built) -> Second:
    """Staging, like production."""
    deployment, before = built.deployment, production(built.deployment)
    copied = ("--stack", "staging", "--from", "production", *STAGING)
    document = deployment.wizard(*copied, "--yes", "--non-interactive", "--json").document
    return Second(deployment=deployment, before=before, document=document)


def production(deployment: Deployment) -> dict[str, Any]:
    """All that is production's: its state, its settings, its key with its policy, its data key."""
    kms, key = deployment.client("kms"), deployment.outputs()["keyArn"]
    return {
        "state": deployment.state(),
        "settings": (deployment.folder / "Pulumi.production.yaml").read_text(),
        "key": kms.describe_key(KeyId=key)["KeyMetadata"],
        "policy": kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"],
        "data key": deployment.stored_key_versions(),
    }


@pytest.mark.thorough
def test_a_second_environment_is_asked_only_what_has_to_be_its_own(built: Built):
    deployment = built.deployment
    deployment.forget_calls()
    completed = deployment.wizard("--stack", "staging", "--from", "production", "--yes", "--json", expect=2)
    assert completed.document["missing"] == ["account"]
    assert deployment.changes() == {} and not (deployment.folder / "Pulumi.staging.yaml").exists()


@pytest.mark.thorough
def test_a_second_environment_has_a_key_an_alias_a_trail_and_a_data_key_of_its_own(second: Second):
    deployment = second.deployment
    outputs, theirs = deployment.outputs("staging"), deployment.outputs()
    assert outputs["aliasName"] == f"{ALIAS}-staging" and theirs["aliasName"] == ALIAS
    assert outputs["parameterPrefix"] == "/eonpro/staging"
    shared = [name for name in theirs if outputs[name] == theirs[name]]
    assert shared == ["programVersion"]
    assert len(deployment.keys()) == 2
    parameters = deployment.parameters()
    assert parameters["/eonpro/staging/ENCRYPTED_PHI_KEY"] != parameters["/eonpro/production/ENCRYPTED_PHI_KEY"]
    assert second.document["ok"] is True and second.document["dataKey"]["isNew"] is True


@pytest.mark.thorough
def test_the_first_environment_is_not_touched_by_the_second(second: Second):
    assert production(second.deployment) == second.before
    second.deployment.pulumi("preview", "--stack", "production", "--expect-no-changes")
    second.deployment.pulumi("preview", "--stack", "staging", "--expect-no-changes")


@pytest.mark.thorough
def test_both_environments_are_told_in_one_screen(second: Second):
    document = second.deployment.wizard("status", "--all", "--json").document
    assert [(each["stack"], each["status"]) for each in document["stacks"]] == [
        ("production", "good"),
        ("staging", "good"),
    ]
    assert len({each["dataKey"] for each in document["stacks"]}) == 2


@pytest.mark.thorough
def test_a_plan_is_not_refused_after_a_refresh_that_changed_nothing(built: Built, tmp_path: Path):
    """The first refresh after an update drops what the plan does not depend on from the state."""
    deployment, plan = built.deployment, tmp_path / "plan.json"
    deployment.wizard("preview", *onboarding("ecs"), "--save-plan", str(plan))
    deployment.pulumi("refresh", "--stack", "production", "--yes", "--skip-preview")
    answers = ("--stack", "production", "--answers", "examples/ecs.yaml")
    document = deployment.wizard(*answers, "--plan", str(plan), "--non-interactive", "--json").document
    assert document["ok"] is True and document["changes"] == []


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
