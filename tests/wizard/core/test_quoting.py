"""A name that somebody else chose is one word of one line in every printed command, as bash and zsh read it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from components.policies.evaluation.key_access import _quoted
from wizard.core.next_command import eonpro, quote, shell
from wizard.core.safe_text import clean

NAMES = (
    "plain-name",
    "two words",
    "it's",
    "a\nnext: rm -rf ~",
    "\r\n$(touch owned)",
    "`touch owned`; touch owned & touch owned | cat > owned",
    "\x1b[2J\x1b[31m",
    "\u202egnp.exe",
    "zero\u200bwidth",
    "\U000e0041tag",
    "\x9b31m",
    "back\\slash\n\\x41'\"",
    "",
    "-rf",
    "\u2028line",
    "naïve ünïcode 日本",
    "*?[a]~!#{a,b}",
)


@pytest.mark.parametrize("shell_name", [pytest.param("bash"), pytest.param("zsh", marks=pytest.mark.needs("zsh"))])
@pytest.mark.parametrize("name", NAMES)
def test_a_shell_reads_exactly_that_name(tmp_path, name: str, shell_name: str) -> None:
    line = f"printf %s {quote(name)}"
    assert clean(line) == line
    program = shutil.which(shell_name)
    assert program is not None
    done = subprocess.run(
        [program, "-c", line],
        capture_output=True,
        cwd=tmp_path,
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout.decode() == name and not list(tmp_path.iterdir())


def test_every_printed_command_is_one_line(tmp_path) -> None:
    for name in NAMES:
        for command in (shell("aws", "iam", "get-role", "--role-name", name), eonpro("push", "--to", name)):
            assert "\n" not in command and clean(command) == command


def test_a_name_with_a_nul_names_nothing_that_is_there() -> None:
    assert "\\x00" not in quote("a\0b") and quote("a\0b") == "$'a\ufffdb'"


@pytest.mark.parametrize(
    ("sid", "shown"),
    [
        ("Enable IAM User Permissions", "Enable IAM User Permissions"),
        ("Allow\n  next: rm -rf ~", '"Allow\\n  next: rm -rf ~"'),
        ("\u202eyna", '"\\u202eyna"'),
        ("\x00", '"\\u0000"'),
        ("", "a statement without Sid"),
        ("x" * 200, f'"{"x" * 128}"'),
    ],
)
def test_a_sid_is_one_line_of_a_report(sid: str, shown: str) -> None:
    assert _quoted(sid) == shown
