"""Who may do what with the key, tried at its own door, as its settings are made stricter; and who is kept from it.

Touches a deployment of its own, set up once and then changed step by step, and one in which nothing is ever made.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.onboarding.deployment import ACCOUNT, BUCKET, CALLER, STORED_KEY, Deployment
from tests.onboarding.shipped_schemas import next_step

ADMIN_ROLE = f"arn:aws:iam::{ACCOUNT}:role/platform-admin"
OFFICER = f"arn:aws:iam::{ACCOUNT}:user/security-officer"
BOTH = f"{CALLER},{ADMIN_ROLE}"


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    """What a call is refused with; fails where it is not."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    return str(refused.value.response["Error"]["Message"])


@pytest.mark.thorough
def test_a_strict_key_under_a_locked_log_then_one_for_the_application_alone_then_one_that_may_be_ended(
    deployment: Deployment,
) -> None:
    strict = ("--administrators", BOTH, "--strict-key-policy", "yes", "--trail-lock", "compliance")

    # What nobody can undo needs its own word, beside --yes.
    before = {**deployment.inventory(), "stacks": None}
    deployment.forget_calls()
    ended = deployment.set_up("ecs", *strict, "--json", expect=8)
    assert "--confirm production" in next_step(ended.document) and "compliance" in ended.output
    assert deployment.changes() == {} and {**deployment.inventory(), "stacks": None} == before
    assert deployment.set_up("ecs", *strict, "--confirm", "staging", "--json", expect=8).document["ok"] is False
    assert deployment.set_up("ecs", *strict, "--confirm", "production", "--json").document["ok"] is True
    lock = deployment.client("s3").get_object_lock_configuration(Bucket=BUCKET)["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"]["Mode"] == "COMPLIANCE"

    # Confirmed once, it is not asked for again; the two administrators manage, and no root statement lets IAM in.
    deployment.forget_calls()
    deployment.set_up("ecs", "--administrators", BOTH)
    assert deployment.changes() == {}
    kms, key = deployment.client("kms"), deployment.keys()[0]
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    named = json.dumps([each["Principal"] for each in policy["Statement"] if each["Effect"] == "Allow"])
    assert f"{ACCOUNT}:root" not in named and CALLER in named and ADMIN_ROLE in named
    blob = base64.b64decode(deployment.parameters()[STORED_KEY], validate=True)
    refusal(kms.decrypt, KeyId=key, CiphertextBlob=blob)
    assert "explicit deny" in refusal(kms.schedule_key_deletion, KeyId=key)

    # With IAM let in again the account's administrator would decrypt by IAM: exclusive use denies that.
    relaxed = ("--administrators", BOTH, "--strict-key-policy", "no")
    deployment.set_up("ecs", *relaxed, "--exclusive-use", "yes", "--deletion-administrators", CALLER)
    assert "explicit deny" in refusal(kms.decrypt, KeyId=key, CiphertextBlob=blob)
    assert "explicit deny" in refusal(kms.generate_data_key, KeyId=key, KeySpec="AES_256")
    given = deployment.task_credentials()
    application = deployment.client("kms", credentials=given | {"SessionToken": given["Token"]})
    assert len(application.decrypt(KeyId=key, CiphertextBlob=blob)["Plaintext"]) == 32

    # Who is named may end a key that nobody uses, the application may not, and either administrator can save it.
    refusal(application.schedule_key_deletion, KeyId=key)
    assert "explicit deny" in refusal(kms.schedule_key_deletion, KeyId=key)
    deployment.pulumi("config", "rm", "eonpro-kms:incidentResponders", "--stack", "production")
    answers = deployment.folder / "examples" / "ecs.yaml"
    answers.write_text(re.sub(r"incident_responders:\n(  - .*\n)+", "usage_guard_days: 0\n", answers.read_text()))
    deployment.set_up("ecs", *relaxed, "--exclusive-use", "yes", "--deletion-administrators", CALLER)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=30)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    assert len(application.decrypt(KeyId=key, CiphertextBlob=blob)["Plaintext"]) == 32


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--strict-key-policy", "yes", "--administrators", f"{OFFICER},{ADMIN_ROLE}"), 1, f"would lock {CALLER} out"),
        (("--strict-key-policy", "yes", "--administrators", OFFICER), 2, "at least two administrators"),
        (("--strict-key-policy", "yes"), 2, "at least two administrators"),
    ],
    ids=["two others", "somebody else alone", "the caller alone"],
)
def test_a_key_policy_that_nobody_here_could_change_again_is_refused_before_anything(
    bare: Deployment, arguments: tuple[str, ...], code: int, told: str
) -> None:
    before = bare.inventory()
    bare.forget_calls()
    ended = bare.set_up("ecs", *arguments, "--json", expect=code)
    assert bare.changes() == {} and bare.inventory() == before
    [problem] = ended.document["problems"]
    assert told in problem["what"], problem
    if code == 1:
        everybody = ",".join((*sorted((OFFICER, ADMIN_ROLE)), CALLER))
        assert f"--administrators {everybody}" in next_step(problem) and "--strict-key-policy no" in next_step(problem)


@pytest.mark.thorough
def test_the_plain_pulumi_refuses_a_key_that_its_caller_could_never_manage(bare: Deployment) -> None:
    """KMS refuses it too, but only after 25 resources were made: the program itself asks who is calling."""
    folder = bare.another_folder("locked-out")
    bare.pulumi("stack", "init", "locked-out", folder=folder)
    settings = {
        "aws:region": "us-east-1",
        "accountId": ACCOUNT,
        "environment": "lockedout",
        "deployTargets": ["vercel"],
        "vercelTeam": "eonpro",
        "vercelProject": "eonpro",
        "strictKeyPolicy": True,
        "administrators": [OFFICER, ADMIN_ROLE],
    }
    config = {key if ":" in key else f"eonpro-kms:{key}": value for key, value in settings.items()}
    (folder / "Pulumi.locked-out.yaml").write_text(json.dumps({"config": config}))
    bare.forget_calls()
    for command in (("preview",), ("up", "--yes")):
        refused = bare.pulumi(*command, "--stack", "locked-out", folder=folder, expect=None)
        assert refused.code != 0 and f"The key policy would lock {CALLER} out of the key" in refused.output
    assert bare.changes() == {}
    bare.pulumi("stack", "rm", "--yes", "--stack", "locked-out", folder=folder)
