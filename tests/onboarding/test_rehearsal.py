"""A rehearsal leaves nothing, whenever it is ended, and touches no environment but its own; its file has no value.

Touches deployments of its own. The moment of each end is a call that arrived and is held up, never a time.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.golden import as_json, compare
from tests.onboarding.deployment import ACCOUNT, CompletedCommand, Deployment, RunningCommand, until
from tests.onboarding.test_another_emulator import elsewhere as elsewhere
from wizard.commands.rehearsal import SANDBOX, Names, differences

PATIENCE_SECONDS = 400.0
"""For a command that starts the engine eight times, on a busy machine."""
COMMAND = (sys.executable, "-m", "wizard", "rehearsal")


def rehearse(deployment: Deployment, *arguments: str, expect: int | None = 0) -> CompletedCommand:
    return deployment.run([*COMMAND, *arguments], expect=expect, timeout=PATIENCE_SECONDS)


def left(deployment: Deployment) -> dict[str, list[str]]:
    """What the account and the folder have of environments; none of it for what has nothing."""
    kms, iam, ssm = deployment.client("kms"), deployment.client("iam"), deployment.client("ssm")
    keys = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    found = {
        "keys": [key["KeyId"] for key in keys if key["KeyManager"] != "AWS" and key["KeyState"] != "PendingDeletion"],
        "aliases": [each["AliasName"] for each in kms.list_aliases()["Aliases"] if "eonpro" in each["AliasName"]],
        "parameters": [each["Name"] for each in ssm.describe_parameters()["Parameters"]],
        "buckets": [each["Name"] for each in deployment.client("s3").list_buckets()["Buckets"]],
        "trails": [each["Name"] for each in deployment.client("cloudtrail").describe_trails()["trailList"]],
        "roles": [each["RoleName"] for each in iam.list_roles()["Roles"] if "eonpro" in each["RoleName"]],
        "policies": [each["PolicyName"] for each in iam.list_policies(Scope="Local")["Policies"]],
        "topics": [each["TopicArn"] for each in deployment.client("sns").list_topics()["Topics"]],
        "rules": [each["Name"] for each in deployment.client("events").list_rules()["Rules"]],
        "alarms": [each["AlarmName"] for each in deployment.client("cloudwatch").describe_alarms()["MetricAlarms"]],
        "settings": [each.name for each in deployment.folder.glob("Pulumi.*.yaml")],
    }
    return {kind: sorted(names) for kind, names in found.items() if names}


def texts(value: Any) -> list[str]:
    """Every text of a document, at any depth."""
    if isinstance(value, dict):
        return [*value, *(text for each in value.values() for text in texts(each))]
    return [text for each in value for text in texts(each)] if isinstance(value, list) else [str(value)]


@pytest.mark.thorough
def test_a_rehearsal_is_as_recorded_leaves_nothing_and_its_file_has_no_value(deployment: Deployment):
    before, began = left(deployment), deployment.client("kms").list_keys()["Keys"]
    ended = rehearse(deployment, "--yes", "--json")
    document = ended.document
    assert ended.err.partition("What was otherwise than in the sandbox")[2].split()[-1:] == ["nothing"]
    content = Path(document["file"]).read_text()
    recording = json.loads(content)
    compare(SANDBOX, as_json(dict(sorted(recording["names"].items()))))
    assert document["ok"] is True and document["differences"] == []
    assert [step["step"] for step in document["steps"]] == ["setup", "verify", "change", "verify again", "remove"]
    assert left(deployment) == before == {}

    kms = deployment.client("kms")
    made = [each["KeyId"] for each in kms.list_keys()["Keys"] if each not in began]
    days = [kms.describe_key(KeyId=id_)["KeyMetadata"]["DeletionDate"] for id_ in made]
    assert len(days) == 2 and max(days).timestamp() - Path(document["file"]).stat().st_mtime <= 7 * 86_400 + 60

    secrets = [value for name, value in deployment.environment.items() if "KEY" in name or "TOKEN" in name]
    for value in (ACCOUNT, "arn:", "eonpro", "clinic-admin", "platform-admin", str(deployment.root), *made, *secrets):
        assert value not in content, f"the file has the value {value}"
    names = texts([recording["calls"], recording["names"]])
    assert [text for text in names if not re.fullmatch(r"[A-Za-z_][\w.:/\[\]-]*|\d+\.\d+|404|verify again", text)] == []
    assert {call["step"] for call in recording["calls"]} == {step["step"] for step in document["steps"]}


def test_what_was_otherwise_is_a_sentence_for_each_operation():
    sandbox: Names = {"kms:CreateKey": {"answer": ["KeyMetadata.KeyId"], "errors": []}, "kms:ListKeys": {"errors": []}}
    here: Names = {
        "kms:CreateKey": {"answer": ["KeyMetadata.Arn"], "errors": ["AccessDenied"]},
        "iam:GetRole": {"errors": []},
    }
    assert list(differences(here, sandbox)) == [
        "iam:GetRole: here only",
        "kms:CreateKey, answer: also KeyMetadata.Arn; no KeyMetadata.KeyId",
        "kms:CreateKey, errors: also AccessDenied",
        "kms:ListKeys: in the sandbox only",
    ]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.onboarding.deployment.TIMEOUT_SECONDS", PATIENCE_SECONDS)


def begun(deployment: Deployment, call: str, *, skip: int = 0) -> RunningCommand:
    """A rehearsal in the middle: the call has arrived and is held up."""
    service, _, operation = call.partition(":")
    deployment.forget_calls()
    deployment.fault(service=service, operation=operation, kind="hang", skip=skip, seconds=PATIENCE_SECONDS)
    log = deployment.root / "rehearsal.log"
    running = RunningCommand([*COMMAND, "--yes"], folder=deployment.folder, environment=deployment.environment, log=log)
    until(lambda: deployment.calls()[call] > skip, running, what=call)
    return running


@pytest.mark.thorough
@pytest.mark.parametrize(
    "call",
    [
        *("kms:CreateKey", "kms:GenerateDataKeyWithoutPlaintext", "ssm:DeleteParameters", "kms:ScheduleKeyDeletion"),
    ],
)
def test_a_rehearsal_that_is_killed_is_removed_by_the_same_command(deployment: Deployment, call: str):
    running = begun(deployment, call)
    running.kill_tree()
    deployment.no_more_faults()
    rehearse(deployment, "--yes")
    assert left(deployment) == {}


@pytest.mark.thorough
def test_a_rehearsal_whose_removal_lost_its_last_step_is_followed_by_a_whole_one(deployment: Deployment):
    running = begun(deployment, "ssm:DeleteParameters", skip=1)
    running.kill_tree()
    deployment.no_more_faults()
    assert rehearse(deployment, "--yes", "--json").document["differences"] == []
    assert left(deployment) == {}


@pytest.mark.thorough
def test_ctrl_c_leaves_what_the_same_command_removes(deployment: Deployment):
    running = begun(deployment, "cloudtrail:CreateTrail")
    os.killpg(running.process.pid, signal.SIGINT)
    deployment.no_more_faults()
    assert running.process.wait(PATIENCE_SECONDS) == 8, running.output
    rehearse(deployment, "--yes")
    assert left(deployment) == {}


@pytest.mark.thorough
def test_a_set_up_that_fails_is_removed_by_the_same_run(deployment: Deployment):
    deployment.fault(service="cloudtrail", operation="CreateTrail", error="AccessDeniedException", times=100)
    failed = rehearse(deployment, "--yes", expect=4)
    assert "setup" in failed.out and left(deployment) == {}


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_another_environment_beside_it_is_not_touched(deployment: Deployment):
    before, state = left(deployment), deployment.state()
    rehearse(deployment, "--yes", "--json", expect=None)
    assert left(deployment) == before and deployment.state() == state


@pytest.mark.thorough
def test_an_environment_that_no_rehearsal_made_is_refused(deployment: Deployment):
    onboarding = [sys.executable, "-m", "wizard", "--stack", "rehearsal", "--target", "ecs", "--region", "us-east-1"]
    answers = ("--administrators", "caller", "--account", "caller", "--app-principal", "create", "--trail", "create")
    deployment.run([*onboarding, *answers, "--yes", "--non-interactive"], timeout=PATIENCE_SECONDS)
    before = left(deployment)
    refused = rehearse(deployment, "--yes", expect=2)
    assert "no rehearsal made it" in refused.output
    # From another folder, which has no settings of it.
    elsewhere = deployment.another_folder("other")
    (elsewhere / "Pulumi.rehearsal.yaml").unlink()
    deployment.run([*COMMAND, "--yes"], folder=elsewhere, expect=None, timeout=PATIENCE_SECONDS)
    assert left(deployment) == before


@pytest.mark.thorough
def test_a_rehearsal_that_somebody_went_on_with_is_not_removed(deployment: Deployment):
    begun(deployment, "kms:PutKeyPolicy").kill_tree()
    deployment.no_more_faults()
    before = left(deployment)
    kms, key = deployment.client("kms"), deployment.outputs("rehearsal")["keyArn"]
    kms.encrypt(KeyId=key, Plaintext=b"a record")
    assert "something may be encrypted under it" in rehearse(deployment, "--yes", expect=4).output
    shutil.copy(deployment.folder / "Pulumi.rehearsal.yaml", deployment.root / "settings")
    deployment.pulumi("config", "set", "--stack", "rehearsal", "eonpro-kms:ecsCluster", "clinic")
    assert "no rehearsal made it" in rehearse(deployment, "--yes", expect=2).output
    assert left(deployment) == before


@pytest.mark.thorough
def test_a_rehearsal_against_another_emulator_leaves_nothing(elsewhere: Deployment):
    document = rehearse(elsewhere, "--yes", "--json", expect=None).document
    assert "file" in document, document
    assert [step["step"] for step in document["steps"]][-1] == "remove" and document["steps"][-1]["exitCode"] == 0
    assert any(difference.startswith("kms:") for difference in document["differences"])
    assert left(replace(elsewhere)) == {}
