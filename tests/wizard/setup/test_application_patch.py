"""`setup --application-patch FILE`, and the offer of the wizard: one file is written, and nothing else happens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.wizard.setup.test_workflow import World
from wizard.core.clients import Answer, Clients, Source
from wizard.core.errors import UsageError
from wizard.inputs.application.parts import KeyUse, missing_parts
from wizard.setup import application_patch, workflow

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "tests" / "wizard" / "inputs" / "application" / "fixtures"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An application that lacks parts, beside the folder that the command is typed in."""
    shutil.copytree(FIXTURES / "next", tmp_path / "clinic")
    (tmp_path / "typed-in").mkdir()
    monkeypatch.chdir(tmp_path / "typed-in")
    return tmp_path / "clinic"


class Beside(World):
    """A run that knows the folder of an application."""

    folder: Path

    @property
    def clients(self) -> Clients:
        missing = lambda settings: missing_parts(self.folder, KeyUse.of(settings))  # noqa: E731
        return replace(super().clients, application=self.folder, missing_parts=missing)


def beside(folder: Path) -> Beside:
    made = Beside()
    made.folder = folder
    return made


def contents(folder: Path) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def answers(**values: Any) -> dict[str, Answer]:
    return {key: Answer(value=value, source=Source.FLAG, where="a flag") for key, value in values.items()}


def test_the_command_writes_the_file_and_asks_nobody(folder: Path) -> None:
    world, before = beside(folder), contents(folder)
    request = replace(world.request(), answers=answers(target=("vercel",)), saved=None)
    document = application_patch.write(request, world.clients, Path("a.patch"))
    assert document["patch"] == str(Path("a.patch").absolute()) and document["byHand"] == []
    assert {change["file"] for change in document["changes"]} > {"package.json", "src/instrumentation.ts"}
    assert contents(folder) == before and world.calls == [] and world.written == set()


@pytest.mark.parametrize(
    ("given", "has_wrapper", "has_script"),
    [
        ({"target": ("vercel",)}, True, "prebuild"),
        ({"target": ("vercel",), "vercel_access": "user"}, False, "prebuild"),
        ({"target": ("ecs",)}, False, "prestart"),
        ({}, True, "prebuild"),
    ],
)
def test_what_it_changes_depends_on_where_the_application_runs(
    folder: Path, given: dict[str, Any], has_wrapper: bool, has_script: str
) -> None:
    world = beside(folder)
    request = replace(world.request(), answers=answers(**given), saved=None)
    application_patch.write(request, world.clients, Path("a.patch"))
    text = Path("a.patch").read_text()
    assert ("src/lib/auth/middleware.ts" in text, f'"{has_script}":' in text) == (has_wrapper, True)


def test_under_other_names_the_other_code_is_left_alone(folder: Path) -> None:
    world = beside(folder)
    names = ("AWS_REGION=EONPRO_AWS_REGION", "AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID")
    request = replace(world.request(), answers=answers(target=("vercel",), variable_names=names), saved=None)
    application_patch.write(request, world.clients, Path("a.patch"))
    assert "b/src/lib/integrations/aws/s3Config.ts" not in Path("a.patch").read_text()


def test_without_a_folder_it_says_how_to_name_it() -> None:
    world = World()
    with pytest.raises(UsageError) as refused:
        application_patch.write(world.request(), replace(world.clients, application=None), Path("a.patch"))
    assert "EONPRO_APP_FOLDER" in str(refused.value.hint)


def test_a_person_is_offered_the_patch_and_a_no_writes_none(folder: Path) -> None:
    for answer, files in ((True, ["application.patch"]), (False, [])):
        world = beside(folder)
        world.ui.interactive, world.ui.confirms = True, [answer]
        assert world.setup().ok
        assert [call for call in world.log if call.startswith("ui.confirm Write these changes")]
        assert sorted(os.listdir()) == files
        Path("application.patch").unlink(missing_ok=True)


def test_a_file_of_somebody_else_stays_and_the_set_up_goes_on(folder: Path) -> None:
    Path("application.patch").write_text("mine")
    world = beside(folder)
    world.ui.interactive, world.ui.confirms = True, [True]
    assert world.setup().ok and Path("application.patch").read_text() == "mine"


def test_without_a_terminal_the_command_is_printed(folder: Path) -> None:
    world = beside(folder)
    workflow.preview(world.request(), world.clients)
    assert any("setup --application-patch application.patch" in text for text in world.ui.said)
    assert os.listdir() == []
    right = beside(FIXTURES / "right")
    workflow.preview(right.request(), right.clients)
    assert not any("--application-patch" in text for text in right.ui.said)


def test_the_program_needs_no_account_and_no_engine(folder: Path, tmp_path: Path) -> None:
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "EONPRO_APP_FOLDER": str(folder), "PYTHONPATH": str(ROOT)}
    command = [
        sys.executable,
        "-m",
        "wizard",
        "setup",
        "--stack",
        "none-here",
        "--application-patch",
        "a.patch",
        "--json",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"], document["patch"]) == (0, True, str(Path("a.patch").absolute()))
    assert "git -C" in done.stderr and Path("a.patch").exists()
