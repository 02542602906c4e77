"""Rotations as a person runs them: the wizard, the real engine, both targets, and an application with its records.

Touches a deployment that is set up once for Vercel and ECS; each test takes it as the one before has left it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pexpect
import pytest

from eonpro_phi import PhiCipher
from eonpro_phi.record import key_id
from tests.day_two import the_application
from tests.day_two.doctor_fixture import typed
from tests.onboarding.deployment import (
    STORED_KEY,
    TIMEOUT_SECONDS,
    Deployment,
    onboarding,
)
from tests.onboarding.loaded import loaded_python
from tests.onboarding.shipped_schemas import fits, next_step
from wizard.data_key import backup_document

READING = "ENCRYPTED_PHI_HASH_KEYS_FOR_READING"
LEDGER = "/eonpro/production/data-keys/"
SURE = ("--confirm", "production", "--no-redeploy", "--json")


def ledger(deployment: Deployment) -> dict[str, str]:
    """The kept versions by fingerprint, read without the wizard."""
    return {
        f"sha256:{name.removeprefix(LEDGER)}": value
        for name, value in deployment.parameters().items()
        if name.startswith(LEDGER)
    }


def variables(deployment: Deployment, wrapped: str) -> dict[str, str]:
    """What the application would get with that version."""
    return {**deployment.deployed(), "ENCRYPTED_PHI_KEY": wrapped}


def current(deployment: Deployment) -> str:
    """The fingerprint of what the stored data key holds, by the wizard's own list."""
    listed = deployment.wizard("restore", "--json").document["versions"]
    (found,) = (each["fingerprint"] for each in listed if each["current"])
    return str(found)


def test_a_rotation_of_the_data_key_and_back_again_loses_no_record(life: Deployment) -> None:
    (before,) = the_application.write(life, life.deployed(), "before the rotation")
    old_value = life.deployed()["ENCRYPTED_PHI_KEY"]

    made = life.wizard("rotate", "--data-key", *SURE[:2], "--json").document
    assert life.deployed()["ENCRYPTED_PHI_KEY"] == old_value
    new = made["fingerprint"]
    (old,) = (each["fingerprint"] for each in made["versions"] if each["current"])

    promoted = life.wizard("rotate", "--promote", new, "--no-hash-columns", "--no-records", *SURE).document
    assert [(each["target"], each["state"]) for each in promoted["proofs"]] == [("ecs", "proved"), ("vercel", "proved")]
    new_value = ledger(life)[new]
    assert life.deployed()["ENCRYPTED_PHI_KEY"] == life.parameters()[STORED_KEY] == new_value
    (after,) = the_application.write(life, life.deployed(), "after the rotation")
    assert the_application.read(life, variables(life, ledger(life)[old]), before) == ["before the rotation"]

    life.wizard("restore", "--version", old, *SURE)
    assert life.deployed()["ENCRYPTED_PHI_KEY"] == life.parameters()[STORED_KEY] == old_value
    assert the_application.read(life, life.deployed(), before) == ["before the rotation"]
    assert the_application.read(life, variables(life, ledger(life)[new]), after) == ["after the rotation"]
    assert life.stored_key_versions() == [old_value, new_value, old_value]
    assert set(Counter(written(life)).values()) == {1}


def flipped(deployment: Deployment) -> tuple[str, str]:
    """The data key in use with one bit flipped, wrapped by the same KMS key; and its fingerprint."""
    kms = deployment.client("kms")
    key = kms.decrypt(CiphertextBlob=base64.b64decode(deployment.parameters()[STORED_KEY]))["Plaintext"]
    blob = kms.encrypt(KeyId=deployment.keys()[0], Plaintext=bytes((key[0] ^ 1, *key[1:])))["CiphertextBlob"]
    return base64.b64encode(blob).decode(), f"sha256:{hashlib.sha256(blob).hexdigest()[:16]}"


@pytest.mark.thorough
def test_another_data_key_is_refused_by_its_check_value_before_anything_is_written(life: Deployment) -> None:
    stored, in_use = life.parameters()[STORED_KEY], current(life)
    other, fingerprint = flipped(life)
    was = life.parameters(), life.deployed()

    def refused(*words: str) -> str:
        message = str(life.wizard(*words, *SURE, expect=1).document["message"])
        assert (life.parameters(), life.deployed()) == was
        return message

    # A backup of another data key, as the release before check values wrote it.
    backup = life.root / "wrong.backup.json"
    life.wizard("backup", "--to", str(backup))
    text = backup.read_text().replace(stored, other).replace(in_use, fingerprint)
    fields = json.loads(text.replace(in_use.removeprefix("sha256:"), fingerprint.removeprefix("sha256:")))
    fields |= {"version": "1", "versions": [each for each in fields["versions"] if each["fingerprint"] == fingerprint]}
    fields["versions"][0].pop("keyCheckValue")
    backup.write_text(json.dumps({**fields, "digest": backup_document.digest(fields)}))
    was = life.parameters(), life.deployed()
    assert "no version that was in use does" in refused("restore", "--from-backup", str(backup))

    # A version that another stack's data key is behind, which says that it is this one, wrapped again.
    ssm, name = life.client("ssm"), LEDGER + fingerprint.removeprefix("sha256:")
    tags = {"eonpro:key-arn": life.keys()[0], "eonpro:origin": "rewrapped", "eonpro:same-as": in_use}
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    ssm.put_parameter(Name=name, Value=other, Type="SecureString", Tags=pairs)
    was = life.parameters(), life.deployed()
    assert "should be the same key" in refused("rotate", "--promote", fingerprint)
    ssm.delete_parameter(Name=name)

    # The application's own key, taken over.
    entry = life.variables()["ENCRYPTED_PHI_KEY"]
    path = f"/v9/projects/eonpro/env/{entry['id']}"
    life.vercel("PATCH", path, {"type": "encrypted", "value": other, "comment": ""})
    was = life.parameters(), life.deployed()
    assert "no version that was in use does" in refused("restore", "--from-target")
    back = {"type": entry["type"], "value": stored, "comment": entry["comment"]}
    life.vercel("PATCH", path, back)
    assert life.deployed()["ENCRYPTED_PHI_KEY"] == stored == life.parameters()[STORED_KEY]


def written(deployment: Deployment) -> list[str]:
    """The name of each entry of the ledger, once for every time that it was written."""
    ssm = deployment.client("ssm")
    return [
        version["Name"]
        for name in deployment.parameters()
        if name.startswith(LEDGER)
        for version in ssm.get_parameter_history(Name=name)["Parameters"]
    ]


@pytest.mark.thorough
def test_a_former_key_is_adopted_from_a_pipe_and_promoted_and_is_seen_by_nobody(life: Deployment) -> None:
    former = secrets.token_bytes(32)
    (record,) = (PhiCipher(former).encrypt("before KMS"),)
    assert record is not None
    document = _piped(life, former.hex(), "adopt", "--encryption-key", *SURE)
    assert document["changed"] and document["fingerprint"] in ledger(life)
    again = _piped(life, former.hex(), "adopt", "--encryption-key", *SURE)
    assert (again["changed"], again["fingerprint"]) == (False, document["fingerprint"])

    life.wizard("rotate", "--promote", document["fingerprint"], "--no-hash-columns", "--no-records", *SURE)
    assert the_application.read(life, life.deployed(), record) == ["before KMS"]
    logs = "".join(log.read_text() for log in (life.folder / ".wizard" / "logs").glob("*.log"))
    assert former.hex() not in logs + "".join(life.printed)


def _piped(deployment: Deployment, given: str, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [loaded_python(), "-m", "wizard", *words],
        cwd=deployment.folder,
        env=deployment.environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    deployment.printed += [done.stdout, done.stderr]
    found: dict[str, Any] = json.loads(done.stdout)
    fits(found, code=0)
    return found


def test_the_keys_material_is_rotated_and_nothing_else(life: Deployment) -> None:
    life.forget_calls()
    document = life.wizard("rotate", "--cmk", "--yes", "--json").document
    assert life.changes() == {"kms:RotateKeyOnDemand": 1}
    assert document["rotations"]["onDemandLeft"] == document["rotations"]["onDemandLimit"] - 1


def test_a_list_of_what_can_be_restored_changes_nothing(life: Deployment) -> None:
    life.forget_calls()
    assert current(life)
    assert life.changes() == Counter()


HASH_KEY = "/eonpro/production/ENCRYPTED_PHI_HASH_KEY"


def hash_keys(deployment: Deployment) -> tuple[str, str, str]:
    """The stored hash key, its kept version, and what the application on Vercel gets."""
    parameters = deployment.parameters()
    (kept,) = (value for name, value in parameters.items() if name.startswith("/eonpro/production/hash-keys/"))
    return parameters[HASH_KEY], kept, deployment.deployed()["ENCRYPTED_PHI_HASH_KEY"]


@pytest.mark.thorough
def test_a_hash_key_of_its_own_outlives_a_rotation_and_its_deletion(life: Deployment) -> None:
    made = life.wizard("setup", "--hash-key", "yes", "--yes", "--json").document
    assert (made["hashKey"]["isNew"], made["dataKey"]["isNew"]) == (True, False)
    assert {proof["state"] for proof in made["proofs"]} == {"proved"}
    (value,) = set(hash_keys(life))
    read_by_tasks = {each["name"]: each["valueFrom"] for each in life.outputs()["taskSecrets"]}
    assert read_by_tasks["ENCRYPTED_PHI_HASH_KEY"].endswith(f":parameter{HASH_KEY}")
    opened = life.client("kms").decrypt(CiphertextBlob=base64.b64decode(value))["Plaintext"]
    assert len(opened) == 32 and base64.b64encode(opened).decode() not in "".join(life.printed)

    new = life.wizard("rotate", "--data-key", *SURE[:2], "--json").document["fingerprint"]
    life.wizard("rotate", "--promote", new, "--no-hash-columns", "--no-records", *SURE)
    assert life.deployed()["ENCRYPTED_PHI_KEY"] == ledger(life)[new] and set(hash_keys(life)) == {value}

    life.client("ssm").delete_parameter(Name=HASH_KEY)
    found = life.wizard("doctor", "--quick", "--json", expect=1).document["findings"]
    (lost,) = (each["command"] for each in found if each["cause"] == "stored-key-missing")
    assert lost.startswith("eonpro-kms restore --hash-key --version sha256:")
    typed(life, lost)
    assert set(hash_keys(life)) == {value}


@pytest.mark.thorough
def test_the_hash_key_is_rotated_and_the_check_values_follow_on_every_target(life: Deployment, tmp_path: Path) -> None:
    asked = ("--keys-for-reading", "yes", "--key-check-value", "yes")
    life.wizard("setup", *asked, "--yes", "--json")
    first, kms = life.deployed(), life.client("kms")

    def opened(wrapped: str) -> bytes:
        return bytes(kms.decrypt(CiphertextBlob=base64.b64decode(wrapped))["Plaintext"])

    def delivered() -> dict[str, str]:
        """What the application has on Vercel, and the same in the store, where its check values fit its keys."""
        on_vercel, stored = life.deployed(), life.parameters()
        for name in ("ENCRYPTED_PHI_KEY", "ENCRYPTED_PHI_HASH_KEY"):
            check = f"{name}_CHECK_VALUE"
            assert on_vercel[check] == stored[f"/eonpro/production/{check}"] == key_id(opened(on_vercel[name]))
        assert on_vercel[READING] == stored[f"/eonpro/production/{READING}"]
        return on_vercel

    assert delivered()[READING] == first["ENCRYPTED_PHI_HASH_KEY"]
    new = str(life.wizard("rotate", "--hash-key", *SURE).document["fingerprint"])
    staged = delivered()
    assert staged["ENCRYPTED_PHI_HASH_KEY"] == first["ENCRYPTED_PHI_HASH_KEY"] != staged[READING]
    result = {
        "table": "Patient",
        "hashKey": new,
        "complete": True,
        "succeeded": True,
        "searchColumns": {"emailSearch": {}},
    }
    (tmp_path / "hashed.json").write_text(json.dumps(result))
    promote = ("rotate", "--promote", new, "--reencrypted", str(tmp_path / "hashed.json"))
    # What runs was deployed before the list: it would not find a row under the new key.
    typed(life, life.wizard(*promote, *SURE, expect=5).document["next"]["command"] + " --yes")
    life.wizard(*promote, *SURE)
    assert delivered()["ENCRYPTED_PHI_HASH_KEY"] == staged[READING]
    # The former key, in either of its two wrappings.
    assert opened(delivered()[READING]) == opened(first["ENCRYPTED_PHI_HASH_KEY"])
    assert life.wizard("verify", "--json").document["ok"]
    # The application refuses another key than that of its variable, before it encrypts anything.
    wrong = {**life.deployed(), "ENCRYPTED_PHI_KEY": flipped(life)[0]}
    with pytest.raises(AssertionError, match="WrongKeyCheckValue"):
        the_application.write(life, wrong, "under another key")


@pytest.mark.thorough
def test_whoever_may_not_reencrypt_is_told_what_gives_it_and_takes_it_away(life: Deployment) -> None:
    user = f"officer-{secrets.token_hex(4)}"
    iam = life.client("iam")
    iam.create_user(UserName=user)
    all_but = {"Effect": "Allow", "NotAction": ["kms:ReEncrypt*", "kms:Encrypt"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [all_but]})
    iam.put_user_policy(UserName=user, PolicyName="nearly-all", PolicyDocument=policy)
    made = iam.create_access_key(UserName=user)["AccessKey"]
    officer = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    # Only new material of the key is a reason to wrap the data key again.
    (key,) = life.keys()
    life.client("kms").rotate_key_on_demand(KeyId=key)
    before = life.parameters()

    refused = life.wizard("rotate", "--reencrypt", "alias/eonpro-phi-key", *SURE, env=officer, expect=3).document
    assert "kms:ReEncryptFrom" in refused["message"] and f"aws iam put-user-policy --user-name {user}" in next_step(
        refused
    )
    assert {name: value for name, value in life.parameters().items() if name in before} == before

    # What it says, an administrator types; then the same command goes well, and the right is taken away again.
    given, _, taken = next_step(refused).partition("   # ")
    life.run(["sh", "-c", given])
    life.wizard("rotate", "--reencrypt", "alias/eonpro-phi-key", *SURE, env=officer)
    life.run(["sh", "-c", taken.partition("then: ")[2]])
    life.client("kms").rotate_key_on_demand(KeyId=key)
    life.wizard("rotate", "--reencrypt", "alias/eonpro-phi-key", *SURE, env=officer, expect=3)


@pytest.mark.thorough
def test_a_person_types_the_stacks_name_and_the_key_and_sees_only_the_one(life: Deployment) -> None:
    former = secrets.token_hex(32)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "wizard", "adopt", "--encryption-key", "--no-redeploy"],
        cwd=str(life.folder),
        env=life.before_a_person(),
        encoding="utf-8",
        timeout=TIMEOUT_SECONDS,
        dimensions=(40, 120),
    )
    shown: list[str] = []
    for prompt, answer in (("Type the stack's name", "production"), ("ENCRYPTION_KEY", former)):
        child.expect(prompt)
        shown.append(child.before)
        child.send(f"{answer}\r")
    child.expect(pexpect.EOF)
    shown.append(child.before)
    child.close()
    assert child.exitstatus == 0, "".join(shown)
    assert former not in "".join(shown)
    assert "adopted" in "".join(shown) or "is kept in" in "".join(shown)


@pytest.mark.thorough
@pytest.mark.onboarded("multi-region")
def test_every_region_gets_the_new_data_key_and_keeps_the_old_one(deployment: Deployment) -> None:
    old = deployment.parameters()[STORED_KEY]
    new = deployment.wizard("rotate", "--data-key", *SURE[:2], "--json").document["fingerprint"]
    document = deployment.wizard("rotate", "--promote", new, "--no-hash-columns", "--no-records", *SURE).document
    (replica,) = deployment.outputs()["replicaKeyArns"]
    there = deployment.client("ssm", region=replica.split(":")[3])
    pages = there.get_parameters_by_path(Path="/eonpro", Recursive=True, WithDecryption=True)["Parameters"]
    elsewhere = {each["Name"]: each["Value"] for each in pages}
    assert elsewhere[STORED_KEY] == deployment.parameters()[STORED_KEY] != old
    assert {old, elsewhere[STORED_KEY]} == {value for name, value in elsewhere.items() if name.startswith(LEDGER)}
    # The slot in which a new data key is reserved exists in the stack's own Region only: it is no version.
    versions = {name: value for name, value in ledger(deployment).items() if not name.startswith("sha256:new/")}
    assert versions == {
        f"sha256:{name.removeprefix(LEDGER)}": value for name, value in elsewhere.items() if name.startswith(LEDGER)
    }
    assert {each["state"] for each in document["proofs"]} <= {"proved", "simulated"}
    opened = deployment.client("kms", region=replica.split(":")[3]).decrypt(
        KeyId=replica, CiphertextBlob=base64.b64decode(elsewhere[STORED_KEY])
    )
    assert len(opened["Plaintext"]) == 32


@pytest.mark.thorough
def test_records_under_an_encryption_key_open_after_a_set_up_that_wraps_it(deployment: Deployment) -> None:
    former = secrets.token_bytes(32)
    record = PhiCipher(former).encrypt("before KMS")
    assert record is not None
    variable = {"key": "ENCRYPTION_KEY", "value": former.hex(), "type": "encrypted", "target": ["production"]}
    deployment.vercel("POST", "/v10/projects/eonpro/env", variable)
    document = _piped(deployment, former.hex(), *onboarding("vercel"), "--former-key", "wrap", "--json")
    assert [each["state"] for each in document["proofs"]] == ["proved"]
    assert the_application.read(deployment, deployment.deployed(), record) == ["before KMS"]
    assert "kms:GenerateDataKeyWithoutPlaintext" not in deployment.calls()
    examined = deployment.wizard("doctor", "--quick", "--json", expect=1).document
    assert [finding["cause"] for finding in examined["findings"]] == ["deployment-stale"]
    assert former.hex() not in "".join(deployment.printed)
