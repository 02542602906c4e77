"""The plan and the review page as text, against golden files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.contract import Settings, Target
from tests.wizard.fakes import (
    ACCOUNT,
    ADMIN,
    APP,
    ESCROW,
    IDENTITY,
    KEY,
    SECOND,
    TRAIL,
    settings,
    step,
    wrapped,
)
from wizard.facts import Escrow, Step
from wizard.plan import Plan, cost, lines, review, word

GOLDEN = Path(__file__).parent / "golden"

PARENTS = {
    "phi-key": "PhiKey",
    "app-principal": "AppPrincipal",
    "app-access": "AppAccess",
    "audit-trail": "AuditTrail",
    "delivery": "Delivery",
}


def child(op: str, type_: str, name: str, **changes: Any) -> Step:
    """A step of a resource in its component, as the engine names it."""
    parent = next(kind for prefix, kind in PARENTS.items() if name.startswith(prefix))
    urn = f"urn:pulumi:production::eonpro-kms::eonpro:kms:{parent}${type_}::{name}"
    return replace(step(op, type_, name, **changes), urn=urn)


COMPONENT = step("create", "eonpro:kms:PhiKey", "phi-key")
STACK = step("create", "pulumi:pulumi:Stack", "eonpro-kms-production")
FRESH = (
    STACK,
    COMPONENT,
    child("create", "aws:kms/key:Key", "phi-key"),
    child("create", "aws:kms/alias:Alias", "phi-key-alias"),
    child("create", "aws:iam/role:Role", "app-principal-role"),
    child("create", "aws:iam/policy:Policy", "app-access-policy"),
    child("create", "aws:s3/bucket:Bucket", "audit-trail-bucket"),
    child("create", "aws:cloudtrail/trail:Trail", "audit-trail-trail"),
)
SAME = tuple(replace(each, op="same") for each in FRESH)
ECS_STEPS = (
    child("create", "aws:iam/role:Role", "delivery-execution-role"),
    child("create", "aws:iam/policy:Policy", "delivery-parameter-policy"),
    child("update", "aws:iam/role:Role", "app-principal-role", changed=("assumeRolePolicy",)),
)
UPDATE = child("update", "aws:kms/key:Key", "phi-key", changed=("policy", "rotationPeriodInDays"))
REPLACED = (
    child("create-replacement", "aws:s3/bucket:Bucket", "audit-trail-bucket", changed=("bucket",)),
    child("replace", "aws:cloudtrail/trail:Trail", "audit-trail-trail", changed=("name",)),
    child("delete-replaced", "aws:iam/role:Role", "app-principal-role", changed=("name",)),
    child("delete", "aws:iam/policy:Policy", "delivery-parameter-policy"),
)
KEPT = Escrow(parameter=ESCROW, wrapped=wrapped(), key_arn=KEY, version=1)
BOTH = settings(deploy_targets=("vercel", "ecs"), ecs_cluster="clinic", ecs_service="web")


def plan(
    steps: tuple[Step, ...],
    *,
    wanted: Settings | None = None,
    escrow: Escrow | None = None,
    targets: tuple[Target, ...] = (Target.VERCEL,),
) -> Plan:
    return Plan(
        stack="production",
        settings=wanted or settings(),
        identity=IDENTITY,
        steps=steps,
        escrow=escrow,
        targets=targets,
    )


PLANS = {
    "plan-fresh-vercel": plan(FRESH),
    "plan-ecs-on-top-of-vercel": plan((*SAME, *ECS_STEPS), wanted=BOTH, escrow=KEPT, targets=(Target.ECS,)),
    "plan-nothing-to-do": plan(SAME, escrow=KEPT),
    "plan-update": plan((*SAME[:2], UPDATE, *SAME[3:]), escrow=KEPT),
    "plan-replacement": plan((*SAME[:4], *REPLACED), escrow=KEPT),
}
REVIEWS = {
    "review-vercel": review(settings(), IDENTITY, "production", (Target.VERCEL,)),
    "review-ecs-on-top-of-vercel": review(BOTH, IDENTITY, "production", (Target.ECS,)),
    "review-everything-named": review(
        settings(
            environment="staging",
            administrators=(ADMIN, SECOND),
            app_principal_arn=f"arn:aws:iam::{ACCOUNT}:user/app",
            existing_trail_arn=TRAIL,
            trail_bucket="clinic-logs",
            rotation_period_days=180,
        ),
        replace(IDENTITY, account_alias=None),
        "staging",
        (Target.VERCEL,),
    ),
}
TEXTS = {name: lines(each) for name, each in PLANS.items()} | {
    name: tuple(f"{what}: {value}" for what, value in rows) for name, rows in REVIEWS.items()
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_the_one_that_was_reviewed(name: str) -> None:
    """To take a change over: UPDATE_GOLDEN=1, which fails for every file it changes; then review the diff."""
    file = GOLDEN / f"{name}.txt"
    text = "\n".join(TEXTS[name]) + "\n"
    if os.environ.get("UPDATE_GOLDEN") == "1" and (not file.exists() or file.read_text() != text):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        pytest.fail(f"wrote {file.name}: review it, and run again without UPDATE_GOLDEN")
    assert text == file.read_text()


def test_every_golden_file_of_a_plan_has_its_plan() -> None:
    found = {file.stem for file in GOLDEN.glob("*.txt") if file.stem.startswith(("plan-", "review-"))}
    assert found == set(TEXTS)


def test_a_plan_counts_resources_and_neither_components_nor_the_stack() -> None:
    assert [each.name for each in PLANS["plan-fresh-vercel"].changes] == [each.name for each in FRESH[2:]]
    assert PLANS["plan-nothing-to-do"].changes == ()


def test_whatever_deletes_or_replaces_is_a_loss() -> None:
    assert PLANS["plan-replacement"].losses == REPLACED
    assert PLANS["plan-update"].losses == ()


@pytest.mark.parametrize("op", ["replace", "create-replacement", "delete-replaced"])
def test_every_part_of_a_replacement_is_called_a_replacement(op) -> None:
    assert word(step(op)) == "replace"


def test_the_wrapped_data_key_is_in_no_text() -> None:
    for text in TEXTS.values():
        assert wrapped().value[:20] not in "\n".join(text)


def test_a_trail_that_is_there_costs_nothing_more() -> None:
    more = set(cost(settings())) - set(cost(settings(existing_trail_arn=TRAIL, trail_bucket="clinic-logs")))
    assert {line.split()[1] for line in more} == {"trail's", "per"}


def test_the_application_of_the_plan_is_the_one_that_was_named() -> None:
    rows = dict(review(settings(app_principal_arn=APP), IDENTITY, "production", (Target.VERCEL,)))
    assert rows["application"] == APP
