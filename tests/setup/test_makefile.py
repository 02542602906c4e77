"""The commands that other programs rely on are there and do what their names say."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
COMMANDS = ("setup", "demo", "wizard", "test", "check", "bench", "recording", "lock", "clean")


def make(*arguments: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_make_alone_lists_every_command():
    shown = make().stdout
    assert all(f"make {command} " in shown for command in COMMANDS)


@pytest.mark.parametrize("target", ["vercel", "ecs"])
def test_the_demo_sets_up_starts_the_sandbox_and_runs_the_wizard_unattended(target: str):
    lines = make("--dry-run", "demo", f"TARGET={target}").stdout
    wanted = f"-m wizard --stack production --answers examples/{target}.yaml --yes --non-interactive"
    places = [lines.index(part) for part in ("-m setup", "-m sandbox start", "-m sandbox env", wanted)]
    assert places == sorted(places)


@pytest.mark.parametrize("command", ["demo", "wizard"])
def test_a_real_accounts_credentials_do_not_reach_the_sandbox(command: str):
    lines = make("--dry-run", command).stdout
    unset = lines[lines.index("unset ") : lines.index("-m sandbox start")]
    assert {"AWS_PROFILE", "AWS_SESSION_TOKEN", "PULUMI_ACCESS_TOKEN"} <= set(unset.replace(";", " ").split())


def test_only_who_runs_the_tests_waits_for_the_linters():
    waits = {command: "-m setup --linters" in make("--dry-run", command).stdout for command in COMMANDS}
    assert {command for command, waited in waits.items() if waited} == {"test", "check"}


def test_the_interactive_wizard_is_given_no_answers():
    assert "--yes" not in make("--dry-run", "wizard").stdout


def test_the_check_formats_lints_types_and_tests():
    lines = make("--dry-run", "check").stdout
    assert all(part in lines for part in ("ruff format --check", "ruff check", "-m mypy", "-m pytest"))


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A checkout in which things were made, some by the user."""
    shutil.copy(PROJECT / "Makefile", tmp_path)
    for name in (
        ".venv/bin/x",
        ".cache/go-path/mod/m/x",
        ".cache/logs/x",
        ".mypy_cache/x",
        "phi/__pycache__/x",
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / ".cache/go-path/mod/m").chmod(stat.S_IRUSR | stat.S_IXUSR)
    (tmp_path / "Pulumi.production.yaml").touch()
    return tmp_path


def test_clean_removes_what_was_made_and_keeps_the_users_stack(used: Path):
    make("clean", cwd=used)
    left = {str(path.relative_to(used)) for path in used.rglob("*")}
    assert left == {"Makefile", "Pulumi.production.yaml", "phi"}


def test_the_run_of_ci_is_make_test_without_input():
    script = PROJECT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("exec make test --no-print-directory </dev/null")
