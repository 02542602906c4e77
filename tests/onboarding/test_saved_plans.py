"""Plans that are kept: carried out when nothing moved, refused with each reason when something did; and nothing beside.

Touches a clinic of its own, in which a plan is saved and carried out, then a second environment made like the first.
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

from tests.onboarding.clinic import ALIAS, Clinic, Ended, running_clinic
from tests.onboarding.patience import ended, shows
from tests.onboarding.shipped_schemas import next_step
from tests.terminal.person import ENTER, WIZARD, Person

LAST_PAGE = "Apply this plan?"
STAGING = ("--account", "caller", "--ecs-cluster", "eonpro", "--ecs-service", "eonpro-staging")
"""What a second environment on ECS does not take over from the first."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A clinic with a saved plan, and what there was before and after it was saved."""

    clinic: Clinic
    plan: Path
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    changes: Counter[str]
    told: Ended

    @property
    def document(self) -> Any:
        """The saved plan."""
        return json.loads(self.plan.read_text())


@dataclass(frozen=True, kw_only=True)
class Built:
    """The clinic once its plan was carried out."""

    planned: Planned
    told: Mapping[str, Any]

    @property
    def clinic(self) -> Clinic:
        return self.planned.clinic


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planned]:
    """A plan for ECS is drawn and saved; nothing else."""
    with running_clinic(tmp_path_factory.mktemp("planned")) as clinic:
        plan, before = clinic.root / "plan.json", clinic.inventory()
        clinic.forget_calls()
        told = clinic.set_up("ecs", "--dry-run", "--save-plan", str(plan), "--json")
        changes = clinic.changes()
        yield Planned(clinic=clinic, plan=plan, before=before, after=clinic.inventory(), changes=changes, told=told)


@pytest.fixture(scope="module")
def other_setting(planned: Planned) -> str:
    """What the plan's refusal says where a setting is another now."""
    return refused(planned, "--rotation-period-days", "180")


@pytest.fixture(scope="module")
def built(planned: Planned, other_setting: str) -> Built:
    """The plan, carried out without a further word."""
    clinic = planned.clinic
    answers = ("--stack", "production", "--answers", "examples/ecs.yaml")
    told = clinic.wizard(*answers, "--plan", str(planned.plan), "--non-interactive", "--json").document
    return Built(planned=planned, told=told)


def refused(planned: Planned, *more: str) -> str:
    """What is told when the saved plan no longer fits; nothing is changed."""
    clinic = planned.clinic
    clinic.forget_calls()
    told = clinic.set_up("ecs", "--plan", str(planned.plan), "--json", *more, expect=1)
    assert clinic.changes() == {}
    assert "--save-plan" in next_step(told.document)
    return str(told.document["message"])


# --- a plan that only is one ------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_dry_run_makes_nothing(planned: Planned):
    assert planned.changes == {}
    assert planned.after == planned.before
    assert planned.told.document["ok"] is True and f"--plan {planned.plan}" in planned.told.told


def test_a_plan_that_was_edited_is_not_read(planned: Planned, tmp_path: Path):
    edited = tmp_path / "plan.json"
    edited.write_text(planned.plan.read_text().replace('"us-east-1"', '"eu-west-1"'))
    planned.clinic.forget_calls()
    told = planned.clinic.wizard("--plan", str(edited), "--json", expect=2)
    assert "was changed after it was saved" in told.document["message"]
    assert planned.clinic.calls() == {}


def test_a_setting_that_is_another_is_named(other_setting: str):
    assert "the setting rotationPeriodDays is 180, and was 365" in other_setting
    # It is the only thing that moved, but for what it changes.
    assert [line.split(":")[0].strip() for line in other_setting.splitlines()[2:]] in ([], ["phi-key"])


# --- a plan that is carried out ---------------------------------------------------------------------------------


def test_exactly_the_planned_resources_are_made(built: Built):
    wanted = Counter(step["urn"] for step in built.planned.document["steps"])
    assert len(wanted) > 20 and set(wanted.values()) == {1}
    made = [urn for urn in built.clinic.urns("production") if "aws:" in urn.split("::")[2].rpartition("$")[2]]
    assert Counter(made) == Counter(urn for urn in wanted if "aws:" in urn.split("::")[2].rpartition("$")[2])
    assert {change["op"] for change in built.told["changes"]} == {"create"}
    assert [proof["state"] for proof in built.told["proofs"]] != ["failed"]


@pytest.mark.thorough
def test_a_plan_that_was_carried_out_is_refused_the_second_time_with_each_reason(built: Built):
    told = refused(built.planned)
    assert "the stack was changed since" in told
    assert f"the stored data key is {built.told['dataKey']['fingerprint']}, and was none" in told
    assert "phi-key: Pulumi would now leave it unchanged, and the plan was to create" in told
    assert "setting" not in told


# --- exactly the plan -------------------------------------------------------------------------------------------


@pytest.fixture
def undecided(built: Built) -> Iterator[Person]:
    """Somebody looks at a plan that changes the rotation period to 180 days, and at nothing else."""
    settings = built.clinic.folder / "Pulumi.production.yaml"
    before = settings.read_text()
    person = Person(
        (*WIZARD, "--stack", "production", "--rotation-period-days", "180"),
        folder=built.clinic.folder,
        environment=built.clinic.before_a_person(),
    )
    shows(person, LAST_PAGE)
    assert "1 to update" in person.words
    yield person
    person.kill()
    settings.write_text(before)


def test_settings_that_change_while_somebody_looks_at_the_plan_are_not_carried_out(built: Built, undecided: Person):
    clinic = built.clinic
    settings = clinic.folder / "Pulumi.production.yaml"
    settings.write_text(re.sub(r"(rotationPeriodDays: )\S+", r'\g<1>"200"', settings.read_text()))
    clinic.forget_calls()
    undecided.type(ENTER)
    assert ended(undecided) == 1
    assert "Pulumi.production.yaml was changed while the plan was shown" in undecided.words
    assert clinic.changes() == {} and '"200"' in settings.read_text()


@pytest.mark.thorough
def test_what_a_colleague_did_while_somebody_looks_at_the_plan_is_not_done_again(built: Built, undecided: Person):
    clinic, folder = built.clinic, built.clinic.another_folder("colleague")
    up = ("up", "--yes", "--skip-preview", "--stack", "production")
    # The wizard of the person has written the settings that it shows; the colleague has them too.
    clinic.pulumi(*up, folder=folder)
    try:
        clinic.forget_calls()
        undecided.type(ENTER)
        assert ended(undecided) == 0
        assert clinic.changes() == {}
    finally:
        settings = folder / "Pulumi.production.yaml"
        settings.write_text(re.sub(r"(rotationPeriodDays: )\S+", r'\g<1>"365"', settings.read_text()))
        clinic.pulumi(*up, folder=folder)


# --- a second environment ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Second:
    """A clinic with production, and staging made from its settings."""

    clinic: Clinic
    before: Mapping[str, Any]
    told: Mapping[str, Any]


@pytest.fixture(scope="module")
def second(built: Built) -> Second:
    """Staging, like production."""
    clinic, before = built.clinic, production(built.clinic)
    copied = ("--stack", "staging", "--from", "production", *STAGING)
    told = clinic.wizard(*copied, "--yes", "--non-interactive", "--json").document
    return Second(clinic=clinic, before=before, told=told)


def production(clinic: Clinic) -> dict[str, Any]:
    """All that is production's: its state, its settings, its key with its policy, its data key."""
    kms, key = clinic.client("kms"), clinic.outputs()["keyArn"]
    return {
        "state": clinic.pulumi("stack", "export", "--stack", "production").document,
        "settings": (clinic.folder / "Pulumi.production.yaml").read_text(),
        "key": kms.describe_key(KeyId=key)["KeyMetadata"],
        "policy": kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"],
        "data key": clinic.escrow_versions(),
    }


def test_a_second_environment_is_asked_only_what_has_to_be_its_own(built: Built):
    clinic = built.clinic
    clinic.forget_calls()
    told = clinic.wizard("--stack", "staging", "--from", "production", "--yes", "--json", expect=2)
    assert told.document["missing"] == ["account"]
    assert clinic.changes() == {} and not (clinic.folder / "Pulumi.staging.yaml").exists()


def test_a_second_environment_has_a_key_an_alias_a_trail_and_a_data_key_of_its_own(second: Second):
    clinic = second.clinic
    outputs = clinic.pulumi("stack", "output", "--json", "--stack", "staging").document
    theirs = clinic.outputs()
    assert outputs["aliasName"] == f"{ALIAS}-staging" and theirs["aliasName"] == ALIAS
    assert outputs["parameterPrefix"] == "/eonpro/staging"
    shared = [name for name in theirs if outputs[name] == theirs[name]]
    assert shared == []
    assert len(clinic.keys()) == 2
    parameters = clinic.parameters()
    assert parameters["/eonpro/staging/ENCRYPTED_PHI_KEY"] != parameters["/eonpro/production/ENCRYPTED_PHI_KEY"]
    assert second.told["ok"] is True and second.told["dataKey"]["isNew"] is True


def test_the_first_environment_is_not_touched_by_the_second(second: Second):
    assert production(second.clinic) == second.before
    second.clinic.pulumi("preview", "--stack", "production", "--expect-no-changes")
    second.clinic.pulumi("preview", "--stack", "staging", "--expect-no-changes")


def test_both_environments_are_told_in_one_screen(second: Second):
    told = second.clinic.wizard("status", "--all", "--json").document
    assert [(each["stack"], each["status"]) for each in told["stacks"]] == [
        ("production", "good"),
        ("staging", "good"),
    ]
    assert len({each["dataKey"] for each in told["stacks"]}) == 2
