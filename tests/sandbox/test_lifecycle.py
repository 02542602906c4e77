"""Start, stop, status and env, as a person and a shell see them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from components import installation
from sandbox import environment
from sandbox.environment import engine, variables
from sandbox.lifecycle import SandboxError, bring_aws_cli, check_owner, create_directories, remove_stack_configs
from sandbox.state import STOP_SECONDS, SandboxPaths, State, is_alive

PROJECT = Path(__file__).resolve().parents[2]
CONTRACT = {
    "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION",
    "VERCEL_API_URL", "VERCEL_TOKEN", "PULUMI_HOME", "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PATH",
}  # fmt: skip

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where this test's sandbox lives; a name that a shell would trip over."""
    return tmp_path / "it's a sandbox"


@contextmanager
def running_in(directory: Path) -> Iterator[Run]:
    """`python -m sandbox` for the sandbox in that directory, which is stopped in the end."""

    def call(command: str, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "EONPRO_", "PULUMI_"))}
        return subprocess.run(
            [sys.executable, *options, "-m", "sandbox", command],
            cwd=PROJECT, env=clean | {"EONPRO_SANDBOX_DIR": str(directory)} | more,
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip

    yield call
    call("stop")


@pytest.fixture
def run(directory: Path) -> Iterator[Run]:
    """This test's sandbox, which does not run yet."""
    with running_in(directory) as call:
        yield call


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sandbox of the tests that change nothing lives."""
    return tmp_path_factory.mktemp("shared") / "it's a sandbox"


@pytest.fixture(scope="module")
def started(shared: Path) -> Iterator[Run]:
    """That sandbox; it runs."""
    with running_in(shared) as call:
        assert call("start").returncode == 0
        yield call


def evaluated(printed: str, **before: str) -> dict[str, str]:
    """What a shell holds after `eval "$(python -m sandbox env)"`."""
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    found = subprocess.run(
        ["sh", "-c", 'eval "$1"; exec "$0" -c "$2"', sys.executable, printed, show],
        env={"PATH": os.environ["PATH"]} | before, capture_output=True, text=True, check=True,
    )  # fmt: skip
    values: dict[str, str] = json.loads(found.stdout)
    return values


def client(variables: dict[str, str], service: str) -> Any:
    return boto3.Session().client(
        service,
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )


def state(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "state.json").read_text())
    return found


def has_ended(connection: socket.socket) -> bool:
    """Whether the other side ended it; one that a busy machine had not accepted yet is reset, not closed."""
    connection.settimeout(STOP_SECONDS)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_started_sandbox_serves_what_env_says(started: Run, shared: Path) -> None:
    variables = evaluated(started("env").stdout)
    assert variables.keys() >= CONTRACT
    assert client(variables, "sts").get_caller_identity()["Arn"].endswith(":user/clinic-admin")
    request = urllib.request.Request(
        f"{variables['VERCEL_API_URL']}/v9/projects/eonpro?slug=eonpro",
        headers={"Authorization": f"Bearer {variables['VERCEL_TOKEN']}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.loads(answer.read())["name"] == "eonpro"
    assert variables["PULUMI_HOME"] == str(shared / "pulumi-home")
    assert Path(variables["PULUMI_BACKEND_URL"].removeprefix("file://")).is_dir()


def test_a_second_start_says_so_and_changes_nothing(started: Run, shared: Path) -> None:
    before = state(shared)
    again = started("start")
    assert (again.returncode, "already runs" in again.stderr) == (0, True)
    assert state(shared) == before


@pytest.mark.thorough
def test_two_starts_at_once_make_one_sandbox(run: Run) -> None:
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(run, ["start", "start"]))
    assert [one.returncode for one in done] == [0, 0]
    assert sorted("already runs" in one.stderr for one in done) == [False, True]


def test_status_tells_by_its_exit_code_and_stop_ends_it_and_may_be_repeated(run: Run, directory: Path) -> None:
    assert run("status").returncode == 1
    run("start")
    said = run("status")
    assert said.returncode == 0
    assert "http://127.0.0.1:" in said.stdout
    server = state(directory)
    assert run("stop").returncode == 0
    assert run("status").returncode == 1
    # Not that its port is free: another test's server may have been given it in the meantime.
    assert not is_alive(server["pid"])
    assert not (directory / "state.json").exists()
    assert not (directory / "vercel-oidc-token").exists()
    again = run("stop")
    assert (again.returncode, "does not run" in again.stderr) == (0, True)


@pytest.mark.thorough
def test_stop_does_not_wait_for_connections_that_clients_keep_open(run: Run, directory: Path) -> None:
    run("start")
    server = state(directory)
    connections = [socket.create_connection(("127.0.0.1", server[name])) for name in ("aws_port", "vercel_port")]
    started = time.monotonic()

    assert run("stop").returncode == 0

    # After that time it is killed.
    assert time.monotonic() - started < STOP_SECONDS
    assert [has_ended(connection) for connection in connections] == [True, True]
    for connection in connections:
        connection.close()


def test_the_sandbox_of_another_user_is_not_used(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EONPRO_SANDBOX_DIR", str(directory))
    check_owner()
    directory.mkdir()
    check_owner()
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(SandboxError, match="belongs to another user"):
        check_owner()


def test_stop_without_a_sandbox_creates_nothing(run: Run, directory: Path) -> None:
    assert run("stop").returncode == 0
    assert not directory.exists()


def test_env_without_a_sandbox_prints_nothing_to_evaluate_and_the_next_command(run: Run) -> None:
    said = run("env")
    assert (said.returncode, said.stdout) == (1, "")
    assert shlex.split(said.stderr.splitlines()[-1])[-1] == "start"


def test_the_backends_url_leads_to_a_folder_whose_name_would_end_a_path_in_a_url(tmp_path: Path) -> None:
    root = tmp_path / "C# 100% done?"
    created = SandboxPaths(root=root)
    create_directories(created)
    server = State(
        pid=1,
        nonce="",
        aws_port=1,
        vercel_port=2,
        access_key_id="",
        secret_access_key="",
        vercel_token="",
    )
    named = variables(created, server, {"PATH": os.defpath})
    chosen = engine()
    assert chosen is not None
    listed = subprocess.run(
        [chosen.path, "stack", "ls", "--json"],
        cwd=PROJECT, env=named, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (listed.returncode, json.loads(listed.stdout or "null")) == (0, []), listed.stderr


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_the_printed_line_brings_the_sandbox_into_a_shell_in_any_folder(
    started: Run, shared: Path, tmp_path: Path, shell: str
) -> None:
    if shutil.which(shell) is None:
        pytest.fail(f"there is no {shell} on this machine")
    (tmp_path / "json.py").write_text("raise SystemExit('imported from the folder of the shell')\n")
    for said in (started("start").stderr, started("status").stdout):
        [line] = [line.strip() for line in said.splitlines() if "eval" in line]
        done = subprocess.run(
            [shell, "-c", f'{line}\necho "$PULUMI_HOME"; for each in eonpro-kms pulumi aws; do command -v $each; done'],
            cwd=tmp_path, env={"PATH": os.defpath}, capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
        home, *programs = done.stdout.splitlines()
        assert (home, done.stderr) == (str(shared / "pulumi-home"), "")
        assert [Path(program).name for program in programs] == ["eonpro-kms", "pulumi", "aws"]


@pytest.mark.thorough
def test_a_sandbox_that_runs_already_says_how_to_begin_anew(run: Run, directory: Path) -> None:
    assert "begin anew" not in run("start").stderr
    line = run("start").stderr.splitlines()[-1]
    assert shlex.split(line)[0] == f"EONPRO_SANDBOX_DIR={directory}"
    subprocess.run(["sh", "-c", line], cwd="/", env={"PATH": os.defpath}, check=True, capture_output=True, timeout=30)
    assert run("status").returncode == 1


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    said = run("begin")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith("usage: python -m sandbox")


def test_prepare_without_an_engine_says_what_to_type(run: Run, tmp_path: Path) -> None:
    said = run("prepare", EONPRO_ENGINE=str(tmp_path / "no-engine"))
    assert said.returncode == 1
    assert said.stderr.splitlines()[-1] == f"  make -C {shlex.quote(str(PROJECT))} setup"


@pytest.mark.thorough
def test_a_fresh_start_is_a_fresh_cloud_that_keeps_the_plugins(run: Run, directory: Path) -> None:
    run("start")
    client(evaluated(run("env").stdout), "kms").create_key()
    (directory / "backend" / "state").touch()
    plugin = directory / "pulumi-home" / "plugins" / "kept"
    plugin.mkdir(parents=True, exist_ok=True)
    run("stop")
    run("start")
    assert client(evaluated(run("env").stdout), "kms").list_keys()["Keys"] == []
    assert list((directory / "backend").iterdir()) == []
    assert plugin.is_dir()


@pytest.mark.thorough
def test_a_sandbox_that_was_killed_is_replaced(run: Run, directory: Path) -> None:
    run("start")
    killed = state(directory)
    os.kill(killed["pid"], signal.SIGKILL)
    while is_alive(killed["pid"]):
        time.sleep(0.01)
    assert run("status").returncode == 1
    assert run("start").returncode == 0
    assert state(directory)["nonce"] != killed["nonce"]


@pytest.mark.thorough
def test_a_process_that_is_not_ours_is_neither_taken_for_the_sandbox_nor_ended(run: Run, directory: Path) -> None:
    run("start")
    left = state(directory)
    run("stop")
    (directory / "state.json").write_text(json.dumps(left | {"pid": os.getpid()}))
    assert run("status").returncode == 1
    said = run("stop")  # Would end this very process.
    assert (said.returncode, "does not run" in said.stderr) == (0, True)


@pytest.mark.thorough
def test_a_state_file_that_cannot_be_read_is_no_sandbox(run: Run, directory: Path) -> None:
    directory.mkdir()
    (directory / "state.json").write_text("{")
    assert run("status").returncode == 1
    assert run("start").returncode == 0


def test_a_server_that_cannot_start_is_reported_with_its_own_error(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "moto"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('the emulator is broken')")
    said = run("start", PYTHONPATH=str(broken.parent))
    assert said.returncode == 1
    assert "the emulator is broken" in said.stderr
    assert run("status").returncode == 1


def test_what_is_secret_is_for_the_owner_alone(started: Run, shared: Path) -> None:
    secret = (shared / "state.json", shared / "vercel-oidc-token")
    assert [path.stat().st_mode & 0o777 for path in secret] == [0o600, 0o600]
    log = (shared / "server.log").read_text()
    assert state(shared)["secret_access_key"] not in log
    assert state(shared)["vercel_token"] not in log


def test_both_servers_listen_on_the_loopback_address_alone(started: Run, shared: Path) -> None:
    for name in ("aws_port", "vercel_port"):
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.2", state(shared)[name]), timeout=2)


def test_env_unsets_variables_that_would_change_the_endpoint_or_the_credentials(started: Run) -> None:
    foreign = {
        "AWS_PROFILE": "work",
        "AWS_SESSION_TOKEN": "x",
        "AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:1",
        "AWS_CONFIG_FILE": "/nowhere",
        "PULUMI_ACCESS_TOKEN": "x",
        "HTTP_PROXY": "http://proxy.example.com:3128",
        "NO_PROXY": "localhost",
    }
    variables = evaluated(started("env", **foreign).stdout, **foreign)
    assert variables.keys().isdisjoint({"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_KMS"})
    assert "PULUMI_ACCESS_TOKEN" not in variables
    assert Path(variables["AWS_CONFIG_FILE"]).read_text() == ""
    assert variables["NO_PROXY"] == "localhost,127.0.0.1"


def test_env_is_only_exports_when_no_variable_conflicts(started: Run) -> None:
    lines = started("env").stdout.splitlines()
    assert all(line.startswith("export ") for line in lines)


def test_env_puts_the_engine_and_the_projects_python_first_however_often_it_is_evaluated(
    started: Run, tmp_path: Path
) -> None:
    engine = tmp_path / "engine"
    engine.mkdir()
    (engine / "pulumi").touch()
    once = evaluated(started("env", EONPRO_ENGINE=str(engine / "pulumi")).stdout)["PATH"]
    twice = evaluated(started("env", EONPRO_ENGINE=str(engine / "pulumi"), PATH=once).stdout)["PATH"]
    assert once.split(os.pathsep)[0] == str(engine)
    assert Path(once.split(os.pathsep)[1], "python").exists()
    assert twice == once


def test_env_loads_neither_the_emulator_nor_an_sdk(started: Run) -> None:
    loaded = started("env", "-X", "importtime").stderr
    assert "sandbox.environment" in loaded
    assert [name for name in ("moto", "boto", "flask", "werkzeug") if name in loaded] == []


def test_the_wheels_sandbox_brings_the_aws_cli_or_says_that_there_is_none(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Printed lines call `aws`. A machine of its own goes first: the sandbox's is the last of PATH."""
    paths, uv = SandboxPaths(root=directory), directory / "uv"
    directory.mkdir()
    monkeypatch.setattr(installation, "IS_INSTALLED", True)
    monkeypatch.setattr(environment, "CACHE", directory / "cache")
    monkeypatch.setattr(environment, "interpreter", lambda: directory / "python")
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.delenv("UV", raising=False)

    bring_aws_cli(paths)
    assert "no AWS CLI was found" in capsys.readouterr().err and not paths.programs.exists()

    uv.write_text('#!/bin/sh\nshift 3; printf "%s\\n" "$@"\n')
    uv.chmod(0o755)
    bring_aws_cli(paths)
    path = environment.search_path(paths, os.environ)
    assert path.endswith(f":{paths.programs}")
    done = subprocess.run(["aws", "kms", "a b"], env={"PATH": path}, capture_output=True, text=True, check=True)
    package, *words = done.stdout.splitlines()[1:]
    assert package.startswith("awscli>=") and words == ["aws", "kms", "a b"]


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_stop_removes_the_stack_config_of_the_sandboxs_account(tmp_path: Path, quote: str) -> None:
    mine, theirs = tmp_path / "Pulumi.production.yaml", tmp_path / "Pulumi.staging.yaml"
    mine.write_text(f"config:\n  eonpro-kms:accountId: {quote}123456789012{quote}\n")
    theirs.write_text('config:\n  eonpro-kms:accountId: "999999999999"\n  note: "123456789012"\n')
    assert remove_stack_configs(SandboxPaths(root=tmp_path / ".sandbox"), tmp_path) == (mine,)
    assert (mine.exists(), theirs.exists()) == (False, True)


def test_a_sandbox_elsewhere_removes_no_stack_config(tmp_path: Path) -> None:
    config = tmp_path / "Pulumi.production.yaml"
    config.write_text('config:\n  eonpro-kms:accountId: "123456789012"\n')
    assert remove_stack_configs(SandboxPaths(root=tmp_path / "elsewhere"), tmp_path) == ()
    assert config.exists()
