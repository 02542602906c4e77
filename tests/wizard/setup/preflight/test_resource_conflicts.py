"""What the account has already: another's is told and left alone, a crashed run's own is found and taken up."""

from __future__ import annotations

import pytest

from tests.wizard.fakes.clients import (
    ACCOUNT,
    APP,
    APP_POLICY,
    APP_USER,
    BUCKET,
    KEY_ID,
    MULTI_KEY,
    MULTI_KEY_ID,
    OTHER_KEY,
    REPLICA,
    REPLICA_REGION,
    TRAIL,
    FakeAwsClient,
    advice_of,
    key_fact,
    multi_region,
    settings,
    step,
)
from wizard.account.resource_conflicts import (
    certain_conflicts,
    crashed_creations,
    resource_conflicts,
    with_existing_provider,
)
from wizard.core.models.account import Existing
from wizard.core.models.stack import StackState

EMPTY = StackState(exists=False, has_key=False)
VERCEL = settings()
ECS = settings(deploy_targets=("ecs",), vercel_team=None, vercel_project=None)
EXECUTION = f"arn:aws:iam::{ACCOUNT}:role/eonpro-execution-role"
SECRETS = f"arn:aws:iam::{ACCOUNT}:policy/EONPROSecretAccess"
SECRETS_ROLE = f"arn:aws:iam::{ACCOUNT}:role/eonpro-secrets-role"
LOG_ROLE = f"arn:aws:iam::{ACCOUNT}:role/eonpro-trail-logs-role"
LOG_GROUP = "/aws/cloudtrail/eonpro-audit-trail"
LOG_GROUP_ARN = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{LOG_GROUP}"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-alerts"
READERS = f"eonpro-access-logs-{ACCOUNT}-us-east-1"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/acme"


def whats(wanted, existing: Existing, state: StackState = EMPTY, orphaned_creations=()) -> list[str]:
    return [problem.what for problem in resource_conflicts(wanted, existing, state, dict(orphaned_creations))]


def test_an_alias_of_another_key_is_told_with_whose_it_is() -> None:
    other = key_fact(OTHER_KEY, description="Billing", tags={"Owner": "finance"})
    (problem,) = resource_conflicts(VERCEL, Existing(alias_target=other), EMPTY, {})
    assert problem.what == (
        f"alias/eonpro-phi-key already points to the key {OTHER_KEY} (Enabled, Billing, Owner=finance)"
    )
    assert "were not changed" in problem.why
    assert "aws kms describe-key --key-id alias/eonpro-phi-key --region us-east-1" in problem.next


def test_the_target_of_an_alias_is_surely_another_key_only_if_its_tags_were_read() -> None:
    other = Existing(alias_target=key_fact(OTHER_KEY, tags={"Owner": "ada"}))
    unread = Existing(alias_target=key_fact(OTHER_KEY, tags=None))
    assert len(certain_conflicts(VERCEL, other, is_importing=False)) == 1
    assert certain_conflicts(VERCEL, unread, is_importing=False) == []
    # The state shows that the key is not the stack's, whatever its tags are.
    (problem,) = resource_conflicts(VERCEL, unread, EMPTY, {})
    assert f"{OTHER_KEY} (Enabled, EONPRO PHI encryption key for HIPAA compliance)" in problem.what


EKS = {"deploy_targets": ("eks",), "eks_cluster": "clinic"}
SECRETS_MANAGER = {"secret_store": "secrets-manager", "deploy_targets": ("ecs",)}
LOGS_KEY_IS_THERE = Existing(other_keys={"alias/eonpro-audit-key": key_fact(OTHER_KEY)})


@pytest.mark.parametrize(
    ("wanted", "existing", "arn", "id_"),
    [
        ({"vercel_access": "user"}, Existing(found={"app_user": APP_USER}), APP_USER, "eonpro-app-user"),
        (EKS, Existing(found={"secrets_role": SECRETS_ROLE}), SECRETS_ROLE, "eonpro-secrets-role"),
        (SECRETS_MANAGER, Existing(found={"secret_policy": SECRETS}), SECRETS, SECRETS),
        ({}, LOGS_KEY_IS_THERE, OTHER_KEY, OTHER_KEY.rsplit("/", 1)[-1]),
        ({"cloudwatch_logs": True}, Existing(found={"log_role": LOG_ROLE}), LOG_ROLE, "eonpro-trail-logs-role"),
        ({"cloudwatch_logs": True}, Existing(found={"log_group": LOG_GROUP_ARN}), LOG_GROUP_ARN, LOG_GROUP),
        ({}, Existing(found={"alert_topic": TOPIC}), TOPIC, TOPIC),
    ],
)
def test_a_name_of_an_option_that_something_else_has_is_told_and_the_stacks_own_is_not(
    wanted, existing, arn, id_
) -> None:
    (what,) = whats(settings(**wanted), existing)
    assert f"{arn} exists already and is not in this stack" in what
    # The stack knows what it has by its ARN, what a crashed run left by the engine's id.
    assert whats(settings(**wanted), existing, StackState(exists=True, has_key=True, owned=(arn,))) == []
    assert whats(settings(**wanted), existing, orphaned_creations={"urn": id_}) == []


@pytest.mark.parametrize(("owner", "said"), [("foreign", "another account"), ("ours", "this account, outside")])
def test_the_bucket_of_the_readers_log_is_told_with_the_way_out(owner, said) -> None:
    (problem,) = resource_conflicts(VERCEL, Existing(found={"access_log_bucket": owner}), EMPTY, {})
    assert said in problem.what and READERS in problem.what
    assert problem.next.endswith("do without: --access-logging no")
    # Nobody takes in what is another account's.
    assert ("--adopt" in problem.next) is (owner == "ours")


def test_a_key_of_the_logs_that_is_there_is_told_with_the_tags_of_an_earlier_stack() -> None:
    (problem,) = resource_conflicts(
        VERCEL, Existing(other_keys={"alias/eonpro-audit-key": key_fact(OTHER_KEY)}), EMPTY, {}
    )
    assert f"aws kms list-resource-tags --key-id {OTHER_KEY}" in problem.next
    advice = advice_of(problem.next)
    assert "Purpose=AuditLogs" in advice and "--adopt" in advice and "--trail-key no" in advice


def test_a_trail_that_is_there_may_be_used_instead() -> None:
    (problem,) = resource_conflicts(ECS, Existing(found={"trail": TRAIL}), EMPTY, {})
    assert f"--trail {TRAIL}" in problem.next


def test_what_the_stack_would_not_make_is_no_problem() -> None:
    found = {"app_role": APP, "execution_role": EXECUTION, "trail": TRAIL, "trail_bucket": "ours"}
    found |= {"access_log_bucket": "ours", "log_role": LOG_ROLE}
    existing = Existing(other_keys={"alias/eonpro-audit-key": key_fact(OTHER_KEY)}, found=found)
    wanted = settings(app_principal_arn=APP, existing_trail_arn=TRAIL, trail_bucket=BUCKET)
    assert whats(wanted, existing) == []
    assert whats(settings(**{**ECS.model_dump(), "ecs_execution_role_arn": EXECUTION}), Existing()) == []


# --- the OIDC provider


def test_an_oidc_provider_that_is_there_is_used() -> None:
    used = with_existing_provider(VERCEL, Existing(found={"oidc_provider": PROVIDER}), EMPTY, {})
    assert used == settings(vercel_oidc_provider_arn=PROVIDER)


# --- a crashed run

ALIAS = step("creating", "aws:kms/alias:Alias", "alias", physical_name="alias/eonpro-phi-key")
LOGS_KEY = step("creating", "aws:kms/key:Key", "audit-trail-key")
LOGS_ALIAS = step("creating", "aws:kms/alias:Alias", "audit-trail-key", physical_name="alias/eonpro-audit-key")
THE_KEY = step("creating", "aws:kms/key:Key", "phi-key")


def found(existing: Existing, *pending, aws: FakeAwsClient | None = None, wanted=VERCEL, owned=()) -> dict[str, str]:
    state = StackState(exists=True, has_key=False, pending=pending, owned=owned)
    return crashed_creations(wanted, existing, state, aws or FakeAwsClient())


def cloud_with(*keys) -> FakeAwsClient:
    return FakeAwsClient(keys={key.arn: key for key in keys})


CREATIONS: list[tuple[str, str | None, str, str, str]] = [
    ("s3/bucket:Bucket", BUCKET, "trail_bucket", "ours", BUCKET),
    ("s3/bucket:Bucket", READERS, "access_log_bucket", "ours", READERS),
    ("iam/user:User", "eonpro-app-user", "app_user", APP_USER, "eonpro-app-user"),
    ("iam/role:Role", "eonpro-secrets-role", "secrets_role", SECRETS_ROLE, "eonpro-secrets-role"),
    ("iam/role:Role", "eonpro-trail-logs-role", "log_role", LOG_ROLE, "eonpro-trail-logs-role"),
    ("iam/role:Role", "eonpro-app-role", "app_role", APP, "eonpro-app-role"),
    ("iam/role:Role", "eonpro-execution-role", "execution_role", EXECUTION, "eonpro-execution-role"),
    ("iam/policy:Policy", "EONPROSecretAccess", "secret_policy", SECRETS, SECRETS),
    ("iam/policy:Policy", "EONPROKMSAccess", "app_policy", APP_POLICY, APP_POLICY),
    ("cloudwatch/logGroup:LogGroup", LOG_GROUP, "log_group", LOG_GROUP_ARN, LOG_GROUP),
    ("sns/topic:Topic", "eonpro-alerts", "alert_topic", TOPIC, TOPIC),
    ("cloudtrail/trail:Trail", "eonpro-audit-trail", "trail", TRAIL, TRAIL),
    ("iam/openIdConnectProvider:OpenIdConnectProvider", None, "oidc_provider", PROVIDER, PROVIDER),
]


@pytest.mark.parametrize(("type_", "name", "key", "value", "id_"), CREATIONS, ids=[row[2] for row in CREATIONS])
def test_a_creation_that_happened_is_found_by_its_name(type_, name, key, value, id_) -> None:
    pending = step("creating", f"aws:{type_}", key, **({"physical_name": name} if name else {}))
    assert found(Existing(found={key: value}), pending) == {pending.urn: id_}


@pytest.mark.parametrize(
    ("pending", "existing"), [(ALIAS, Existing(alias_target=key_fact())), (LOGS_ALIAS, LOGS_KEY_IS_THERE)]
)
def test_an_alias_that_was_created_is_found_by_its_name(pending, existing) -> None:
    assert found(existing, pending) == {pending.urn: pending.physical_name}


def test_a_strangers_bucket_of_that_name_is_never_taken() -> None:
    bucket = step("creating", "aws:s3/bucket:Bucket", "bucket", physical_name=BUCKET)
    readers = step("creating", "aws:s3/bucket:Bucket", "readers", physical_name=READERS)
    assert found(Existing(found={"trail_bucket": "foreign", "access_log_bucket": "foreign"}), bucket, readers) == {}


def test_neither_topic_is_ever_taken_for_the_other() -> None:
    alerts = step("creating", "aws:sns/topic:Topic", "alerts", physical_name="eonpro-alerts")
    fallback = step("creating", "aws:sns/topic:Topic", "fallback-alerts", physical_name="eonpro-fallback-alerts")
    of_fallback = TOPIC.replace("eonpro-alerts", "eonpro-fallback-alerts")
    both = Existing(found={"alert_topic": TOPIC, "fallback_topic": of_fallback})
    assert found(both, alerts, fallback) == {alerts.urn: TOPIC, fallback.urn: of_fallback}
    assert found(Existing(found={"alert_topic": TOPIC}), fallback) == {}


def test_of_two_keys_that_could_be_it_neither_is_taken() -> None:
    assert found(Existing(), THE_KEY, aws=cloud_with(key_fact(), key_fact(OTHER_KEY))) == {}


def test_the_key_of_the_logs_is_told_from_the_phi_key_by_the_one_tag_more() -> None:
    logs = key_fact(OTHER_KEY, tags={**VERCEL.tags, "Purpose": "AuditLogs"})
    aws = cloud_with(key_fact(), logs)
    assert found(Existing(), THE_KEY, LOGS_KEY, aws=aws) == {
        THE_KEY.urn: KEY_ID,
        LOGS_KEY.urn: OTHER_KEY.rsplit("/", 1)[-1],
    }


@pytest.mark.parametrize("pending", [THE_KEY, LOGS_KEY])
def test_neither_key_is_ever_taken_for_the_other(pending) -> None:
    tags = VERCEL.tags if pending is LOGS_KEY else {**VERCEL.tags, "Purpose": "AuditLogs"}
    assert found(Existing(), pending, aws=cloud_with(key_fact(tags=tags))) == {}


# --- other Regions

REPLICATED = step("creating", "aws:kms/replicaKey:ReplicaKey", f"phi-key-{REPLICA_REGION}")
REPLICAS_ALIAS = step(
    "creating", "aws:kms/alias:Alias", f"phi-key-{REPLICA_REGION}", physical_name="alias/eonpro-phi-key"
)


def test_a_replica_is_found_in_its_region_by_the_id_of_its_primary() -> None:
    aws = cloud_with(key_fact(MULTI_KEY), key_fact(REPLICA))
    owned = (MULTI_KEY_ID, MULTI_KEY)
    assert found(Existing(), REPLICATED, aws=aws, wanted=multi_region(), owned=owned) == {REPLICATED.urn: MULTI_KEY_ID}


def test_the_alias_of_a_replica_is_looked_for_in_the_replicas_region() -> None:
    aws = cloud_with(key_fact(MULTI_KEY), key_fact(REPLICA))
    there = Existing(alias_target=key_fact(MULTI_KEY))
    assert found(there, REPLICAS_ALIAS, aws=aws, wanted=multi_region()) == {}
    aws.with_region(REPLICA_REGION).aliases["alias/eonpro-phi-key"] = REPLICA
    assert found(Existing(), REPLICAS_ALIAS, aws=aws, wanted=multi_region()) == {
        REPLICAS_ALIAS.urn: "alias/eonpro-phi-key"
    }
