"""The set-up where something else in the application reads the variables: told before the plan, asked, refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.wizard.commands.push.test_push import PushWorld
from tests.wizard.setup.test_workflow import World
from wizard.core.clients import Clients
from wizard.core.errors import Cancelled, PreflightFailed
from wizard.core.variable_ownership import ForeignVariable, VariablesNotOurs
from wizard.inputs.application_readers import read_code
from wizard.setup import plan, report, workflow

REGION = ForeignVariable(name="AWS_REGION", place="production of Vercel project acme/portal", value="us-east-2")
KEY = ForeignVariable(name="AWS_KMS_KEY_ID", place="production of Vercel project acme/portal", value="alias/uploads")


@pytest.fixture
def world() -> World:
    return World()


class CodeWorld(World):
    """A run beside an application's folder."""

    folder: Path

    @property
    def clients(self) -> Clients:
        return replace(super().clients, read_code=lambda settings: read_code(self.folder, settings))

    def have(self, files: dict[str, str]) -> None:
        for name, text in {"package.json": "{}", **files}.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)


@pytest.fixture
def beside(tmp_path: Path) -> CodeWorld:
    made = CodeWorld()
    made.folder = tmp_path
    made.have({})
    return made


# --- values of somebody else


def test_unattended_all_of_them_are_one_problem_with_the_command_and_nothing_is_created(world: World) -> None:
    world.vercel.foreign = (REGION, KEY)
    with pytest.raises(PreflightFailed) as refused:
        world.setup()
    [problem] = refused.value.problems
    assert "AWS_REGION of production of Vercel project acme/portal is us-east-2; AWS_KMS_KEY_ID of" in problem.what
    assert str(problem.next).endswith("setup --replace-variable AWS_REGION --replace-variable AWS_KMS_KEY_ID")
    assert (world.written, refused.value.exit_code) == (set(), 2)


def test_yes_is_no_answer_and_one_name_is_not_the_other(world: World) -> None:
    world.vercel.foreign = (REGION, KEY)
    with pytest.raises(PreflightFailed) as refused:
        world.setup(yes=True, replace_variable=("AWS_REGION",))
    [problem] = refused.value.problems
    assert "AWS_REGION of" not in problem.what and "AWS_KMS_KEY_ID of" in problem.what
    # The command repeats what was agreed to already.
    assert "--replace-variable AWS_REGION --replace-variable AWS_KMS_KEY_ID" in str(problem.next)
    assert world.setup(replace_variable=("AWS_REGION", "AWS_KMS_KEY_ID")).ok


def test_a_person_is_asked_for_each_before_the_plan_and_a_no_changes_nothing(world: World) -> None:
    world.vercel.foreign, world.ui.interactive = (REGION, KEY), True
    world.ui.confirms = [True, False]
    with pytest.raises(Cancelled, match="AWS_KMS_KEY_ID keeps its value"):
        world.setup()
    asked = [call for call in world.log if call.startswith("ui.confirm")]
    assert asked == ["ui.confirm Replace AWS_REGION?", "ui.confirm Replace AWS_KMS_KEY_ID?"]
    assert world.written == set() and "engine.preview" not in world.calls


def test_push_asks_before_it_delivers_and_unattended_names_all() -> None:
    world = PushWorld()
    world.stand()
    world.vercel.foreign = (REGION, KEY)
    with pytest.raises(VariablesNotOurs) as refused:
        world.push()
    assert world.wrote == set() and refused.value.variables == (REGION, KEY)
    with pytest.raises(VariablesNotOurs) as refused:
        world.push(request={"replace_variable": ("AWS_REGION",)})
    assert "--replace-variable AWS_REGION --replace-variable AWS_KMS_KEY_ID" in str(refused.value.hint)
    world.push(request={"replace_variable": ("AWS_REGION", "AWS_KMS_KEY_ID")})
    assert world.code == 0


class PushBeside(CodeWorld, PushWorld):
    """A push beside an application's folder."""


@pytest.mark.parametrize("build", ["next build", "phi check && next build"])
def test_push_says_how_a_build_without_its_key_fails_where_nothing_checks_it(tmp_path: Path, build: str) -> None:
    world = PushBeside()
    world.folder = tmp_path
    world.stand()
    package = {"dependencies": {"@eonpro/phi": "0.2.0"}, "scripts": {"build": build}}
    world.have({"package.json": json.dumps(package)})
    world.push()
    assert world.code == 0
    assert any("phi check" in line for _, line in world.ui.marked) is (build == "next build")


# --- other readers


def test_other_readers_are_named_before_the_plan(beside: CodeWorld) -> None:
    beside.have({"src/s3Config.ts": "export const kmsKeyId = process.env.AWS_KMS_KEY_ID;"})
    shown: list[int] = []

    def preview(*_: Any, **__: Any) -> Any:
        shown.append(len([text for text in beside.ui.said if "src/s3Config.ts:1: reads AWS_KMS_KEY_ID" in text]))
        return beside.engine.steps

    beside.engine.preview = preview  # type: ignore[method-assign]
    workflow.preview(beside.request(), beside.clients)
    assert shown and all(shown) and beside.written == set()


# --- a hash key that nothing reads


def test_unattended_a_hash_key_that_nothing_reads_is_refused_unless_it_is_said(beside: CodeWorld) -> None:
    with pytest.raises(Cancelled, match="reads ENCRYPTED_PHI_HASH_KEY") as refused:
        beside.setup(hash_key=True)
    assert "--hash-key yes --confirm production" in str(refused.value.hint)
    assert beside.written == set()
    with pytest.raises(Cancelled):
        beside.setup(hash_key=True, confirmed="staging")
    assert beside.setup(hash_key=True, confirmed="production").ok


def test_a_person_is_asked_and_the_plan_begins_with_it(beside: CodeWorld) -> None:
    beside.ui.interactive, beside.ui.confirms = True, [False]
    with pytest.raises(Cancelled):
        beside.setup(hash_key=True)
    assert "ui.confirm Make a hash key that the application does not read?" in beside.log
    planned = workflow.preview(beside.request(hash_key=True), beside.clients)
    assert "nothing in the application's code reads ENCRYPTED_PHI_HASH_KEY" in plan.lines(planned)[0]
    assert "reads ENCRYPTED_PHI_HASH_KEY" in plan.brief(planned)[0][1]


@pytest.mark.parametrize(
    "files", [{"a.ts": "use(process.env.ENCRYPTED_PHI_HASH_KEY)"}, {"requirements.txt": "eonpro-phi"}]
)
def test_where_the_application_reads_it_nothing_is_asked(beside: CodeWorld, files: dict[str, str]) -> None:
    beside.have(files)
    assert beside.setup(hash_key=True).ok


# --- the key from before


def steps(world: World, **changes: Any) -> str:
    world.vercel.variables["ENCRYPTION_KEY"] = "ab" * 32
    return "\n".join(step.what + step.verbatim for step in report.next_steps(world.setup(former_key="wrap", **changes)))


# --- code that does not read the data key yet


@pytest.mark.parametrize(
    ("code", "is_said"),
    [("const key = process.env.ENCRYPTED_PHI_KEY;", False), ("const region = process.env.AWS_REGION;", True)],
)
def test_an_application_that_reads_no_data_key_is_named_before_the_plan(
    beside: CodeWorld, code: str, is_said: bool
) -> None:
    beside.have({"src/key.ts": code})
    workflow.preview(beside.request(), beside.clients)
    assert any("no file of the application reads ENCRYPTED_PHI_KEY" in line for _, line in beside.ui.marked) is is_said
