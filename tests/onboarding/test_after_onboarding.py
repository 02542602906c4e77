"""What is there after an unattended onboarding on Vercel, seen with the tools that a person uses.

Touches the deployment that is set up once; whatever is changed in it is put back.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from tests.onboarding.deployment import ALIAS, BUCKET, STORED_KEY, Deployment

CONTRACT = set(
    "keyArn keyId aliasName appPolicyArn appPrincipalArn trailArn trailBucket parameterPrefix programVersion".split()
)


def fingerprint(value: str) -> str:
    return "sha256:" + hashlib.sha256(base64.b64decode(value, validate=True)).hexdigest()[:16]


def test_another_rotation_period_changes_the_key_and_nothing_else(onboarded: Deployment):
    settings = onboarded.folder / "Pulumi.production.yaml"
    before = settings.read_text()
    try:
        of_stack = ("--stack", "production")
        onboarded.pulumi("config", "set", "eonpro-kms:rotationPeriodDays", "180", *of_stack)
        preview = onboarded.pulumi("preview", "--json", *of_stack).document
    finally:
        settings.write_text(before)
    changed = [step for step in preview["steps"] if step["op"] != "same"]
    assert [(step["op"], step["newState"]["type"]) for step in changed] == [("update", "aws:kms/key:Key")]
    assert list(changed[0]["detailedDiff"]) == ["rotationPeriodInDays"]
    assert changed[0]["newState"]["inputs"]["rotationPeriodInDays"] == 180
    assert set(preview["changeSummary"]) == {"same", "update"} and preview["changeSummary"]["update"] == 1


def test_the_stacks_outputs_are_the_contracts(onboarded: Deployment, on_ecs: Deployment):
    outputs = onboarded.pulumi("stack", "output", "--json", "--stack", "production").document
    assert outputs == onboarded.outputs()
    assert set(outputs) == CONTRACT
    assert outputs["aliasName"] == ALIAS and outputs["trailBucket"] == BUCKET
    assert outputs["parameterPrefix"] == "/eonpro/production"
    assert set(on_ecs.outputs()) == CONTRACT | {"taskSecrets"}


def test_the_aws_command_line_shows_what_was_built(onboarded: Deployment):
    outputs = onboarded.outputs()
    key = onboarded.aws("kms", "describe-key", "--key-id", ALIAS)["KeyMetadata"]
    assert key["Arn"] == outputs["keyArn"] and key["KeyId"] == outputs["keyId"]
    assert (key["KeyState"], key["KeySpec"], key["KeyUsage"]) == ("Enabled", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    assert key["Description"] == "EONPRO PHI encryption key for HIPAA compliance"

    path = ("ssm", "get-parameters-by-path", "--path", "/eonpro/production", "--with-decryption")
    parameters = onboarded.aws(*path)["Parameters"]
    # The place of the last backup is there where another file has made one.
    assert {
        (each["Name"], each["Type"], each["Version"]) for each in parameters if not each["Name"].endswith("/backup")
    } == {
        (STORED_KEY, "SecureString", 1),
        # Which stack and backend the environment belongs to.
        ("/eonpro/production/claim", "String", 1),
    }

    trail = onboarded.aws("cloudtrail", "get-trail-status", "--name", outputs["trailArn"])
    assert trail["IsLogging"] is True


def test_the_stored_data_key_says_whose_it_is(onboarded: Deployment):
    listed = ("ssm", "list-tags-for-resource", "--resource-type", "Parameter", "--resource-id", STORED_KEY)
    tags = {each["Key"]: each["Value"] for each in onboarded.aws(*listed)["TagList"]}
    assert tags["eonpro:key-arn"] == onboarded.outputs()["keyArn"]
    assert tags["eonpro:fingerprint"] == fingerprint(onboarded.parameters()[STORED_KEY])


def test_vercel_has_the_three_variables_and_does_not_tell_the_data_key(onboarded: Deployment):
    variables = onboarded.variables()
    assert set(variables) == {"AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY"}
    assert all(each["target"] == ["production"] for each in variables.values())
    assert variables["AWS_REGION"]["value"] == "us-east-1"
    assert variables["AWS_KMS_KEY_ID"]["value"] == onboarded.outputs()["keyArn"]
    data_key = variables["ENCRYPTED_PHI_KEY"]
    assert (data_key["type"], data_key["value"]) == ("sensitive", "")
    variable = onboarded.vercel("GET", f"/v10/projects/eonpro/env/{data_key['id']}")
    assert variable["value"] == ""
    assert fingerprint(onboarded.parameters()[STORED_KEY]) in data_key["comment"]


def test_the_delivered_data_key_opens_to_32_bytes_without_a_context(onboarded: Deployment):
    delivered = onboarded.variables()["AWS_KMS_KEY_ID"]["value"]
    blob = base64.b64decode(onboarded.parameters()[STORED_KEY], validate=True)
    # The operator may not; the application's own role does it.
    credentials = onboarded.client("sts").assume_role_with_web_identity(
        RoleArn=onboarded.outputs()["appPrincipalArn"],
        RoleSessionName="test",
        WebIdentityToken=Path(onboarded.environment["EONPRO_APP_WEB_IDENTITY_TOKEN_FILE"]).read_text(),
    )["Credentials"]
    opened = onboarded.client("kms", credentials=credentials).decrypt(KeyId=delivered, CiphertextBlob=blob)
    assert len(opened["Plaintext"]) == 32 and opened["KeyId"] == delivered


def test_no_secret_is_told_or_kept(onboarded: Deployment):
    environment = onboarded.environment
    wrapped = onboarded.parameters()[STORED_KEY]
    credentials = onboarded.client("sts").assume_role_with_web_identity(
        RoleArn=onboarded.outputs()["appPrincipalArn"],
        RoleSessionName="test",
        WebIdentityToken=Path(environment["EONPRO_APP_WEB_IDENTITY_TOKEN_FILE"]).read_text(),
    )["Credentials"]
    plaintext = onboarded.client("kms", credentials=credentials).decrypt(CiphertextBlob=base64.b64decode(wrapped))
    secrets = {
        "Vercel token": environment["VERCEL_TOKEN"],
        "AWS secret access key": environment["AWS_SECRET_ACCESS_KEY"],
        "the beginning of every session token": credentials["SessionToken"][:12],
        "deployment's token": Path(environment["EONPRO_APP_WEB_IDENTITY_TOKEN_FILE"]).read_text().strip(),
        "data key": base64.b64encode(plaintext["Plaintext"]).decode(),
        "data key in hex": plaintext["Plaintext"].hex(),
        "wrapped data key": wrapped,
    }
    kept = {
        "state": onboarded.pulumi("stack", "export", "--show-secrets", "--stack", "production").out,
        "settings": (onboarded.folder / "Pulumi.production.yaml").read_text(),
        "output of the wizards": "\n".join(onboarded.printed),
    }
    texts = "\n".join(path.read_text() for path in onboarded.folder.rglob("*.log")) + "\n".join(kept.values())
    assert onboarded.printed and not [name for name, secret in secrets.items() if secret in texts]


def test_a_second_run_changes_nothing_and_says_so_in_one_document(onboarded: Deployment):
    before = (onboarded.inventory(), onboarded.stored_key_versions())
    onboarded.forget_calls()
    again = onboarded.set_up("vercel", "--json")
    assert onboarded.changes() == {}
    assert (onboarded.inventory(), onboarded.stored_key_versions()) == before
    document = again.document
    assert document["ok"] is True and "Data key" in again.err
    assert fingerprint(before[1][0]) in json.dumps(document)
    assert "exists" in again.output and "kept" in again.output
    assert "production is deployed: what follows is an update of it" in again.output


def test_verify_and_preview_only_read(onboarded: Deployment):
    onboarded.forget_calls()
    verified = onboarded.wizard("verify", "--json").document
    assert [(proof["target"], proof["state"]) for proof in verified["proofs"]] == [("vercel", "proved")]
    planned = onboarded.wizard("preview", "--json").document
    assert {change["op"] for change in planned["changes"]} == set()
    assert planned["policies"] == {"findings": [], "notAsked": None}
    [stack] = onboarded.wizard("status", "--all", "--json").document["stacks"]
    assert (stack["stack"], stack["status"], stack["dataKey"]) == (
        "production",
        "good",
        fingerprint(onboarded.stored_key_versions()[0]),
    )
    assert onboarded.changes() == {}


def test_a_push_of_what_is_there_writes_nothing(onboarded: Deployment):
    onboarded.forget_calls()
    pushed = onboarded.wizard("push", "--json").document
    assert [each["state"] for each in pushed["delivered"]] == ["unchanged"]
    assert onboarded.changes() == {}


def test_the_provider_refuses_credentials_of_another_account(onboarded: Deployment):
    folder = onboarded.another_folder("another-account")
    settings = folder / "Pulumi.production.yaml"
    # The program's own account stays: it must be the provider that refuses.
    allowed = "aws:allowedAccountIds[0]"
    onboarded.pulumi("config", "set", "--path", allowed, "999999999999", "--stack", "production", folder=folder)
    assert "999999999999" in settings.read_text()
    refused = onboarded.pulumi("preview", "--stack", "production", folder=folder, expect=None)
    assert refused.code != 0 and "not allowed" in refused.output


def test_the_wizard_refuses_credentials_of_another_account_than_the_stacks(onboarded: Deployment):
    folder = onboarded.another_folder("another-account-saved")
    settings = folder / "Pulumi.production.yaml"
    settings.write_text(settings.read_text().replace("123456789012", "999999999999"))
    onboarded.forget_calls()
    refused = onboarded.wizard("--yes", folder=folder, expect=3)
    assert "999999999999" in refused.output and "123456789012" in refused.output
    assert onboarded.changes() == {}


@pytest.mark.exit_code(5)
def test_the_wizards_own_update_is_refused_by_the_guardrails(onboarded: Deployment):
    folder = onboarded.another_folder("careless")
    contract = folder / "components" / "settings" / "settings.py"
    text = contract.read_text()
    assert "DELETION_WINDOW_DAYS = 30" in text
    contract.write_text(text.replace("DELETION_WINDOW_DAYS = 30", "DELETION_WINDOW_DAYS = 7"))
    onboarded.forget_calls()
    refused = onboarded.set_up("vercel", folder=folder, expect=5)
    assert "its deletionWindowInDays is 7, wanted 30" in refused.output
    assert onboarded.changes() == {}


def test_destroy_refuses_and_takes_nothing(onboarded: Deployment):
    before = onboarded.inventory()
    refused = onboarded.pulumi("destroy", "--yes", "--stack", "production", expect=None)
    assert refused.code != 0 and "protected" in refused.output
    assert onboarded.inventory() == before
