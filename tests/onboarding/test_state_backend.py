"""The state in a bucket and its secrets under a key of KMS: the real engine against the sandbox's S3 and KMS.

Touches a deployment of its own, which is never set up, and the processes that it starts.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.onboarding.deployment import ACCOUNT, Deployment, running_deployment
from tests.wizard.fakes.clients import EXPORTING, OUTPUTS, settings
from wizard.aws import client as aws
from wizard.core.errors import SetupError, StalePlan, UsageError
from wizard.core.models.inputs import FILE_VARIABLE, VARIABLE
from wizard.core.models.stack import Progress
from wizard.core.state_backend import StateBackend, bucket_name, key_alias, resolve
from wizard.pulumi_engine import backend
from wizard.pulumi_engine.backend import StatePlaces
from wizard.pulumi_engine.engine import Engine

PROJECT = Path(__file__).resolve().parents[2]
STACK = "production"
REGION = "us-east-1"
KMS = f"awskms://{key_alias('eonpro')}?region={REGION}"


class Place:
    """A project without resources in the deployment, whose state goes to the account's own bucket."""

    def __init__(self, deployment: Deployment, folder: Path) -> None:
        self.deployment, self.folder = deployment, folder
        self.environ = {
            name: value
            for name, value in deployment.environment.items()
            if name not in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE")
        } | {"HOME": str(folder)}
        (folder / "Pulumi.yaml").write_text(json.dumps({"name": "eonpro-kms", "runtime": {"name": "python"}}))
        self.program(EXPORTING)

    def program(self, text: str) -> None:
        (self.folder / "__main__.py").write_text(text)

    @property
    def settings(self) -> Path:
        return self.folder / f"Pulumi.{STACK}.yaml"

    def state(self, *, key_found: bool, interactive: bool = True) -> StateBackend:
        """What the wizard would do when a person answers `s3`."""
        found = StatePlaces(self.folder, self.environ).circumstances(
            STACK, account=ACCOUNT, region=REGION, interactive=interactive
        )
        return resolve({"backend": "s3"}, replace(found, key_found=key_found))

    def engine(self, state: StateBackend, **more: str) -> Engine:
        environment = {**self.environ, **state.environment, **more}
        return Engine(
            self.folder, environment=environment, on_message=lambda line: None, secrets_provider=state.secrets_provider
        )


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment with the bucket for the state, and a key of KMS for its secrets."""
    with running_deployment(tmp_path_factory.mktemp("state")) as made:
        assert aws.connect(environ=made.environment).state_storage.make_state_bucket(
            bucket_name(ACCOUNT, REGION), "eonpro"
        )
        kms = made.client("kms")
        kms.create_alias(AliasName=key_alias("eonpro"), TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
        yield made


@pytest.fixture
def place(cloud: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A folder whose stack is taken out of the bucket again."""
    for name in ("PULUMI_BACKEND_URL", VARIABLE, FILE_VARIABLE, "PULUMI_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", cloud.environment["PATH"])
    yield Place(cloud, tmp_path)
    s3, bucket = cloud.client("s3"), bucket_name(ACCOUNT, REGION)
    for each in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
        s3.delete_object(Bucket=bucket, Key=each["Key"])


def quiet(progress: Progress) -> None:
    pass


def test_a_stack_lives_in_the_bucket_and_the_accounts_key_guards_its_secrets(place) -> None:
    state = place.state(key_found=True)
    engine = place.engine(state)
    assert engine.check_backend(STACK) == f"s3://{bucket_name(ACCOUNT, REGION)}"
    engine.prepare(STACK, settings())
    engine.preview(STACK)
    assert engine.up(STACK, quiet) == OUTPUTS
    assert yaml.safe_load(place.settings.read_text())["secretsprovider"] == KMS
    listed = place.deployment.client("s3").list_objects_v2(Bucket=bucket_name(ACCOUNT, REGION))["Contents"]
    assert f".pulumi/stacks/eonpro-kms/{STACK}.json" in [each["Key"] for each in listed]
    # Without a passphrase anywhere, and by the plain CLI.
    env = {**place.environ, **state.environment}
    gone: dict[str, str | None] = {"PULUMI_CONFIG_PASSPHRASE": None}
    completed = place.deployment.pulumi(
        "stack", "output", "--json", "--stack", STACK, folder=place.folder, env={**env, **gone}
    )
    assert completed.document["keyArn"] == OUTPUTS.key_arn


def test_a_passphrase_made_once_opens_the_stack_again_and_no_other_does(place) -> None:
    first = place.state(key_found=False)
    assert first.make_passphrase
    file = StatePlaces(place.folder, place.environ).make_passphrase(STACK)
    engine = place.engine(first, **{FILE_VARIABLE: file})
    engine.prepare(STACK, settings())
    engine.write_settings(STACK)
    again = place.state(key_found=False, interactive=False)
    assert again.environment[FILE_VARIABLE] == file
    assert (again.problems, again.secrets_provider) == ((), None)
    place.engine(again).check_backend(STACK)
    with pytest.raises(UsageError, match="does not open the stack"):
        place.engine(again, **{VARIABLE: "another"}).check_backend(STACK)


@pytest.mark.thorough
def test_a_lost_passphrase_is_replaced_by_the_commands_of_the_page(place) -> None:
    first = place.state(key_found=False)
    # As the provider has it of a bucket's lock: a secret that is empty.
    place.program(f"{EXPORTING}\nimport pulumi\npulumi.export('token', pulumi.Output.secret(''))\n")
    engine = place.engine(first, **{VARIABLE: "lost"})
    engine.prepare(STACK, settings())
    engine.preview(STACK)
    engine.up(STACK, quiet)
    _, _, section = (PROJECT / "docs/real-account.md").read_text(encoding="utf-8").partition("A lost passphrase")
    commands = re.findall(r"^\$ (.*)$", section.partition("\n## ")[0], re.MULTILINE)
    assert len(commands) == 5
    chosen = f"read() {{ {VARIABLE}=another; }}"
    done = subprocess.run(
        ["bash", "-ec", "\n".join((chosen, *commands[:-1]))],
        cwd=place.folder, env={**place.environ, **first.environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (commands[-1], list(place.folder.glob("state.json"))) == ("eonpro-kms", [])
    anew = place.engine(first, **{VARIABLE: "another"})
    anew.preview(STACK)
    assert anew.up(STACK, quiet) == OUTPUTS
    assert "encryptionsalt" in place.settings.read_text()


def test_a_bucket_that_is_not_there_is_told_with_the_answer_that_makes_one(place) -> None:
    state = place.state(key_found=True)
    engine = place.engine(state, PULUMI_BACKEND_URL="s3://nobody-made-this-one?region=us-east-1")
    with pytest.raises(SetupError, match="does not exist") as refused:
        engine.check_backend(STACK)
    assert "--backend s3" in refused.value.hint


def test_a_key_that_is_not_there_makes_no_stack(place) -> None:
    state = place.state(key_found=True)
    engine = Engine(
        place.folder,
        environment={**place.environ, **state.environment},
        on_message=lambda line: None,
        secrets_provider=f"awskms://alias/nobody-made-this-one?region={REGION}",
    )
    with pytest.raises(SetupError, match="the stack's secrets provider does not answer"):
        engine.prepare(STACK, settings())
    assert not engine.state(STACK).exists


def test_a_login_is_found_again_by_whoever_comes_later(place) -> None:
    state = place.state(key_found=True)
    home = str(place.folder / "pulumi-home")
    place.engine(state, PULUMI_HOME=home).login(state.url)
    found = backend.detect({"PULUMI_HOME": home}, place.folder)
    assert found is not None
    assert (found.url, found.source) == (state.url, "the login of the Pulumi CLI")


@pytest.mark.thorough
def test_an_update_does_only_what_its_preview_showed(place) -> None:
    engine = place.engine(place.state(key_found=True))
    engine.prepare(STACK, settings())
    engine.preview(STACK)
    place.program(EXPORTING + "pulumi.export('moved', 'something else')\n")
    with pytest.raises(StalePlan) as refused:
        engine.up(STACK, quiet)
    assert "outputs" in refused.value.message
    engine.preview(STACK)
    assert engine.up(STACK, quiet), "a plan that is looked at again is carried out"
