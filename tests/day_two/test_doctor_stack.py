"""Settings, state, backend and account out of step: each made so for real, named first by the doctor, and fixed.

Touches the deployment that is set up once; every test leaves it as it was, by the very command that it is about.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

from tests.day_two.doctor_fixture import diagnosis, fixed, redeployed, typed
from tests.onboarding.deployment import ALIAS, BUCKET, STORED_KEY, Deployment

WHOLE = ("--stack", "production")
"""The doctor's arguments for a look at everything, Pulumi's comparison too."""


def key_of(deployment: Deployment) -> str:
    [arn] = deployment.keys()
    return arn


def state_file(deployment: Deployment) -> Path:
    backend = Path(urlparse(deployment.environment["PULUMI_BACKEND_URL"]).path)
    return backend / ".pulumi" / "stacks" / "eonpro-kms" / "production.json"


@pytest.mark.thorough
def test_a_key_that_does_not_rotate_rotates_again(on_vercel: Deployment):
    on_vercel.client("kms").disable_key_rotation(KeyId=key_of(on_vercel))
    fixed(on_vercel, "rotation-off")
    assert on_vercel.client("kms").get_key_rotation_status(KeyId=key_of(on_vercel))["RotationPeriodInDays"] == 365


@pytest.mark.thorough
def test_a_key_that_rotates_too_seldom_rotates_as_the_settings_say(on_vercel: Deployment):
    on_vercel.client("kms").enable_key_rotation(KeyId=key_of(on_vercel), RotationPeriodInDays=2560)
    fixed(on_vercel, "rotation-period")


@pytest.mark.thorough
def test_an_alias_that_was_moved_points_to_the_stacks_key_again(on_vercel: Deployment):
    kms = on_vercel.client("kms")
    other = kms.create_key(Description="somebody's own")["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName=ALIAS, TargetKeyId=other)
    finding = fixed(on_vercel, "alias-moved")
    assert other in finding["what"]
    kms.schedule_key_deletion(KeyId=other, PendingWindowInDays=7)


@pytest.mark.thorough
def test_an_alias_that_is_gone_is_made_again(on_vercel: Deployment):
    on_vercel.client("kms").delete_alias(AliasName=ALIAS)
    fixed(on_vercel, "alias-missing")


@pytest.mark.thorough
def test_a_key_whose_deletion_nobody_is_denied_is_guarded_again(on_vercel: Deployment):
    kms, key = on_vercel.client("kms"), key_of(on_vercel)
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    kept = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
    assert len(kept) < len(policy["Statement"])
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps({**policy, "Statement": kept}))
    fixed(on_vercel, "deletion-unguarded")
    assert json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]) == policy


@pytest.mark.thorough
def test_a_key_policy_that_lets_a_stranger_decrypt_is_put_back(on_vercel: Deployment):
    kms, key = on_vercel.client("kms"), key_of(on_vercel)
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    stranger = {"AWS": "arn:aws:iam::999999999999:root"}
    more = {"Sid": "Stranger", "Effect": "Allow", "Principal": stranger, "Action": "kms:Decrypt", "Resource": "*"}
    opened = {**policy, "Statement": [*policy["Statement"], more]}
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(opened))
    finding = fixed(on_vercel, "key-policy-changed")
    assert "999999999999" in finding["what"]


@pytest.mark.thorough
def test_an_application_policy_that_was_widened_is_put_back(on_vercel: Deployment):
    iam, arn = on_vercel.client("iam"), on_vercel.outputs()["appPolicyArn"]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    more = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    wider = {**document, "Statement": [*document["Statement"], more]}
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(wider), SetAsDefault=True)
    finding = fixed(on_vercel, "policy-widened")
    assert "s3:*" in finding["what"]


@pytest.mark.thorough
def test_what_was_changed_beside_the_stack_is_put_back(on_vercel: Deployment):
    redeployed(on_vercel)
    iam, before = on_vercel.client("iam"), state_file(on_vercel).read_text()
    iam.tag_role(RoleName="eonpro-app-role", Tags=[{"Key": "Environment", "Value": "Experiment"}])
    [finding] = diagnosis(on_vercel, expect=1)["findings"]
    assert finding["cause"] == "stack-drifted" and "Role app-principal (tags.Environment)" in finding["what"]
    assert state_file(on_vercel).read_text() == before
    typed(on_vercel, finding["command"])
    tags = {each["Key"]: each["Value"] for each in iam.list_role_tags(RoleName="eonpro-app-role")["Tags"]}
    assert tags["Environment"] == "Production"
    assert diagnosis(on_vercel, expect=0)["ok"]


@pytest.mark.thorough
def test_a_change_outside_the_stack_is_found_beside_faults_that_the_comparison_sees_too(on_vercel: Deployment):
    redeployed(on_vercel)
    kms, iam, trail, s3 = (on_vercel.client(name) for name in ("kms", "iam", "cloudtrail", "s3"))
    other = kms.create_key(Description="somebody's own")["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName=ALIAS, TargetKeyId=other)
    kms.disable_key_rotation(KeyId=key_of(on_vercel))
    trail.stop_logging(Name="eonpro-audit-trail")
    trail.update_trail(Name="eonpro-audit-trail", EnableLogFileValidation=False)
    s3.delete_public_access_block(Bucket=BUCKET)
    policy = on_vercel.outputs()["appPolicyArn"]
    iam.detach_role_policy(RoleName="eonpro-app-role", PolicyArn=policy)
    iam.tag_role(RoleName="eonpro-app-role", Tags=[{"Key": "Environment", "Value": "Experiment"}])
    findings = {each["cause"]: each for each in diagnosis(on_vercel, expect=1)["findings"]}
    drifted = findings.pop("stack-drifted")
    faults = {
        "alias-moved",
        "rotation-off",
        "trail-stopped",
        "trail-validation-off",
        "bucket-public",
        "policy-detached",
    }
    assert faults == {*findings}
    assert drifted["what"] == "changed outside the stack: Role app-principal (tags.Environment)"
    for finding in (*findings.values(), drifted):
        typed(on_vercel, finding["command"])
    assert diagnosis(on_vercel, expect=None)["findings"] == []
    kms.schedule_key_deletion(KeyId=other, PendingWindowInDays=7)


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
def test_an_interrupted_update_is_taken_up(on_vercel: Deployment):
    file = state_file(on_vercel)
    state = json.loads(file.read_text())
    latest: dict[str, Any] = state["checkpoint"]["latest"]
    trail = next(each for each in latest["resources"] if each["urn"].endswith("Trail::audit-trail"))
    latest["pending_operations"] = [{"resource": trail, "type": "updating"}]
    file.write_text(json.dumps(state))
    finding = fixed(on_vercel, "stack-pending-operations")
    assert "updating audit-trail" in finding["what"]


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_a_state_that_was_lost_is_made_of_what_is_there(deployment: Deployment):
    before = deployment.keys(), deployment.parameters()[STORED_KEY]
    deployment.pulumi("stack", "rm", "--force", "--yes", "--preserve-config", "production")
    fixed(deployment, "stack-state-lost", *WHOLE)
    assert (deployment.keys(), deployment.parameters()[STORED_KEY]) == before


@pytest.mark.thorough
def test_settings_without_a_stack_are_built_and_then_what_runs_is_started_anew(
    on_vercel: Deployment, deployment: Deployment
):
    on_vercel.copy_settings(deployment.folder)
    for cause in ("stack-not-built", "deployment-stale"):
        found = diagnosis(deployment, "--quick", expect=1)["findings"]
        assert [each["cause"] for each in found] == [cause], found
        typed(deployment, found[0]["command"])
    assert diagnosis(deployment, expect=0)["ok"]


@pytest.mark.thorough
def test_a_backend_that_does_not_answer_is_told_and_the_rest_is_looked_at(on_vercel: Deployment, tmp_path: Path):
    away = {"PULUMI_BACKEND_URL": f"file://{tmp_path}/not-there"}
    document = on_vercel.wizard("doctor", "--json", "--quick", env=away, expect=1).document
    assert [each["cause"] for each in document["findings"]] == ["backend-unreachable"]
    assert any("audit trail" in what for what in document["passed"])


@pytest.mark.thorough
def test_a_replica_without_its_stored_data_key_gets_it_back(deployment: Deployment):
    deployment.set_up("vercel", "--multi-region", "yes", "--replica-regions", "us-west-2")
    ssm = deployment.client("ssm", region="us-west-2")
    ssm.delete_parameter(Name=STORED_KEY)
    fixed(deployment, "stored-key-replica-missing")
    copy = ssm.get_parameter(Name=STORED_KEY, WithDecryption=True)["Parameter"]["Value"]
    assert copy == deployment.parameters()[STORED_KEY]


@pytest.mark.thorough
@pytest.mark.usefixtures("no_backup_afterwards")
def test_a_stored_data_key_that_was_deleted_is_restored_from_the_backup_of_what_stands_on_vercel(on_vercel: Deployment):
    before = on_vercel.parameters()[STORED_KEY]
    on_vercel.wizard("backup", "--to", ".")
    # With all that is beside it: somebody deleted the folder.
    on_vercel.client("ssm").delete_parameters(Names=[*on_vercel.parameters()])
    finding = fixed(on_vercel, "stored-key-missing")
    assert ".backup.json --confirm production" in finding["command"]
    assert on_vercel.parameters()[STORED_KEY] == before
