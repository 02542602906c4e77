"""Who is let in by the key itself, beyond the settings: verify fails, push and status say it, doctor's command ends it.

Touches the deployment that is set up once, which every test leaves as it was, and one with replicas.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.day_two import in_this_process
from tests.day_two.doctor_fixture import diagnosis, fixed, typed
from tests.day_two.test_doctor_access import key_policy, put_key_policy
from tests.onboarding.deployment import ACCOUNT, Deployment

STRANGER = "arn:aws:iam::999988887777:root"
ELSEWHERE = "eu-north-1"


def causes(document: dict[str, Any]) -> list[str]:
    return [each["cause"] for each in document["findings"]]


@pytest.mark.thorough
def test_another_account_in_the_key_policy_fails_verify_and_is_said_by_push_and_status(on_vercel: Deployment):
    policy = key_policy(on_vercel)
    stranger = {"Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": "kms:Decrypt", "Resource": "*"}
    put_key_policy(on_vercel, {**policy, "Statement": [*policy["Statement"], stranger]})
    verified = in_this_process.run(on_vercel, "verify", "--json", expect=1)
    pushed = in_this_process.run(on_vercel, "push", "--json", "--no-redeploy").document
    status = in_this_process.run(on_vercel, "status", "--json", expect=1).document
    set_up = in_this_process.run(on_vercel, "setup", "--yes", "--json").document
    assert causes(verified.document) == causes(pushed) == ["key-policy-changed"]
    assert "999988887777" in verified.err
    [access] = [each for each in status["stacks"][0]["checks"] if each["what"] == "access"]
    assert access["status"] == "wrong" and "999988887777" in access["detail"]
    # The set-up has put the policy back.
    assert set_up["ok"] is True and "999988887777" not in str(key_policy(on_vercel))
    assert in_this_process.run(on_vercel, "verify", "--json").document["ok"] is True


def test_a_grant_without_decryption_fails_verify_until_it_is_revoked(on_vercel: Deployment):
    [key] = on_vercel.keys()
    on_vercel.client("kms").create_grant(KeyId=key, GranteePrincipal=STRANGER, Operations=["ReEncryptFrom"])
    verified = in_this_process.run(on_vercel, "verify", "--json", expect=1).document
    assert causes(verified) == ["grant-foreign"]
    # No update takes a grant away, so that the set-up says it and does not end well.
    set_up = in_this_process.run(on_vercel, "setup", "--yes", "--json", expect=1).document
    states = {each["title"]: each["state"] for each in set_up["checklist"] if "999988887777" in each["evidence"]}
    assert states["Key policy restricts access"] == "open" and "done" not in states.values()
    fixed(on_vercel, "grant-foreign")
    assert in_this_process.run(on_vercel, "verify", "--json").document["ok"] is True


@pytest.mark.thorough
def test_a_role_that_decrypts_and_trusts_another_account_is_found(on_vercel: Deployment):
    iam = on_vercel.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": "sts:AssumeRole"}
    use = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}

    def document(statement: dict[str, Any]) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    iam.create_role(RoleName="vendor", AssumeRolePolicyDocument=document(trust))
    iam.put_role_policy(RoleName="vendor", PolicyName="all-keys", PolicyDocument=document(use))
    finding = fixed(on_vercel, "role-trusts-other-account")
    assert f"arn:aws:iam::{ACCOUNT}:role/vendor" in finding["what"] and "999988887777" in finding["what"]
    for name in iam.list_role_policies(RoleName="vendor")["PolicyNames"]:
        iam.delete_role_policy(RoleName="vendor", PolicyName=name)
    iam.delete_role(RoleName="vendor")


@pytest.mark.thorough
@pytest.mark.onboarded("multi-region")
def test_a_replica_elsewhere_and_a_moved_primary_are_found_and_ended(deployment: Deployment):
    kms, [key] = deployment.client("kms"), deployment.keys()
    home = key.split(":")[3]
    kms.replicate_key(KeyId=key, ReplicaRegion=ELSEWHERE)
    for command in ("verify", "review"):
        more = ("--out", str(deployment.root / "reviews")) if command == "review" else ()
        document = in_this_process.run(deployment, command, "--json", *more, expect=1).document
        assert ELSEWHERE in str(document)
    assert ELSEWHERE in ended(deployment, "replica-foreign")["what"]
    passed = diagnosis(deployment, "--quick")["passed"]
    assert any(ELSEWHERE in each and "going to be deleted" in each for each in passed)

    listed = kms.describe_key(KeyId=key)["KeyMetadata"]["MultiRegionConfiguration"]["ReplicaKeys"]
    [region] = [each["Region"] for each in listed if each["Region"] != ELSEWHERE]
    kms.update_primary_region(KeyId=key, PrimaryRegion=region)
    assert causes(in_this_process.run(deployment, "verify", "--json", expect=1).document) == ["primary-moved"]
    ended(deployment, "primary-moved")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["MultiRegionConfiguration"]["PrimaryKey"]["Region"] == home
    assert in_this_process.run(deployment, "verify", "--json").document["ok"] is True


def ended(deployment: Deployment, cause: str) -> dict[str, Any]:
    """The finding of that cause, which its command, typed as it is, has ended; nothing is deployed there yet."""
    [finding] = [each for each in diagnosis(deployment, "--quick", expect=1)["findings"] if each["cause"] == cause]
    typed(deployment, finding["command"])
    assert cause not in causes(diagnosis(deployment, "--quick", expect=None))
    found: dict[str, Any] = finding
    return found
