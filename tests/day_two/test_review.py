"""`review` of a deployment that was set up for real: who has access, what changes are shown, the sign-off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.day_two import in_this_process
from tests.day_two.doctor_fixture import diagnosis, typed
from tests.onboarding.deployment import ACCOUNT, CALLER, CompletedCommand, Deployment
from tests.onboarding.shipped_schemas import next_step

IAM = f"arn:aws:iam::{ACCOUNT}"
APP = f"{IAM}:role/eonpro-app-role"
ROOT = f"{IAM}:root"
PLATFORM = f"{IAM}:role/platform-admin"
PROVIDER = f"{IAM}:oidc-provider/oidc.vercel.com/eonpro"
STRANGER = f"{IAM}:role/stranger"
OLD = f"{IAM}:user/old-timer"
PARTNER = "arn:aws:iam::999988887777:role/partner"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def trusting(principal: dict[str, str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}


def review(deployment: Deployment, place: Path, *arguments: str, **options: Any) -> CompletedCommand:
    """A review into a folder of its own; the document of `--json` fits its schema, or the deployment says so."""
    options.setdefault("expect", None)
    return in_this_process.run(deployment, "review", "--json", "--out", str(place), *arguments, **options)


def rights(told: dict[str, Any]) -> dict[str, str]:
    """Who may what: `uad`, a letter for each yes, `?` for each unknown; who only called once is left out."""
    signs = {"yes": None, "no": "-", "unknown": "?"}
    found = {
        each["arn"]: "".join(
            signs[each[right]] or letter for right, letter in (("use", "u"), ("administer", "a"), ("delete", "d"))
        )
        for each in told["review"]["principals"]
        # Whoever another test let call the key, and who is gone again, has no way to it.
        if each["ways"] or each["isExpected"]
    }
    return {arn: told for arn, told in found.items() if told != "---"}


AS_SET_UP = {ROOT: "ua-", APP: "u--", CALLER: "ua-", PLATFORM: "ua-"}


@pytest.fixture(scope="module")
def before(on_vercel: Deployment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The first review, signed; and the folder that holds it."""
    place = tmp_path_factory.mktemp("reviews")
    on_vercel.forget_calls()
    ended = review(on_vercel, place, "--sign", "Ada Lovelace", "--confirm", "production", expect=0)
    assert on_vercel.changes() == {}
    return place, ended.document


def test_a_deployment_as_it_was_set_up_shows_exactly_the_principals_there_are(before: tuple[Path, Any]) -> None:
    _, told = before
    assert rights(told) == AS_SET_UP
    # An administrator of the whole account, whom the stack's settings do not name, and who can use the key through IAM.
    assert told["unexpected"] == [PLATFORM]
    # The caller has the same right by the same policy; the settings name it, and do not let it use the key.
    assert {each["arn"]: each["beyond"] for each in told["review"]["principals"] if each["beyond"]} == {CALLER: ["use"]}
    assert (told["undecided"], told["review"]["unread"], told["review"]["grants"]) == ([], [], [])


def test_the_application_is_told_with_its_use_and_its_only_entrance(before: tuple[Path, Any]) -> None:
    [app] = [each for each in before[1]["review"]["principals"] if each["arn"] == APP]
    # The proof of the set-up opened the data key, as the application.
    assert (app["events"] >= 1, app["isExpected"]) == (True, True)
    [entrance] = app["assumedBy"]
    assert entrance.startswith(f"{PROVIDER} if oidc.vercel.com/eonpro:aud is https://vercel.com/eonpro")
    assert "owner:eonpro:project:eonpro:environment:production" in entrance
    assert before[1]["review"]["lastUse"]["at"] is not None


def test_the_review_was_signed_by_name_and_by_whose_credentials(before: tuple[Path, Any]) -> None:
    place, told = before
    [signed] = place.rglob("*.signed.json")
    kept = json.loads(signed.read_text())
    assert (kept["signer"], kept["signerArn"], kept["reviewDigest"]) == ("Ada Lovelace", CALLER, told["digest"])


@contextmanager
def changed_access(deployment: Deployment) -> Iterator[str]:
    """A stranger through IAM, a grant, a partner who may become the application, a user with all of KMS."""
    iam, kms = deployment.client("iam"), deployment.client("kms")
    key = deployment.keys()[0]
    trust = iam.get_role(RoleName="eonpro-app-role")["Role"]["AssumeRolePolicyDocument"]
    iam.create_role(RoleName="stranger", AssumeRolePolicyDocument=document(trusting({"AWS": ROOT})))
    iam.put_role_policy(RoleName="stranger", PolicyName="reads", PolicyDocument=document(allow("kms:Decrypt", key)))
    iam.create_user(UserName="old-timer")
    iam.put_user_policy(UserName="old-timer", PolicyName="all", PolicyDocument=document(allow("kms:*")))
    made = iam.create_access_key(UserName="old-timer")["AccessKey"]["AccessKeyId"]
    iam.update_assume_role_policy(
        RoleName="eonpro-app-role",
        PolicyDocument=document(*trust["Statement"], trusting({"AWS": PARTNER})),
    )
    grant = kms.create_grant(KeyId=key, GranteePrincipal=f"{IAM}:user/security-officer", Operations=["Decrypt"])
    try:
        yield grant["GrantId"]
    finally:
        kms.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
        iam.update_assume_role_policy(RoleName="eonpro-app-role", PolicyDocument=json.dumps(trust))
        iam.delete_access_key(UserName="old-timer", AccessKeyId=made)
        iam.delete_user_policy(UserName="old-timer", PolicyName="all")
        iam.delete_user(UserName="old-timer")
        iam.delete_role_policy(RoleName="stranger", PolicyName="reads")
        iam.delete_role(RoleName="stranger")


@pytest.mark.thorough
def test_every_change_of_access_is_seen_and_named_and_fails_until_it_is_gone(
    on_vercel: Deployment, before: tuple[Path, Any]
) -> None:
    place, _ = before
    officer = f"{IAM}:user/security-officer"
    with changed_access(on_vercel) as grant:
        on_vercel.forget_calls()
        ended = review(on_vercel, place, expect=1)
        document = ended.document
        assert on_vercel.changes() == {}
    assert rights(document) == {**AS_SET_UP, STRANGER: "u--", OLD: "ua-", PARTNER: "u--", officer: "u--"}
    # The platform's administrator was in the review that was signed.
    assert set(document["notAccepted"]) == {STRANGER, OLD, PARTNER, officer}
    assert set(document["differences"]["added"]) == {STRANGER, OLD, PARTNER, officer}
    assert document["differences"]["newGrants"] == [grant]
    changed = {each["arn"]: each for each in document["differences"]["changed"]}
    assert changed[APP]["newlyAssumedBy"] == [PARTNER]
    by_arn = {each["arn"]: each for each in document["review"]["principals"]}
    assert by_arn[STRANGER]["ways"] == [f"IAM policy reads of {STRANGER} (use)"]
    assert set(by_arn[STRANGER]["assumedBy"]) == {CALLER, f"{PLATFORM}"}
    assert by_arn[PARTNER]["ways"] == [f"assumes {APP} (use)"]
    assert by_arn[officer]["ways"] == [f"grant {grant} (use)"]
    assert [key["active"] for key in by_arn[OLD]["accessKeys"]] == [True]
    after = review(on_vercel, place, expect=0).document
    assert rights(after) == AS_SET_UP
    assert set(after["differences"]["removed"]) == {STRANGER, OLD, PARTNER, officer}
    assert after["differences"]["removedGrants"] == [grant]


@pytest.mark.thorough
def test_doctor_and_review_name_the_same_people_and_the_printed_command_takes_the_right_away(
    on_vercel: Deployment, tmp_path: Path
) -> None:
    iam = on_vercel.client("iam")
    iam.create_role(RoleName="stranger", AssumeRolePolicyDocument=document(trusting({"Service": "ec2.amazonaws.com"})))
    iam.put_role_policy(RoleName="stranger", PolicyName="reads", PolicyDocument=document(allow("kms:*")))
    try:
        found = review(on_vercel, tmp_path, expect=1).document
        told = diagnosis(on_vercel, "--quick")
        by_doctor = [each for each in told["decisions"] if each["cause"] == "key-use-by-others"]
        by_review = [each for each in found["notices"] if each["cause"] == "key-use-by-others"]
        assert by_doctor == [{name: each[name] for name in by_doctor[0]} for each in by_review]
        assert {each["what"].partition(" ")[0] for each in by_review} == {CALLER, PLATFORM, STRANGER}
        # Nothing is broken: a person decides.
        assert "key-use-by-others" not in [each["cause"] for each in told["findings"]]
        [notice] = [each for each in by_review if STRANGER in each["what"]]
        typed(on_vercel, notice["command"])
        assert STRANGER not in rights(review(on_vercel, tmp_path, expect=1).document)
    finally:
        for name in iam.list_role_policies(RoleName="stranger")["PolicyNames"]:
            iam.delete_role_policy(RoleName="stranger", PolicyName=name)
        iam.delete_role(RoleName="stranger")


def is_let_decrypt(kms: Any, key: str) -> bool:
    """Whether KMS lets somebody try; what is no ciphertext is refused only after that."""
    with pytest.raises(ClientError) as refused:
        kms.decrypt(CiphertextBlob=b"no ciphertext", KeyId=key)
    code: str = refused.value.response["Error"]["Code"]
    return code != "AccessDeniedException"


@pytest.mark.thorough
def test_what_the_review_says_of_a_user_is_what_kms_does(on_vercel: Deployment, tmp_path: Path) -> None:
    iam, key = on_vercel.client("iam"), on_vercel.keys()[0]
    statements = {
        "may-decrypt": [allow("kms:Decrypt", key)],
        # Without the second denial it could become the platform's administrator, who can.
        "denied": [allow("*"), {"Effect": "Deny", "Action": ["kms:*", "sts:*"], "Resource": "*"}],
        "by-alias": [allow("kms:Decrypt", "arn:aws:kms:us-east-1:*:alias/eonpro-phi-key")],
        "all-but": [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}],
    }
    did: dict[str, bool] = {}
    try:
        for name, of in statements.items():
            iam.create_user(UserName=name)
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(*of))
            credentials = iam.create_access_key(UserName=name)["AccessKey"]
            kms = on_vercel.client("kms", credentials=credentials)
            did[name] = is_let_decrypt(kms, key)
        permissions = rights(review(on_vercel, tmp_path).document)
    finally:
        for name in statements:
            for each in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
                iam.delete_access_key(UserName=name, AccessKeyId=each["AccessKeyId"])
            iam.delete_user_policy(UserName=name, PolicyName="p")
            iam.delete_user(UserName=name)
    assert did == {"may-decrypt": True, "denied": False, "by-alias": False, "all-but": True}
    assert {name: permissions.get(f"{IAM}:user/{name}", "---")[0] == "u" for name in statements} == did


@contextmanager
def a_reader(deployment: Deployment, *statements: dict[str, Any]) -> Iterator[dict[str, str | None]]:
    """The environment of a user who has these statements and nothing else."""
    iam = deployment.client("iam")
    iam.create_user(UserName="reader")
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=document(*statements))
    made = iam.create_access_key(UserName="reader")["AccessKey"]
    try:
        yield {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    finally:
        iam.delete_access_key(UserName="reader", AccessKeyId=made["AccessKeyId"])
        iam.delete_user_policy(UserName="reader", PolicyName="p")
        iam.delete_user(UserName="reader")


def test_one_who_may_read_next_to_nothing_is_told_unknown_wherever_it_matters(
    on_vercel: Deployment, tmp_path: Path
) -> None:
    with a_reader(on_vercel, allow("kms:DescribeKey")) as env:
        document = review(on_vercel, tmp_path, env=env, expect=1).document
    found = rights(document)
    assert set(found) == {ROOT, APP, CALLER, f"{IAM}:*"}
    assert set(found.values()) == {"???"}
    assert (document["review"]["grants"], document["review"]["lastUse"], document["review"]["history"]) == (
        None,
        None,
        None,
    )
    assert {each["events"] for each in document["review"]["principals"]} == {None}
    assert len(document["review"]["unread"]) == 6


def test_a_sign_off_without_the_stacks_name_reads_and_keeps_nothing(on_vercel: Deployment, tmp_path: Path) -> None:
    ended = review(on_vercel, tmp_path, "--sign", "Ada", expect=8)
    assert "--confirm production" in next_step(ended.document)
    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.thorough
def test_a_person_reads_it_in_eighty_columns(on_vercel: Deployment) -> None:
    brief = on_vercel.wizard("review", "--out", "read-by-a-person", expect=1, env={"COLUMNS": "80"})
    rows = [line for line in brief.out.splitlines() if not line.startswith("... ")]
    assert len(rows) <= 30 and max(map(len, rows)) <= 80 and "--all has the commands" in brief.out
    ended = on_vercel.wizard("review", "--all", "--out", "read-by-a-person", expect=1, env={"COLUMNS": "80"})
    lines = ended.out.splitlines()
    # A command is never wrapped: it is pasted as it is.
    assert max(len(line) for line in lines if " iam put-" not in line) <= 80
    assert sum(" iam put-" in line for line in lines) == 2
    assert "role eonpro-app-role" in ended.output and "not named in the settings" in ended.output
