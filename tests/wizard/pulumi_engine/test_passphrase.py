"""The passphrase of a stack: kept where only its owner can read it, made once, found again, and tried early."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from wizard.core.errors import SetupError, UsageError
from wizard.core.models.inputs import FILE_VARIABLE, VARIABLE
from wizard.core.state_backend import ENTER_PASSPHRASE
from wizard.pulumi_engine import passphrase

STACK = "production"
SALT = "v1:icIt0EuihwE=:v1:Ha9LjcEGJNyU0s8o:8ZGggM9gDDMKclDepqEF80mYERxVtg=="
"""As the engine wrote it into a stack's settings under the passphrase `one`."""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment with a home of its own."""
    return {"HOME": str(tmp_path)}


def test_a_new_passphrase_is_its_owners_alone_and_is_found_again(home, capsys) -> None:
    umask = os.umask(0)
    try:
        file = passphrase.create(home, STACK)
    finally:
        os.umask(umask)
    assert file == Path(home["HOME"]) / ".config" / "eonpro-kms" / "production.passphrase"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert passphrase.find(home, STACK) == file
    assert list(file.parent.iterdir()) == [file], "no draft of it is left"
    assert len(file.read_text().strip()) >= 40
    assert capsys.readouterr() == ("", "")


def test_the_engine_reads_what_was_made(home) -> None:
    file = passphrase.create(home, STACK)
    assert passphrase.read({FILE_VARIABLE: str(file)}, Path()) == file.read_text().strip()


def test_the_users_own_place_for_configuration_is_used(home, tmp_path) -> None:
    file = passphrase.create({**home, "XDG_CONFIG_HOME": str(tmp_path / "conf")}, "acme/eonpro-kms/staging")
    assert file == tmp_path / "conf" / "eonpro-kms" / "staging.passphrase"


def test_a_passphrase_that_is_there_is_never_made_anew(home) -> None:
    file = passphrase.create(home, STACK)
    before = file.read_text()
    assert passphrase.create(home, STACK).read_text() == before


def test_of_many_runs_at_once_one_passphrase_stays(home) -> None:
    start = threading.Barrier(8)
    seen: list[str] = []

    def run() -> None:
        start.wait()
        seen.append(passphrase.create(home, STACK).read_text())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1


def test_no_file_is_no_passphrase(home) -> None:
    assert passphrase.find(home, STACK) is None


def test_a_file_that_others_can_read_is_refused_with_the_command_that_mends_it(home) -> None:
    file = passphrase.create(home, STACK)
    file.chmod(0o640)
    with pytest.raises(SetupError, match="others can read") as refused:
        passphrase.find(home, STACK)
    assert refused.value.hint == f"chmod 600 {file}"


def test_a_file_that_holds_nothing_is_refused(home) -> None:
    file = passphrase.create(home, STACK)
    file.write_text("\n")
    with pytest.raises(SetupError, match="is empty"):
        passphrase.find(home, STACK)


def test_a_place_that_cannot_be_written_is_told_with_the_other_way(home, tmp_path) -> None:
    (tmp_path / ".config").write_text("a file where the folder should be")
    with pytest.raises(SetupError, match="cannot be stored") as refused:
        passphrase.create(home, STACK)
    assert FILE_VARIABLE in refused.value.hint


def test_the_variable_goes_before_the_file_as_the_engine_has_it(tmp_path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("  of the file\n")
    environ = {FILE_VARIABLE: str(file)}
    assert passphrase.read(environ, tmp_path) == "of the file"
    assert passphrase.read({FILE_VARIABLE: "passphrase"}, tmp_path) == "of the file"
    assert passphrase.read({**environ, VARIABLE: ""}, tmp_path) == "", "an empty one is one"
    assert passphrase.read({}, tmp_path) is None


def test_a_file_that_is_not_there_is_a_usage_error_that_names_it(tmp_path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        passphrase.read({FILE_VARIABLE: str(tmp_path / "nowhere")}, tmp_path)


def test_the_passphrase_that_the_engine_took_opens_its_stack() -> None:
    assert passphrase.opens("one", SALT)
    passphrase.check({VARIABLE: "one"}, Path(), stack=STACK, salt=SALT)


def test_another_passphrase_is_refused_with_what_is_lost_and_what_is_not() -> None:
    with pytest.raises(UsageError, match="does not open the stack production") as refused:
        passphrase.check({VARIABLE: "sesame"}, Path(), stack=STACK, salt=SALT)
    assert refused.value.hint == ENTER_PASSPHRASE
    assert "sesame" not in refused.value.message + refused.value.hint


def test_where_a_colleague_finds_it_and_what_is_lost_with_it_is_said_beside_the_command(home) -> None:
    file = passphrase.path_of({"HOME": str(Path.home())}, "STACK")
    assert str(file).replace(str(Path.home()), "~") in ENTER_PASSPHRASE.advice
    assert "Lost, it loses nothing: docs/real-account.md" in ENTER_PASSPHRASE.advice


def test_the_command_that_is_printed_asks_for_the_passphrase_and_keeps_it_out_of_the_history() -> None:
    done = subprocess.run(
        ["bash", "-c", f'{ENTER_PASSPHRASE} && printf %s "${VARIABLE}"'], input="a b\n", text=True, capture_output=True
    )
    assert done.stdout == "a b"


def test_no_passphrase_at_all_is_refused_with_both_variables() -> None:
    with pytest.raises(UsageError, match="is missing") as refused:
        passphrase.check({}, Path(), stack=STACK, salt=SALT)
    assert refused.value.hint == ENTER_PASSPHRASE
    assert ENTER_PASSPHRASE.endswith(f" {VARIABLE}") and FILE_VARIABLE in ENTER_PASSPHRASE.advice


@pytest.mark.parametrize("salt", ["v2:a:b", "v1:a", "v1:!:v1:!:!", ""])
def test_a_salt_of_a_form_that_is_not_known_is_the_engines_business(salt) -> None:
    assert passphrase.opens("anything", salt)
