"""Stacks that the previous version made: today's code updates them without a replacement, and finds their data key.

Touches one sandbox, filled from the fixture beside this file, and a copy of the product in a temporary folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.onboarding.deployment import plugins
from tests.onboarding.loaded import loaded_python
from tests.previous_version.fixture import BASES, HERE, PROJECT, Account, running_cloud, state
from tests.selection import first

REGIONS = ("us-east-1", "us-west-2")
STACKS = {"vercel": "production", "ecs": "production", "staging": "staging"}
"""The folders of the fixture in their order: on Vercel; on ECS too, with another data key since; nearly all options."""

HARMLESS = {"same", "read", "create", "update"}
"""What a preview may plan for a stack of the previous version; a replacement or a deletion has another name."""

TIMEOUT_SECONDS = 60.0


@dataclass(kw_only=True)
class Cloud:
    """One sandbox, and the folder of a person who works with it."""

    folder: Path
    environment: Mapping[str, str]
    account: Account
    loaded: list[str] = field(default_factory=list)

    def run(self, *command: str, **env: str) -> str:
        """What a command writes to its standard output; it has to end with exit code 0."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def load(self, folder: str, stack: str) -> None:
        """Fill the account and the state of a stack as a folder of the fixture has them, once."""
        if folder in self.loaded:
            return
        if folder in BASES:
            self.load(BASES[folder], stack)
        self.account.replay(folder)
        settings = f"Pulumi.{stack}.yaml"
        is_new = not (self.folder / settings).exists()
        shutil.copy(HERE / folder / settings, self.folder)
        if is_new:
            self.run("pulumi", "stack", "init", stack, "--non-interactive")
        exported = self.folder.with_name(f"{folder}.json")
        exported.write_text(json.dumps(state(folder)))
        self.run("pulumi", "stack", "import", "--stack", stack, "--file", str(exported), "--non-interactive")
        self.loaded.append(folder)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack of the previous version, ready to be worked with by today's code."""

    cloud: Cloud
    name: str
    folder: str

    def wizard(self, *arguments: str) -> str:
        """What `python -m wizard ARGUMENTS` writes to its standard output."""
        role = self.cloud.environment["EONPRO_APP_CONTAINER_CREDENTIALS_URI"]
        # A task has the role of its environment.
        role += "" if self.name == "production" else f"-{self.name}"
        command = (str(loaded_python()), "-m", "wizard", *arguments, "--stack", self.name, "--non-interactive")
        return self.cloud.run(*command, EONPRO_APP_CONTAINER_CREDENTIALS_URI=role)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the stored data key, from the tag that the previous version gave it."""
        account, name = self.cloud.account, f"/eonpro/{self.name}/ENCRYPTED_PHI_KEY"
        if self.name == "production":
            tags = account.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
        else:
            tags = account.client("secretsmanager").describe_secret(SecretId=name)["Tags"]
        return str(next(tag["Value"] for tag in tags if tag["Key"] == "eonpro:fingerprint"))


def keys_and_values(cloud: Cloud) -> dict[str, Any]:
    """All KMS keys, every version of every stored value, and all variables on Vercel."""
    account = cloud.account
    found: dict[str, Any] = {}
    for region in REGIONS:
        found[f"keys in {region}"] = [key["KeyArn"] for key in account.client("kms", region).list_keys()["Keys"]]
        ssm, manager = account.client("ssm", region), account.client("secretsmanager", region)
        for each in ssm.get_parameters_by_path(Path="/eonpro", Recursive=True)["Parameters"]:
            history = ssm.get_parameter_history(Name=each["Name"], WithDecryption=True)["Parameters"]
            found[f"{region} {each['Name']}"] = [version["Value"] for version in history]
        for each in manager.list_secrets()["SecretList"]:
            value = manager.get_secret_value(SecretId=each["Name"])["SecretString"]
            found[f"{region} {each['Name']}"] = (value, sorted(each["SecretVersionsToStages"]))
    for project in account.vercel("GET", "/v10/projects?slug=eonpro")["projects"]:
        for each in account.vercel("GET", f"/v10/projects/{project['id']}/env?slug=eonpro")["envs"]:
            variable = account.vercel("GET", f"/v10/projects/{project['id']}/env/{each['id']}?slug=eonpro")
            found[f"{project['name']} {each['key']}"] = (variable["value"], each["updatedAt"])
    return found


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    root = tmp_path_factory.mktemp("previous-version")
    ignored = shutil.ignore_patterns(".*", "tests", "Pulumi.*.yaml")
    shutil.copytree(PROJECT, root / "project", ignore=ignored)
    with running_cloud(root / "sandbox") as environment:
        if sys.platform == "linux":
            engine, home = plugins()
            shutil.copytree(home, environment["PULUMI_HOME"], dirs_exist_ok=True)
            environment["PATH"] = f"{engine.parent}{os.pathsep}{environment['PATH']}"
        yield Cloud(folder=root / "project", environment=environment, account=Account(environment))


@pytest.fixture(scope="module", params=first(1, ("vercel", "ecs", "staging")))
def stack(request: pytest.FixtureRequest, cloud: Cloud) -> Stack:
    cloud.load(request.param, STACKS[request.param])
    return Stack(cloud=cloud, name=STACKS[request.param], folder=request.param)


def test_the_engine_replaces_nothing_and_deletes_nothing(stack: Stack) -> None:
    planned = json.loads(stack.cloud.run("pulumi", "preview", "--stack", stack.name, "--json", "--non-interactive"))
    assert {step["urn"]: step["op"] for step in planned["steps"] if step["op"] not in HARMLESS} == {}
    types = [each["type"] for each in state(stack.folder)["deployment"]["resources"]]
    stays = len([each for each in types if not each.startswith("pulumi:providers:")])
    assert planned["changeSummary"]["same"] + planned["changeSummary"].get("update", 0) == stays


@pytest.mark.thorough
def test_the_wizard_finds_the_stored_data_key_and_makes_no_other(stack: Stack) -> None:
    before, fingerprint = keys_and_values(stack.cloud), stack.fingerprint
    # The next calls of the fixture are made on top of the first stack, so that nothing may be changed in it.
    command = ("verify",) if stack.folder == "vercel" else ("setup", "--yes")
    completed = stack.wizard(*command, "--json")
    # The application opened it, where its credentials can be had from here.
    assert {"proved"} <= {proof["state"] for proof in json.loads(completed)["proofs"]} <= {"proved", "simulated"}
    assert command == ("verify",) or fingerprint in completed
    assert keys_and_values(stack.cloud) == before and stack.fingerprint == fingerprint


@pytest.mark.thorough
def test_the_status_and_the_reports_name_the_stored_data_keys(cloud: Cloud, tmp_path: Path) -> None:
    for folder, name in STACKS.items():
        cloud.load(folder, name)
    status = cloud.run(str(loaded_python()), "-m", "wizard", "status", "--all", "--json")
    for folder in ("ecs", "staging"):
        stack = Stack(cloud=cloud, name=STACKS[folder], folder=folder)
        assert stack.fingerprint in status
        stack.wizard("report", "--out", str(tmp_path / folder))
        written = [path.read_text() for path in (tmp_path / folder).rglob("*") if path.is_file()]
        assert written and all(stack.fingerprint in text for text in written)
