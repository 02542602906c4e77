"""`rotate --data-key` and `--promote` over fakes: a new data key beside the old one, and later in its place."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.wizard.commands.rotate.stack_world import NOW, World
from tests.wizard.fakes.clients import (
    KEY,
    MULTI_KEY,
    OTHER_KEY,
    REPLICA,
    REPLICA_REGION,
    key_fact,
    multi_region,
    settings,
    wrapped,
)
from wizard.cli.parser import flags_of
from wizard.commands.rotate import AdoptOptions, RestoreOptions, RotateOptions
from wizard.core.clients import Request
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import (
    Cancelled,
    DataKeyConflict,
    MissingAnswers,
    PermissionDenied,
    PolicyRefusal,
    ResourceError,
    SetupError,
    StackNotFound,
    Unreachable,
    UsageError,
)
from wizard.core.models.deployment import (
    Deployment,
    Redeployed,
    RedeployState,
    ReleaseStage,
    ReleaseState,
    RollingRelease,
)
from wizard.core.models.inputs import Mark
from wizard.core.models.verification import ChildResult
from wizard.core.next_command import Command, shell

OLD = wrapped().fingerprint
DENIED = PermissionDenied("the caller may not do kms:ReEncryptFrom", "have it allowed")


@pytest.fixture
def new(world: World) -> str:
    """The fingerprint of a data key that was made and is not in use yet."""
    return str(world.run("rotate", "--data-key")["fingerprint"])


# --- a new one


def test_a_new_data_key_is_kept_beside_the_old_one_and_nothing_else_changes(world: World) -> None:
    told = world.run("rotate", "--data-key")
    assert set(world.kept()) == {OLD, told["fingerprint"]}
    assert world.current == wrapped()
    assert told["changed"] and told["delivered"] == []
    assert not any(call.startswith(("vercel.deliver", "cloud.deliver")) for call in world.log)


def test_the_old_one_is_kept_before_the_new_one_is_made(world: World) -> None:
    world.run("rotate", "--data-key")
    assert world.changes()[:2] == [f"keyring.keep {OLD}", f"cloud.make_data_key {KEY}"]


STOPPED = ("--application", "stopped")


def test_the_next_steps_fetch_both_re_encrypt_and_promote(world: World) -> None:
    told = world.run("rotate", "--data-key", *STOPPED)
    fetching, moving, scanning, promoting, _ = (each["command"] for each in told["next"])
    old, new = (each.removeprefix("sha256:") for each in (OLD, told["fingerprint"]))
    for variable, entry in (("ENCRYPTED_PHI_KEY", old), ("NEW_ENCRYPTED_PHI_KEY", new)):
        assert (
            f'{variable}="$(aws ssm get-parameter --name /eonpro/production/data-keys/{entry} --with-decryption '
            f'--query Parameter.Value --output text --region us-east-1)"'
        ) in fetching
    assert f"AWS_REGION=us-east-1 AWS_KMS_KEY_ID={KEY} " in fetching
    assert moving.startswith("python -m eonpro_phi reencrypt --dsn") and "--dry-run" in moving
    assert scanning == (
        'ENCRYPTED_PHI_KEYS_FOR_READING="$ENCRYPTED_PHI_KEY" ENCRYPTED_PHI_KEY="$NEW_ENCRYPTED_PHI_KEY" '
        "python -m eonpro_phi scan --dsn postgresql://HOST/DATABASE --rows 0 --json > scanned.json"
    )
    assert f"rotate --promote sha256:{new}" in promoting and "--scanned scanned.json" in promoting


def test_a_second_run_shows_the_one_that_waits_and_makes_none(world: World, new: str) -> None:
    told = world.run("rotate", "--data-key", confirm=None)
    assert (told["fingerprint"], told["changed"]) == (new, False)
    assert not any("make_data_key" in call for call in world.log)


def test_two_machines_at_once_end_with_one_new_data_key(world: World) -> None:
    """The records of one machine's re-encryption would need a data key that the other one never promotes."""
    make = world.aws.make_data_key
    theirs: list[str] = []

    def meanwhile(key_arn: str) -> WrappedDataKey:
        if not theirs:
            theirs.append("")
            theirs[0] = str(world.run("rotate", "--data-key")["fingerprint"])
        return make(key_arn)

    world.aws.make_data_key = meanwhile  # type: ignore[method-assign]
    told = world.run("rotate", "--data-key")

    assert (told["fingerprint"], told["changed"]) == (theirs[0], False)
    assert set(world.kept()) == {OLD, theirs[0]}


def test_one_that_was_in_use_once_does_not_wait(world: World, new: str) -> None:
    world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    world.run("restore", "--version", OLD)
    assert world.run("rotate", "--data-key")["fingerprint"] not in (OLD, new)


@pytest.mark.parametrize("confirm", (None, "staging"))
def test_without_the_stacks_name_no_data_key_is_made(world: World, confirm: str | None) -> None:
    with pytest.raises(Cancelled, match="nothing was changed") as refused:
        world.run("rotate", "--data-key", confirm=confirm, yes=True)
    assert "--confirm production" in refused.value.hint
    assert world.changes() == []


def test_a_person_types_the_stacks_name(world: World) -> None:
    world.ui.interactive = True
    world.ui.answers["confirmation"] = ["production"]
    world.run("rotate", "--data-key", confirm=None)
    assert world.ui.keys == ["confirmation"]
    assert len(world.kept()) == 2


def test_without_a_data_key_there_is_none_to_rotate(world: World) -> None:
    world.delete_stored_key()
    world.vercel.variables.clear()
    with pytest.raises(StackNotFound) as refused:
        world.run("rotate", "--data-key")
    assert refused.value.hint.startswith("python -m wizard push")


def test_with_replicas_every_region_keeps_both_under_its_own_key() -> None:
    world = World(multi_region())
    new = str(world.run("rotate", "--data-key")["fingerprint"])
    there = world.aws.with_region(REPLICA_REGION).key_rotation.entries
    assert {each.key_arn for each in world.kept().values()} == {MULTI_KEY}
    assert {each: entry.key_arn for each, entry in there.items()} == {OLD: REPLICA, new: REPLICA}


# --- in the old one's place


def test_a_promoted_data_key_is_current_delivered_and_proved(world: World, new: str) -> None:
    told = world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert world.log.index("prover.prove") < world.log.index(f"keyring.replace_current {new}")
    assert world.current.fingerprint == new
    assert world.vercel.variables["ENCRYPTED_PHI_KEY"] == world.current.value
    assert [each["state"] for each in told["proofs"]] == ["proved"]
    assert (told["changed"], told["opened"]) == (True, "application")


def test_what_has_the_variables_beside_production_is_named(world: World, new: str) -> None:
    world.vercel.overlapping = ("preview has ENCRYPTED_PHI_KEY", "preview has AWS_REGION")
    (told,) = world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")["next"]
    assert told["advice"].startswith("preview has ENCRYPTED_PHI_KEY") and "push --to" in told["advice"]


def test_what_cannot_be_looked_at_afterwards_is_told_and_changes_no_success(world: World, new: str) -> None:
    world.vercel.failures["overlaps"] = Unreachable("Vercel does not answer", "try again")
    code, told = world.ended("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert (code, told["changed"]) == (0, True)
    assert "is unknown" in str(told["next"][0])


def test_what_is_said_names_what_can_no_longer_be_read_and_the_way_back(world: World, new: str) -> None:
    world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    told = " ".join(world.ui.said)
    assert f"the application can no longer read records of {OLD}" in told
    assert f"restore --version {OLD}" in told


@pytest.mark.parametrize("confirm", (None, "staging"))
def test_nothing_is_promoted_without_the_stacks_name(world: World, new: str, confirm: str | None) -> None:
    with pytest.raises(Cancelled, match="nothing was changed"):
        world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records", confirm=confirm, yes=True)
    assert world.changes() == []
    assert world.current.fingerprint == OLD


def test_the_fingerprint_is_good_without_its_prefix(world: World, new: str) -> None:
    world.run("rotate", "--promote", new.removeprefix("sha256:"), "--no-hash-columns", "--no-records")
    assert world.current.fingerprint == new


@pytest.mark.parametrize("given", ("latest", "sha256:123", "sha256:" + "g" * 16))
def test_what_is_no_fingerprint_is_refused(world: World, given: str) -> None:
    with pytest.raises(UsageError, match="is not a fingerprint"):
        world.run("rotate", "--promote", given, "--no-hash-columns", "--no-records")


def test_a_version_that_nobody_kept_is_refused_and_those_there_are_named(world: World, new: str) -> None:
    with pytest.raises(UsageError, match=rf"(?s){OLD}.*{new}|{new}.*{OLD}"):
        world.run("rotate", "--promote", "sha256:" + "0" * 16, "--no-hash-columns", "--no-records")
    assert world.changes() == []


def test_a_version_under_another_key_never_becomes_current(world: World) -> None:
    world.aws.keys[OTHER_KEY] = world.aws.keys[KEY]
    told = world.run("rotate", "--data-key")
    entry = world.kept()[told["fingerprint"]]
    world.key_rotation.entries[entry.fingerprint] = type(entry)(**{**entry.__dict__, "key_arn": OTHER_KEY})
    with pytest.raises(DataKeyConflict, match="not by the stack's key"):
        world.run("rotate", "--promote", entry.fingerprint, "--no-hash-columns", "--no-records")
    assert world.current.fingerprint == OLD


def test_what_the_application_cannot_open_never_becomes_current(world: World, new: str) -> None:
    world.prover.verdict = ChildResult(proved=False, principal="", fingerprint="", cause="AccessDenied", message="no")
    with pytest.raises(DataKeyConflict, match="the application cannot decrypt"):
        world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert world.changes() == []
    assert world.current.fingerprint == OLD


def test_without_the_applications_credentials_kms_opens_it_and_gives_nothing(world: World, new: str) -> None:
    world.aws.credentials = None
    told = world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert told["opened"] == "reencrypted"
    assert f"keyring.reencrypt {KEY} {KEY}" in world.log
    assert len(world.kept()) == 2


def test_where_neither_can_be_tried_the_ledgers_word_counts_and_is_said_to(world: World, new: str) -> None:
    world.aws.credentials = None
    world.key_rotation.failures["reencrypt"] = DENIED
    told = world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert told["opened"] == "kept-version"
    assert any("this could not be proved from here" in line for line in world.ui.said)


def test_without_a_token_for_vercel_nothing_is_promoted(world: World, new: str) -> None:
    world.token = None
    with pytest.raises(MissingAnswers):
        world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert world.changes() == []


def test_where_vercel_does_not_answer_nothing_is_promoted(world: World, new: str) -> None:
    world.vercel.failures["find_project"] = Unreachable("Vercel does not answer", "try again")
    with pytest.raises(Unreachable):
        world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert world.changes() == []


def test_a_data_key_of_somebody_elses_on_vercel_keeps_it_from_being_promoted(world: World, new: str) -> None:
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped("foreign").value
    with pytest.raises(DataKeyConflict, match="nothing was changed"):
        world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert world.changes() == []


def test_a_delivery_that_fails_is_finished_by_the_same_command(world: World, new: str) -> None:
    world.vercel.failures["deliver"] = Unreachable("Vercel does not answer", "try again")
    with pytest.raises(Unreachable):
        world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert world.current.fingerprint == new
    world.vercel.failures.clear()
    told = world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records", confirm=None)
    assert world.vercel.variables["ENCRYPTED_PHI_KEY"] == world.current.value
    assert told["changed"] is False
    assert not any("replace_current" in call for call in world.log)


def test_a_stored_data_key_that_changed_while_it_was_being_confirmed_is_left_alone(world: World, new: str) -> None:
    world.ui.interactive = True
    name = world.settings.names.stored_data_key

    def meanwhile(question: object) -> str:
        stored_data_key = world.aws.stored_keys[name]
        world.aws.stored_keys[name] = type(stored_data_key)(**{**stored_data_key.__dict__, "version": 7})
        return "production"

    world.ui.ask = meanwhile  # type: ignore[method-assign]
    with pytest.raises(DataKeyConflict, match="somebody else changed it meanwhile"):
        world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records", confirm=None)
    assert world.current.fingerprint == OLD


def test_two_runs_at_once_wait_for_each_other(world: World, new: str) -> None:
    world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    held, freed = world.log.index("engine.alone"), world.log.index("engine.alone ends")
    assert held < world.log.index(f"keyring.replace_current {new}") < freed


def test_replicas_come_first_and_the_stacks_own_region_last() -> None:
    world = World(multi_region())
    new = str(world.run("rotate", "--data-key")["fingerprint"])
    world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    there = world.aws.with_region(REPLICA_REGION)
    assert there.stored_keys[world.settings.names.stored_data_key].wrapped == world.current
    assert there.stored_keys[world.settings.names.stored_data_key].key_arn == REPLICA
    assert world.current.fingerprint == new


def test_the_same_data_key_in_another_wrapping_asks_for_no_re_encryption(world: World) -> None:
    world.run("rotate", "--reencrypt", KEY)
    world.run("rotate", "--promote", OLD, "--no-hash-columns", "--no-records")
    told = " ".join(world.ui.said)
    assert "no record has to be re-encrypted" in told
    assert "can no longer read records" not in told


# --- the search hashes, which are derived from the data key

TABLES = ("Patient.id=firstName+email:emailHash+dob:dobHash", "clinic.Lead.id=email:emailHash")


def result(folder: Path, table: str, new: str, **changed: object) -> str:
    """The file of a result of `phi reencrypt --json` that carried everything, but for what is changed."""
    hashes = {"emailHash": "email", "dobHash": "dob"} if table == "Patient" else {"emailHash": "email"}
    columns = ["firstName", "email", "dob"] if table == "Patient" else ["email"]
    document = {"table": table, "columns": columns, "hashColumns": hashes, "to": new, "dryRun": False}
    file = folder / f"{table}.json"
    file.write_text(json.dumps({**document, "complete": True, "succeeded": True, **changed}))
    return str(file)


def scan(folder: Path, new: str, *, tables: dict[str, list[str]] | None = None, **changed: object) -> str:
    """The file of a result of `phi scan --rows 0 --json`, all under the new data key, but for what is changed.

    `column` changes each column.
    """
    of_column = changed.pop("column", {})
    assert isinstance(of_column, dict)
    document = {
        **{"command": "scan", "at": NOW.isoformat(), "keys": [new, OLD], "complete": True, "everyRow": True},
        **{"succeeded": True, "notLookedInto": [], "acceptedColumns": [], "otherDatabases": []},
        "tables": [
            {
                **{"table": table, "kind": "table", "rows": 7, "rowsRead": 7, "problem": None},
                "columns": [
                    {"column": name, "underKeys": {new: 7}, "underNoKey": 0, "contentsAccepted": False, **of_column}
                    for name in columns
                ],
            }
            for table, columns in (tables or {"public.Patient": ["firstName"]}).items()
        ],
    }
    file = folder / "scanned.json"
    file.write_text(json.dumps({**document, **changed}))
    return str(file)


@pytest.fixture
def hashed() -> World:
    """The settings name two tables with hash columns."""
    return World(settings(record_tables=TABLES))


def test_no_patient_becomes_unfindable_because_nobody_thought_of_the_hashes(world: World, new: str) -> None:
    with pytest.raises(PolicyRefusal, match="emailHash and dobHash") as refused:
        world.run("rotate", "--promote", new)
    hint = refused.value.hint
    assert isinstance(hint, Command) and "--no-hash-columns" in hint and "--reencrypted FILE" in hint.advice
    assert world.changes() == [] and world.current.fingerprint == OLD


def test_every_table_of_the_settings_has_to_be_carried_first(hashed: World, tmp_path: Path) -> None:
    told = hashed.run("rotate", "--data-key", *STOPPED)
    new = str(told["fingerprint"])
    _, first, second, _, promoting, _ = (step["command"] for step in told["next"])
    assert "--table Patient --columns firstName,email,dob --key-column id" in first
    assert "--hash-columns email:emailHash,dob:dobHash --json > reencrypted-Patient.json" in first
    assert "--table clinic.Lead" in second
    assert "--reencrypted reencrypted-Patient.json --reencrypted reencrypted-clinic.Lead.json" in promoting

    patient = result(tmp_path, "Patient", new)
    with pytest.raises(PolicyRefusal, match=r"clinic.Lead: no result .* email, emailHash") as refused:
        hashed.run("rotate", "--promote", new, "--reencrypted", patient)
    assert str(refused.value.hint) == second
    with pytest.raises(PolicyRefusal, match="no-hash-columns says there are none"):
        hashed.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert hashed.current.fingerprint == OLD

    both = ["--reencrypted", patient, "--reencrypted", result(tmp_path, "clinic.Lead", new)]
    with pytest.raises(PolicyRefusal, match="--no-records says there are none"):
        hashed.run("rotate", "--promote", new, *both, "--no-records")
    tables = {"public.Patient": ["firstName", "email", "dob"], "clinic.Lead": ["email"]}
    both += ["--scanned", scan(tmp_path, new, tables=tables)]
    with pytest.raises(Cancelled) as asked:
        hashed.run("rotate", "--promote", new, *both, confirm=None)
    assert f"--reencrypted {patient}" in asked.value.hint and f"--scanned {both[-1]}" in asked.value.hint
    assert hashed.run("rotate", "--promote", new, *both)["changed"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"to": "sha256:0123456789abcdef"}, "another data key"),
        ({"dryRun": True}, "did not finish"),
        ({"complete": False}, "did not finish"),
        ({"succeeded": False}, "did not finish"),
        ({"hashColumns": {"emailHash": "email"}}, "dobHash is under"),
        ({"hashColumns": {"emailHash": "email", "dobHash": "email"}}, "dobHash is under"),
        ({"columns": ["email", "dob"]}, "firstName is under"),
    ],
)
def test_a_result_that_proves_less_is_no_evidence(tmp_path: Path, changed: dict[str, object], why: str) -> None:
    world = World(settings(record_tables=TABLES[:1]))
    new = str(world.run("rotate", "--data-key")["fingerprint"])
    with pytest.raises(PolicyRefusal, match=why):
        world.run("rotate", "--promote", new, "--reencrypted", result(tmp_path, "Patient", new, **changed))
    assert world.current.fingerprint == OLD


# --- the records of every column, which a scan has looked into


def test_a_data_key_is_promoted_after_a_scan_that_found_no_record_of_the_old_one(
    world: World, new: str, tmp_path: Path
) -> None:
    file = scan(tmp_path, new, acceptedColumns=["public.PatientDocument.data"])
    done = world.run("rotate", "--promote", new, "--no-hash-columns", "--scanned", file)
    assert done["changed"] and done["scans"] == [
        {
            **{"file": file, "at": NOW.isoformat(timespec="seconds"), "rowsRead": 7, "records": 7},
            "acceptedColumns": ["public.PatientDocument.data"],
        }
    ]
    assert any("as its --accept-column says: public.PatientDocument.data" in line for line in world.ui.said)


def test_no_draft_becomes_unreadable_because_nobody_looked_into_its_column(world: World, new: str) -> None:
    with pytest.raises(PolicyRefusal, match="no scan of the database was named") as refused:
        world.run("rotate", "--promote", new, "--no-hash-columns")
    assert "phi scan" in str(refused.value.hint) and world.changes() == [] and world.current.fingerprint == OLD


THIRD = "sha256:0123456789abcdef"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"keys": [OLD]}, "not the one to promote"),
        ({"keys": ["NEW"]}, "did not have the data key in use"),
        ({"at": (NOW - timedelta(hours=25)).isoformat()}, "older than 24 hours"),
        ({"at": (NOW + timedelta(hours=2)).isoformat()}, "from the future"),
        ({"everyRow": False}, "read a sample"),
        ({"column": {"underKeys": {OLD: 1, "NEW": 6}}}, "under another data key: public.Patient.firstName"),
        ({"column": {"underKeys": {THIRD: 1}, "contentsAccepted": True}}, "under another data key"),
        ({"column": {"underNoKey": 1}}, "no key of the scan decrypts: public.Patient.firstName"),
        ({"column": {"underKeys": {}}}, "is it the application's database"),
        (
            {"notLookedInto": [{"column": "public.Doc.data", "why": "3 values"}]},
            r"not looked into: public.Doc.data \(3",
        ),
    ],
)
def test_a_scan_that_says_less_is_no_evidence(
    world: World, new: str, tmp_path: Path, changed: dict[str, object], why: str
) -> None:
    named = json.loads(json.dumps(changed).replace("NEW", new))
    with pytest.raises(PolicyRefusal, match=why):
        world.run("rotate", "--promote", new, "--no-hash-columns", "--scanned", scan(tmp_path, new, **named))
    assert world.changes() == [] and world.current.fingerprint == OLD


def test_a_scan_of_another_database_is_no_evidence(tmp_path: Path) -> None:
    world = World(settings(record_tables=TABLES[:1]))
    new = str(world.run("rotate", "--data-key")["fingerprint"])
    carried = ("--reencrypted", result(tmp_path, "Patient", new))
    with pytest.raises(PolicyRefusal, match=r"no scan has Patient.email; no scan has Patient.dob"):
        world.run("rotate", "--promote", new, *carried, "--scanned", scan(tmp_path, new))
    assert world.current.fingerprint == OLD


def test_what_no_key_decrypts_and_the_person_has_accepted_is_no_reason_against_it(
    world: World, new: str, tmp_path: Path
) -> None:
    file = scan(tmp_path, new, column={"underNoKey": 2, "contentsAccepted": True})
    assert world.run("rotate", "--promote", new, "--no-hash-columns", "--scanned", file)["changed"]


@pytest.mark.parametrize("option", ["--scanned", "--reencrypted"])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", ""),
        ("[]", ""),
        ('{"command": "scan", "at": "2026-11-24", "keys": ["a"], "tables": []}', ""),
        ('{"table": "Patient"}', ""),
        ("absent", ""),
        ("a pipe", " .* it is a named pipe, not a file"),
    ],
)
def test_what_is_no_result_is_no_evidence_and_nobody_waits_for_it(
    world: World, new: str, tmp_path: Path, option: str, text: str, why: str
) -> None:
    file, hashes = tmp_path / "it.json", () if option == "--reencrypted" else ("--no-hash-columns",)
    if text == "a pipe":
        os.mkfifo(file)
    elif text != "absent":
        file.write_text(text)
    with pytest.raises(UsageError, match=f"{option}{why}"):
        world.run("rotate", "--promote", new, *hashes, option, str(file))


@pytest.mark.parametrize(
    "changed",
    [
        {"notLookedInto": [{}]},
        {"notLookedInto": ["public.Doc.data"]},
        {"column": {"underNoKey": None}},
        {"column": {"underKeys": []}},
        {"column": {"underKeys": {"NEW": "7"}}},
        {"column": {"column": None}},
        {"at": "yesterday"},
    ],
)
def test_a_result_that_somebody_has_edited_is_refused_in_one_sentence(
    world: World, new: str, tmp_path: Path, changed: dict[str, Any]
) -> None:
    file = scan(tmp_path, new, **changed)
    with pytest.raises(UsageError, match="is not what this version's"):
        world.run("rotate", "--promote", new, "--no-hash-columns", "--scanned", file)
    with pytest.raises(UsageError, match="contradict each other"):
        world.run("rotate", "--promote", new, "--no-hash-columns", "--scanned", file, "--no-records")


# --- options


@pytest.mark.parametrize(
    "ways",
    [
        (("rotate", "--cmk"),),
        (("rotate", "--schedule", "180"),),
        (("rotate", "--data-key"),),
        (("rotate", "--promote", "NEW", "--no-hash-columns", "--no-records"),),
        (("rotate", "--reencrypt", KEY), ("rotate", "--reencrypt", OTHER_KEY)),
        (("restore",),),
        (("restore", "--version", "NEW"),),
        (("adopt", "--encryption-key"),),
    ],
    ids=lambda ways: " ".join(ways[0][:2]),
)
def test_nobody_confirms_what_is_then_asked_again(world: World, ways, monkeypatch) -> None:
    """No option is accepted that the command never reads: a script that has it would stop at the next question."""
    if "--data-key" in ways[0]:  # It is delivered to an application that reads more than one.
        world = World(settings(keys_for_reading=True))
    world.aws.keys[OTHER_KEY] = key_fact(OTHER_KEY)
    new = str(world.run("rotate", "--data-key")["fingerprint"]) if "NEW" in ways[0] else ""
    read: set[str] = set()

    def recorded(self: object, name: str) -> object:
        # `replace` copies every field, and reads none of them.
        if sys._getframe(1).f_code is not replace.__code__:
            read.add(name)
        return object.__getattribute__(self, name)

    for kind in (Request, RotateOptions, RestoreOptions, AdoptOptions):
        monkeypatch.setattr(kind, "__getattribute__", recorded, raising=False)
    if ways[0][0] == "adopt":  # Its first data key is delivered at once.
        world.delete_stored_key()
        world.vercel.variables.clear()
    for words, confirm in product(ways, (None, "production")):
        with contextlib.suppress(SetupError):
            world.run(*(new if word == "NEW" else word for word in words), confirm=confirm)
    options = {"--yes": "yes", "--confirm": "confirmed", "--redeploy": "redeploy", "--reencrypted": "reencrypted"}
    taken = {options[flag] for flag in flags_of(ways[0][0], ways[0][1:]) if flag in options}
    assert taken - read == set()


# --- rolling releases


CANARY = Deployment(target="vercel", id="dpl_2", name="eonpro-2.vercel.app", made=NOW, state="READY")
STAGE = ReleaseStage(index=0, percentage=10, needs_approval=True, seconds=None)
UNDER_WAY = RollingRelease(
    state=ReleaseState.ACTIVE,
    canary=CANARY,
    active=STAGE,
    command=shell("vercel", "rolling-release", "approve", "--dpl=dpl_2"),
)


def staged(world: World) -> Deployment:
    """A project with rolling releases, and what production runs."""
    world.vercel.project = replace(world.vercel.project, has_rolling_releases=True)
    world.vercel.deployment = replace(CANARY, id="dpl_1", name="eonpro-1.vercel.app", made=NOW - timedelta(days=1))
    world.vercel.changed_at = NOW - timedelta(hours=1)
    return world.vercel.deployment


def test_nothing_is_promoted_while_a_rolling_release_is_under_way(world: World, new: str) -> None:
    staged(world)
    world.vercel.release = UNDER_WAY
    with pytest.raises(ResourceError, match=r"a rolling release is not complete: eonpro-2\.vercel\.app") as refused:
        world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert refused.value.hint == "vercel rolling-release approve --dpl=dpl_2" and world.current == wrapped()
    world.vercel.release = replace(UNDER_WAY, state=ReleaseState.ABORTED, active=None)
    assert world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")["changed"]


def test_a_promotion_waits_for_the_rolling_release_and_is_not_ok_before_its_end(world: World, new: str) -> None:
    former = staged(world)
    world.vercel.release_after = Redeployed(
        target="vercel",
        state=RedeployState.WAITING,
        before=former,
        after=CANARY,
        why=UNDER_WAY.words,
        command=UNDER_WAY.command,
        is_shared=True,
    )
    code, told = world.ended("rotate", "--promote", new, "--no-hash-columns", "--no-records", "--redeploy")
    assert world.vercel.waited_for_release is True
    assert any("neither reads what the other writes" in text for mark, text in world.ui.marked if mark is Mark.WARN)
    assert (code, told["ok"], told["changed"], told["redeploys"][0]["state"]) == (1, False, True, "waiting")
    assert told["redeploys"][0]["command"] == UNDER_WAY.command
    again = told["next"][0]["command"]
    assert again.startswith(f"python -m wizard rotate --promote {new}") and again.endswith("--redeploy")
    world.vercel.release, world.vercel.release_after = UNDER_WAY, None
    assert world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records", "--redeploy")["ok"]


def test_a_waiting_redeploy_without_two_data_keys_at_once_is_ok(world: World, new: str) -> None:
    former = staged(world)
    world.vercel.release_after = Redeployed(
        target="vercel", state=RedeployState.WAITING, before=former, after=CANARY, why="it bakes"
    )
    assert world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records", "--redeploy")["ok"]
