"""The engine's edge against the real engine: programs without resources, a backend of files, locks of the dead.

Each test has a folder and a backend of its own; no cloud is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from components.settings import Settings
from sandbox.pulumi_plugins.install import install
from tests.onboarding.loaded import asked_once, loaded_python
from tests.sandbox.pulumi_plugins.engine_project import engine_binary
from tests.wizard.fakes.clients import ADMIN, EXPORTING, KEY_ID, OUTPUTS, SECOND, settings
from wizard.core.errors import (
    Cancelled,
    DamagedState,
    PolicyRefusal,
    ResourceError,
    SetupError,
    StackBusy,
    StalePlan,
    UsageError,
)
from wizard.core.models.inputs import StepState
from wizard.core.models.stack import Progress
from wizard.core.retry import together
from wizard.core.state_backend import ENTER_PASSPHRASE
from wizard.pulumi_engine import backend as engine_backend
from wizard.pulumi_engine import workspace
from wizard.pulumi_engine.engine import Engine
from wizard.pulumi_engine.events import Watch
from wizard.pulumi_engine.plan import digest, pending_steps, with_imports
from wizard.pulumi_engine.process import EngineProcess
from wizard.pulumi_engine.workspace import Upgrade
from wizard.setup.preflight.services import check_pulumi

STACK = "production"
GOOD = EXPORTING
BOTH = settings(
    deploy_targets=("vercel", "ecs"), administrators=(ADMIN, SECOND), ecs_cluster="clinic", rotation_period_days=180
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The engine with the sandbox's language host beside it, and a home for it."""
    directory = tmp_path_factory.mktemp("wizard-engine")
    pulumi = directory / "bin" / "pulumi"
    pulumi.parent.mkdir()
    try:
        os.link(engine_binary(), pulumi)
    except OSError:
        shutil.copy2(engine_binary(), pulumi)
    install(pulumi, directory / "home", loaded_python())
    return SimpleNamespace(bin=pulumi.parent, home=directory / "home", built=directory / "built")


REFUSING_PACK = """
from pulumi_policy import EnforcementLevel, PolicyPack, StackValidationPolicy
refuse = lambda arguments, report: report("refused by the pack")
PolicyPack("refusing", [StackValidationPolicy("everything", "refuses", refuse)], EnforcementLevel.MANDATORY)
"""


class Place:
    """A project's folder with its own backend, and what the edge says and sleeps there."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder, self._template = folder, template
        self.said: list[str] = []
        self.slept: list[float] = []
        self.on_sleep: Callable[[], Any] = lambda: None
        (folder / "Pulumi.yaml").write_text(json.dumps({"name": "eonpro-kms", "runtime": {"name": "python"}}))
        self.program(GOOD)
        (folder / "state").mkdir()

    def program(self, text: str) -> None:
        (self.folder / "__main__.py").write_text(text)

    def engine(self, *, policy_pack: Path | None = None, upgrade: Upgrade | None = None, **environment: str) -> Engine:
        return Engine(
            self.folder,
            environment=environment,
            policy_pack=policy_pack,
            upgrade=upgrade,
            on_message=self.said.append,
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        assert len(self.slept) < 20, "it waits for ever"
        self.on_sleep()

    def built(self, wanted: Settings | None = None) -> Engine:
        """An engine whose stack is created. In an empty state and with the usual settings it is a copy of the first:
        to derive the key of a passphrase takes the CLI a fifth of a second.
        """
        made = self.engine()
        is_plain = wanted is None and not any((self.folder / "state").iterdir())
        if is_plain and self._template.exists():
            shutil.copytree(self._template, self.folder, dirs_exist_ok=True)
        made.prepare(STACK, wanted or settings())
        made.write_settings(STACK)
        if is_plain and not self._template.exists():
            shutil.copytree(self.folder / "state", self._template / "state")
            shutil.copy(self.folder / f"Pulumi.{STACK}.yaml", self._template)
        return made

    @property
    def config(self) -> dict[str, Any]:
        document: dict[str, Any] = yaml.safe_load((self.folder / f"Pulumi.{STACK}.yaml").read_text())
        return document

    def lock(self, *, pid: int, host: str | None = None) -> Path:
        """A lock in the backend, as a run of that process would hold it."""
        place = self.folder / "state" / ".pulumi" / "locks" / "organization" / "eonpro-kms" / STACK / "a-run.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        holder = {"pid": pid, "username": "ada", "hostname": host or socket.gethostname()}
        place.write_text(json.dumps({**holder, "timestamp": "2026-01-01T00:00:00Z"}))
        return place


@pytest.fixture
def place(tmp_path: Path, installed: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in list(os.environ):
        if name.startswith(("PULUMI_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{installed.bin}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PULUMI_HOME", str(installed.home))
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path / 'state'}")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "a passphrase")
    monkeypatch.setenv("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true")
    monkeypatch.setattr(subprocess, "run", asked_once(installed.home))
    return Place(tmp_path, installed.built)


@pytest.fixture
def dead() -> int:
    """The process id of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def quiet(progress: Progress) -> None:
    pass


# --- the configuration


@pytest.mark.thorough
def test_a_plan_that_is_not_confirmed_leaves_the_settings_byte_for_byte(place) -> None:
    place.built()
    file = place.folder / f"Pulumi.{STACK}.yaml"
    file.write_text(file.read_text() + "# a remark of the team\n")
    before = file.read_bytes()
    engine = place.engine()
    engine.prepare(STACK, BOTH)
    engine.preview(STACK)
    assert file.read_bytes() == before
    engine.discard(STACK)
    assert file.read_bytes() == before
    assert sorted(path.name for path in place.folder.glob("*Pulumi.*")) == [f"Pulumi.{STACK}.yaml", "Pulumi.yaml"]


@pytest.mark.thorough
@pytest.mark.parametrize("name", ['it\'s a "clinic", in Zürich', "a,b"])
def test_the_policy_pack_is_found_in_a_folder_whose_name_pulumi_would_take_apart(place: Place, name: str) -> None:
    pack = place.folder / name
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\ndescription: refuses everything\n")
    (pack / "__main__.py").write_text(REFUSING_PACK)
    place.built()
    with pytest.raises(PolicyRefusal, match="refused by the pack"):
        place.engine(policy_pack=pack).preview(STACK)


def test_a_new_stack_whose_plan_is_not_confirmed_leaves_nothing(place) -> None:
    engine = place.engine()
    assert not engine.state(STACK).exists
    engine.prepare(STACK, settings())
    engine.preview(STACK)
    assert not (place.folder / f"Pulumi.{STACK}.yaml").exists()
    engine.discard(STACK)
    assert not place.engine().state(STACK).exists


@pytest.mark.thorough
def test_an_empty_stack_whose_settings_were_lost_is_made_again(place) -> None:
    place.engine().prepare(STACK, settings())  # killed before its confirmation
    engine = place.built(BOTH)
    assert engine.up(STACK, quiet) == OUTPUTS
    assert "encryptionsalt" in place.config


@pytest.mark.thorough
def test_a_built_stack_whose_settings_were_lost_is_not_removed(place) -> None:
    place.built().up(STACK, quiet)
    (place.folder / f"Pulumi.{STACK}.yaml").unlink()
    engine = place.engine()
    engine.prepare(STACK, settings())
    engine.discard(STACK)
    assert place.engine().state(STACK).outputs == OUTPUTS


def test_the_settings_come_back_equal_from_the_file_that_the_engine_wrote(place) -> None:
    made = place.built(BOTH)
    assert Settings.from_config(made.saved_config(STACK)) == BOTH


def test_lists_are_written_as_lists_and_nothing_as_a_secret(place) -> None:
    place.built(BOTH)
    config = place.config["config"]
    assert config["eonpro-kms:administrators"] == sorted([ADMIN, SECOND])
    assert config["aws:allowedAccountIds"] == [BOTH.account_id]
    assert config["eonpro-kms:rotationPeriodDays"] in (180, "180")
    assert "secure" not in str(config)


def test_a_setting_that_is_gone_is_removed_and_other_peoples_keys_stay(place) -> None:
    made = place.built(BOTH)
    document = place.config
    document["config"] |= {"aws:profile": "clinic", "other:thing": "theirs"}
    (place.folder / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump(document))
    made.prepare(STACK, settings())
    made.write_settings(STACK)
    saved = made.saved_config(STACK)
    assert Settings.from_config(saved) == settings()
    assert "eonpro-kms:ecsCluster" not in saved
    assert (saved["aws:profile"], saved["other:thing"]) == ("clinic", "theirs")


def test_a_second_preparation_leaves_the_file_as_it_is(place) -> None:
    place.built()
    path = place.folder / f"Pulumi.{STACK}.yaml"
    before = (path.read_text(), path.stat().st_mtime_ns)
    place.built()
    assert (path.read_text(), path.stat().st_mtime_ns) == before


def test_no_file_is_no_configuration_and_asks_no_engine(tmp_path) -> None:
    engine = Engine(tmp_path, environment={"PATH": "/nowhere"}, on_message=print)
    assert engine.saved_config(STACK) == {}


def test_the_file_of_a_qualified_stack_is_found(tmp_path) -> None:
    (tmp_path / "Pulumi.staging.yaml").write_text("config:\n  eonpro-kms:environment: staging\n  a:list: [1, 2]\n")
    engine = Engine(tmp_path, environment={}, on_message=print)
    assert engine.saved_config("acme/eonpro-kms/staging") == {"eonpro-kms:environment": "staging", "a:list": "[1, 2]"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"config: [", "is not YAML: line 1: "),
        (b"config:\n<<<<<<< HEAD\n  a: 1\n=======\n  a: 2\n>>>>>>> b\n", "has a merge conflict in line 2"),
        (b"- a\n- b\n", "is not a stack's settings"),
        (b"just text", "is not a stack's settings"),
        (b"config: text\n", "is not a stack's settings"),
        (b"config:\n  a: \xff\xfe\n", "cannot be read"),
    ],
)
def test_a_file_that_is_no_configuration_is_a_usage_error_with_its_name(tmp_path, content, said) -> None:
    (tmp_path / "Pulumi.production.yaml").write_bytes(content)
    with pytest.raises(UsageError, match=said) as refused:
        Engine(tmp_path, environment={}, on_message=print).saved_config(STACK)
    file = tmp_path / "Pulumi.production.yaml"
    moved = f"mv {file} {file}.damaged"
    assert refused.value.hint == f"{moved} && pulumi config refresh --stack production"


@pytest.mark.parametrize("key", ["aws:sharedConfigFiles", "aws:sharedCredentialsFiles"])
def test_settings_that_name_a_file_of_aws_profiles_are_refused(tmp_path, key) -> None:
    """Such a file, in the same folder, starts a program: `credential_process`."""
    (tmp_path / "Pulumi.production.yaml").write_text(f"config:\n  {key}: [./profiles]\n")
    with pytest.raises(UsageError, match=key) as refused:
        Engine(tmp_path, environment={}, on_message=print).saved_config(STACK)
    assert refused.value.hint == f"pulumi config rm --stack production {key}"


@pytest.mark.parametrize("content", ["", "config:\n", "encryptionsalt: v1:x\n"])
def test_a_file_without_settings_is_no_configuration(tmp_path, content) -> None:
    (tmp_path / "Pulumi.production.yaml").write_text(content)
    assert Engine(tmp_path, environment={}, on_message=print).saved_config(STACK) == {}


# --- stacks and updates


def test_a_stack_that_is_not_there_is_a_fact_and_one_that_is_has_no_key_yet(place) -> None:
    assert place.engine().state(STACK).exists is False
    state = place.built().state(STACK)
    assert (state.exists, state.has_key, state.outputs, state.pending) == (True, False, None, ())


def test_an_update_gives_the_contracts_outputs(place) -> None:
    made = place.built()
    steps = made.preview(STACK)
    assert [(each.op, each.type) for each in steps] == [("create", "pulumi:pulumi:Stack")]
    assert made.up(STACK, quiet) == OUTPUTS
    assert place.engine().state(STACK).outputs == OUTPUTS


@pytest.mark.thorough
def test_a_stack_that_was_taken_away_is_there_and_empty_and_can_be_built_again(place) -> None:
    engine = place.built()
    engine.up(STACK, quiet)
    engine.destroy(STACK, quiet)
    state = place.engine().state(STACK)
    assert (state.exists, state.has_key, state.owned, state.outputs) == (True, False, (), None)
    assert place.engine().saved_config(STACK) != {}, "its answers are kept"
    assert engine.up(STACK, quiet) == OUTPUTS


def test_a_key_that_the_state_protects_and_does_not_retain_is_not_deleted_with_the_stack(place) -> None:
    engine = place.built()
    engine.up(STACK, quiet)
    [state] = (place.folder / "state").rglob(f"{STACK}.json")
    document = json.loads(state.read_text())
    # As `pulumi import` leaves a resource.
    document["checkpoint"]["latest"]["resources"][0]["protect"] = True
    state.write_text(json.dumps(document))
    before = state.read_bytes()
    with pytest.raises(ResourceError, match="nothing was deleted: .*: eonpro-kms-production$") as refused:
        place.engine().destroy(STACK, quiet)
    assert state.read_bytes() == before and "pulumi up --stack production" in str(refused.value.hint)


@pytest.mark.thorough
def test_a_comparison_keeps_nothing_and_selects_no_stack(place) -> None:
    engine = place.built()
    engine.up(STACK, quiet)
    other = place.engine()
    other.prepare("another", settings())
    states = {file: file.read_bytes() for file in (place.folder / "state").rglob("*.json")}
    assert place.engine().compare(STACK) == ()
    assert {file: file.read_bytes() for file in (place.folder / "state").rglob("*.json")} == states
    assert (
        subprocess.run(
            ["pulumi", "stack", "--show-name"], cwd=place.folder, capture_output=True, text=True, check=True
        ).stdout.strip()
        == "another"
    )


def test_a_stack_that_is_not_there_cannot_be_compared(place) -> None:
    with pytest.raises(SetupError):
        place.engine().compare(STACK)


def test_the_program_runs_in_the_environment_of_the_callers_credentials(place) -> None:
    place.program("import os, pulumi\nraise pulumi.RunError(os.environ['AWS_ACCESS_KEY_ID'])\n")
    made = place.engine(AWS_ACCESS_KEY_ID="the-callers")
    made.prepare(STACK, settings())
    with pytest.raises(ResourceError, match="the-callers"):
        made.preview(STACK)


def test_an_update_without_the_outputs_is_an_error(place) -> None:
    place.program("import pulumi\npulumi.export('keyArn', 'arn')\n")
    with pytest.raises(ResourceError, match="ended without the stack's outputs"):
        place.built().up(STACK, quiet)


def test_a_state_in_a_folder_is_read_by_one_start_of_the_engine_for_both_checks_of_it(place, monkeypatch) -> None:
    engine, started = place.engine(), []
    run = EngineProcess.run

    def counted(process: EngineProcess, args: list[str], *rest: Any) -> Any:
        started.append(args)
        return run(process, args, *rest)

    monkeypatch.setattr(EngineProcess, "run", counted)
    for expected in (False, True):
        checked = check_pulumi(engine, STACK)
        assert (checked.problems, checked.backend) == ((), f"{place.folder}/state/.pulumi")
        assert checked.state is not None
        assert checked.state.exists is expected
        # With --show-secrets it would derive the passphrase's key, for secrets that nobody reads.
        assert started == [["stack", "export", "--stack", STACK]]
        engine.prepare(STACK, settings())
        started.clear()


def test_the_engine_tells_its_version(place) -> None:
    assert place.engine().check().startswith("3.")


# --- what stands in the way


def test_a_wrong_passphrase_is_a_usage_error(place, monkeypatch) -> None:
    place.built()
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another")
    with pytest.raises(UsageError, match="passphrase") as refused:
        place.engine().preview(STACK)
    assert refused.value.hint == ENTER_PASSPHRASE


def test_no_passphrase_is_a_usage_error(place, monkeypatch) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    with pytest.raises(UsageError, match="passphrase"):
        place.built(settings())


def test_no_backend_is_told_with_the_command_that_logs_in(place, monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "new-home"))
    with pytest.raises(SetupError) as refused:
        place.engine().state(STACK)
    assert "no state backend" in refused.value.message
    assert "pulumi login" in refused.value.hint


@pytest.fixture
def nothing_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make setup` was not run."""
    monkeypatch.setattr("wizard.pulumi_engine.config.CHOICE", tmp_path / "choice.json")


@pytest.mark.usefixtures("nothing_chosen")
def test_no_pulumi_at_all_is_told_with_the_command_that_gets_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="no `pulumi` program") as refused:
        Engine(tmp_path, environment={}, on_message=print).check()
    assert refused.value.hint == "make setup"


@pytest.mark.parametrize(
    ("script", "mode", "said"),
    [
        ("#!/bin/sh\necho v2.9.0\n", 0o755, "unsupported version"),
        ("#!/bin/sh\nexit 3\n", 0o755, "does not run"),
        ("#!/nowhere/sh\n", 0o755, "PATH"),
    ],
)
@pytest.mark.usefixtures("nothing_chosen")
def test_a_pulumi_that_does_not_fit_is_told(tmp_path, monkeypatch, script, mode, said) -> None:
    stand_in = tmp_path / "pulumi"
    stand_in.write_text(script)
    stand_in.chmod(mode)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=said) as refused:
        Engine(tmp_path, environment={}, on_message=print).check()
    assert refused.value.hint == "make setup"


# --- a login for good

SERVICE = "https://api.pulumi.com"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `pulumi` that writes down what it is asked, and fails where a file `refuse` lies beside it."""
    file = tmp_path / "pulumi"
    file.write_text(
        "#!/bin/sh\n"
        '[ "$1" = version ] && echo v3.259.0 && exit 0\n'
        f'echo "$@" >> {tmp_path}/asked\n'
        f"[ ! -e {tmp_path}/refuse ]\n"
    )
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("PULUMI_ACCESS_TOKEN", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("url", "environment", "asked"),
    [
        (SERVICE, {}, f"login {SERVICE}"),
        (SERVICE, {"PULUMI_ACCESS_TOKEN": "pul-1"}, f"--non-interactive login {SERVICE}"),
        ("s3://clinic", {}, "--non-interactive login s3://clinic"),
    ],
)
def test_only_a_service_without_a_token_asks_in_this_terminal(program, url, environment, asked) -> None:
    Engine(program, environment=environment, on_message=print).login(url)
    assert (program / "asked").read_text().splitlines() == [asked]


def test_a_login_that_was_refused_is_told_with_the_command_for_it(program) -> None:
    (program / "refuse").touch()
    with pytest.raises(SetupError) as refused:
        Engine(program, environment={}, on_message=print).login(SERVICE)
    assert "pulumi login" in refused.value.hint


# --- locks


def test_the_lock_of_a_run_that_has_ended_is_removed(place, dead) -> None:
    made = place.built()
    lock = place.lock(pid=dead)
    made.recover(STACK, {})
    assert not lock.exists()
    assert any("belongs to a run that has ended" in line for line in place.said)


def test_the_lock_of_a_run_that_lives_is_waited_for(place) -> None:
    made = place.built()
    lock = place.lock(pid=os.getpid())
    place.on_sleep = lock.unlink
    made.recover(STACK, {})
    assert place.slept == [2.0]
    told = next(line for line in place.said if "another run holds the stack production" in line)
    assert told.endswith("if that run has ended, remove its lock: pulumi cancel --yes --stack production")


@pytest.mark.parametrize("host", [None, "another-machine"])
def test_a_lock_that_may_be_alive_is_never_removed(place, host, dead, monkeypatch) -> None:
    monkeypatch.setattr(workspace, "LOCK_SECONDS", -1.0)
    made = place.built()
    lock = place.lock(pid=dead if host else os.getpid(), host=host)
    with pytest.raises(StackBusy) as refused:
        made.up(STACK, quiet)
    assert lock.exists()
    assert "pulumi cancel --yes --stack production" in refused.value.hint


def test_nobody_waits_ten_minutes_for_the_lock_of_another_machine_that_nobody_gives_back(place) -> None:
    made = place.built()
    place.lock(pid=12, host="another-machine")
    with pytest.raises(StackBusy, match=r"ada@another-machine \(process 12\) since 2026-01-01") as refused:
        made.up(STACK, quiet)
    assert place.slept == [] and refused.value.hint == f"pulumi cancel --yes --stack {STACK}"
    assert made.state(STACK).stale_lock == "ada@another-machine (process 12) since 2026-01-01T00:00:00Z"


def test_a_lock_of_this_machine_that_lives_is_not_stale(place) -> None:
    made = place.built()
    place.lock(pid=os.getpid())
    assert made.state(STACK).stale_lock == ""


def test_two_wizards_in_one_folder_take_turns(place) -> None:
    first, second = place.engine(), place.engine()
    turn = first.alone(STACK)
    turn.__enter__()
    place.on_sleep = lambda: turn.__exit__(None, None, None)
    with second.alone(STACK):
        assert place.slept == [0.5]
    assert place.said == [
        "another run is working on the stack production in this folder; waiting for it for up to 600 s"
    ]


def test_two_stacks_of_one_folder_do_not_wait_for_each_other(place) -> None:
    with place.engine().alone(STACK), place.engine().alone("acme/eonpro-kms/staging"):
        assert place.slept == []


def test_a_wizard_that_never_ends_is_not_waited_for_for_ever(place, monkeypatch) -> None:
    monkeypatch.setattr(workspace, "LOCK_SECONDS", -1.0)
    with place.engine().alone(STACK), pytest.raises(StackBusy), place.engine().alone(STACK):
        pytest.fail("both held the stack")


# --- a preview that begins during the checks


@pytest.fixture
def previews(monkeypatch) -> list[str]:
    """The copy of the settings of each preview that the CLI is started for; empty for the settings themselves."""
    run, started = EngineProcess.run, list[str]()

    def counted(process: EngineProcess, args: list[str], *rest: Any) -> Any:
        if args[0] == "preview":
            copies = [Path(file).read_text() for option, file in pairwise(args) if option == "--config-file"]
            started.append(copies[0] if copies else "")
        return run(process, args, *rest)

    monkeypatch.setattr(EngineProcess, "run", counted)
    return started


def test_the_update_is_bound_to_the_plan_that_was_shown(place, previews) -> None:
    place.built().up(STACK, quiet)
    engine = place.engine()
    engine.prepare(STACK, settings())
    assert [step.op for step in engine.preview(STACK, refresh=True)] == ["same"]
    assert len(previews) == 1
    place.program(f"{GOOD}pulumi.export('another', 1)\n")
    with pytest.raises(StalePlan, match="the stack's outputs would differ"):
        engine.up(STACK, quiet)


def test_threads_that_need_pulumi_at_the_same_time_get_one_program(tmp_path) -> None:
    """An interrupt is passed on to the command of that program."""
    others, made = threading.Barrier(2), list[EngineProcess]()

    def program() -> EngineProcess:
        with suppress(threading.BrokenBarrierError):
            others.wait(0.5)
        made.append(EngineProcess())
        return made[-1]

    engine = Engine(tmp_path, environment={}, on_message=print, program=program)
    assert len(set(together(*[engine.check] * 4))) == 1
    assert len(made) == 1


# --- an interrupt


def test_an_interrupt_ends_an_update_in_order(place) -> None:
    place.program("import time\nfrom pathlib import Path\nPath('running').touch()\nwhile True:\n    time.sleep(0.05)\n")
    made = place.built()
    over = threading.Event()

    def interrupt() -> None:
        while not (place.folder / "running").exists():
            if over.wait(0.05):
                return
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(Cancelled) as refused:
            made.up(STACK, quiet)
    finally:
        over.set()
        thread.join()
    assert refused.value.exit_code == 8
    assert [line for line in place.said if line.startswith("Ctrl-C")] == place.said
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert place.engine().state(STACK).exists


# --- the engine's events as facts


def event(**parts: Any) -> Any:
    names = "resource_pre_event res_outputs_event res_op_failed_event policy_event diagnostic_event".split()
    return SimpleNamespace(**{name: parts.get(name) for name in names})


def resource(op: str, type_: str = "aws:kms/key:Key", **parts: Any) -> Any:
    urn = f"urn:pulumi:production::eonpro-kms::{type_}::phi-key"
    metadata = SimpleNamespace(urn=urn, op=op, type=type_, detailed_diff=None, diffs=None)
    return SimpleNamespace(metadata=SimpleNamespace(**{**vars(metadata), **parts}))


def diagnostic(severity: str, message: str) -> Any:
    return event(diagnostic_event=SimpleNamespace(severity=severity, message=message, urn=None))


def test_progress_is_told_of_resources_only() -> None:
    told: list[tuple[str, str]] = []
    watch = Watch(lambda progress: told.append((progress.step.op, progress.state)))
    watch(event(resource_pre_event=resource("create")))
    watch(event(resource_pre_event=resource("create", "eonpro:kms:PhiKey")))
    watch(event(res_outputs_event=resource("create")))
    watch(event(res_op_failed_event=resource("update")))
    assert told == [("create", StepState.STARTED), ("create", StepState.DONE), ("update", StepState.FAILED)]


def test_a_step_names_what_changes_in_one_order() -> None:
    watch = Watch(None)
    watch(event(resource_pre_event=resource("update", diffs=["tags", "policy"])))
    (step,) = watch.planned.values()
    assert (step.op, step.name, step.changed) == ("update", "phi-key", ("policy", "tags"))


def test_what_is_taken_in_and_then_changed_is_two_steps() -> None:
    watch = Watch(None)
    watch(event(resource_pre_event=resource("import")))
    watch(event(resource_pre_event=resource("update", diffs=["enableKeyRotation"])))
    assert [(step.op, step.name, step.changed) for step in watch.planned.values()] == [
        ("import", "phi-key", ()),
        ("update", "phi-key", ("enableKeyRotation",)),
    ]


def test_the_halves_of_a_replacement_are_one_step_of_one_resource() -> None:
    watch = Watch(None)
    for op in ("create-replacement", "replace", "delete-replaced"):
        watch(event(resource_pre_event=resource(op)))
    (step,) = watch.planned.values()
    assert step.op == "delete-replaced"


def test_a_failure_is_told_once_without_colours_and_without_the_engines_summing_up() -> None:
    watch = Watch(None)
    for severity, message in (
        ("error", "<{%fg 1%}>the bucket exists<{%reset%}>\n"),
        ("error", "the bucket exists"),
        ("error", "update failed"),
        ("warning", "a warning"),
    ):
        watch(diagnostic(severity, message))
    assert watch.failures == ["the bucket exists"]


def test_only_a_mandatory_policy_refuses() -> None:
    watch = Watch(None)
    for level in ("mandatory", "advisory"):
        watch(event(policy_event=SimpleNamespace(enforcement_level=level, message=f"{level} rule")))
    assert watch.violations == ["mandatory rule"]


# --- what a crashed run left in the state

URN = "urn:pulumi:production::eonpro-kms::{}::{}"


def pending(type_: str, of: str, /, **inputs: Any) -> dict[str, Any]:
    urn = URN.format(type_, of)
    return {
        "type": "creating",
        "resource": {"urn": urn, "type": type_, "custom": True, "inputs": inputs, "parent": "the-parent"},
    }


THE_KEY = pending("aws:kms/key:Key", "phi-key", description="the key")
REPLICA_ALIAS = pending("aws:kms/alias:Alias", "phi-key-eu-central-1", name="alias/eonpro", region="eu-central-1")
USER = pending("aws:iam/user:User", "app-principal-user", name="eonpro-app-user")


def test_each_pending_creation_has_the_name_that_it_is_looked_for_by() -> None:
    steps = pending_steps({"pending_operations": [THE_KEY, REPLICA_ALIAS, USER]})
    assert [(step.op, step.name, step.physical_name) for step in steps] == [
        ("creating", "phi-key", ""),
        ("creating", "phi-key-eu-central-1", "alias/eonpro"),
        ("creating", "app-principal-user", "eonpro-app-user"),
    ]


def test_what_was_taken_in_and_never_read_is_pending_too() -> None:
    unread = {**THE_KEY["resource"], "id": KEY_ID, "outputs": {"region": "us-east-1"}}
    read = {**USER["resource"], "id": "eonpro-app-user", "outputs": {"arn": "arn"}}
    component = {"urn": URN.format("eonpro:kms:PhiKey", "phi-key"), "type": "eonpro:kms:PhiKey"}
    assert [step.op for step in pending_steps({"resources": [unread, read, component]})] == ["importing"]


def test_a_key_whose_rotation_could_not_be_turned_on_is_read_from_the_account_before_the_next_plan() -> None:
    """The provider recorded the planned values with the error: by the state alone nothing is left to do."""
    recorded = {**THE_KEY["resource"], "id": KEY_ID, "outputs": {"arn": "arn", "enableKeyRotation": True}}
    failed = {**recorded, "initErrors": ["EnableKeyRotation: AccessDenied"]}
    assert pending_steps({"resources": [recorded]}) == ()
    assert [(step.op, step.name) for step in pending_steps({"resources": [failed]})] == [("incomplete", "phi-key")]


def test_a_creation_that_happened_is_taken_into_the_state_with_its_id_and_where_to_read_it() -> None:
    was = {"resources": [{"urn": "first"}], "pending_operations": [THE_KEY, REPLICA_ALIAS, USER]}
    found = {THE_KEY["resource"]["urn"]: KEY_ID, REPLICA_ALIAS["resource"]["urn"]: "alias/eonpro"}
    now = with_imports(was, found)
    assert now["pending_operations"] == []
    assert [resource.get("id") for resource in now["resources"]] == [None, KEY_ID, "alias/eonpro"]
    assert [resource.get("outputs") for resource in now["resources"][1:]] == [{}, {"region": "eu-central-1"}]
    assert now["resources"][1]["parent"] == "the-parent"
    assert len(was["resources"]) == 1


def test_only_creations_are_taken_into_the_state() -> None:
    update = {**THE_KEY, "type": "updating"}
    assert with_imports({"pending_operations": [update]}, {update["resource"]["urn"]: KEY_ID})["resources"] == []


def test_a_replacement_that_happened_takes_the_place_of_what_it_replaces() -> None:
    """A second resource of one URN would make the state unreadable."""
    policy = pending("aws:iam/policy:Policy", "delivery-parameters", name="EONPROSecretAccess")
    former = {**policy["resource"], "id": "arn:of-the-former"}
    was = {"resources": [{"urn": "first"}, former, {"urn": "last"}], "pending_operations": [policy]}
    now = with_imports(was, {former["urn"]: "arn:of-the-new"})["resources"]
    assert [(each.get("id"), each.get("delete")) for each in now] == [
        (None, None),
        ("arn:of-the-new", None),
        (None, None),
        ("arn:of-the-former", True),
    ]


BUILT = {
    "resources": [
        {
            "urn": "a",
            "type": "aws:kms/key:Key",
            "id": "1",
            "inputs": {"tags": {}},
            "outputs": {"arn": "x"},
            "modified": "1",
        },
        {"urn": "b", "type": "aws:kms/alias:Alias", "id": "2", "inputs": {}},
    ]
}


def changed(**parts: Any) -> dict[str, Any]:
    """The deployment with its first resource changed."""
    first, second = BUILT["resources"]
    return {"resources": [{**first, **parts}, second]}


def test_the_digest_of_a_state_is_short_and_empty_for_none() -> None:
    assert digest({}) == digest({"resources": []}) == ""
    assert len(digest(BUILT)) == len("sha256:") + 16


@pytest.mark.parametrize(
    "same",
    [
        {"resources": BUILT["resources"][::-1]},
        changed(modified="2", sourcePosition="elsewhere"),
        changed(outputs={"arn": "x", "read": "anew"}),
        pytest.param(changed(propertyDependencies={"policy": ["b"]}, dependencies=["b"]), id="before a first refresh"),
    ],
)
def test_two_exports_of_one_state_have_one_digest(same) -> None:
    assert digest(same) == digest(BUILT)


@pytest.mark.parametrize(
    "other",
    [
        changed(id="3"),
        changed(inputs={"tags": {"a": "b"}}),
        changed(protect=True),
        changed(initErrors=["EnableKeyRotation: AccessDenied"]),
        {"resources": BUILT["resources"][:1]},
        {**BUILT, "pending_operations": [THE_KEY]},
    ],
)
def test_any_change_of_a_state_changes_its_digest(other) -> None:
    assert digest(other) != digest(BUILT)


@pytest.mark.parametrize(
    ("name", "type_", "has_key"),
    [("phi-key", "aws:kms/key:Key", True), ("audit-trail-key", "aws:kms/key:Key", False), ("phi-key", "x", False)],
)
def test_only_the_phi_key_is_the_key_of_a_stack(name, type_, has_key) -> None:
    engine = Engine(Path(), environment={}, on_message=lambda line: None)
    resource = {"urn": URN.format(f"eonpro:kms:PhiKey${type_}", name), "type": type_, "id": KEY_ID}
    engine._exported = lambda stack: {"resources": [resource]}  # type: ignore[method-assign]
    assert engine.state(STACK).has_key is has_key


def test_ids_and_arns_of_a_state_are_what_the_stack_owns(place) -> None:
    made = place.built()
    path = place.folder / "state" / ".pulumi" / "stacks" / "eonpro-kms" / f"{STACK}.json"
    document = json.loads(path.read_text())
    state = document["checkpoint"]["latest"]
    urn = "urn:pulumi:production::eonpro-kms::{}::{}"
    state["resources"] = [
        {
            "urn": urn.format("aws:kms/key:Key", "phi-key"),
            "type": "aws:kms/key:Key",
            "custom": True,
            "id": KEY_ID,
            "outputs": {"arn": OUTPUTS.key_arn},
        }
    ]
    state["pending_operations"] = [
        {
            "type": "creating",
            "resource": {
                "urn": urn.format("aws:kms/alias:Alias", "alias"),
                "type": "aws:kms/alias:Alias",
                "custom": True,
            },
        }
    ]
    path.write_text(json.dumps(document))
    known = made.state(STACK)
    assert (known.has_key, known.owned) == (True, (KEY_ID, OUTPUTS.key_arn))
    assert [(each.op, each.type) for each in known.pending] == [("creating", "aws:kms/alias:Alias")]


# --- what a killed engine leaves in a local backend


def _sidecar(place: Place) -> Path:
    return place.folder / "state" / ".pulumi" / "stacks" / "eonpro-kms" / f"{STACK}.json.attrs"


def test_a_torn_sidecar_beside_a_whole_state_is_removed_and_told(place) -> None:
    place.built()
    _sidecar(place).write_text("")
    assert place.engine().state(STACK).exists
    assert not _sidecar(place).exists()
    assert "the state is complete" in place.said[-1]


def test_a_state_that_was_cut_is_named_with_the_command_that_puts_its_newest_copy_back(place) -> None:
    place.built()
    state = _sidecar(place).with_suffix("")
    whole = state.read_text()
    copy = state.parents[2] / "backups" / "eonpro-kms" / STACK / f"{STACK}.1.json"
    copy.parent.mkdir(parents=True)
    copy.write_text(whole)
    state.write_text(whole[: len(whole) // 2])
    with pytest.raises(DamagedState) as refused:
        place.engine().state(STACK)
    assert str(state) in refused.value.message
    assert state.read_text() == whole[: len(whole) // 2], "it is a person's to repair"
    subprocess.run(["bash", "-c", refused.value.hint], check=True)
    assert state.read_text() == whole
    assert place.engine().state(STACK).exists


def test_a_state_of_which_no_copy_is_complete_is_moved_away_by_the_command(place) -> None:
    place.built()
    state = _sidecar(place).with_suffix("")
    for file in (state, *state.parents[2].glob(f"backups/**/{STACK}.*.json"), state.with_suffix(".json.bak")):
        file.write_text("{")
    with pytest.raises(DamagedState) as refused:
        place.engine().state(STACK)
    subprocess.run(["bash", "-c", refused.value.hint], check=True)
    assert not place.engine().state(STACK).exists


def test_a_damaged_lock_is_named_at_once_with_the_command_that_removes_it(place) -> None:
    engine = place.built()
    lock = place.lock(pid=os.getpid())
    lock.write_text("garbage")
    with pytest.raises(DamagedState, match=lock.name) as refused:
        engine.up(STACK, lambda progress: None)
    assert str(refused.value.hint) == f"pulumi cancel --yes --stack {STACK}"
    with pytest.raises(DamagedState, match=lock.name):
        engine.state(STACK)


def test_a_damaged_state_in_a_bucket_gets_its_copy_back(tmp_path) -> None:
    damage = engine_backend.damage("s3://clinic/eonpro?region=eu-west-1", tmp_path, STACK)
    state = f"s3://clinic/eonpro/.pulumi/stacks/eonpro-kms/{STACK}.json"
    assert damage is not None and damage.hint == f"aws s3 cp {state}.bak {state} --region eu-west-1"
    assert engine_backend.damage("https://api.pulumi.com", tmp_path, STACK) is None


def test_a_state_that_another_run_is_writing_is_read_once_more(place, monkeypatch) -> None:
    """The other run's sidecar is empty when the engine looks, and written when the edge does."""
    engine = place.built()
    whole = _sidecar(place).read_text()
    _sidecar(place).write_text("")

    def too_late(*_: object) -> bool:
        _sidecar(place).write_text(whole)
        return False

    monkeypatch.setattr(engine_backend, "remove_corrupt_sidecars", too_late)
    assert engine.state(STACK).exists


def test_nothing_is_fixed_in_a_backend_that_is_elsewhere(tmp_path) -> None:
    assert engine_backend.remove_corrupt_sidecars("s3://state-of-the-clinic", tmp_path, STACK) is False


def test_the_torn_sidecar_of_a_lock_does_not_keep_a_run_from_waiting_for_it(place, monkeypatch) -> None:
    monkeypatch.setattr(workspace, "LOCK_SECONDS", -1.0)
    engine = place.built()
    lock = place.lock(pid=os.getpid())
    lock.with_name(lock.name + ".attrs").write_text("")
    with pytest.raises(SetupError) as refused:
        engine.up(STACK, lambda progress: None)
    assert isinstance(refused.value, StackBusy)


# --- a newer version of the program becomes the project's


def test_a_newer_version_that_cannot_be_installed_leaves_the_settings_as_they_were(place) -> None:
    place.built()

    def fails() -> None:
        raise SetupError("the index does not answer", "")

    made = place.engine(upgrade=Upgrade(program=place.folder, install=fails))
    made.prepare(STACK, BOTH)
    before = place.config
    with pytest.raises(SetupError, match="the index does not answer"):
        made.write_settings(STACK)
    assert place.config == before


@pytest.mark.thorough
def test_a_newer_version_is_installed_once_when_its_plan_is_confirmed_also_if_it_changes_no_resource(place) -> None:
    place.built()
    installed: list[str] = []
    made = place.engine(upgrade=Upgrade(program=place.folder, install=lambda: installed.append("now")))
    made.preview(STACK)
    assert installed == []
    # With these settings nothing is prepared, and nothing has to be applied.
    made.write_settings(STACK)
    assert installed == ["now"]
    made.up(STACK, lambda progress: None)
    assert installed == ["now"]
