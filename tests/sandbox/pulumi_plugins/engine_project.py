"""A setup of the real engine: its plug-ins, a file backend, and moto as AWS.

It may touch a temporary directory, loopback ports and processes of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox import environment
from sandbox.pulumi_plugins.install import STANDIN, install
from tests.onboarding.loaded import loaded_python

REGION = "us-east-1"
ACCOUNT = "123456789012"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


def engine_binary() -> Path:
    """The engine to test with: EONPRO_ENGINE, or the one `make setup` chose, or the first `pulumi` on PATH."""
    chosen = environment.engine()
    named = chosen.path if chosen and chosen.path.exists() else shutil.which("pulumi")
    if not named:
        pytest.fail("no Pulumi engine: run `make setup`, or set EONPRO_ENGINE to a `pulumi` binary")
    return Path(named).resolve()


@dataclass(frozen=True, kw_only=True)
class EngineSetup:
    """An engine with its plug-ins, and the environment it runs in."""

    directory: Path
    environment: dict[str, str]

    def project(self, name: str, program: str, config: dict[str, Any] | None = None) -> Project:
        """A new project with one stack, `dev`."""
        directory = self.directory / name
        directory.mkdir()
        (directory / "__main__.py").write_text(program, encoding="utf-8")
        description = {
            "name": name,
            # The option names an environment that is not there: the stand-in host ignores it.
            "runtime": {"name": "python", "options": {"virtualenv": ".venv"}},
        }
        # JSON is YAML, and needs no library.
        (directory / "Pulumi.yaml").write_text(json.dumps(description), encoding="utf-8")
        project = Project(engine_setup=self, directory=directory)
        project.configure(config or {})
        project.pulumi("stack", "init", "dev").check_returncode()
        return project


@dataclass(frozen=True, kw_only=True)
class Project:
    """A Pulumi project on disk."""

    engine_setup: EngineSetup
    directory: Path

    def configure(self, config: dict[str, Any]) -> None:
        """Write the stack's configuration again, keeping the salt of its secrets."""
        path = self.directory / "Pulumi.dev.yaml"
        existing = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        salt = [line for line in existing if line.startswith("encryptionsalt:")]
        values = {
            name if ":" in name else f"{self.directory.name}:{name}": value
            for name, value in {"aws:region": REGION, **config}.items()
        }
        lines = [*salt, f"config: {json.dumps(values)}", ""]
        path.write_text("\n".join(lines), encoding="utf-8")

    def pulumi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the engine in the project."""
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.directory,
            env=self.engine_setup.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def steps(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """The steps of a preview by resource name, without unchanged resources."""
        done = self.pulumi("preview", "--json", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        steps = json.loads(done.stdout)["steps"]
        return {step["urn"].rsplit("::", 1)[-1]: step for step in steps if step["op"] != "same"}

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets included."""
        done = self.pulumi("stack", "output", "--show-secrets", "--json")
        assert done.returncode == 0, done.stderr
        outputs: dict[str, Any] = json.loads(done.stdout)
        return outputs


@pytest.fixture(scope="module")
def engine_setup(tmp_path_factory: pytest.TempPathFactory, moto_url: str) -> EngineSetup:
    """The engine in a directory of its own, with the sandbox's own plug-ins installed."""
    directory = tmp_path_factory.mktemp("engine")
    engine = directory / "bin" / "pulumi"
    engine.parent.mkdir()
    binary = engine_binary()
    try:
        # A symbolic link would make the engine look for its language host where the link leads.
        os.link(binary, engine)
    except OSError:
        shutil.copy2(binary, engine)
    (directory / "state").mkdir()
    install(engine, directory / "home", loaded_python(), choice=STANDIN)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_"))}
    variables = {
        **kept,
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_REGION": REGION,
        "PATH": f"{engine.parent}{os.pathsep}{kept.get('PATH', '')}",
        "PULUMI_BACKEND_URL": f"file://{directory / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "a passphrase",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_HOME": str(directory / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    return EngineSetup(directory=directory, environment=variables)


def client(endpoint: str, service: str) -> Any:
    """A boto3 client of the emulator."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
