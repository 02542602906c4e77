"""Runs that end half-way, wherever: the same command is typed again, and it ends where it would have ended.

Touches clinics of its own. The moment of each end is a call that arrived and is held up, never a time.
"""

from __future__ import annotations

import signal

import pytest

from tests.onboarding.clinic import ACCESS_LOG_BUCKET, BUCKET, ESCROW, Clinic, until


def converges(clinic: Clinic, *, key: str | None = None, escrowed: str | None = None) -> None:
    """Type the same command again: one key, one data key, one of everything, and nothing left to change."""
    clinic.set_up("vercel")
    made = clinic.inventory()
    assert len(clinic.keys()) == 1 and key in (None, *clinic.keys())
    assert len(clinic.escrow_versions()) == 1 and escrowed in (None, *clinic.escrow_versions())
    assert clinic.variables()["AWS_KMS_KEY_ID"]["value"] == clinic.keys()[0] == clinic.outputs()["keyArn"]
    assert len(clinic.log_keys()) == 1 and len(clinic.all_keys()) == 2
    assert sorted(made["buckets"]) == sorted((BUCKET, ACCESS_LOG_BUCKET))
    for kind in ("trails", "providers"):
        assert len(made[kind]) == 1, kind
    clinic.pulumi("preview", "--stack", "production", "--expect-no-changes")
    exported = clinic.pulumi("stack", "export", "--stack", "production").document["deployment"]
    assert not exported.get("pending_operations")


def test_ctrl_c_during_the_update_ends_it_tidily_and_the_next_run_goes_on(clinic: Clinic):
    clinic.fault(service="cloudtrail", operation="CreateTrail", kind="hang")
    running = clinic.start("vercel")
    until(lambda: clinic.calls()["cloudtrail:CreateTrail"], running, what="the trail's creation")
    running.process.send_signal(signal.SIGINT)
    until(lambda: "Ctrl-C" in running.told, running, what="the word that Ctrl-C was heard")
    # A second one must not make the engine drop what is under way.
    running.process.send_signal(signal.SIGINT)
    clinic.no_more_faults()
    assert running.wait() == 8, running.told
    assert "interrupted" in running.told and "run the same command again" in running.told
    assert clinic.parameters() == {}
    converges(clinic, key=clinic.keys()[0])


@pytest.mark.parametrize(
    "held_up",
    [
        {"s3:CreateBucket": 2, "iam:CreateOpenIDConnectProvider": 1, "kms:CreateKey": 1},
        {"iam:CreateRole": 1, "kms:CreateAlias": 1, "sns:CreateTopic": 1},
        {"cloudtrail:StartLogging": 1},
        {"events:PutRule": 3},
    ],
    ids=["what nothing stands before", "what stands on that", "the trail", "what comes last"],
)
def test_a_run_killed_while_aws_makes_several_things_converges(clinic: Clinic, held_up: dict[str, int]):
    for call, times in held_up.items():
        service, _, operation = call.partition(":")
        clinic.fault(service=service, operation=operation, kind="hang", times=times)
    running = clinic.start("vercel")
    until(
        lambda: all(clinic.calls()[call] >= times for call, times in held_up.items()), running, what=", ".join(held_up)
    )
    running.kill_tree()
    # AWS goes on and makes them, and nobody is there to hear of it.
    clinic.no_more_faults()
    until(lambda: held_up.get("kms:CreateKey", 0) <= len(clinic.all_keys()), what="the key that nobody heard of")
    converges(clinic, key=next(iter(clinic.keys()), None))


@pytest.mark.parametrize("made", ["by AWS, and nobody hears of it", "never"])
def test_a_run_killed_while_it_asks_for_both_keys_converges(clinic: Clinic, made: str):
    seconds = 600 if made == "never" else 60
    clinic.fault(service="kms", operation="CreateKey", kind="hang", times=2, seconds=seconds)
    running = clinic.start("vercel")
    until(lambda: clinic.calls()["kms:CreateKey"] == 2, running, what="the requests for the PHI key and the logs' key")
    running.kill_tree()
    assert clinic.all_keys() == []
    if made == "never":
        converges(clinic)
        return
    clinic.no_more_faults()
    until(lambda: clinic.keys() and clinic.log_keys(), what="the keys that nobody heard of")
    before = sorted(clinic.all_keys())
    converges(clinic, key=clinic.keys()[0])
    assert sorted(clinic.all_keys()) == before


def test_a_wizard_killed_alone_leaves_the_engine_at_work_and_the_next_run_converges(clinic: Clinic):
    clinic.fault(service="cloudtrail", operation="CreateTrail", kind="hang")
    running = clinic.start("vercel")
    until(lambda: clinic.calls()["cloudtrail:CreateTrail"], running, what="the trail's creation")
    running.kill_alone()
    # The engine may go on or stumble over its closed output; nobody needs to care.
    clinic.no_more_faults()
    converges(clinic)


@pytest.mark.parametrize("moment", ["before the escrow", "before the push"])
def test_a_run_killed_on_the_data_keys_way_converges(clinic: Clinic, moment: str):
    if moment == "before the escrow":
        # The data key was made and is in nobody's hands but the dead run's.
        clinic.fault(service="ssm", operation="PutParameter", kind="hang", seconds=600)
    else:
        clinic.vercel_fault(kind="timeout", method="POST", path="/env", seconds=600)
    running = clinic.start("vercel")
    if moment == "before the escrow":
        until(lambda: clinic.calls()["ssm:PutParameter"], running, what="PutParameter")
    else:
        until(lambda: any("POST" in call for call in clinic.changes()), running, what="the push")
    running.kill_tree()
    escrowed = clinic.parameters().get(ESCROW)
    assert (escrowed is None) == (moment == "before the escrow") and clinic.variables() == {}
    converges(clinic, key=clinic.keys()[0], escrowed=escrowed)
