"""`rotate --hash-key` over fakes: staged, tried by every search, promoted after the tables, and put back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.settings.stored_values import HASH_KEY_VARIABLE
from tests.wizard.commands.rotate.stack_world import World
from tests.wizard.data_key.test_hash_key import HASH, HASH_KEY, store
from tests.wizard.fakes.clients import settings
from wizard.core.errors import DataKeyConflict, PolicyRefusal, UsageError

READING = "ENCRYPTED_PHI_HASH_KEYS_FOR_READING"


def deployed(**changes: Any) -> World:
    given = {"hash_key": True, "keys_for_reading": True, "record_tables": ("Patient.id=email:emailHash",)}
    world = World(settings(**(given | changes)))
    store(world)
    world.vercel.variables[HASH_KEY_VARIABLE] = HASH_KEY.value
    return world


@pytest.fixture
def world() -> World:
    return deployed()


def result(folder: Path, hash_key: str, **changes: Any) -> str:
    """What `phi encrypt --hash-columns --json` printed for the table of the settings."""
    fields = {"table": "Patient", "hashKey": hash_key, "complete": True, "dryRun": False, "succeeded": True}
    file = folder / "hashed.json"
    file.write_text(json.dumps({**fields, "hashColumns": {"emailHash": "email"}, **changes}))
    return str(file)


def words_of(world: World) -> list[str]:
    """The keys that a search tries beside the current one, as they are delivered."""
    return world.vercel.variables[READING].split()


def test_a_new_hash_key_is_tried_by_every_search_before_any_row_is_under_it(world: World) -> None:
    told = world.run("rotate", "--hash-key")
    new = world.kept()[str(told["fingerprint"])]
    assert told["changed"] and new.parameter.startswith("/eonpro/production/hash-keys/")
    assert words_of(world) == [new.wrapped.value] and world.vercel.variables[HASH_KEY_VARIABLE] == HASH_KEY.value
    # The data key is what it was, and a second run makes no other hash key.
    again = world.run("rotate", "--hash-key")
    assert (again["fingerprint"], again["changed"]) == (told["fingerprint"], False)


def test_it_is_promoted_with_the_results_of_the_tables_and_the_former_one_is_still_tried(
    world: World, tmp_path: Path
) -> None:
    new = str(world.run("rotate", "--hash-key")["fingerprint"])
    world.run("rotate", "--promote", new, "--reencrypted", result(tmp_path, new))
    assert world.aws.stored_keys[HASH].wrapped.fingerprint == new
    assert words_of(world) == [HASH_KEY.value] and world.vercel.variables[HASH_KEY_VARIABLE] != HASH_KEY.value
    # Back again: the other one is then the one that is tried beside it.
    back = world.run("restore", "--hash-key", "--version", HASH_KEY.fingerprint)
    assert back["fingerprint"] == HASH_KEY.fingerprint
    assert words_of(world) == [world.kept()[new].wrapped.value]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"hashKey": "sha256:0123456789abcdef"}, "another hash key"),
        ({"complete": False}, "not finished"),
        ({"dryRun": True}, "not finished"),
        ({"succeeded": False}, "not finished"),
        ({"hashColumns": {}}, "no result says that Patient.emailHash"),
        ({"table": "Other"}, "no result says that Patient.emailHash"),
    ],
)
def test_a_result_that_does_not_say_so_promotes_nothing(
    world: World, tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    new = str(world.run("rotate", "--hash-key")["fingerprint"])
    with pytest.raises(PolicyRefusal, match=problem):
        world.run("rotate", "--promote", new, "--reencrypted", result(tmp_path, new, **changes))
    assert world.aws.stored_keys[HASH].wrapped == HASH_KEY


def test_without_a_result_nothing_is_promoted_and_no_person_can_say_that_there_are_no_hashes(world: World) -> None:
    new = str(world.run("rotate", "--hash-key")["fingerprint"])
    for words in ((), ("--no-hash-columns",)):
        with pytest.raises(PolicyRefusal):
            world.run("rotate", "--promote", new, *words)
    with pytest.raises(UsageError, match="about records"):
        world.run("rotate", "--promote", new, "--no-records", "--reencrypted", "/dev/null")


def test_an_application_that_tries_one_key_alone_keeps_it() -> None:
    world = deployed(keys_for_reading=False)
    with pytest.raises(UsageError, match="does not|do not say that the application reads") as refused:
        world.run("rotate", "--hash-key")
    assert "setup --keys-for-reading yes" in refused.value.hint
    assert not [version for version in world.kept().values() if version.origin.value == "made"]


def test_it_is_not_promoted_before_every_search_tries_it(world: World, tmp_path: Path) -> None:
    """A run that ended before its delivery: until the next deployment a search would not find the rows under it."""
    new = str(world.run("rotate", "--hash-key")["fingerprint"])
    world.vercel.variables[READING] = HASH_KEY.value
    words = ("rotate", "--promote", new, "--reencrypted", result(tmp_path, new))
    with pytest.raises(PolicyRefusal, match="does not try the new hash key yet") as refused:
        world.run(*words)
    assert world.aws.stored_keys[HASH].wrapped == HASH_KEY and "push --redeploy" in refused.value.hint
    # The same command as before delivers it.
    world.run("rotate", "--hash-key")
    assert world.run(*words)["fingerprint"] == new


def test_a_data_key_is_no_hash_key_whatever_wraps_it() -> None:
    """A version of the hash key that opens to the data key: whoever has a hash could guess texts under that key."""
    world = deployed(record_tables=())
    new = str(world.run("rotate", "--hash-key")["fingerprint"])
    world.run("rotate", "--data-key")
    data_key = next(version for version in world.kept().values() if "/data-keys/" in version.parameter)
    world.aws.holds[new] = world.aws.holds.get(data_key.fingerprint, data_key.fingerprint)
    entry = world.kept()[new]
    world.kept()[new] = replace(entry, wrapped=replace(entry.wrapped, check_value=None))
    stored = replace(data_key.wrapped, check_value=world.aws.check_value(data_key.wrapped))
    world.key_rotation.record_check_value(world.settings, stored)
    with pytest.raises(DataKeyConflict, match="the application's other key"):
        world.run("rotate", "--promote", new, "--no-hash-columns")
