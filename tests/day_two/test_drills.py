"""The disaster drills of examples/drills, run as a person runs them: what the doctor prints heals each of them.

Touches the deployments that are set up once; every drill leaves all as it was.
"""

from __future__ import annotations

import subprocess

import pytest

from tests.day_two.doctor_fixture import redeployed
from tests.onboarding.deployment import PROJECT, STORED_KEY, Deployment, clean_environment

FOLDER = PROJECT / "examples" / "drills"
DRILLS = (
    *("settings-lost", "state-lost", "state-cut", "key-lost-with-backup", "project-lost", "key-lost-without-backup"),
    *("key-lost-without-backup history", "key-lost-without-backup target", "wrong-backend"),
)
NEW_KEY = "kms:GenerateDataKeyWithoutPlaintext"


def run(deployment: Deployment, drill: str) -> str:
    """What the drill printed, to its end; `python` is the project's own."""
    name, *words = drill.split()
    return deployment.run(["bash", f"examples/drills/{name}.sh", *words], timeout=300).out


def drilled(deployment: Deployment, drill: str) -> None:
    """The drill heals: one data key, stored and delivered, the one of before; no call made another, nor a KMS key."""
    redeployed(deployment)
    before = deployment.parameters(), deployment.all_keys(), deployment.deployed()["ENCRYPTED_PHI_KEY"]
    deployment.forget_calls()
    printed = run(deployment, drill)
    assert "Healed: the same data key is stored and delivered" in printed, printed
    assert (deployment.parameters(), deployment.all_keys(), deployment.deployed()["ENCRYPTED_PHI_KEY"]) == before
    assert before[0][STORED_KEY] == before[2]
    calls = deployment.calls()
    assert (calls[NEW_KEY], calls["kms:CreateKey"], calls["kms:ReplicateKey"]) == (0, 0, 0)
    deployment.wizard("doctor", "--stack", "production")


@pytest.mark.thorough
@pytest.mark.parametrize("drill", DRILLS)
def test_what_is_printed_brings_back_what_was_lost_and_makes_no_second_data_key(on_vercel: Deployment, drill: str):
    drilled(on_vercel, drill)


@pytest.mark.thorough
@pytest.mark.onboarded("multi-region")
def test_a_region_without_its_parameters_gets_them_from_the_region_of_the_replica(deployment: Deployment):
    deployment.wizard("push", "--redeploy", "--yes")
    before = deployment.parameters()
    deployment.forget_calls()
    assert "Healed" in run(deployment, "region-lost")
    assert deployment.parameters() == before
    assert deployment.calls()[NEW_KEY] == 0


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_an_update_after_a_destroy_has_a_way_out_and_the_records_keep_their_key(deployment: Deployment):
    before = deployment.parameters(), deployment.deployed()["ENCRYPTED_PHI_KEY"]
    assert "Healed" in run(deployment, "update-after-destroy")
    assert (deployment.parameters(), deployment.deployed()["ENCRYPTED_PHI_KEY"]) == before


def test_every_drill_is_run():
    scripts = {file.stem for file in FOLDER.glob("*-*.sh")}
    assert scripts == {drill.split()[0] for drill in DRILLS} | {"region-lost", "update-after-destroy"}


def test_a_drill_never_breaks_a_real_account():
    environment = clean_environment() | {"AWS_ENDPOINT_URL": "https://kms.us-east-1.amazonaws.com"}
    done = subprocess.run(["bash", str(FOLDER / "state-lost.sh")], env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "sandbox only" in done.stderr
