"""Random histories of every rotation, restoration and adoption, with power cuts, losses and hands that work past them.

However a history goes: every record that was ever written can still be opened by a kept version, no entry of the ledger
was ever written twice, and whatever the escrow ever held is in the ledger or in the escrow.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from phi import DecryptionError, PhiCipher
from tests.onboarding.clinic import running_clinic
from tests.wizard.commands.rotate.account_world import Account, Clinic, environment_of
from wizard.commands.rotate.result import Action
from wizard.core.data_key import WrappedDataKey

CUTS = st.one_of(st.none(), st.tuples(st.integers(min_value=0, max_value=9), st.booleans()))
"""Where the power goes in a run: at its n-th change, before or after that reaches AWS; None: it stays on."""

NUMBERS = st.integers(min_value=0, max_value=9)

SHORT = settings(
    max_examples=9,
    stateful_step_count=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
LONG = settings(SHORT, max_examples=40, stateful_step_count=20, derandomize=False, print_blob=True)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with running_clinic(tmp_path_factory.mktemp("histories")) as clinic:
        yield Account(environment=environment_of(clinic.environment))


def test_every_record_can_be_opened_whatever_was_rotated_and_whenever_the_power_went(account, tmp_path):
    seen: Counter[str] = Counter()
    run_state_machine_as_test(_history(account, tmp_path, seen), settings=SHORT)
    # Histories in which nothing happens would lose nothing.
    assert seen["power cut"] and sum(seen[each] for each in Action) >= 20, seen


@pytest.mark.parametrize("at", range(6))
def test_a_first_promotion_may_end_after_any_of_its_changes(account, tmp_path, at):
    clinic = Clinic(account, tmp_path, vercel=False)
    clinic.push()
    clinic.write("ecs", "under the old one")
    told = clinic.run("rotate", "--data-key", cut=(at, True)) or clinic.run("rotate", "--data-key")
    assert told is not None
    done = clinic.run("rotate", "--promote", told["fingerprint"], cut=(at, True))
    assert done is None
    _whole(clinic)
    clinic.write("ecs", "in the middle")
    assert clinic.run("rotate", "--promote", told["fingerprint"])
    assert (
        clinic.stored_data_key
        == clinic.entries[f"{clinic.prefix}/data-keys/{told['fingerprint'].removeprefix('sha256:')}"]
    )
    _whole(clinic)


@pytest.mark.thorough
def test_long_histories_keep_every_record_too(account, tmp_path):
    seen: Counter[str] = Counter()
    run_state_machine_as_test(_history(account, tmp_path, seen), settings=LONG)
    assert set(seen) >= {*Action, "power cut", "refused"}, seen


def _history(account: Account, folder: Path, seen: Counter[str]) -> type[RuleBasedStateMachine]:
    """The machine, over this account."""

    class History(RuleBasedStateMachine):
        @initialize(begun=st.sampled_from(("made", "made", "empty")))
        def begin(self, begun: str) -> None:
            """A stack with a data key, made by the set-up, or one without any."""
            self.clinic = Clinic(account, folder)
            account.wire.puts.clear()
            if begun == "made":
                self.clinic.push()
                self._write()

        # --- the commands ----------------------------------------------------------------------------------------

        @rule(cut=CUTS)
        def rotate_the_data_key(self, cut: Any) -> None:
            self._run(cut, "rotate", "--data-key")

        @precondition(lambda self: self.clinic.known)
        @rule(cut=CUTS, number=NUMBERS)
        def promote(self, cut: Any, number: int) -> None:
            self._run(cut, "rotate", "--promote", self._choose(number))

        @rule(cut=CUTS, own=st.booleans())
        def reencrypt(self, cut: Any, own: bool) -> None:
            self._run(cut, "rotate", "--reencrypt", self.clinic.key if own else self.clinic.other_key)

        @rule(cut=CUTS)
        def rotate_the_key(self, cut: Any) -> None:
            self._run(cut, "rotate", "--cmk")

        @rule(days=st.sampled_from((90, 365, 2560)))
        def change_the_schedule(self, days: int) -> None:
            self._run(None, "rotate", "--schedule", str(days))

        @precondition(lambda self: self.clinic.known)
        @rule(cut=CUTS, number=NUMBERS)
        def restore(self, cut: Any, number: int) -> None:
            self._run(cut, "restore", "--version", self._choose(number))

        @precondition(lambda self: self.clinic.backups)
        @rule(cut=CUTS, number=NUMBERS)
        def restore_a_backup(self, cut: Any, number: int) -> None:
            file = self.clinic.backups[number % len(self.clinic.backups)]
            self._run(cut, "restore", "--from-backup", str(file))

        @rule(cut=CUTS)
        def adopt_a_former_key(self, cut: Any) -> None:
            former = os.urandom(32)
            if self._run(cut, "adopt", "--encryption-key", former=former):
                # What the application stored under it before KMS came counts from now on.
                self.clinic.write_formerly(former, "a record of the time before")

        @rule()
        def push_and_back_up(self) -> None:
            self.clinic.push()
            self.clinic.backup()
            self._write()

        # --- whoever works past them -----------------------------------------------------------------------------

        @precondition(lambda self: self.clinic.stored_data_key in self.clinic.entries.values())
        @rule()
        def lose_the_escrow(self) -> None:
            self.clinic.lose_escrow()

        @precondition(lambda self: self.clinic.stored_data_key in self.clinic.entries.values())
        @rule(value=st.sampled_from(("garbage", "QUFB", "'quoted'")))
        def spoil_the_escrow(self, value: str) -> None:
            self.clinic.spoil_escrow(value)

        # --- what holds all the while ----------------------------------------------------------------------------

        @invariant()
        def nothing_is_lost_and_nothing_was_written_twice(self) -> None:
            _whole(self.clinic)

        def teardown(self) -> None:
            seen.update(self.clinic.done)
            seen["refused"] += len(self.clinic.refused)

        def _choose(self, number: int) -> str:
            """One of the versions, by its age: their names are others each time that a history is run."""
            return self.clinic.known[number % len(self.clinic.known)]

        def _run(self, cut: Any, *words: str, former: bytes | None = None) -> dict[str, Any] | None:
            told = self.clinic.run(*words, cut=cut, former=former)
            self._write()
            if told is None and cut is not None:
                _whole(self.clinic)
                # What every error and every interruption tells a person to do.
                told = self.clinic.run(*words, former=former)
                self._write()
            return told

        def _write(self) -> None:
            """Whatever is delivered now, the application writes with it."""
            for where in ("ecs", "vercel"):
                self.clinic.write(where, f"record {len(self.clinic.records)}, on {where}")

    return History


def _whole(clinic: Clinic) -> None:
    """What holds all the while."""
    ledger, kept = f"{clinic.prefix}/data-keys/", set(clinic.entries.values())

    # Every record can be opened, by KMS and what is kept alone.
    ciphers = [PhiCipher(key) for each in {*kept, clinic.stored_data_key} if each and (key := clinic.opened(each))]
    for record, text in clinic.records:
        assert text in {_read(cipher, record) for cipher in ciphers}, f"{text!r} is lost"

    # No entry was written twice, nor asked to be; each is what its name says.
    puts = [each for each in clinic.account.wire.puts if str(each["Name"]).startswith(ledger)]
    assert not [each["Name"] for each in puts if each["Overwrite"]]
    assert all(number == 1 for name, number in clinic.numbers.items() if name.startswith(ledger))
    for name, value in clinic.entries.items():
        assert name == ledger + WrappedDataKey(value=value).fingerprint.removeprefix("sha256:")

    # Whatever the escrow ever held is kept, or is what it holds.
    assert clinic.ever <= {*kept, clinic.stored_data_key}


def _read(cipher: PhiCipher, record: str) -> str | None:
    try:
        return cipher.decrypt(record)
    except DecryptionError:
        return None
