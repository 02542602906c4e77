"""The application's code in TypeScript, run by Node against the sandbox: what a patient's record and search depend on.

Touches the deployments that are set up once, and changes nothing in them; installs the example's packages with npm.
"""

from __future__ import annotations

import base64
import hmac
import subprocess
import urllib.error
from dataclasses import replace

import pytest

from tests.day_two.the_application import ROLE
from tests.onboarding.deployment import Deployment, until
from tools import application
from tools.application import Application, NotStarted, Platform

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("npm")]

TEXTS = ("Jane", "Jöhn Dœ", "患者 🩺" * 40)


def on_vercel(deployment: Deployment) -> Platform:
    return application.on_vercel(deployment.deployed(), ROLE, deployment.environment)


@pytest.fixture
def on_task(on_ecs: Deployment) -> Platform:
    """What a task of the application finds."""
    stored = {name.rpartition("/")[2]: value for name, value in on_ecs.parameters().items()}
    names = ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")
    return application.in_container({name: stored[name] for name in names}, on_ecs.environment)


def changed(platform: Platform, **variables: str) -> Platform:
    return replace(platform, variables={**platform.variables, **variables})


def new_data_key(deployment: Deployment) -> str:
    """Another data key under the stack's key, wrapped, as `rotate --data-key` makes it."""
    [key] = deployment.keys()
    made = deployment.client("kms").generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
    return base64.b64encode(made["CiphertextBlob"]).decode()


def unwrapped(deployment: Deployment, wrapped: str) -> bytes:
    key: bytes = deployment.client("kms").decrypt(CiphertextBlob=base64.b64decode(wrapped))["Plaintext"]
    return key


def is_written(running: Application) -> bool:
    """Whether the application writes a record now."""
    try:
        return bool(running.ask("encrypt", "Jane"))
    except urllib.error.HTTPError:
        return False


def hash_under(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()


@pytest.mark.thorough
def test_on_vercel_records_and_hashes_survive_a_rotation(onboarded: Deployment):
    platform = on_vercel(onboarded)
    former = platform.variables["ENCRYPTED_PHI_KEY"]
    with application.running(platform) as running:
        records = running.ask("encrypt", *TEXTS)
        assert application.phi(platform, "decrypt", *records) == [*TEXTS]
        assert running.ask("decrypt", *application.phi(platform, "encrypt", *TEXTS)) == [*TEXTS]
        # By the derivation of the application itself.
        derived = hmac.digest(unwrapped(onboarded, former), b"patient-dedup-v1", "sha256")
        assert running.ask("hash", "jane@example.org") == [hash_under(derived, "jane@example.org")]
    hash_key = new_data_key(onboarded)
    rotated = changed(
        platform,
        ENCRYPTED_PHI_KEY=new_data_key(onboarded),
        ENCRYPTED_PHI_KEYS_FOR_READING=former,
        ENCRYPTED_PHI_HASH_KEY=hash_key,
    )
    with application.running(rotated) as running:
        assert running.ask("decrypt", *records) == [*TEXTS]
        # Under its own key a hash knows nothing of the data key: no rotation changes it.
        own = hash_under(unwrapped(onboarded, hash_key), "jane@example.org")
        assert running.ask("hash", "jane@example.org") == [own]
        assert application.phi(rotated, "search_hash", "jane@example.org") == [own]
        written = running.ask("encrypt", *TEXTS)
    after = {**rotated.variables, "ENCRYPTED_PHI_KEYS_FOR_READING": ""}
    assert application.phi(replace(rotated, variables=after), "decrypt", *written) == [*TEXTS]


@pytest.mark.thorough
def test_on_ecs_the_task_role_loads_the_key_before_the_first_request(on_ecs: Deployment, on_task: Platform):
    on_ecs.forget_calls()
    with application.running(on_task) as running:
        assert on_ecs.calls()["kms:Decrypt"] == 1
        records = running.ask("encrypt", *TEXTS)
        assert on_ecs.calls()["kms:Decrypt"] == 1
    assert application.phi(on_task, "decrypt", *records) == [*TEXTS]


@pytest.mark.thorough
def test_under_other_names_it_leaves_the_variables_of_its_s3_client_alone(on_ecs: Deployment, on_task: Platform):
    names = {"AWS_REGION": "EONPRO_AWS_REGION", "AWS_KMS_KEY_ID": "EONPRO_KMS_KEY_ID"}
    renamed = changed(
        on_task,
        **{name: on_task.variables[usual] for usual, name in names.items()},
        PHI_VARIABLE_NAMES=",".join("=".join(pair) for pair in names.items()),
        AWS_REGION="us-east-2",
        AWS_KMS_KEY_ID="alias/uploads",
    )
    with application.running(renamed) as running:
        records = running.ask("encrypt", *TEXTS)
        assert running.ask("decrypt", *application.phi(renamed, "encrypt", *TEXTS)) == [*TEXTS]
    assert application.phi(on_task, "decrypt", *records) == [*TEXTS]
    lost = changed(renamed, EONPRO_KMS_KEY_ID="")
    with pytest.raises(NotStarted, match="EONPRO_KMS_KEY_ID is empty"), application.running(lost):
        pass


@pytest.mark.thorough
def test_without_its_data_key_it_does_not_start_and_makes_none_of_its_own(on_ecs: Deployment, on_task: Platform):
    on_ecs.forget_calls()
    lost = changed(on_task, ENCRYPTED_PHI_KEY="", ENCRYPTION_KEY="ab" * 32)
    with pytest.raises(NotStarted, match="ENCRYPTED_PHI_KEY is empty"), application.running(lost):
        pass
    foreign = changed(on_task, ENCRYPTED_PHI_KEY=base64.b64encode(b"of no key" * 20).decode())
    with (
        pytest.raises(NotStarted, match="does not start without its data key: WrongKey"),
        application.running(foreign),
    ):
        pass
    assert {call for call in on_ecs.calls() if call.startswith("kms:")} <= {"kms:Decrypt"}


def test_on_vercel_no_request_writes_without_the_key_and_a_repair_needs_no_new_deployment(onboarded: Deployment):
    platform, [key] = on_vercel(onboarded), onboarded.keys()
    kms = onboarded.client("kms")
    with application.running(platform) as running:
        kms.disable_key(KeyId=key)
        try:
            with pytest.raises(urllib.error.HTTPError, match="503"):
                running.ask("encrypt", "Jane")
        finally:
            kms.enable_key(KeyId=key)
        # For a second after the refusal nobody asks KMS again.
        until(lambda: is_written(running), what="a record")
        assert application.phi(platform, "decrypt", *running.ask("encrypt", "Jane")) == ["Jane"]
        with pytest.raises(urllib.error.HTTPError, match="503"):
            running.ask("decrypt", "Jane, stored before it was encrypted")


@pytest.mark.thorough
def test_its_types_are_right():
    with application.folder() as folder:
        command = ["node", "node_modules/typescript/bin/tsc"]
        checked = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert (checked.stdout, checked.returncode) == ("", 0)
