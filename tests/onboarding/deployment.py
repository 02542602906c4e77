"""A deployment for tests: a copy of the product in a folder, a sandbox of its own, and the commands a person types.

Touches its temporary directory, the sandbox that it starts and ends, and the processes that it starts.
"""

from __future__ import annotations

import compileall
import fcntl
import hashlib
import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sandbox import environment as sandbox_environment
from sandbox.lifecycle import create_directories, server_environment
from sandbox.pulumi_plugins.install import CHOICE, install
from sandbox.state import SandboxPaths, load_state, stop_process
from tests.onboarding.loaded import loaded, loaded_aws, loaded_engine, loaded_python
from tests.onboarding.shipped_schemas import fits
from tools.bootstrap.packages import shebang
from tools.bootstrap.places import PARTS
from wizard.core.next_command import SCRIPT

PROJECT = Path(__file__).resolve().parents[2]
ACCOUNT = "123456789012"
CALLER = f"arn:aws:iam::{ACCOUNT}:user/clinic-admin"
STORED_KEY = "/eonpro/production/ENCRYPTED_PHI_KEY"
ALIAS = "alias/eonpro-phi-key"
BUCKET = f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1-an"
ACCESS_LOG_BUCKET = f"eonpro-access-logs-{ACCOUNT}-us-east-1-an"

_FOR_PHI = "EONPRO PHI encryption key for HIPAA compliance"
_FOR_LOGS = "EONPRO audit log encryption key, not for PHI"

TIMEOUT_SECONDS = 240.0
"""For one command: a busy machine is no failure, a command that never ends is."""

_DRY = "DryRun-"
_READS = ("Get", "List", "Describe", "Head", "Simulate", "Lookup", "Validate", "CheckNo", _DRY)
# The proof: the application takes its role and opens the key. No call of these changes anything.
_PROOF = ("AssumeRole", "AssumeRoleWithWebIdentity", "Decrypt")

# A person's own settings may not steer a test; the engine and the AWS plug-in that were chosen for it may.
_STEERING = ("AWS_", "VERCEL_", "PULUMI_", "EONPRO_")
_KEPT = ("EONPRO_ENGINE", CHOICE)


@dataclass(frozen=True, kw_only=True)
class CompletedCommand:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Its standard output, which is one JSON document."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def output(self) -> str:
        """Everything it printed, with the line breaks of the terminal's width taken out."""
        return " ".join(f"{self.out} {self.err}".split())


class RunningCommand:
    """A command under way, in a session of its own so that its whole tree can be ended."""

    def __init__(self, command: list[str], *, folder: Path, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(TIMEOUT_SECONDS)

    def kill_process(self) -> None:
        """SIGKILL to the command only; what it started lives on."""
        self.process.kill()
        self.process.wait(TIMEOUT_SECONDS)

    def kill_tree(self) -> None:
        """SIGKILL to it and everything it started, as a machine that loses its power does."""
        while found := list(self._session()):
            for pid in found:
                # Stopped first, none can start another meanwhile.
                _send(pid, signal.SIGSTOP)
            for pid in found:
                _send(pid, signal.SIGKILL)
            self.process.wait(TIMEOUT_SECONDS)

    def _session(self) -> Iterator[int]:
        listed = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            pid, state = line.split()[:2]
            try:
                if os.getsid(int(pid)) == self.process.pid and not state.startswith("Z"):
                    yield int(pid)
            except ProcessLookupError:
                continue


def _send(pid: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, what)


def until(fact: Callable[[], object], running: RunningCommand | None = None, *, what: str = "it") -> None:
    """Wait for a fact; fails when the time is over, or when the command ended without it."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not fact():
        output = running.output if running else ""
        assert running is None or running.process.poll() is None or fact(), f"ended before {what}:\n{output}"
        assert time.monotonic() < deadline, f"{what} did not happen:\n{output}"
        time.sleep(0.05)


def copied_product(folder: Path) -> Path:
    """The parts of the product that a run needs, in a folder of their own."""
    _compile_product()
    folder.mkdir(parents=True)
    for part in PARTS:
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(source, folder / part)
        else:
            shutil.copy2(source, folder / part)
    return folder


@cache
def _compile_product() -> None:
    # What is copied with the sources is not compiled again by the first run in every folder.
    for part in PARTS:
        if (PROJECT / part).is_dir():
            compileall.compile_dir(PROJECT / part, quiet=2)


def clean_environment() -> dict[str, str]:
    """This process's environment without what would steer an SDK, the engine or the wizard."""
    return {
        name: value for name, value in os.environ.items() if name in _KEPT or not name.upper().startswith(_STEERING)
    }


@dataclass(kw_only=True)
class Deployment:
    """One folder, one cloud, one environment."""

    root: Path
    folder: Path
    environment: dict[str, str] = field(repr=False)
    printed: list[str] = field(default_factory=list)
    """Everything its wizards printed, to search for secrets."""

    # --- commands

    def run(
        self,
        command: list[str],
        *,
        folder: Path | None = None,
        env: Mapping[str, str | None] | None = None,
        expect: int | None = 0,
        **more: Any,
    ) -> CompletedCommand:
        """One command to its end; `env` adds variables, None takes one away; `expect` is the exit code, None any."""
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": TIMEOUT_SECONDS} | more
        done = subprocess.run(
            command,
            cwd=folder or self.folder,
            env=self.with_changes(env),
            text=True,
            check=False,
            **given,
        )
        return _judged(done, expect)

    def wizard(self, *arguments: str, **options: Any) -> CompletedCommand:
        """`python -m wizard ARGUMENTS`, without a terminal. A document of `--json` has to fit its shipped schema."""
        ended = (self._begun_loaded if can_begin_loaded(**options) else self._started)(*arguments, **options)
        if "--json" in arguments:
            fits(ended.document, code=ended.code)
        self.printed += [ended.out, ended.err]
        return ended

    def _started(self, *arguments: str, **options: Any) -> CompletedCommand:
        return self.run([sys.executable, "-m", "wizard", *arguments], **options)

    def _begun_loaded(
        self,
        *arguments: str,
        folder: Path | None = None,
        env: Mapping[str, str | None] | None = None,
        expect: int | None = 0,
    ) -> CompletedCommand:
        done = loaded("wizard").run(
            arguments,
            folder=folder or self.folder,
            environment=self.with_changes(env),
            timeout=TIMEOUT_SECONDS,
        )
        return _judged(done, expect)

    def set_up(self, target: str, *arguments: str, **options: Any) -> CompletedCommand:
        """The whole onboarding by the example's answers."""
        return self.wizard(*onboarding(target), *arguments, **options)

    def start(self, target: str, *, folder: Path | None = None, log: str = "run", **variables: str) -> RunningCommand:
        """The whole onboarding, left running."""
        return RunningCommand(
            [sys.executable, "-m", "wizard", *onboarding(target)],
            folder=folder or self.folder,
            environment={**self.environment, **variables},
            log=self.root / f"{log}.log",
        )

    def pulumi(self, *arguments: str, **options: Any) -> CompletedCommand:
        """`pulumi ARGUMENTS`, without a terminal."""
        return self.run(["pulumi", "--non-interactive", *arguments], **options)

    def aws(self, *arguments: str) -> dict[str, Any]:
        """The answer of the AWS CLI that the environment's PATH finds first."""
        command = shutil.which("aws", path=self.environment["PATH"])
        assert command, "there is no AWS CLI on the sandbox's PATH: make setup"
        found: dict[str, Any] = json.loads(self.run([command, *arguments, "--output", "json"]).out)
        return found

    def before_a_person(self) -> dict[str, str]:
        """The environment of a person at a terminal, in a home of their own: no login or setting answers a question."""
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        own = {"HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        steering = dict.fromkeys(("XDG_DATA_HOME", "NO_COLOR", "PYTHONIOENCODING"))
        return self.with_changes({**own, **steering})

    def with_changes(self, env: Mapping[str, str | None] | None) -> dict[str, str]:
        """The environment with some variables changed; None takes one away."""
        merged = {**self.environment, **(env or {})}
        return {name: value for name, value in merged.items() if value is not None}

    def another_folder(self, name: str) -> Path:
        """A second checkout that shares the cloud and the state backend, with the first one's stack settings."""
        folder = copied_product(self.root / name / "project")
        for settings in self.folder.glob("Pulumi.*.yaml"):
            shutil.copy(settings, folder)
        return folder

    # --- the cloud

    def client(self, service: str, *, credentials: Mapping[str, Any] | None = None, region: str = "us-east-1") -> Any:
        """A boto3 client of the operator's, or of the credentials that IAM or STS gave."""
        mine = credentials or {
            "AccessKeyId": self.environment["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": self.environment["AWS_SECRET_ACCESS_KEY"],
        }
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=mine["AccessKeyId"],
            aws_secret_access_key=mine["SecretAccessKey"],
            aws_session_token=mine.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20, proxies={}),
        )

    def vercel(self, method: str, path: str, body: object = None, **query: str) -> dict[str, Any]:
        """The answer of the Vercel API to the person's own token, on behalf of the team."""
        url = f"{self.environment['VERCEL_API_URL']}{path}?{urllib.parse.urlencode({'slug': 'eonpro', **query})}"
        headers = {"Authorization": f"Bearer {self.environment['VERCEL_TOKEN']}"}
        return _request(method, url, body, headers)

    def variables(self) -> dict[str, dict[str, Any]]:
        """The Vercel project's variables by name, with the value where Vercel tells it; each name once."""
        listed = self.vercel("GET", "/v10/projects/eonpro/env")["envs"]
        assert len({each["key"] for each in listed}) == len(listed), "a variable is there twice"
        return {
            each["key"]: each
            if each["type"] == "sensitive"
            else self.vercel("GET", f"/v10/projects/eonpro/env/{each['id']}")
            for each in listed
        }

    def deployed(self) -> dict[str, str]:
        """What the application finds in its environment when production is deployed now, sensitive values too."""
        return _request("GET", f"{self.environment['VERCEL_API_URL']}/_sandbox/deployment/eonpro")

    def runs(self) -> dict[str, Any]:
        """The deployment that production runs, and the environment that was there when it was made."""
        return _request("GET", f"{self.environment['VERCEL_API_URL']}/_sandbox/running/eonpro")

    def task_credentials(self) -> dict[str, Any]:
        """What a task of the application's finds at its container's credentials endpoint."""
        url = f"{self.environment['AWS_ENDPOINT_URL']}/_sandbox/task-credentials?role=eonpro-app-role"
        return _request("GET", url)

    def fault(self, **fault: Any) -> None:
        """Order a fault of the AWS endpoint (`sandbox.aws.faults.Fault`)."""
        _request("POST", f"{self.environment['AWS_ENDPOINT_URL']}/_sandbox/faults", fault)

    def vercel_fault(self, **fault: Any) -> None:
        """Order a fault of the Vercel endpoint (`sandbox.vercel.faults.Fault`)."""
        _request("POST", f"{self.environment['VERCEL_API_URL']}/_sandbox/faults", fault)

    def no_more_faults(self) -> None:
        """Forget all faults; calls that hang go on."""
        for control in ("AWS_ENDPOINT_URL", "VERCEL_API_URL"):
            _request("DELETE", f"{self.environment[control]}/_sandbox/faults")

    def calls(self) -> Counter[str]:
        """How often each AWS call was made, as `service:Operation`; a dry run as `service:DryRun-Operation`."""
        found = _request("GET", f"{self.environment['AWS_ENDPOINT_URL']}/_sandbox/calls")["calls"]
        return Counter(f"{call['service']}:{_DRY * call['dryRun']}{call['operation']}" for call in found)

    def vercel_calls(self) -> Counter[str]:
        """How often each request was made of Vercel, as `METHOD path`."""
        return Counter(_request("GET", f"{self.environment['VERCEL_API_URL']}/_sandbox/calls")["calls"])

    def changes(self) -> Counter[str]:
        """The calls that change something, of AWS and of Vercel."""
        calls = self.vercel_calls()
        made = Counter({f"vercel:{call}": count for call, count in calls.items() if not call.startswith("GET ")})
        for call, count in self.calls().items():
            operation = call.partition(":")[2]
            if not operation.startswith(_READS) and operation not in _PROOF:
                made[call] += count
        return made

    def permissions(self) -> list[dict[str, str]]:
        """Every call that was allowed, with its principal and the policy that allowed it."""
        found: list[dict[str, str]] = _request("GET", f"{self.environment['AWS_ENDPOINT_URL']}/_sandbox/permissions")[
            "permissions"
        ]
        return found

    def refusals(self, principal: str) -> set[tuple[str, str]]:
        """The (action, resource) pairs that this principal was refused."""
        found = _request("GET", f"{self.environment['AWS_ENDPOINT_URL']}/_sandbox/permissions")["refusals"]
        return {(each["action"], each["resource"]) for each in found if each["principal"] == principal}

    def forget_permissions(self) -> None:
        """Forget which calls were allowed, and which were refused."""
        _request("DELETE", f"{self.environment['AWS_ENDPOINT_URL']}/_sandbox/permissions")

    def forget_calls(self) -> None:
        """Count from nought."""
        for control in ("AWS_ENDPOINT_URL", "VERCEL_API_URL"):
            _request("DELETE", f"{self.environment[control]}/_sandbox/calls")

    # --- what there is

    def all_keys(self, region: str = "us-east-1") -> list[str]:
        """The ARNs of all KMS keys in a Region."""
        return [key["KeyArn"] for key in self.client("kms", region=region).list_keys()["Keys"]]

    def copy_settings(self, folder: Path) -> None:
        """The settings of `production`, for an account that has nothing to import.

        A shared deployment may have those with which all of it was imported again after its state was lost.
        """
        settings = self.folder / "Pulumi.production.yaml"
        imported = ("eonpro-kms:adopted:", "eonpro-kms:vercelOidcProviderArn:")
        lines = settings.read_text().splitlines(keepends=True)
        (folder / settings.name).write_text("".join(line for line in lines if not line.strip().startswith(imported)))

    def keys(self) -> list[str]:
        """The ARNs of the keys that were made for PHI."""
        return self._keys_for(_FOR_PHI)

    def log_keys(self) -> list[str]:
        """The ARNs of the keys that were made for the logs."""
        return self._keys_for(_FOR_LOGS)

    def _keys_for(self, description: str) -> list[str]:
        kms = self.client("kms")
        return [
            arn for arn in self.all_keys() if kms.describe_key(KeyId=arn)["KeyMetadata"]["Description"] == description
        ]

    def stored_key_versions(self, region: str = "us-east-1") -> list[str]:
        """Every value that the stored data key ever had."""
        history = self.client("ssm", region=region).get_parameter_history(Name=STORED_KEY, WithDecryption=True)
        return [version["Value"] for version in history["Parameters"]]

    def parameters(self) -> dict[str, str]:
        """The parameters under /eonpro, by name, without an environment's claim and its last backup's place."""
        pages = self.client("ssm").get_paginator("get_parameters_by_path")
        listed = pages.paginate(Path="/eonpro", Recursive=True, WithDecryption=True).search("Parameters[]")
        return {each["Name"]: each["Value"] for each in listed if not each["Name"].endswith(("/claim", "/backup"))}

    def inventory(self) -> dict[str, Any]:
        """All that a set-up would make, by name; equal inventories mean that nothing was made and nothing touched."""
        iam = self.client("iam")
        return {
            "keys": self.all_keys(),
            "aliases": [(a["AliasName"], a.get("TargetKeyId")) for a in self.client("kms").list_aliases()["Aliases"]],
            "users": [user["UserName"] for user in iam.list_users()["Users"]],
            "roles": [role["RoleName"] for role in iam.list_roles()["Roles"]],
            "policies": [policy["Arn"] for policy in iam.list_policies(Scope="Local")["Policies"]],
            "providers": [each["Arn"] for each in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]],
            "trails": [trail["TrailARN"] for trail in self.client("cloudtrail").list_trails()["Trails"]],
            "buckets": [bucket["Name"] for bucket in self.client("s3").list_buckets()["Buckets"]],
            "topics": [topic["TopicArn"] for topic in self.client("sns").list_topics()["Topics"]],
            "rules": [rule["Name"] for rule in self.client("events").list_rules()["Rules"]],
            "alarms": [each["AlarmName"] for each in self.client("cloudwatch").describe_alarms()["MetricAlarms"]],
            "parameters": self.parameters(),
            "secrets": [each["Name"] for each in self.client("secretsmanager").list_secrets()["SecretList"]],
            "variables": self.vercel("GET", "/v10/projects/eonpro/env")["envs"],
            "stacks": self.stack_resources(),
        }

    def stack_resources(self) -> list[str]:
        """The URNs in every stack of the backend."""
        return [urn for file in sorted(self._states()) for urn in self.urns(file.stem)]

    def stack_exists(self, stack: str) -> bool:
        """Whether the state's backend has the stack."""
        return stack in [file.stem for file in self._states()]

    def urns(self, stack: str) -> list[str]:
        """The URNs of a stack's resources, without the stack itself and its providers."""
        return [each["urn"] for each in self._resources(stack) if not each["type"].startswith("pulumi:")]

    def outputs(self, stack: str = "production") -> dict[str, Any]:
        """The outputs of a stack, which hold no secret."""
        [found] = [each for each in self._resources(stack) if each["type"] == "pulumi:pulumi:Stack"]
        return dict(found["outputs"])

    def state(self, stack: str = "production") -> dict[str, Any]:
        """The state of a stack as its file has it, secrets encrypted."""
        [file] = [file for file in self._states() if file.stem == stack]
        return dict(json.loads(file.read_text())["checkpoint"]["latest"] or {})

    def _states(self) -> list[Path]:
        # An engine takes a fifth of a second of processor time to tell what stands in these files.
        backend = self.folder / self.environment["PULUMI_BACKEND_URL"].removeprefix("file://")
        return list((backend / ".pulumi" / "stacks" / "eonpro-kms").glob("*.json"))

    def _resources(self, stack: str) -> list[dict[str, Any]]:
        return list(self.state(stack).get("resources") or ())


def _judged(done: subprocess.CompletedProcess[str], expect: int | None) -> CompletedCommand:
    ended = CompletedCommand(code=done.returncode, out=done.stdout or "", err=done.stderr or "")
    assert expect in (None, ended.code), f"{shlex.join(done.args)}: {ended.code}\n{ended.out}\n{ended.err}"
    return ended


def can_begin_loaded(*, env: Mapping[str, str | None] | None = None, **options: Any) -> bool:
    """Whether a wizard need not be started: another stream or interpreter's setting is for one that is."""
    steering = [name for name in env or () if name.startswith(("PYTHON", "LANG", "LC_"))]
    return sys.platform == "linux" and not steering and options.keys() <= {"folder", "expect"}


def _serve(where: SandboxPaths, environment: Mapping[str, str], template: Path | None) -> None:
    """Begin a sandbox's server with its libraries loaded, or fork the one in the folder `template`; it answers then."""
    create_directories(where)
    ready, tell = os.pipe()
    if template is not None:
        state = load_state(SandboxPaths(root=template))
        assert state is not None
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
            control.connect(f"\0sandbox-{state.pid}")
            socket.send_fds(control, [os.fsencode(where.root)], [tell])
    else:
        with where.log.open("wb") as log:
            streams = (log.fileno(), log.fileno(), tell)
            arguments, clean = (str(where.root),), server_environment(environment)
            _, ended = loaded("sandbox.server").begin(arguments, folder=PROJECT, environment=clean, streams=streams)
        os.close(ended)
    os.close(tell)
    try:
        said = os.read(ready, 1) if select.select([ready], [], [], TIMEOUT_SECONDS)[0] else b""
    finally:
        os.close(ready)
    assert said, where.log.read_text(errors="replace")


def onboarding(target: str) -> tuple[str, ...]:
    """The arguments of an unattended run by the example's answers."""
    return ("--stack", "production", "--answers", f"examples/{target}.yaml", "--yes", "--non-interactive")


@cache
def plugins() -> tuple[Path, Path]:
    """The engine, and a PULUMI_HOME with its plug-ins, which is copied: all that is the same in every deployment."""
    chosen = sandbox_environment.engine()
    assert chosen is not None, "there is no Pulumi engine: make setup"
    engine = loaded_engine(chosen.path)
    home = loaded_python().with_name("pulumi-home")
    install(engine, home, loaded_python())
    return engine, home


def written_script(project: Path, folder: Path) -> Path:
    """The folder with an `eonpro-kms` of that copy of the product: printed commands name it."""
    folder.mkdir(exist_ok=True)
    script = folder / SCRIPT
    script.write_text(
        f"{shebang(loaded_python())}\nimport sys\n\nsys.path[0] = {str(project)!r}\n"
        "from wizard.__main__ import main\n\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    return folder


@contextmanager
def running_deployment(root: Path) -> Iterator[Deployment]:
    """A deployment with a fresh, empty cloud."""
    folder = copied_product(root / "project")
    opened = _loaded_sandbox if sys.platform == "linux" else _started_sandbox
    with opened(SandboxPaths(root=root / "sandbox")) as environment:
        environment["PATH"] = f"{written_script(folder, root / 'bin')}{os.pathsep}{environment['PATH']}"
        yield Deployment(root=root, folder=folder, environment=environment)


@contextmanager
def forked(template: Deployment, root: Path) -> Iterator[Deployment]:
    """A deployment like the template, whose cloud goes a way of its own from here on (Linux)."""
    for part in ("project", "sandbox/backend", "sandbox/aws"):
        shutil.copytree(template.root / part, root / part, symlinks=True)
    folder = root / "project"
    with _loaded_sandbox(SandboxPaths(root=root / "sandbox"), template.root / "sandbox") as environment:
        environment["PATH"] = f"{written_script(folder, root / 'bin')}{os.pathsep}{environment['PATH']}"
        for selected in (template.root / "sandbox/pulumi-home/workspaces").glob("*-workspace.json"):
            # The stack that is selected: the engine names the file by the project's path, and has the backend's in it.
            path = hashlib.sha1(str(folder / "Pulumi.yaml").encode(), usedforsecurity=False).hexdigest()
            place = root / "sandbox/pulumi-home/workspaces" / f"eonpro-kms-{path}-workspace.json"
            place.parent.mkdir(exist_ok=True)
            place.write_text(selected.read_text().replace(str(template.root), str(root)))
        yield Deployment(root=root, folder=folder, environment=environment, printed=[*template.printed])


class Templates:
    """Deployments that a run of pytest sets up once, whichever worker needs one first, and forks for each who does."""

    def __init__(self, shared: Path, own: Path) -> None:
        """`shared` is a folder of all workers, `own` is this one's."""
        self._shared, self._own = shared, own
        self._made: dict[str, Deployment] = {}
        self._open = ExitStack()

    @contextmanager
    def fork(
        self, root: Path, target: str | None, *, before: Callable[[Deployment], object] | None = None
    ) -> Iterator[Deployment]:
        """A deployment set up for the target by its example, if there is one, after `before`, which has a name."""
        if sys.platform != "linux":
            with running_deployment(root) as made:
                _set_up(made, target, before)
                yield made
            return
        name = f"{target}-{before.__name__}" if before else str(target)
        if name not in self._made:
            self._made[name] = self._template(name, target, before)
        with forked(self._made[name], root) as made:
            yield made

    def _template(self, name: str, target: str | None, before: Callable[[Deployment], object] | None) -> Deployment:
        record = self._shared / f"{name}.json"
        with self._locked(name):
            if record.exists():
                first = json.loads(record.read_text())
                first = Deployment(**first | {"root": Path(first["root"]), "folder": Path(first["folder"])})
                return self._open.enter_context(forked(first, self._own / name))
            made = self._open.enter_context(running_deployment(self._own / name))
            _set_up(made, target, before)
            record.write_text(json.dumps(vars(made) | {"root": str(made.root), "folder": str(made.folder)}))
            self._open.callback(record.unlink)
            return made

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        self._shared.mkdir(parents=True, exist_ok=True)
        with (self._shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def close(self) -> None:
        """End this worker's templates; whoever forks one of them at this moment has it."""
        with ExitStack() as locks:
            for name in self._made:
                locks.enter_context(self._locked(name))
            self._open.close()


def _set_up(made: Deployment, target: str | None, before: Callable[[Deployment], object] | None) -> None:
    if before is not None:
        before(made)
    if target is not None:
        made.set_up(target)
        # So that a person's `pulumi preview` needs no --stack.
        assert made.pulumi("stack", "--show-name").out.strip() == "production"


@contextmanager
def _loaded_sandbox(paths: SandboxPaths, template: Path | None = None) -> Iterator[dict[str, str]]:
    engine, home = plugins()
    base = clean_environment() | {"EONPRO_SANDBOX_DIR": str(paths.root), "EONPRO_ENGINE": str(engine)}
    _serve(paths, base, template)
    shutil.copytree(home, paths.pulumi_home, dirs_exist_ok=True)
    state = load_state(paths)
    assert state is not None
    try:
        environment = base | sandbox_environment.variables(paths, state, base)
        aws = PROJECT / ".cache" / "awscli" / "bin" / "aws"
        if aws.exists():
            environment["PATH"] = f"{loaded_aws(aws)}{os.pathsep}{environment['PATH']}"
        yield environment
    finally:
        stop_process(state.pid)


@contextmanager
def _started_sandbox(paths: SandboxPaths) -> Iterator[dict[str, str]]:
    base = clean_environment() | {"EONPRO_SANDBOX_DIR": str(paths.root)}

    def sandbox(command: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "sandbox", command],
            cwd=PROJECT, env=base, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_SECONDS, check=True,
        ).stdout  # fmt: skip

    sandbox("start")
    try:
        words = [shlex.split(line) for line in sandbox("env").splitlines() if line.startswith("export ")]
        yield base | dict(word[1].partition("=")[::2] for word in words)
    finally:
        sandbox("stop")


def _request(method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, method=method, data=data, headers=dict(headers or {}))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        found: dict[str, Any] = json.loads(answer.read() or b"{}")
        return found
