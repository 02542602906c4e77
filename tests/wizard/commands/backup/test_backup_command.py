"""`backup` over fakes: what is read, what is written, and what keeps it from being written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.settings import SecretStore, Settings
from tests.wizard.fakes.backup import VAULT_BUCKET
from tests.wizard.fakes.clients import (
    CREDENTIALS,
    KEY,
    OTHER_KEY,
    REPLICA_REGION,
    STORED_KEY,
    FakeAwsClient,
    FakeEngine,
    FakeUserInterface,
    built,
    clients_of,
    multi_region,
    outputs_of,
    settings,
    wrapped,
)
from wizard.commands.backup import command, destination
from wizard.commands.options import BackupOptions
from wizard.core.clients import Request
from wizard.core.errors import (
    DataKeyConflict,
    PermissionDenied,
    ResourceError,
    StackNotFound,
    Unreachable,
    UsageError,
)
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.verification import AppCredentials
from wizard.core.target_context import TargetContext
from wizard.data_key.storage import find_last_backup, find_last_drill

NOW = datetime(2026, 11, 24, 12, 30, 15, 7, tzinfo=UTC)
S3 = f"s3://{VAULT_BUCKET}/backup.json"


class World:
    """A stack that is set up, and whoever backs it up; without a token of Vercel's."""

    def __init__(self, wanted: Settings | None = None) -> None:
        self.settings = wanted or settings()
        self.aws, self.ui = FakeAwsClient(), FakeUserInterface()
        self.application: AppCredentials | None = CREDENTIALS
        self.engine = FakeEngine(aws=self.aws, stack_state=built(self.aws, self.settings))

    def run(self, **options: Any) -> dict[str, Any]:
        clients = clients_of(self.aws, self.engine, ui=self.ui, now=lambda: NOW)
        self.aws.credentials = self.application
        request = Request(stack="production", answers={}, saved=self.settings)
        code, document = BackupOptions(**options).run(request, clients)
        assert code == 0
        return dict(document)


def test_a_backup_needs_a_place() -> None:
    with pytest.raises(UsageError, match="needs a destination") as refused:
        World().run()
    assert "--to eonpro-production.backup.json" in refused.value.hint


def test_it_holds_what_is_stored_and_says_when_it_was_read(tmp_path: Path) -> None:
    world, file = World(), tmp_path / "b.json"
    told = world.run(to=str(file))
    found = destination.read(str(file), world.aws.backup_storage)
    assert (found.wrapped, found.key_arn, found.created_at) == (wrapped(), KEY, NOW.replace(microsecond=0))
    assert (told["fingerprint"], told["versions"], told["madeAt"]) == (
        wrapped().fingerprint,
        1,
        "2026-11-24T12:30:15+00:00",
    )
    assert any("restore" in line and str(file) in line for line in world.ui.said)


@pytest.mark.parametrize(
    ("place", "recorded"), [("b.json", "/b.json"), (S3, S3), ("eu-west-1", "eu-west-1:/eonpro/production/backups/")]
)
def test_the_end_of_a_set_up_backs_up_where_it_was_told_and_the_account_records_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, recorded: str
) -> None:
    monkeypatch.chdir(tmp_path)
    world = World()
    context = TargetContext(
        stack="production",
        settings=world.settings,
        aws=world.aws,
        targets=(),
        outputs=outputs_of(world.settings),
    )
    done = command.after_setup(place, world.ui, context, at=NOW)
    last = find_last_backup(world.aws, world.settings)
    assert last is not None and recorded in last.place
    assert (last.place, last.fingerprint) == (done.place, wrapped().fingerprint)


def test_it_needs_no_state_while_the_stored_data_key_says_its_key() -> None:
    world = World()
    world.engine.failures["state"] = Unreachable("the backend does not answer", "look")
    assert world.run(to=S3)["keyArn"] == KEY


def test_without_state_and_without_the_stored_keys_word_the_key_is_not_guessed() -> None:
    world = World()
    there = world.aws.stored_keys[STORED_KEY]
    world.aws.stored_keys[STORED_KEY] = replace(there, key_arn=None)
    assert world.run(to=S3)["keyArn"] == KEY
    world.engine.failures["state"] = Unreachable("the backend does not answer", "look")
    with pytest.raises(Unreachable):
        world.run(to=f"{S3}.2")
    world.engine.failures.clear()
    world.engine.stack_state = replace(world.engine.stack_state, outputs=None)
    with pytest.raises(StackNotFound):
        world.run(to=f"{S3}.2")


def test_a_stored_data_key_that_is_gone_is_told_with_the_way_back() -> None:
    world = World()
    world.aws.stored_keys.clear()
    with pytest.raises(DataKeyConflict, match="to back up") as refused:
        world.run(to=S3)
    assert refused.value.hint == "python -m wizard doctor"
    assert world.aws.backup_storage.objects == {}


def test_whoever_looks_for_the_backup_finds_its_place_in_the_account() -> None:
    world = World()
    world.run(to=S3)
    last = find_last_backup(world.aws, world.settings)
    assert last is not None and (last.place, last.fingerprint) == (S3, wrapped().fingerprint)


def test_a_backup_that_the_account_cannot_record_is_a_backup_all_the_same() -> None:
    world = World()
    world.aws.failures["record"] = PermissionDenied("you may not", "ask for it")
    world.run(to=S3)
    assert world.aws.backup_storage.objects
    assert any("does not record it: you may not" in line for line in world.ui.said)


def test_a_stored_data_key_that_is_still_in_the_other_store_is_backed_up_from_there() -> None:
    world = World(settings(secret_store=SecretStore.SECRETS_MANAGER))
    world.aws.stored_keys[STORED_KEY] = replace(world.aws.secrets.pop(STORED_KEY), store=SecretStore.PARAMETER_STORE)
    world.run(to=S3)
    assert destination.read(S3, world.aws.backup_storage).store is SecretStore.PARAMETER_STORE


def test_a_stored_data_key_that_changes_meanwhile_is_not_backed_up_by_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    ring = world.aws.key_rotation
    versions = ring.versions

    def meanwhile(wanted: Settings) -> Any:
        other = StoredDataKey(parameter=STORED_KEY, wrapped=wrapped("another"), key_arn=KEY, version=2)
        world.aws.stored_keys[STORED_KEY] = other
        return versions(wanted)

    monkeypatch.setattr(ring, "versions", meanwhile)
    with pytest.raises(DataKeyConflict, match="changed while it was read"):
        world.run(to=S3)
    assert world.aws.backup_storage.objects == {}


# --- the drill


def places(file: Path) -> dict[str, dict[str, Any]]:
    """Where a backup can go, as options."""
    return {"s3": {"to": S3}, "file": {"to": str(file)}, "region": {"to_region": REPLICA_REGION}}


@pytest.mark.parametrize("to", ["s3", "file", "region"])
def test_a_drill_opens_the_newest_backup_as_the_application_and_records_how_long_it_took(
    to: str, tmp_path: Path
) -> None:
    world = World(multi_region())
    world.run(**places(tmp_path / "b.json")[to])
    before = {*tmp_path.iterdir()}
    told = world.run(action="drill")
    drill = find_last_drill(world.aws, world.settings)
    assert drill is not None and drill.opened and (drill.versions, drill.fingerprint) == (1, wrapped().fingerprint)
    assert (told["drill"]["place"], told["drill"]["opened"], told["kept"]) == (drill.place, True, [])
    assert {*tmp_path.iterdir()} == before
    assert wrapped().value not in str(told)


def test_a_backup_that_the_application_cannot_open_is_recorded_as_failed() -> None:
    world = World()
    world.run(to=S3)
    world.aws.wrapped_by[wrapped().fingerprint] = OTHER_KEY
    with pytest.raises(ResourceError, match="does not open"):
        world.run(action="drill")
    drill = find_last_drill(world.aws, world.settings)
    assert drill is not None and not drill.opened


def test_a_backup_of_another_data_key_than_the_one_in_use_is_refused() -> None:
    world = World()
    world.run(to=S3)
    world.aws.stored_keys[STORED_KEY] = replace(world.aws.stored_keys[STORED_KEY], wrapped=wrapped("newer"))
    with pytest.raises(DataKeyConflict, match="but the application uses"):
        world.run(action="drill")
    assert find_last_drill(world.aws, world.settings) is None


@pytest.mark.parametrize("to", ["s3", "file", "region"])
def test_a_drill_that_finds_no_stored_data_key_names_a_command_that_takes_the_backup(to: str, tmp_path: Path) -> None:
    world, file = World(multi_region()), tmp_path / "b.json"
    world.run(**places(file)[to])
    del world.aws.stored_keys[STORED_KEY]
    with pytest.raises(DataKeyConflict, match="the stored data key is missing") as refused:
        world.run(action="drill")
    restore = "python -m wizard restore --stack production --from-backup"
    commands = {
        "s3": f"{restore} {S3}",
        "file": f"{restore} {file}",
        "region": "python -m wizard doctor --stack production",
    }
    assert refused.value.hint == commands[to]


def test_without_the_applications_credentials_nothing_counts_as_opened() -> None:
    world = World()
    world.run(to=S3)
    world.application = None
    with pytest.raises(PermissionDenied, match="not opened"):
        world.run(action="drill")
    assert find_last_drill(world.aws, world.settings) is None


@pytest.mark.parametrize("is_known", [False, True])
def test_a_drill_fails_where_the_backup_is_of_another_key_than_its_check_value(tmp_path: Path, is_known: bool) -> None:
    """The account may know the right one already, or the application's own process sees it."""
    world, place = World(), str(tmp_path / "a.backup.json")
    world.aws.credentials = CREDENTIALS
    stored = world.aws.stored_keys[STORED_KEY]
    world.aws.stored_keys[STORED_KEY] = replace(stored, wrapped=replace(stored.wrapped, check_value="f" * 16))
    world.run(to=place)
    right = world.aws.check_value(stored.wrapped) if is_known else None
    world.aws.stored_keys[STORED_KEY] = replace(stored, wrapped=replace(stored.wrapped, check_value=right))
    error, said = (DataKeyConflict, f"opens to {right}") if is_known else (ResourceError, "WrongKeyCheckValue")
    with pytest.raises(error, match=said):
        world.run(action="drill")


def test_a_drill_without_a_backup_says_how_to_make_one() -> None:
    with pytest.raises(UsageError, match="records no backup") as refused:
        World().run(action="drill")
    assert "backup --stack production --to" in refused.value.hint
