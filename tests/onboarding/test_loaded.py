"""A wizard that begins with its libraries loaded is told from one that is started by nothing but its beginning.

Touches a deployment in which nothing is made.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.onboarding.deployment import (
    PROJECT,
    TIMEOUT_SECONDS,
    CompletedCommand,
    Deployment,
    can_begin_loaded,
    copied_product,
)
from tests.onboarding.loaded import loaded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every wizard is started")


@pytest.mark.parametrize("arguments", [("--help",), ("verfy", "--json"), ("status", "--stack", "nowhere", "--json")])
def test_it_says_the_same_and_ends_the_same(bare: Deployment, arguments: tuple[str, ...]) -> None:
    assert can_begin_loaded(expect=None)
    begun = bare.wizard(*arguments, expect=None)
    for log in (bare.folder / ".wizard" / "logs").glob("nowhere-*.log"):
        log.unlink()  # in the same second the next one would take another name, "-2" at its end
    started = bare.run([sys.executable, "-m", "wizard", *arguments], expect=None)
    assert begun.code == started.code
    assert timeless(begun) == timeless(started)


def timeless(ended: CompletedCommand) -> tuple[str, str]:
    """What was said, without the moment in the name of the log."""
    out, err = (re.sub(r"\d{8}T\d{6}Z", "", said) for said in (ended.out, ended.err))
    return out, err


def test_it_is_a_process_of_its_own_in_its_folder_with_its_environment(tmp_path: Path) -> None:
    (tmp_path / "wizard.py").write_text(
        "import json, os, sys\n"
        "told = os.getpid(), os.getcwd(), sorted(os.environ), sys.argv[1:], sorted(os.listdir('/proc/self/fd'))\n"
        "print(json.dumps(told))\n"
        "sys.exit(7)\n"
    )
    done = loaded("wizard").run(["x"], folder=tmp_path, environment={"A": "b"}, timeout=TIMEOUT_SECONDS)
    pid, folder, environment, arguments, descriptors = json.loads(done.stdout)
    assert done.returncode == 7
    assert pid not in (os.getpid(), os.getppid())
    assert (folder, environment, arguments) == (str(tmp_path), ["A"], ["x"])
    # The streams, and the directory that is being listed.
    assert descriptors == ["0", "1", "2", "3"]


@pytest.mark.parametrize("changed", [False, True])
def test_a_copy_of_the_product_runs_as_it_is_in_its_own_folder(tmp_path: Path, changed: bool) -> None:
    folder = copied_product(tmp_path / "project")
    (folder / "wizard" / "__main__.py").write_text(
        "import wizard\nfrom wizard.cli import main\n"
        "print(hasattr(wizard, 'changed'), main.PROJECT_FOLDER, wizard.PROJECT_FOLDER)\n"
    )
    if changed:
        with (folder / "wizard" / "__init__.py").open("a") as file:
            file.write("changed = True\n")
    done = loaded("wizard").run([], folder=folder, environment={}, timeout=TIMEOUT_SECONDS)
    assert done.stdout.splitlines() == [f"{changed} {folder} {folder}"], done.stderr


def test_one_that_is_killed_is_told_as_killed(tmp_path: Path) -> None:
    (tmp_path / "wizard.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    done = loaded("wizard").run([], folder=tmp_path, environment={}, timeout=TIMEOUT_SECONDS)
    assert done.returncode == -9


def test_one_that_is_killed_before_it_has_asked_ends_no_other(tmp_path: Path) -> None:
    (tmp_path / "wizard.py").write_text("raise SystemExit(7)")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
        asking.connect(str(loaded("wizard").control))
    done = loaded("wizard").run([], folder=tmp_path, environment={}, timeout=TIMEOUT_SECONDS)
    assert done.returncode == 7


@pytest.mark.thorough
def test_the_aws_command_line_that_begins_loaded_says_the_same(bare: Deployment) -> None:
    real = PROJECT / ".cache" / "awscli" / "bin" / "aws"
    for words in ("sts get-caller-identity", "iam get-role --role-name nobody"):
        loaded_one = bare.run(["aws", *words.split()], expect=None)
        real_one = bare.run([str(real), *words.split()], expect=None)
        assert loaded_one == real_one
    given = ["kms", "encrypt", "--key-id", "alias/none", "--plaintext", "fileb:///dev/stdin"]
    piped: dict[str, Any] = {"input": "YQ==", "stdin": None, "expect": None}
    assert bare.run(["aws", *given], **piped) == bare.run([str(real), *given], **piped)
