"""The stand-in language host between the real engine and Python programs.

It may touch what `engine_project` makes.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.sandbox.pulumi_plugins.engine_project import EngineSetup, Project, engine_setup

__all__ = ["engine_setup"]

PROGRAM = """
import os
import pulumi

config = pulumi.Config()
mode = config.get("mode")
print("a line on stdout")
if mode == "raise":
    def inner():
        raise ValueError("a reason of the program's own")
    inner()
if mode == "run-error":
    raise pulumi.RunError("a message for the user alone")
if mode == "exit":
    import sys
    sys.exit(7)
pulumi.export("project", pulumi.get_project())
pulumi.export("stack", pulumi.get_stack())
pulumi.export("organization", pulumi.get_organization())
pulumi.export("directory", os.getcwd())
pulumi.export("preview", pulumi.runtime.is_dry_run())
pulumi.export("number", config.require_int("number"))
pulumi.export("list", config.require_object("list"))
pulumi.export("secret", config.require_secret("secret"))
"""

CONFIG = {"number": 7, "list": ["a", "b"], "secret": "not so secret yet"}

PACK = """
from pulumi_policy import EnforcementLevel, PolicyPack, StackValidationPolicy


def refuse(args, report):
    if any(resource.resource_type == "pulumi:pulumi:Stack" for resource in args.resources):
        report("nothing is allowed here")


PolicyPack(
    name="strict",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[StackValidationPolicy(name="nothing", description="Nothing is allowed.", validate=refuse)],
)
"""


@pytest.fixture(scope="module")
def project(engine_setup: EngineSetup) -> Project:
    return engine_setup.project("talk", PROGRAM, CONFIG)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    (tmp_path / "PulumiPolicy.yaml").write_text("runtime: python\nmain: .\ndescription: strict\n", encoding="utf-8")
    (tmp_path / "__main__.py").write_text(textwrap.dedent(PACK), encoding="utf-8")
    return tmp_path


def test_a_program_knows_its_directory_and_its_configuration(project: Project) -> None:
    project.configure(CONFIG)
    project.pulumi("config", "set", "--secret", "secret", "hush").check_returncode()

    done = project.pulumi("up", "--yes", "--skip-preview")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "a line on stdout" in done.stdout
    assert "hush" not in done.stdout
    # Elsewhere than beside the engine the host would be found too, with a warning.
    assert "warning" not in done.stdout + done.stderr
    outputs = project.outputs()
    assert Path(outputs.pop("directory")).samefile(project.directory)
    assert outputs == {
        "project": "talk",
        "stack": "dev",
        "organization": "organization",
        "preview": False,
        "number": 7,
        "list": ["a", "b"],
        "secret": "hush",
    }


def test_an_exception_shows_the_programs_own_traceback_and_fails(project: Project) -> None:
    project.configure({**CONFIG, "mode": "raise"})

    done = project.pulumi("preview")

    assert done.returncode != 0
    assert "ValueError: a reason of the program's own" in done.stdout
    assert "in inner" in done.stdout
    assert "run_program.py" not in done.stdout
    assert "non-zero exit code" not in done.stdout


def test_a_run_error_shows_its_message_without_a_traceback(project: Project) -> None:
    project.configure({**CONFIG, "mode": "run-error"})

    done = project.pulumi("preview")

    assert done.returncode != 0
    assert "a message for the user alone" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_program_that_exits_is_reported_with_its_code(project: Project) -> None:
    project.configure({**CONFIG, "mode": "exit"})

    done = project.pulumi("preview")

    assert done.returncode != 0
    assert "non-zero exit code: 7" in done.stdout + done.stderr


def test_a_mandatory_policy_fails_the_preview(project: Project, pack: Path) -> None:
    project.configure(CONFIG)

    done = project.pulumi("preview", "--policy-pack", str(pack))

    assert done.returncode != 0
    assert "nothing is allowed here" in done.stdout


def test_about_names_the_interpreter_that_runs_programs(project: Project) -> None:
    done = project.pulumi("about", "--json")

    assert done.returncode == 0, done.stderr
    assert "executable" in done.stdout
