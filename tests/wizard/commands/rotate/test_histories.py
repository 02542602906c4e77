"""Random histories of every rotation, restoration and adoption, with power cuts, losses and hands that work past them.

However a history goes: every record that was ever written can still be opened by a kept version, no entry of the ledger
was ever written twice, and whatever the stored data key ever held is in the ledger or in the stored data key.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from eonpro_phi import DecryptionError, PhiCipher
from tests.onboarding.deployment import running_deployment
from tests.wizard.commands.rotate.account_world import Account, World, environment_of
from wizard.commands.rotate.result import Action
from wizard.core.data_key import WrappedDataKey

CHANGES = st.one_of(st.integers(min_value=0, max_value=1), st.integers(min_value=0, max_value=9))
CUTS = st.one_of(st.none(), st.tuples(CHANGES, st.booleans()))
"""Where the power goes in a run: at its n-th change, before or after that reaches AWS; None: it stays on.

Many runs make no third change, so that the first two are drawn more often."""

NUMBERS = st.integers(min_value=0, max_value=9)

SHORT = settings(
    max_examples=9,
    stateful_step_count=10,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with running_deployment(tmp_path_factory.mktemp("histories")) as world:
        yield Account(environment=environment_of(world.environment))


def test_every_record_can_be_opened_whatever_was_rotated_and_whenever_the_power_went(account, tmp_path):
    seen: Counter[str] = Counter()
    # A seed of its own: that of `derandomize` changes with the source, and some have no power cut.
    run_state_machine_as_test(seed(20261127)(_history(account, tmp_path, seen)), settings=SHORT)
    # Histories in which nothing happens would lose nothing.
    assert seen["power cut"] and sum(seen[each] for each in Action) >= 20, seen


def _history(account: Account, folder: Path, seen: Counter[str]) -> type[RuleBasedStateMachine]:
    """The machine, over this account."""

    class History(RuleBasedStateMachine):
        @initialize(begun=st.sampled_from(("made", "made", "empty")))
        def begin(self, begun: str) -> None:
            """A stack with a data key, made by the set-up, or one without any."""
            self.world = World(account, folder)
            account.wire.puts.clear()
            if begun == "made":
                self.world.push()
                self._write()

        # --- the commands ----------------------------------------------------------------------------------------

        @rule(cut=CUTS)
        def rotate_the_data_key(self, cut: Any) -> None:
            self._run(cut, "rotate", "--data-key")

        @precondition(lambda self: self.world.known)
        @rule(cut=CUTS, number=NUMBERS)
        def promote(self, cut: Any, number: int) -> None:
            self._run(cut, "rotate", "--promote", self._choose(number), "--no-hash-columns", "--no-records")

        @rule(cut=CUTS, own=st.booleans())
        def reencrypt(self, cut: Any, own: bool) -> None:
            self._run(cut, "rotate", "--reencrypt", self.world.key if own else self.world.other_key)

        @rule(cut=CUTS)
        def rotate_the_key(self, cut: Any) -> None:
            self._run(cut, "rotate", "--cmk")

        @rule(days=st.sampled_from((90, 365, 2560)))
        def change_the_schedule(self, days: int) -> None:
            self._run(None, "rotate", "--schedule", str(days))

        @precondition(lambda self: self.world.known)
        @rule(cut=CUTS, number=NUMBERS)
        def restore(self, cut: Any, number: int) -> None:
            self._run(cut, "restore", "--version", self._choose(number))

        @precondition(lambda self: self.world.backups)
        @rule(cut=CUTS, number=NUMBERS)
        def restore_a_backup(self, cut: Any, number: int) -> None:
            file = self.world.backups[number % len(self.world.backups)]
            self._run(cut, "restore", "--from-backup", str(file))

        @rule(cut=CUTS)
        def adopt_a_former_key(self, cut: Any) -> None:
            former = os.urandom(32)
            if self._run(cut, "adopt", "--encryption-key", former=former):
                # What the application stored under it before KMS came counts from now on.
                self.world.write_formerly(former, "a record of the time before")

        @rule()
        def push_and_back_up(self) -> None:
            self.world.push()
            self.world.backup()
            self._write()

        # --- whoever works past them -----------------------------------------------------------------------------

        @precondition(lambda self: self.world.stored_data_key in self.world.entries.values())
        @rule()
        def delete_the_stored_key(self) -> None:
            self.world.delete_stored_key()

        @precondition(lambda self: self.world.stored_data_key in self.world.entries.values())
        @rule(value=st.sampled_from(("garbage", "QUFB", "'quoted'")))
        def corrupt_the_stored_key(self, value: str) -> None:
            self.world.corrupt_stored_key(value)

        # --- what holds all the while ----------------------------------------------------------------------------

        @invariant()
        def nothing_is_lost_and_nothing_was_written_twice(self) -> None:
            _whole(self.world)

        def teardown(self) -> None:
            seen.update(self.world.done)
            seen["refused"] += len(self.world.refused)

        def _choose(self, number: int) -> str:
            """One of the versions, by its age: their names are others each time that a history is run."""
            return self.world.known[number % len(self.world.known)]

        def _run(self, cut: Any, *words: str, former: bytes | None = None) -> dict[str, Any] | None:
            told = self.world.run(*words, cut=cut, former=former)
            self._write()
            if told is None and cut is not None:
                _whole(self.world)
                # What every error and every interruption tells a person to do.
                told = self.world.run(*words, former=former)
                self._write()
            return told

        def _write(self) -> None:
            """Whatever is delivered now, the application writes with it."""
            for where in ("ecs", "vercel"):
                self.world.write(where, f"record {len(self.world.records)}, on {where}")

    return History


def _whole(world: World) -> None:
    """What holds all the while."""
    ledger, kept = f"{world.prefix}/data-keys/", set(world.entries.values())

    # Every record can be opened, by KMS and what is kept alone.
    ciphers = [PhiCipher(key) for each in {*kept, world.stored_data_key} if each and (key := world.opened(each))]
    for record, text in world.records:
        assert text in {_read(cipher, record) for cipher in ciphers}, f"{text!r} is lost"

    # No entry was written twice, nor asked to be; each is what its name says.
    puts = [each for each in world.account.wire.puts if str(each["Name"]).startswith(ledger)]
    assert not [each["Name"] for each in puts if each["Overwrite"]]
    assert all(number == 1 for name, number in world.numbers.items() if name.startswith(ledger))
    for name, value in world.entries.items():
        assert name == ledger + WrappedDataKey(value=value).fingerprint.removeprefix("sha256:")

    # Whatever the stored data key ever held is kept, or is what it holds.
    assert world.ever <= {*kept, world.stored_data_key}


def _read(cipher: PhiCipher, record: str) -> str | None:
    try:
        return cipher.decrypt(record)
    except DecryptionError:
        return None
