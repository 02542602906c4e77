"""The steps of a rotation over fakes: none that is printed stops an application that runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.wizard.commands.rotate.stack_world import NOW, World
from tests.wizard.commands.rotate.test_data_key import CANARY, OLD, STOPPED, result, scan
from tests.wizard.fakes.clients import settings, wrapped
from wizard.core.errors import PermissionDenied, PolicyRefusal, Unreachable
from wizard.core.models.inputs import Mark

READING = "ENCRYPTED_PHI_KEYS_FOR_READING"


def reencrypts(told: dict[str, Any]) -> bool:
    """Whether a step is the command that re-encrypts a table, which stops an application that lacks the new key."""
    return any("phi reencrypt --dsn" in str(step["command"]) for step in told["next"])


@pytest.fixture
def reading() -> World:
    """The application reads more than one key, and its deployment has the variables as they are."""
    world = World(settings(keys_for_reading=True, record_tables=("Patient.id=email@clinicId/row",)))
    world.vercel.variables[READING] = world.current.value
    # What runs is older than the variables, until it is deployed again.
    world.vercel.deployment = replace(CANARY, id="dpl_1", name="eonpro-1.vercel.app", made=NOW - timedelta(days=1))
    world.vercel.changed_at = NOW - timedelta(hours=1)
    return world


def test_an_application_that_reads_one_key_alone_is_not_stopped_by_a_printed_step(world: World) -> None:
    told = world.run("rotate", "--data-key")
    assert not reencrypts(told)
    first = told["next"][0]
    assert "setup --keys-for-reading yes" in first["command"] and READING in first["advice"]
    assert any("rotate --data-key" in str(step["advice"]) and "stopped" in str(step["advice"]) for step in told["next"])
    assert reencrypts(world.run("rotate", "--data-key", *STOPPED))


def test_the_new_key_is_delivered_for_reading_and_records_are_carried_once_it_runs(reading: World) -> None:
    told = reading.run("rotate", "--data-key", "--no-redeploy")
    new = reading.kept()[str(told["fingerprint"])]
    assert reading.vercel.variables[READING] == new.wrapped.value
    assert reading.vercel.variables["ENCRYPTED_PHI_KEY"] == reading.current.value == wrapped().value
    assert not reencrypts(told) and "push --redeploy" in told["next"][0]["command"]

    again = reading.run("rotate", "--data-key", "--redeploy")
    assert (again["fingerprint"], again["changed"]) == (new.fingerprint, False)
    assert reencrypts(again)
    words = " ".join(str(step["command"]) for step in again["next"])
    assert "--columns email --key-column id --tenant-column clinicId --bind row --no-hash-columns" in words
    assert "phi scan --dsn postgresql://HOST/DATABASE --rows 0 --tenant-column Patient.clinicId --json" in words
    assert "policy promotion" in again["next"][-2]["advice"]


def test_after_the_promotion_the_former_key_is_still_read(reading: World, tmp_path: Path) -> None:
    new = str(reading.run("rotate", "--data-key", "--redeploy")["fingerprint"])
    carried = ("--reencrypted", result(tmp_path, "Patient", new, columns=["email"], hashColumns={}))
    # A column that nobody has carried is forgotten.
    forgotten = scan(tmp_path, new, tables={"public.Patient": ["email"]}, column={"underKeys": {OLD: 2}})
    with pytest.raises(PolicyRefusal, match=r"records under another data key: public.Patient.email"):
        reading.run("rotate", "--promote", new, *carried, "--scanned", forgotten)
    # The application went on writing under the key in use: it reads those records afterwards, too.
    file = scan(tmp_path, new, tables={"public.Patient": ["email"]}, column={"underKeys": {new: 5, OLD: 2}})
    told = reading.run("rotate", "--promote", new, *carried, "--scanned", file, "--redeploy")
    assert told["changed"] and reading.current.fingerprint == new
    assert reading.vercel.variables[READING] == wrapped().value
    assert any("carry the tables once more" in text for mark, text in reading.ui.marked if mark is Mark.WARN)


def test_it_is_not_promoted_before_what_runs_reads_it(reading: World, tmp_path: Path) -> None:
    new = str(reading.run("rotate", "--data-key", "--no-redeploy")["fingerprint"])
    with pytest.raises(PolicyRefusal, match="does not try the new data key yet") as refused:
        reading.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert "push --redeploy" in refused.value.hint and reading.current.fingerprint == OLD


def test_what_is_not_seen_from_here_runs_with_it_by_a_typed_word_alone(reading: World) -> None:
    reading.vercel.failures["current_deployment"] = Unreachable("Vercel does not answer", "try again")
    told = reading.run("rotate", "--data-key", "--no-redeploy")
    assert not reencrypts(told)
    assert any("--application deployed" in str(step["command"]) for step in told["next"])
    assert reencrypts(reading.run("rotate", "--data-key", "--no-redeploy", "--application", "deployed"))


def test_who_may_not_replace_the_stored_key_is_told_which_policy_that_needs(world: World) -> None:
    new = str(world.run("rotate", "--data-key")["fingerprint"])
    world.aws.lacking = ("ssm:PutParameter",)
    with pytest.raises(PermissionDenied, match=r"not allowed: ssm:PutParameter") as refused:
        world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert "policy promotion --stack production" in refused.value.hint
    assert world.changes() == [] and world.current.fingerprint == OLD
