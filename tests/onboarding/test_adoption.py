"""Accounts that were created manually from the guide, or left by a stack, and taken into a stack as they are.

Touches deployments of its own: one adopted and repaired, removed and lost; one whose adoption fails in every way before
it succeeds with nothing repaired; and one on ECS.
"""

from __future__ import annotations

import base64
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.onboarding.deployment import (
    ACCOUNT,
    ALIAS,
    STORED_KEY,
    CompletedCommand,
    Deployment,
    RunningCommand,
    Templates,
    until,
)
from tests.onboarding.shipped_schemas import next_step

pytestmark = pytest.mark.needs("curl")

ROLE = "eonpro-app-role"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/EONPROKMSAccess"
TRAIL = "eonpro-audit-trail"
BUCKET = f"eonpro-cloudtrail-logs-{ACCOUNT}"
GIVEN = "EONPRO_ENCRYPTED_PHI_KEY"
UNATTENDED = ("--stack", "production", "--yes", "--non-interactive")
BY_HAND = ("--answers", "examples/imported.yaml")
PATIENCE_SECONDS = 240.0
"""For a run that takes up a killed one: it starts the engine six times, on a busy machine."""
AS_FOUND = (*BY_HAND, "--repair", "none")
AGREED = ("--replace-variable", "AWS_REGION", "--replace-variable", "AWS_KMS_KEY_ID")
"""What a person agrees to where Vercel does not show what these hold."""
PHI = "Jane Doe, 1970-01-01, MRN 0042"

LOSSES = {"replace", "create-replacement", "delete-replaced", "import-replacement", "delete", "discard-replaced"}
"""The engine's words for what an adoption never does."""


def guide(deployment: Deployment, **variables: str) -> None:
    """What a person has who followed the guide."""
    deployment.run(["bash", "examples/manual-setup/guide.sh"], env={"GUIDE_PAUSE_SECONDS": "0", **variables})


def adopt(deployment: Deployment, *arguments: str, **options: Any) -> CompletedCommand:
    return deployment.wizard("--adopt", *UNATTENDED, *arguments, **options)


def refused(deployment: Deployment, *arguments: str, given: str | None = None, expect: int = 1) -> list[dict[str, Any]]:
    """The problems of a run that must change nothing."""
    before = deployment.inventory()
    ended = adopt(deployment, "--json", *arguments, env={GIVEN: given}, expect=expect)
    assert deployment.inventory() == before
    problems: list[dict[str, Any]] = ended.document["problems"]
    return problems


def unchanged(deployment: Deployment) -> None:
    """The engine finds nothing to change, and the guardrails nothing to refuse."""
    deployment.pulumi("preview", "--stack", "production", "--expect-no-changes", "--policy-pack", "guardrails")


def as_application(deployment: Deployment, program: str, *arguments: str) -> str:
    """What a program prints that has nothing but the application's variables and the credentials of a deployment."""
    token = Path(deployment.environment["EONPRO_APP_WEB_IDENTITY_TOKEN_FILE"]).read_text().strip()
    lent = deployment.client("sts").assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", RoleSessionName="deployment", WebIdentityToken=token
    )["Credentials"]
    given = deployment.deployed() | {
        "AWS_ACCESS_KEY_ID": lent["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": lent["SecretAccessKey"],
        "AWS_SESSION_TOKEN": lent["SessionToken"],
    }
    opening = (
        "import os, sys; from eonpro_phi import *; "
        "cipher = PhiCipher(KmsKeySource(WrappedKey.from_environment(os.environ)).data_key()); "
    )
    return deployment.run([sys.executable, "-c", opening + program, *arguments], env=given).out


def key_id(deployment: Deployment, alias: str = ALIAS) -> str:
    found: str = deployment.client("kms").describe_key(KeyId=alias)["KeyMetadata"]["KeyId"]
    return found


def as_it_is(deployment: Deployment) -> dict[str, Any]:
    """All that the guide made, as AWS tells it: to be the same, to the octet, when nothing of it was to be changed."""
    kms, iam, s3, trails = (deployment.client(service) for service in ("kms", "iam", "s3", "cloudtrail"))
    key, where = key_id(deployment), {"Bucket": BUCKET}

    def unless_unset(ask: Any) -> Any:
        try:
            answer = ask(**where)
        except s3.exceptions.ClientError as error:
            return error.response["Error"]["Code"]
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    version = iam.get_policy(PolicyArn=POLICY)["Policy"]["DefaultVersionId"]
    found = {
        "key": kms.describe_key(KeyId=key)["KeyMetadata"],
        "key policy": kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"],
        "key tags": kms.list_resource_tags(KeyId=key)["Tags"],
        "rotation": kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"],
        "role": {n: v for n, v in iam.get_role(RoleName=ROLE)["Role"].items() if n != "RoleLastUsed"},
        "role's policies": iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"],
        "policy": (version, iam.get_policy_version(PolicyArn=POLICY, VersionId=version)["PolicyVersion"]["Document"]),
        "policy tags": iam.list_policy_tags(PolicyArn=POLICY)["Tags"],
        "trail": trails.get_trail(Name=TRAIL)["Trail"],
        "trail tags": trails.list_tags(ResourceIdList=[trails.get_trail(Name=TRAIL)["Trail"]["TrailARN"]])[
            "ResourceTagList"
        ],
    }
    asked = (
        *("policy", "tagging", "versioning", "encryption", "ownership_controls", "lifecycle_configuration", "logging"),
        "location",
    )
    found |= {f"bucket {what}": unless_unset(getattr(s3, f"get_bucket_{what}")) for what in asked}
    found["bucket public access"] = unless_unset(s3.get_public_access_block)
    found["bucket lock"] = unless_unset(s3.get_object_lock_configuration)
    return found


# --- adopted and repaired -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """An account by the guide, before and after the wizard took it in and repaired it, twice."""

    deployment: Deployment
    key: str
    made: Mapping[str, Any]
    variables: Mapping[str, str]
    record: str
    preview: CompletedCommand
    untouched: bool
    planned: Counter[str]
    changed: Counter[str]
    changed_again: Counter[str]
    second: CompletedCommand


@pytest.fixture(scope="module")
def adopted(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopted]:
    with templates.fork(tmp_path_factory.mktemp("adopted"), None, before=guide) as deployment:
        before, variables = deployment.inventory(), deployment.deployed()
        key = key_id(deployment)
        record = as_application(deployment, "print(cipher.encrypt(sys.argv[1]), end='')", PHI)
        # A preview leaves nothing: no settings, no stack.
        preview = deployment.wizard(
            "preview", "--adopt", "--stack", "production", "--non-interactive", "--json", *BY_HAND
        )
        inventory = deployment.inventory()
        planned = Counter(change["op"] for change in preview.document["changes"])
        deployment.forget_calls()
        adopt(deployment, *BY_HAND)
        changed = deployment.changes()
        deployment.forget_calls()
        second = deployment.wizard(*UNATTENDED, "--json", *BY_HAND)
        yield Adopted(
            deployment=deployment,
            key=key,
            made=before,
            variables=variables,
            record=record,
            preview=preview,
            untouched={**inventory, "stacks": []} == {**before, "stacks": []},
            planned=planned,
            changed=changed,
            changed_again=deployment.changes(),
            second=second,
        )


@pytest.mark.thorough
def test_a_plan_of_an_adoption_touches_nothing(adopted: Adopted):
    assert adopted.untouched
    shown = " ".join(adopted.preview.output.split())
    assert f"{fingerprint(adopted)}, which the application uses today: stored, delivered" in shown


def fingerprint(adopted: Adopted) -> str:
    found: str = adopted.second.document["dataKey"]["fingerprint"]
    return found


def test_the_engine_itself_would_replace_and_delete_nothing(adopted: Adopted):
    assert adopted.planned["import"] >= 12
    assert not LOSSES & adopted.planned.keys()


def test_no_call_deleted_anything_of_the_account(adopted: Adopted):
    called = {call.partition(":")[2] for call in adopted.changed}
    gone = {call for call in called if call.startswith(("Delete", "Detach", "Remove", "Disable", "Stop", "Schedule"))}
    # A policy has five versions at most; the update of the application's makes room.
    assert gone <= {"DeletePolicyVersion"}
    assert not {"GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "UpdateAlias", "CreateTrail"} & called


def test_the_key_its_alias_the_trail_and_the_bucket_are_the_same_objects(adopted: Adopted):
    deployment, now = adopted.deployment, adopted.deployment.inventory()
    assert key_id(deployment) == adopted.key == deployment.outputs()["keyId"]
    for kind in ("keys", "roles", "policies", "providers", "trails", "buckets"):
        assert set(adopted.made[kind]) <= set(now[kind]), kind
    assert now["trails"] == adopted.made["trails"]
    assert deployment.outputs()["trailBucket"] == BUCKET


def test_encrypted_phi_key_is_the_same_and_the_stored_data_key_equals_it(adopted: Adopted):
    deployment = adopted.deployment
    assert deployment.deployed() == adopted.variables
    assert deployment.stored_key_versions() == [adopted.variables["ENCRYPTED_PHI_KEY"]]


def test_a_record_written_before_is_readable_after(adopted: Adopted):
    assert as_application(adopted.deployment, "print(cipher.decrypt(sys.argv[1]), end='')", adopted.record) == PHI


def test_a_second_run_changes_nothing(adopted: Adopted):
    assert adopted.changed_again == Counter()
    unchanged(adopted.deployment)


@pytest.fixture(scope="module")
def set_up_again(adopted: Adopted) -> Deployment:
    """The same account after its stack was taken away, and set up once more."""
    deployment = adopted.deployment
    deployment.wizard("destroy", "--stack", "production", "--confirm", "production", "--non-interactive")
    adopt(deployment, *BY_HAND)
    return deployment


@pytest.mark.thorough
def test_after_a_destroy_the_same_is_taken_in_again(adopted: Adopted, set_up_again: Deployment):
    deployment = set_up_again
    assert key_id(deployment) == adopted.key == deployment.outputs()["keyId"]
    assert deployment.stored_key_versions() == [adopted.variables["ENCRYPTED_PHI_KEY"]]
    assert len(deployment.client("kms").list_keys()["Keys"]) == 2, "the PHI key and the logs' key"
    assert as_application(deployment, "print(cipher.decrypt(sys.argv[1]), end='')", adopted.record) == PHI
    unchanged(deployment)


@pytest.mark.thorough
def test_a_stack_whose_state_and_settings_are_lost_is_taken_in_again_as_it_is(
    adopted: Adopted, set_up_again: Deployment
):
    deployment = set_up_again
    before, outputs = remembered(deployment), deployment.outputs()
    backend = Path(deployment.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
    for lost in (backend / ".pulumi" / "stacks").rglob("production.json*"):
        lost.unlink()
    (deployment.folder / "Pulumi.production.yaml").unlink()
    adopt(deployment, *BY_HAND)
    assert deployment.outputs() == outputs
    assert remembered(deployment) == before
    unchanged(deployment)


def remembered(deployment: Deployment) -> dict[str, Any]:
    """The inventory, the stack's resources in any order."""
    return {**deployment.inventory(), "stacks": sorted(deployment.stack_resources())}


# --- refused, interrupted, and left as found ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def hidden(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """An account by the guide whose variables on Vercel nobody reads back. Its tests follow each other."""
    with templates.fork(tmp_path_factory.mktemp("hidden"), None, before=guide) as deployment:
        for name, each in deployment.variables().items():
            deployment.vercel("DELETE", f"/v9/projects/eonpro/env/{each['id']}")
            body = {"key": name, "value": each["value"], "type": "sensitive", "target": each["target"]}
            deployment.vercel("POST", "/v10/projects/eonpro/env", body)
        yield deployment


def new_key(deployment: Deployment, **changes: Any) -> str:
    made: str = deployment.client("kms").create_key(**changes)["KeyMetadata"]["KeyId"]
    return made


def wrapped_by(deployment: Deployment, key: str) -> str:
    made = deployment.client("kms").generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
    return base64.b64encode(made["CiphertextBlob"]).decode()


def test_an_alias_that_points_to_the_wrong_key_is_refused_with_all_that_is_wrong_with_it(hidden: Deployment):
    kms, own = hidden.client("kms"), key_id(hidden)
    theirs = new_key(
        hidden,
        KeySpec="RSA_2048",
        KeyUsage="ENCRYPT_DECRYPT",
        Tags=[{"TagKey": "Environment", "TagValue": "Staging"}],
    )
    kms.disable_key(KeyId=theirs)
    kms.update_alias(AliasName=ALIAS, TargetKeyId=theirs)
    try:
        texts = " ".join(each["what"] for each in refused(hidden, *BY_HAND, given=wrapped_by(hidden, new_key(hidden))))
        assert "is of the spec RSA_2048 for ENCRYPT_DECRYPT" in texts
        assert "is disabled" in texts
        assert "has the tag of another owner: Environment=“Staging”" in texts
    finally:
        kms.update_alias(AliasName=ALIAS, TargetKeyId=own)


@pytest.mark.thorough
def test_a_key_that_is_going_to_be_deleted_is_refused_with_what_saves_it(hidden: Deployment):
    kms, own = hidden.client("kms"), key_id(hidden)
    kms.schedule_key_deletion(KeyId=own, PendingWindowInDays=30)
    try:
        problems = refused(hidden, *BY_HAND, given=wrapped_by(hidden, new_key(hidden)))
        (problem,) = [each for each in problems if "PendingDeletion" in each["what"]]
        assert "aws kms cancel-key-deletion" in next_step(problem) and own in next_step(problem)
    finally:
        kms.cancel_key_deletion(KeyId=own)
        kms.enable_key(KeyId=own)


def test_a_data_key_that_vercel_hides_has_to_be_given(hidden: Deployment):
    (problem,) = refused(hidden, *BY_HAND, expect=2)
    assert "ENCRYPTED_PHI_KEY exists on Vercel, but its value is not available" in problem["what"]
    assert f"export {GIVEN}=" in next_step(problem)


@pytest.mark.thorough
def test_what_is_no_wrapped_data_key_is_refused_and_never_shown(hidden: Deployment):
    problems = refused(hidden, *BY_HAND, expect=2, given="hunter2")
    assert any(GIVEN in each["what"] for each in problems)
    assert "hunter2" not in json.dumps(problems)


@pytest.mark.thorough
def test_a_key_that_vercel_names_and_the_alias_does_not_is_refused(hidden: Deployment):
    listed = hidden.vercel("GET", "/v10/projects/eonpro/env")["envs"]
    (named,) = [each["id"] for each in listed if each["key"] == "AWS_KMS_KEY_ID"]
    hidden.vercel("DELETE", f"/v10/projects/eonpro/env/{named}")
    body = {"key": "AWS_KMS_KEY_ID", "type": "encrypted", "target": ["production"]}
    arn = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/"
    hidden.vercel("POST", "/v10/projects/eonpro/env", {**body, "value": arn + new_key(hidden)})
    try:
        (problem,) = refused(hidden, *BY_HAND, given=wrapped_by(hidden, new_key(hidden)))
        assert "AWS_KMS_KEY_ID on Vercel names" in problem["what"]
        assert "the second cannot decrypt it" in problem["why"]
    finally:
        listed = hidden.vercel("GET", "/v10/projects/eonpro/env")["envs"]
        (named,) = [each["id"] for each in listed if each["key"] == "AWS_KMS_KEY_ID"]
        hidden.vercel("DELETE", f"/v10/projects/eonpro/env/{named}")
        hidden.vercel("POST", "/v10/projects/eonpro/env", {**body, "value": arn + key_id(hidden)})


@dataclass(frozen=True, kw_only=True)
class LeftAsFound:
    """The hidden account taken in with nothing repaired: after a run that was killed, and one with a wrong data key."""

    deployment: Deployment
    right: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    wrong: CompletedCommand
    stored_by_the_wrong: Mapping[str, str]
    comments_by_the_wrong: set[str]
    report: dict[str, Any]


@pytest.fixture(scope="module")
def left_as_found(hidden: Deployment) -> LeftAsFound:
    before = as_it_is(hidden)
    wrong = wrapped_by(hidden, new_key(hidden))
    # A person has it from the key's generation: Vercel tells it to deployments only.
    right = hidden.deployed()["ENCRYPTED_PHI_KEY"]
    (not_ours,) = refused(hidden, *AS_FOUND, expect=2, given=right)
    assert not_ours["what"].startswith("this stack did not write ")
    assert "AWS_REGION of production of Vercel" in not_ours["what"]
    assert "--replace-variable AWS_REGION" in next_step(not_ours)
    killed = RunningCommand(
        [sys.executable, "-m", "wizard", "--adopt", *UNATTENDED, *AS_FOUND, *AGREED],
        folder=hidden.folder,
        environment={**hidden.environment, GIVEN: wrong},
        log=hidden.root / "killed.log",
    )
    states = hidden.root / "sandbox" / "backend" / ".pulumi" / "stacks"
    until(
        lambda: any("Key::phi-key" in file.read_text() for file in states.rglob("production.json")),
        killed,
        what="the import of the key",
    )
    killed.kill_tree()
    # Neither --adopt nor an answers file: what was begun goes on.
    refusal = hidden.wizard(*UNATTENDED, *AGREED, env={GIVEN: wrong}, expect=None, timeout=PATIENCE_SECONDS)
    stored_key = hidden.parameters()
    comments = {each.get("comment") or "" for each in hidden.variables().values()}
    report = hidden.wizard(*UNATTENDED, *AGREED, "--json", env={GIVEN: right}).document
    return LeftAsFound(
        deployment=hidden,
        right=right,
        before=before,
        after=as_it_is(hidden),
        wrong=refusal,
        stored_by_the_wrong=stored_key,
        comments_by_the_wrong=comments,
        report=report,
    )


@pytest.mark.thorough
def test_a_data_key_that_the_key_cannot_open_never_gets_into_the_stored_data_key(left_as_found: LeftAsFound):
    assert left_as_found.wrong.code == 1
    assert "the application cannot open the data key" in left_as_found.wrong.output
    assert "it was not stored, and nothing was delivered" in left_as_found.wrong.output
    assert left_as_found.stored_by_the_wrong == {}
    assert left_as_found.comments_by_the_wrong == {""}


@pytest.mark.thorough
def test_after_a_killed_run_and_a_refused_one_the_right_data_key_is_stored(left_as_found: LeftAsFound):
    deployment = left_as_found.deployment
    assert deployment.stored_key_versions() == [left_as_found.right] == [deployment.deployed()["ENCRYPTED_PHI_KEY"]]
    assert [proof["state"] for proof in left_as_found.report["proofs"]] == ["proved"]


@pytest.mark.thorough
def test_with_nothing_repaired_the_accounts_own_things_are_as_they_were(left_as_found: LeftAsFound):
    assert left_as_found.after == left_as_found.before


@pytest.mark.thorough
def test_the_checklist_tells_what_an_account_by_the_guide_leaves_open(left_as_found: LeftAsFound):
    states = {item["title"]: item["state"] for item in left_as_found.report["checklist"]}
    assert states["Automatic key rotation"] == "done"
    assert states["Key policy restricts access"] == "needs a person", "its rights go to principals of the settings"
    assert states["CloudTrail logging"] == "open", "a trail of one Region records too little, whoever decided on it"


@pytest.mark.thorough
def test_what_was_left_as_found_is_no_change_and_no_breach_of_the_guardrails(left_as_found: LeftAsFound):
    unchanged(left_as_found.deployment)


@pytest.mark.thorough
def test_a_later_run_repairs_what_the_first_one_left(left_as_found: LeftAsFound):
    deployment = left_as_found.deployment
    states = deployment.wizard(*UNATTENDED, "--json", "--repair", "all").document["checklist"]
    assert {item["state"] for item in states} == {"done", "needs a person"}
    now = as_it_is(deployment)
    assert now["key"] == {**left_as_found.before["key"]}
    assert now["key policy"] != left_as_found.before["key policy"]
    assert now["bucket versioning"]["Status"] == "Enabled"
    assert deployment.stored_key_versions() == [left_as_found.right]


# --- on ECS -------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_on_ecs_the_data_key_is_found_beside_its_key_or_asked_for(deployment: Deployment):
    guide(deployment, GUIDE_RUNS_ON="ecs")
    ssm = deployment.client("ssm")
    by_hand = deployment.parameters()
    # Whose data key it is nobody knows without the key's name beside it; and no second one is made.
    ssm.delete_parameter(Name="/eonpro/AWS_KMS_KEY_ID")
    (problem,) = refused(deployment, "--answers", "examples/ecs.yaml", expect=2)
    assert "it is not known which data key the application has" in problem["what"]
    assert f"export {GIVEN}=" in next_step(problem) and f"{GIVEN}=none" in next_step(problem)
    ssm.put_parameter(Name="/eonpro/AWS_KMS_KEY_ID", Value=by_hand["/eonpro/AWS_KMS_KEY_ID"], Type="String")

    adopt(deployment, "--answers", "examples/ecs.yaml", "--repair", "all")
    kept = deployment.parameters()
    assert {name: kept[name] for name in by_hand} == by_hand, "what the tasks read today is as it was"
    assert kept[STORED_KEY] == by_hand["/eonpro/ENCRYPTED_PHI_KEY"]
    assert kept["/eonpro/production/AWS_KMS_KEY_ID"] == by_hand["/eonpro/AWS_KMS_KEY_ID"]
    unchanged(deployment)
