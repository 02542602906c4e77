"""One sandbox for all tests that only call it: started once, in its own directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pulumi
import pytest
from botocore.config import Config

# The plug-ins register `pulumi` without its SDK where it is not loaded, for every later test of this process.
assert pulumi.runtime
SESSION = boto3.Session()
PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class RunningSandbox:
    """A running sandbox and its clients."""

    variables: dict[str, str]

    def client(self, service: str, region: str = "us-east-1", **credentials: str) -> Any:
        """A boto3 client without parameter validation and retries; by default the operator's."""
        mine = credentials or {
            "aws_access_key_id": self.variables["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.variables["AWS_SECRET_ACCESS_KEY"],
        }
        return SESSION.client(
            service,
            region_name=region,
            endpoint_url=self.variables["AWS_ENDPOINT_URL"],
            config=Config(retries={"total_max_attempts": 1}, read_timeout=10, parameter_validation=False),
            **mine,
        )

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Status and JSON of a request to the sandbox's control API."""
        request = urllib.request.Request(
            f"{self.variables['AWS_ENDPOINT_URL']}/_sandbox/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())


def sandbox(directory: Path, command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m sandbox COMMAND` for the sandbox in a directory."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "EONPRO_"))}
    return subprocess.run(
        [sys.executable, "-m", "sandbox", command],
        cwd=PROJECT,
        env=environment | {"EONPRO_SANDBOX_DIR": str(directory)} | more,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def exported(printed: str) -> dict[str, str]:
    """The environment of a shell after it evaluated the output of `env`."""
    found = subprocess.run(
        ["sh", "-c", f'{printed}\nexec "$0" -c "import json, os; print(json.dumps(dict(os.environ)))"', sys.executable],
        capture_output=True,
        text=True,
        check=True,
    )
    values: dict[str, str] = json.loads(found.stdout)
    return values


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A running sandbox that the session's tests share; each creates what it needs."""
    directory = tmp_path_factory.mktemp("cloud") / "sandbox"
    started = sandbox(directory, "start")
    assert started.returncode == 0, started.stderr
    try:
        yield RunningSandbox(variables=exported(sandbox(directory, "env").stdout))
    finally:
        sandbox(directory, "stop")
