"""The fixture: a cloud of its own, the calls that fill it as the previous version did, and the state of its stacks.

It may start and end one sandbox, and write to the folders that it is given. It reaches the sandbox through its
documented commands and variables, through AWS and Vercel calls, and through moto's documented `/moto-api/seed`.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
BASES: Mapping[str, str] = {"ecs": "vercel"}
"""A folder whose stack is an earlier one's, with more in it: resources that did not change are in the earlier state."""

SAME = "<input>"
"""In a state, an output that has the value of the input of its name."""

START_SECONDS = 60.0
_STEERING = ("AWS_", "VERCEL_", "PULUMI_", "EONPRO_")


@contextmanager
def running_cloud(root: Path) -> Iterator[dict[str, str]]:
    """An empty sandbox in the directory `root`; the environment of a shell that works with it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "EONPRO_ENGINE" or not name.upper().startswith(_STEERING)
    }
    base = kept | {"EONPRO_SANDBOX_DIR": str(root)}

    def sandbox(command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "sandbox", command], cwd=PROJECT, env=base, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    ready, tell = os.pipe()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.previous_version.server", str(root), str(tell)],
        cwd=PROJECT,
        env=base | {"AWS_EC2_METADATA_DISABLED": "true"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(tell,),
    )
    os.close(tell)
    try:
        assert select.select([ready], [], [], START_SECONDS)[0] and os.read(ready, 1), "the sandbox did not start"
        # It finds the server there, and installs the plug-ins.
        sandbox("start")
        words = [shlex.split(line) for line in sandbox("env").splitlines() if line.startswith("export ")]
        yield base | dict(word[1].partition("=")[::2] for word in words)
        sandbox("stop")
    finally:
        os.close(ready)
        server.kill()
        server.wait()


def request(method: str, url: str, body: object = None, token: str = "") -> bytes:
    """The answer of an address of the sandbox's."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} if token else {}
    data = None if body is None else json.dumps(body).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, method=method, data=data, headers=headers), timeout=20) as answer:
        found: bytes = answer.read()
        return found


class Account:
    """The AWS account and the Vercel team of one sandbox, as its operator."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.client = cache(self._client)

    def _client(self, service: str, region: str = "us-east-1") -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self._environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=self._environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._environment["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20, proxies={}),
        )

    def vercel(self, method: str, path: str, body: object = None) -> Any:
        """The answer of the Vercel API; `path` has its query."""
        url = f"{self._environment['VERCEL_API_URL']}{path}"
        return json.loads(request(method, url, body, self._environment["VERCEL_TOKEN"]))

    def replay(self, folder: str) -> None:
        """Make the recorded calls of a folder, in their order."""
        for call in calls(folder):
            if call["service"] == "vercel":
                self.vercel(call["operation"], call["path"], call["parameters"])
                continue
            request("POST", f"{self._environment['AWS_ENDPOINT_URL']}/moto-api/seed?a={call['seed']}")
            client = self.client(call["service"], call["region"])
            method = next(name for name, api in client.meta.method_to_api_mapping.items() if api == call["operation"])
            getattr(client, method)(**call["parameters"])


def calls(folder: str) -> list[dict[str, Any]]:
    """The calls that changed something, in their order."""
    return [json.loads(line) for line in (HERE / folder / "calls.jsonl").read_text().splitlines()]


def state(folder: str) -> dict[str, Any]:
    """The stack's state, as `pulumi stack import` takes it."""
    found: dict[str, Any] = json.loads((HERE / folder / "state.json").read_text())
    base = {each["urn"]: each for each in state(BASES[folder])["deployment"]["resources"]} if folder in BASES else {}
    deployment = found["deployment"]
    deployment["resources"] = [
        base[each] if isinstance(each, str) else _with_outputs(each) for each in deployment["resources"]
    ]
    return found


def _with_outputs(resource: dict[str, Any]) -> dict[str, Any]:
    outputs, inputs = resource.get("outputs", {}), resource.get("inputs", {})
    whole = {name: inputs[name] if value == SAME else value for name, value in outputs.items()}
    return resource | ({"outputs": whole} if outputs else {})
