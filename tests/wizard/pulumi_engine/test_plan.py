"""Exactly the plan: what the engine planned is kept for one update, and its refusals are told without values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wizard.core.errors import ResourceError
from wizard.pulumi_engine.events import causes
from wizard.pulumi_engine.plan import StoredPlan, deviation, without_protection

URN = "urn:pulumi:production::eonpro-kms::eonpro:kms:PhiKey$aws:kms/key:Key::phi-key"
STACK = "production"


def kept(content: str = "{}") -> StoredPlan:
    plan = StoredPlan()
    with plan.written(STACK) as path:
        Path(path).write_text(content)
    return plan


def test_a_plan_is_on_disk_only_while_the_engine_runs_and_its_owners_alone() -> None:
    plan = StoredPlan()
    with plan.written(STACK) as path:
        written = Path(path)
        written.write_text("the plan")
        assert written.parent.stat().st_mode & 0o777 == 0o700
    assert not written.parent.exists()
    with plan.read(STACK) as again:
        assert again is not None and Path(again).read_text() == "the plan"
    assert not Path(again).parent.exists()


def test_a_preview_that_fails_keeps_no_plan_and_leaves_no_file() -> None:
    plan = kept()
    with pytest.raises(ValueError), plan.written(STACK) as path:
        Path(path).write_text("half of it")
        raise ValueError
    assert not Path(path).parent.exists()
    with plan.read(STACK) as found:
        assert found is None, "the one before does not hold any more"


def test_a_plan_is_for_its_own_stack_and_for_what_has_not_changed_since() -> None:
    plan = kept()
    with plan.read("staging") as found:
        assert found is None
    plan.forget()
    with plan.read(STACK) as found:
        assert found is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"resource {URN} violates plan: properties changed: ~~policy[{{old}}!={{new}}], ++rotationPeriodInDays[9]",
            "phi-key would differ from the plan (policy, rotationPeriodInDays)",
        ),
        (f"resource {URN} violates plan: properties changed: ==a, =-b", "from the plan (a, b)"),
        (f"resource {URN} violates plan: protect changed (expected true)", "phi-key would differ from the plan"),
        (
            "create is not allowed by the plan: no steps were expected for this resource",
            "phi-key would get the operation create, which the plan did not have",
        ),
        (
            "replace is not allowed by the plan: this resource is constrained to update",
            "phi-key would get the operation replace, not update as planned",
        ),
        (
            "delete is not allowed by the plan: no more steps were expected for this resource",
            "phi-key would get the operation delete, which the plan did not have",
        ),
        (f"no plan for resource {URN}", "phi-key would differ from the plan"),
        (
            f"expected resource operations for {URN} but none were seen",
            "phi-key would not be changed, although the plan changes it",
        ),
    ],
)
def test_each_refusal_names_the_resource_and_what_would_have_been_done(text, said) -> None:
    refusal = deviation(STACK, [(URN, text)])
    assert refusal is not None
    assert said in refusal.message
    assert "run the same command again" in refusal.hint
    assert "{new}" not in refusal.message


def test_what_another_failure_left_undone_is_no_move_of_the_plan() -> None:
    undone = f"expected resource operations for {URN} but none were seen"
    assert deviation(STACK, [(URN, "AccessDenied: kms:CreateKey"), (URN, undone)]) is None
    assert causes(["AccessDenied: kms:CreateKey", undone]) == ["AccessDenied: kms:CreateKey"]


def test_any_other_complaint_is_no_move_of_the_plan() -> None:
    assert deviation(STACK, [(URN, "the bucket exists")]) is None
    assert deviation(STACK, []) is None


KEY, BUCKET, ROLE = "aws:kms/key:Key", "aws:s3/bucket:Bucket", "aws:iam/role:Role"
REHEARSAL = {"Application": "EONPRO", "Environment": "Rehearsal"}


def resource(type_: str, *, stack: str = "rehearsal", tags: dict[str, str] | None = REHEARSAL) -> dict[str, Any]:
    values = {"tags": tags} if tags is not None else {}
    return {
        "urn": f"urn:pulumi:{stack}::eonpro-kms::{type_}::phi-key",
        "type": type_,
        "id": f"eonpro-{stack}-123456789012",
        "protect": True,
        "retainOnDelete": True,
        "inputs": {**values, "deletionWindowInDays": 30} if type_ == KEY else values,
        "outputs": dict(values),
    }


def test_a_removal_of_a_rehearsal_deletes_its_keys_in_seven_days_and_its_buckets_with_their_objects() -> None:
    before = {
        "resources": [resource(KEY), resource(BUCKET), resource(ROLE), resource("aws:kms/alias:Alias", tags=None)]
    }
    after = without_protection("clinic/eonpro-kms/rehearsal", before)["resources"]
    assert not any(each["protect"] or each["retainOnDelete"] for each in after)
    assert after[0]["inputs"]["deletionWindowInDays"] == after[0]["outputs"]["deletionWindowInDays"] == 7
    assert after[1]["inputs"]["forceDestroy"] is after[1]["outputs"]["forceDestroy"] is True
    assert before["resources"][0]["inputs"]["deletionWindowInDays"] == 30


@pytest.mark.parametrize(
    ("stack", "other"),
    [
        ("production", resource(KEY)),
        ("rehearsal", resource(KEY, stack="production")),
        ("rehearsal", resource("aws:kms/alias:Alias", stack="production", tags=None)),
        ("rehearsal", resource("pulumi:pulumi:Stack", stack="rehearsals", tags=None)),
        *(("rehearsal", resource(type_, tags=None)) for type_ in (KEY, "aws:kms/replicaKey:ReplicaKey")),
        ("rehearsal", {**resource(BUCKET, tags=None), "id": "eonpro-cloudtrail-logs-123456789012"}),
        *(("rehearsal", resource(type_, tags={"Environment": "Production"})) for type_ in (KEY, BUCKET, ROLE)),
    ],
)
def test_the_protection_of_any_other_environment_stays(stack: str, other: dict[str, Any]) -> None:
    with pytest.raises(ResourceError, match="nothing was deleted"):
        without_protection(stack, {"resources": [resource(ROLE), other]})
