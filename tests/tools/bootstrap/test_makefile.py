"""The commands that other programs rely on are there and do what their names say."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tools.bootstrap.packages import TOOLS

PROJECT = Path(__file__).parents[3]
COMMANDS = (
    "setup",
    "demo",
    "wizard",
    "test",
    "check",
    "blind",
    "bench",
    "mutation",
    "release",
    "lock",
    "clean",
)


EXAMPLES = {path.stem for path in (PROJECT / "examples").glob("*.yaml")}
SHARED = {"vercel", "ecs"}
"""The examples that are set up on top of one another."""


def make(*arguments: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "EONPRO_SANDBOX"))
    }
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


def test_there_is_a_demo_for_each_example():
    assert {
        "vercel",
        "vercel-user",
        "ecs",
        "ecs-secrets-manager",
        "multi-region",
        "existing-trail",
        "imported",
    } <= EXAMPLES


@pytest.mark.parametrize("target", sorted(EXAMPLES))
def test_the_demo_sets_up_runs_the_wizard_unattended_and_ends_with_nothing_left_to_change(target: str):
    lines = make("--dry-run", "demo", f"TARGET={target}").stdout
    stack = "production" if target in SHARED else target
    wanted = f"-m wizard --stack {stack} --answers examples/{target}.yaml --yes --non-interactive"
    ending = f"pulumi preview --stack {stack} --expect-no-changes --non-interactive --policy-pack guardrails"
    application = f"-m tools.application --stack {stack}"
    steps = ("-m tools.bootstrap", "-m sandbox start", "-m sandbox env", wanted, ending, application)
    places = [lines.index(step) for step in steps]
    assert places == sorted(places)


@pytest.mark.parametrize("target", sorted(EXAMPLES))
def test_an_example_whose_key_cannot_be_anothers_gets_a_cloud_of_its_own(target: str):
    told = make("--eval", "told: ; @echo $$EONPRO_SANDBOX_DIR", "told", f"TARGET={target}").stdout.strip()
    assert told == ("" if target in SHARED else str(PROJECT / ".sandboxes" / target))


@pytest.mark.parametrize(
    ("target", "script", "argument"),
    [
        ("imported", "examples/manual-setup/guide.sh", "--adopt"),
        ("existing-trail", "examples/manual-setup/trail.sh", "--trail "),
    ],
)
def test_a_demo_that_finds_something_makes_it_first_unless_the_stack_is_there(target: str, script: str, argument: str):
    lines = make("--dry-run", "demo", f"TARGET={target}").stdout
    places = [lines.index(part) for part in (f"pulumi stack select {target}", script, "-m wizard", argument)]
    assert places == sorted(places)
    assert (PROJECT / script).exists()


@pytest.mark.parametrize("command", ["demo", "wizard"])
def test_the_wizard_is_told_the_path_of_the_shell_and_how_to_use_the_sandbox_is_said_first_and_last(command: str):
    lines = make("--dry-run", command).stdout
    steps = ('EONPRO_CALLER_PATH="$PATH"', "-m sandbox start", 'eval "$exports"', "-m wizard", "-m sandbox status")
    places = [lines.index(step) for step in steps]
    assert places == sorted(places)


@pytest.mark.parametrize("command", ["demo", "wizard"])
def test_a_real_accounts_credentials_do_not_reach_the_sandbox(command: str):
    lines = make("--dry-run", command).stdout
    unset = lines[lines.index("unset ") : lines.index("-m sandbox start")]
    assert {"AWS_PROFILE", "AWS_SESSION_TOKEN", "PULUMI_ACCESS_TOKEN"} <= set(unset.replace(";", " ").split())


def test_only_who_runs_the_tests_waits_for_what_they_need():
    waits = {command: "-m tools.bootstrap --tests" in make("--dry-run", command).stdout for command in COMMANDS}
    assert {command for command, waited in waits.items() if waited} == {"test", "check"}


def test_each_tool_is_waited_for_by_the_commands_that_need_it_alone():
    lines = {command: make("--dry-run", command).stdout for command in COMMANDS}
    waits = {tool: [one for one in COMMANDS if f"-m tools.bootstrap --tool {tool}\n" in lines[one]] for tool in TOOLS}
    assert waits == {"mutation": ["mutation"]}


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
        ".sandboxes/eks/aws/x",
        "dist/x",
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
    assert script.read_text().rstrip().endswith("exec make test </dev/null")
