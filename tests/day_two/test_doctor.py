"""The doctor on a real account: it names the fault that was made, and its command, typed as it is, ends it.

Touches the deployments that are set up once; every test leaves them as they were. `make blind` makes 200 other faults.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.day_two.doctor_fixture import diagnosis, fixed, messages, redeployed, typed
from tests.day_two.the_service import service_of
from tests.onboarding.deployment import ACCOUNT, ALIAS, BUCKET, STORED_KEY, Deployment

ROLE, TRAIL = "eonpro-app-role", "eonpro-audit-trail"
EXECUTION_ROLE = "eonpro-execution-role"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/EONPROKMSAccess"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/eonpro"
WHOLE = ("--stack", "production")
"""The doctor's arguments for a look at everything, Pulumi's comparison too."""
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
DENY_KMS = {"Sid": "NoKeys", "Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}
EC2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def aws(service: str, operation: str, **given: Any) -> Callable[[Deployment], object]:
    """One call of AWS."""
    return lambda deployment: getattr(deployment.client(service), operation)(**given)


def test_a_key_policy_without_the_application_gets_it_back(on_vercel: Deployment):
    kms, [key] = on_vercel.client("kms"), on_vercel.keys()
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    kept = [each for each in policy["Statement"] if "EONPRO" not in each["Sid"]]
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps({**policy, "Statement": kept}))
    fixed(on_vercel, "key-policy-without-application")
    assert json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]) == policy


def test_a_trail_that_was_stopped_logs_again(on_vercel: Deployment):
    on_vercel.client("cloudtrail").stop_logging(Name=TRAIL)
    finding = fixed(on_vercel, "trail-stopped")
    assert finding["command"].startswith("aws cloudtrail start-logging --name arn:aws:cloudtrail:us-east-1:")
    assert on_vercel.client("cloudtrail").get_trail_status(Name=TRAIL)["IsLogging"] is True


def test_a_service_control_policy_is_named_and_it_is_said_who_can_change_it(on_vercel: Deployment):
    url = f"{on_vercel.environment['AWS_ENDPOINT_URL']}/_sandbox/service-control-policies"

    def organization(*policies: str) -> None:
        body = json.dumps({"policies": [json.loads(each) for each in policies]}).encode()
        urlopen(Request(url, method="PUT", data=body), timeout=10).close()

    organization(document(EVERYTHING, {**DENY_KMS, "Condition": {"StringLike": {"aws:PrincipalArn": f"*{ROLE}"}}}))
    try:
        found = diagnosis(on_vercel, "--quick", expect=1)
    finally:
        # Only the organization's management account can: there is no command that this account could type.
        organization()
    [finding] = found["findings"]
    assert finding["cause"] == "service-control-policy"
    assert f"--target-id {ACCOUNT}" in finding["command"] and "management account" in finding["advice"]
    assert {each["cause"] for each in found["consequences"]} >= {"access-denied"}


@pytest.mark.thorough
def test_all_that_was_fixed_is_well(on_vercel: Deployment):
    found = diagnosis(on_vercel, expect=0)
    assert (found["ok"], found["findings"], found["notChecked"]) == (True, [], [])


# --- a caller who may not read


def test_a_trail_that_may_not_be_looked_at_is_never_called_well(on_vercel: Deployment):
    on_vercel.fault(service="cloudtrail", error="AccessDeniedException", times=99)
    try:
        found = diagnosis(on_vercel, "--quick", expect=3)
    finally:
        on_vercel.no_more_faults()
    assert found["ok"] is False and found["findings"] == []
    assert any("audit trail" in each["what"] for each in found["notChecked"])
    assert not any("audit trail" in what for what in found["passed"])


def test_the_doctor_says_in_the_words_of_aws_what_kept_it_from_reading(on_vercel: Deployment):
    iam, name = on_vercel.client("iam"), "a-reader"
    no_roles = {"Sid": "NoRoles", "Effect": "Deny", "Action": "iam:GetRole", "Resource": "*"}
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(EVERYTHING, no_roles))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    env = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    try:
        ended = on_vercel.wizard("doctor", "--quick", "--json", "--stack", "production", env=env, expect=None)
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName=name, PolicyName="p")
        iam.delete_user(UserName=name)
    whys = [each["why"] for each in ended.document["notChecked"]]
    assert any("iam:GetRole" in why and "with an explicit deny in an identity-based policy" in why for why in whys)
    assert "authorization-details" not in ended.out + ended.err


# --- what `make blind` does not make


def _managed_denial(deployment: Deployment) -> None:
    iam = deployment.client("iam")
    arn = iam.create_policy(PolicyName="quarantine", PolicyDocument=document(DENY_KMS))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=arn)


def _other_audience(deployment: Deployment) -> None:
    iam = deployment.client("iam")
    iam.add_client_id_to_open_id_connect_provider(
        OpenIDConnectProviderArn=PROVIDER, ClientID="https://vercel.com/other"
    )
    iam.remove_client_id_from_open_id_connect_provider(
        OpenIDConnectProviderArn=PROVIDER, ClientID="https://vercel.com/eonpro"
    )


def _no_execution_role(deployment: Deployment) -> None:
    iam = deployment.client("iam")
    for each in iam.list_attached_role_policies(RoleName=EXECUTION_ROLE)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=EXECUTION_ROLE, PolicyArn=each["PolicyArn"])
    for name in iam.list_role_policies(RoleName=EXECUTION_ROLE)["PolicyNames"]:
        iam.delete_role_policy(RoleName=EXECUTION_ROLE, PolicyName=name)
    iam.delete_role(RoleName=EXECUTION_ROLE)


def _of_another_region(deployment: Deployment) -> None:
    deployment.pulumi("config", "set", "aws:region", "eu-west-1", "--stack", "production")


FAULTS: dict[str, tuple[str, str, Callable[[Deployment], object]]] = {
    "a policy that was edited": (
        *("on_vercel", "policy-edited"),
        aws(
            *("iam", "create_policy_version"),
            PolicyArn=POLICY,
            PolicyDocument=document({"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"}),
            SetAsDefault=True,
        ),
    ),
    "a managed policy that denies": ("on_vercel", "explicit-deny", _managed_denial),
    "a role that trusts something else": (
        *("on_vercel", "trust-changed"),
        aws("iam", "update_assume_role_policy", RoleName=ROLE, PolicyDocument=document(EC2)),
    ),
    "a task role that trusts something else": (
        *("on_ecs", "trust-changed"),
        aws("iam", "update_assume_role_policy", RoleName=ROLE, PolicyDocument=document(EC2)),
    ),
    "an OIDC provider of another audience": ("on_vercel", "provider-audience", _other_audience),
    "an execution role that was deleted": ("on_ecs", "execution-role-denied", _no_execution_role),
    "settings of another Region": ("on_vercel", "region-of-settings", _of_another_region),
    "an alias for a key in Parameter Store": (
        *("on_ecs", "key-id-alias"),
        aws("ssm", "put_parameter", Name="/eonpro/production/AWS_KMS_KEY_ID", Value=ALIAS, Overwrite=True),
    ),
    "a tag of another data key": (
        *("on_vercel", "stored-key-tag-changed"),
        aws(
            *("ssm", "add_tags_to_resource"),
            ResourceType="Parameter",
            ResourceId=STORED_KEY,
            Tags=[{"Key": "eonpro:fingerprint", "Value": "sha256:0123456789abcdef"}],
        ),
    ),
    "a trail that was deleted": ("on_vercel", "trail-missing", aws("cloudtrail", "delete_trail", Name=TRAIL)),
    "a trail whose files are not validated": (
        *("on_vercel", "trail-validation-off"),
        aws("cloudtrail", "update_trail", Name=TRAIL, EnableLogFileValidation=False),
    ),
    "logs without their key": (
        *("on_vercel", "trail-encryption-off"),
        aws("cloudtrail", "update_trail", Name=TRAIL, KmsKeyId=""),
    ),
    "a bucket that keeps no versions": (
        *("on_vercel", "bucket-unversioned"),
        aws("s3", "put_bucket_versioning", Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"}),
    ),
    "a bucket whose lock is gone": (
        *("on_vercel", "bucket-lock-missing"),
        aws(
            *("s3", "put_object_lock_configuration"),
            Bucket=BUCKET,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"},
        ),
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_first_and_ended_by_its_command(name: str, request: pytest.FixtureRequest):
    where, cause, make = FAULTS[name]
    deployment: Deployment = request.getfixturevalue(where)
    make(deployment)
    fixed(deployment, cause)


@pytest.mark.thorough
def test_a_project_that_goes_over_to_vercels_global_issuer_is_trusted_again(on_vercel: Deployment):
    """And back: the account has kept the provider of the former issuer, and it is the stack's own again."""
    iam = on_vercel.client("iam")
    for mode in ("global", "team", "global", "team"):
        on_vercel.vercel("PATCH", "/v9/projects/eonpro", {"oidcTokenConfig": {"issuerMode": mode}})
        fixed(on_vercel, "vercel-issuer-changed")
        trust = json.dumps(iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"])
        assert ("oidc.vercel.com/eonpro:sub" in trust) is (mode == "team")
    assert PROVIDER in [each.get("id") for each in on_vercel.state()["resources"]]
    assert "vercelOidcProviderArn" not in (on_vercel.folder / "Pulumi.production.yaml").read_text()
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER.removesuffix("/eonpro"))


@pytest.mark.thorough
def test_a_service_that_runs_as_another_role_runs_as_the_application_again(on_ecs: Deployment):
    with service_of(on_ecs) as service:
        typed(on_ecs, "eonpro-kms push --redeploy --yes")
        mine = service.revision()
        kept = ("family", "containerDefinitions", "executionRoleArn")
        other = on_ecs.client("ecs").register_task_definition(
            **{name: mine[name] for name in kept}, taskRoleArn=f"arn:aws:iam::{ACCOUNT}:role/platform-admin"
        )
        service.ecs.update_service(
            cluster="eonpro", service="eonpro", taskDefinition=other["taskDefinition"]["taskDefinitionArn"]
        )
        service.look()
        service.look()
        finding = fixed(on_ecs, "wrong-principal")
        assert "role/platform-admin" in finding["what"]
        assert service.revision()["taskRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"


@pytest.mark.thorough
def test_a_change_outside_the_stack_is_found_beside_faults_that_the_comparison_sees_too(on_vercel: Deployment):
    redeployed(on_vercel)
    kms, iam, trail, s3 = (on_vercel.client(name) for name in ("kms", "iam", "cloudtrail", "s3"))
    kms.disable_key_rotation(KeyId=on_vercel.keys()[0])
    trail.stop_logging(Name=TRAIL)
    trail.update_trail(Name=TRAIL, EnableLogFileValidation=False)
    s3.delete_public_access_block(Bucket=BUCKET)
    iam.detach_role_policy(RoleName=ROLE, PolicyArn=POLICY)
    iam.tag_role(RoleName=ROLE, Tags=[{"Key": "Environment", "Value": "Experiment"}])
    findings = {each["cause"]: each for each in diagnosis(on_vercel, expect=1)["findings"]}
    drifted = findings.pop("stack-drifted")
    assert {*findings} == {"rotation-off", "trail-stopped", "trail-validation-off", "bucket-public", "policy-detached"}
    assert drifted["what"] == "changed outside the stack: Role app-principal (tags.Environment)"
    for finding in (*findings.values(), drifted):
        typed(on_vercel, finding["command"])
    assert diagnosis(on_vercel, expect=None)["findings"] == []


@pytest.mark.thorough
def test_settings_that_were_not_applied_are_applied(on_vercel: Deployment):
    settings = on_vercel.folder / "Pulumi.production.yaml"
    before = settings.read_text()
    try:
        on_vercel.pulumi("config", "set", "eonpro-kms:trailArchiveDays", "180", "--stack", "production")
        finding = fixed(on_vercel, "stack-behind", *WHOLE)
        assert "BucketLifecycleConfiguration audit-trail" in finding["what"]
    finally:
        settings.write_text(before)
    fixed(on_vercel, "stack-behind", *WHOLE)


@pytest.mark.thorough
def test_the_end_of_either_way_of_the_alerts_is_told_by_the_other(on_vercel: Deployment):
    alerts, fallback = "eonpro-alerts", "eonpro-fallback-alerts"
    for broken, other in ((alerts, fallback), (fallback, alerts)):
        before = len(messages(on_vercel))
        on_vercel.client("sns").delete_topic(TopicArn=f"arn:aws:sns:us-east-1:{ACCOUNT}:{broken}")
        told = [each for each in messages(on_vercel)[before:] if "DeleteTopic" in each["message"].partition("\n")[0]]
        assert [each["topic"].rpartition(":")[2] for each in told] == [other], told
        fixed(on_vercel, "alerts-topic-missing")
