"""The plan and the review page as text, against golden files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.settings import Settings, Target
from tests.golden import compare
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    APP,
    IDENTITY,
    KEY,
    KEY_ID,
    MULTI_KEY,
    REPLICA_REGION,
    SECOND,
    STORED_KEY,
    TRAIL,
    multi_region,
    settings,
    step,
    wrapped,
)
from wizard.core.clients import Answer, Source
from wizard.core.data_key import WrappedDataKey
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.stack import Step
from wizard.setup.plan import Plan, irreversible, lines
from wizard.setup.plan import rows as review

GOLDEN = Path(__file__).parent / "golden"

PARENTS = {
    "phi-key": "PhiKey",
    "app-principal": "AppPrincipal",
    "app-access": "AppAccess",
    "audit-trail": "AuditTrail",
    "delivery": "Delivery",
    "alerts": "Alerts",
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
KEPT = StoredDataKey(parameter=STORED_KEY, wrapped=wrapped(), key_arn=KEY, version=1)
BOTH = settings(deploy_targets=("vercel", "ecs"), ecs_cluster="clinic", ecs_service="web")


def plan(
    steps: tuple[Step, ...],
    *,
    wanted: Settings | None = None,
    stored_data_key: StoredDataKey | None = None,
    targets: tuple[Target, ...] = (Target.VERCEL,),
    adopted: WrappedDataKey | None = None,
) -> Plan:
    return Plan(
        stack="production",
        settings=wanted or settings(),
        identity=IDENTITY,
        steps=steps,
        stored_data_key=stored_data_key,
        targets=targets,
        imported_data_key=adopted,
    )


IMPORTED = tuple(replace(each, op="import") for each in FRESH[2:])
REPAIRED = child("update", "aws:kms/key:Key", "phi-key", changed=("enableKeyRotation",))
USER_STEPS = (
    *FRESH[2:4],
    child("create", "aws:iam/user:User", "app-principal-user"),
    *FRESH[5:],
    child("create", "aws:sns/topic:Topic", "alerts"),
)
REPLICA_STEPS = (
    child("create", "aws:kms/replicaKey:ReplicaKey", f"phi-key-{REPLICA_REGION}"),
    child("create", "aws:kms/alias:Alias", f"phi-key-{REPLICA_REGION}"),
)
EKS = settings(
    deploy_targets=("eks",), vercel_team=None, vercel_project=None, eks_cluster="clinic", secret_store="secrets-manager"
)
MOVED = settings(deploy_targets=("ecs",), vercel_team=None, vercel_project=None, secret_store="secrets-manager")
ADOPTED = settings(adopted=(f"key={KEY_ID}",), kept_as_found=("bucket", "trail"))

PLANS = {
    "plan-vercel-user": plan(USER_STEPS, wanted=settings(vercel_access="user")),
    "plan-replica": plan(
        (*SAME, *REPLICA_STEPS),
        wanted=multi_region(deploy_targets=("ecs",), vercel_team=None, vercel_project=None),
        stored_data_key=replace(KEPT, key_arn=MULTI_KEY),
        targets=(Target.ECS,),
    ),
    "plan-eks-secrets-manager": plan(FRESH, wanted=EKS, targets=(Target.EKS,)),
    "plan-store-moved": plan((*SAME, *ECS_STEPS[1:2]), wanted=MOVED, stored_data_key=KEPT, targets=(Target.ECS,)),
    "plan-adopted": plan((*IMPORTED, REPAIRED), wanted=ADOPTED, adopted=wrapped("by hand")),
    "plan-existing-trail": plan(
        FRESH[:6], wanted=settings(existing_trail_arn=TRAIL, trail_bucket="clinic-logs", alerts=False)
    ),
    "plan-fresh-vercel": plan(FRESH),
    "plan-ecs-on-top-of-vercel": plan((*SAME, *ECS_STEPS), wanted=BOTH, stored_data_key=KEPT, targets=(Target.ECS,)),
    "plan-nothing-to-do": plan(SAME, stored_data_key=KEPT),
    "plan-update": plan((*SAME[:2], UPDATE, *SAME[3:]), stored_data_key=KEPT),
    "plan-replacement": plan((*SAME[:4], *REPLACED), stored_data_key=KEPT),
}
REVIEWS = {
    "review-every-option": review(
        settings(
            administrators=(ADMIN, SECOND),
            deletion_administrators=(SECOND,),
            strict_key_policy=True,
            exclusive_use=True,
            multi_region=True,
            replica_regions=(REPLICA_REGION,),
            deploy_targets=("vercel", "ecs", "eks"),
            vercel_access="user",
            eks_cluster="clinic",
            secret_store="secrets-manager",
            trail_lock="compliance",
            cloudwatch_logs=True,
            alert_emails=("ada@clinic.example",),
        ),
        IDENTITY,
        "production",
        (Target.VERCEL, Target.ECS, Target.EKS),
    ),
    "review-as-plain-as-can-be": review(
        settings(
            administrators=(),
            administrator_patterns=(f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/*AWSReservedSSO_KeyAdmin_*",),
            trail_key=False,
            trail_lock="none",
            access_logging=False,
            alerts=False,
        ),
        IDENTITY,
        "production",
        (Target.VERCEL,),
    ),
    "review-adopted": review(ADOPTED, IDENTITY, "production", (Target.VERCEL,)),
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
    name: tuple(f"{what}: {value}" for what, value, _ in rows) for name, rows in REVIEWS.items()
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_the_one_that_was_reviewed(name: str) -> None:
    """To take a change over: UPDATE_GOLDEN=1, which fails for every file it changes; then review the diff."""
    compare(GOLDEN / f"{name}.txt", "\n".join(TEXTS[name]) + "\n")


def test_a_plan_counts_resources_and_neither_components_nor_the_stack() -> None:
    assert [each.name for each in PLANS["plan-fresh-vercel"].changes] == [each.name for each in FRESH[2:]]
    assert PLANS["plan-nothing-to-do"].changes == ()


def test_the_first_run_is_the_one_that_makes_or_takes_in_the_phi_key_and_not_the_logs() -> None:
    assert PLANS["plan-fresh-vercel"].first and PLANS["plan-adopted"].first
    assert not plan((*SAME, child("create", "aws:kms/key:Key", "audit-trail-key"))).first


# --- what cannot be undone

LOCK = child("create", "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "audit-trail")
FOREVER = settings(trail_lock="compliance")


@pytest.mark.parametrize("op", ["create", "update", "replace"])
def test_a_compliance_lock_that_is_put_on_or_changed_is_told_as_irreversible(op) -> None:
    (told,) = irreversible(plan((replace(LOCK, op=op),), wanted=FOREVER))
    assert "for 2557 days nobody, the account's root and AWS included" in told


@pytest.mark.parametrize(
    ("wanted", "steps"),
    [
        (settings(), (LOCK,)),
        (settings(trail_lock="none"), ()),
        (FOREVER, (replace(LOCK, op="same"),)),
        (FOREVER, SAME),
        (settings(trail_lock="compliance", existing_trail_arn=TRAIL, trail_bucket="logs"), FRESH[:4]),
    ],
    ids=["governance", "none", "locked already", "locked before", "no bucket of ours"],
)
def test_what_can_be_undone_or_was_done_before_is_not_told(wanted, steps) -> None:
    assert irreversible(plan(steps, wanted=wanted)) == ()


def test_the_application_of_the_plan_is_the_one_that_was_named() -> None:
    rows = review(settings(app_principal_arn=APP), IDENTITY, "production", (Target.VERCEL,))
    assert ("application", APP, "") in rows


def test_the_summary_says_where_each_answer_comes_from() -> None:
    answers = {
        "account": Answer(value=ACCOUNT, source=Source.DETECTED, where="the profile clinic"),
        "region": Answer(value="us-east-1", source=Source.FLAG, where="--region"),
        "vercel_project": Answer(value="portal", source=Source.ASKED, where="your answer"),
    }
    rows = review(settings(), IDENTITY, "production", (Target.VERCEL,), answers)
    told = {what: source for what, _, source in rows if source}
    assert told == {"account": "the profile clinic", "region": "--region", "Vercel": "asked"}
