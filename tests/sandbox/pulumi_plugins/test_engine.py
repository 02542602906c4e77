"""The real engine with the stand-in plug-ins: previews, updates, refreshes, imports and destruction.

It may touch what `engine_project` makes.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.pulumi_plugins.install import STANDIN, InstallError, install
from tests.onboarding.loaded import loaded_python
from tests.sandbox.pulumi_plugins.engine_project import (
    ACCOUNT,
    EngineSetup,
    Project,
    client,
    engine_setup,
)

__all__ = ["engine_setup"]

PROGRAM = """
import json
import pulumi
import pulumi_aws as aws

config = pulumi.Config()
account = aws.get_caller_identity().account_id
policy = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*", "Resource": "*"}]})
key = aws.kms.Key(
    "key",
    description="a key",
    policy=policy,
    enable_key_rotation=True,
    rotation_period_in_days=config.get_int("period") or 365,
    multi_region=config.get_bool("multiRegion") or False,
    tags={"Application": "EONPRO"},
    opts=pulumi.ResourceOptions(
        protect=config.get_bool("protect"), retain_on_delete=config.get_bool("retain")
    ),
)
alias = aws.kms.Alias("alias", name=config.get("alias") or "alias/engine", target_key_id=key.key_id)
role = aws.iam.Role(
    "role",
    name="engine",
    assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": []}),
)
access = aws.iam.Policy("access", name="engine", policy=key.arn.apply(lambda arn: json.dumps({
    "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": arn}]})))
aws.iam.RolePolicyAttachment("attachment", role=role.name, policy_arn=access.arn)
if config.get("adopt"):
    aws.kms.Key("adopted", description="found here", opts=pulumi.ResourceOptions(import_=config.get("adopt")))
if config.get_bool("nonsense"):
    class Raw(pulumi.CustomResource):
        pass
    Raw("aws:kms/key:Key", "raw", {"nonsense": 1})
pulumi.export("keyId", key.key_id)
"""

PACK = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy


def rotating(args, report):
    if args.resource_type == "aws:kms/key:Key" and args.props.get("rotationPeriodInDays") != 365:
        report("a key rotates once a year")


PolicyPack(
    name="rotation",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[ResourceValidationPolicy(name="rotation", description="Keys rotate.", validate=rotating)],
)
"""

CONFIG = {"aws:allowedAccountIds": [ACCOUNT]}


@pytest.fixture(scope="module")
def deployed(engine_setup: EngineSetup) -> Project:
    project = engine_setup.project("keys", PROGRAM, CONFIG)
    done = project.pulumi("up", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture
def project(deployed: Project) -> Iterator[Project]:
    """The deployed stack, its configuration as it was deployed."""
    deployed.configure(CONFIG)
    yield deployed


@pytest.mark.thorough
def test_what_was_built_is_there_and_needs_no_change(project: Project, moto_url: str) -> None:
    done = project.pulumi("preview", "--expect-no-changes")

    assert done.returncode == 0, done.stdout + done.stderr
    described = client(moto_url, "kms").describe_key(KeyId="alias/engine")["KeyMetadata"]
    assert described["KeyId"] == project.outputs()["keyId"]


def test_one_changed_input_is_one_update_of_one_property(project: Project) -> None:
    project.configure({**CONFIG, "period": 180})

    steps = project.steps()

    assert {name: step["op"] for name, step in steps.items()} == {"key": "update"}
    assert list(steps["key"]["detailedDiff"]) == ["rotationPeriodInDays"]


@pytest.mark.thorough
def test_an_input_that_cannot_change_replaces_the_key(project: Project) -> None:
    project.configure({**CONFIG, "multiRegion": True})

    step = project.steps()["key"]

    assert step["op"] in ("replace", "create-replacement")
    assert step["replaceReasons"] == ["multiRegion"]


def test_a_refresh_shows_drift_and_nothing_else(project: Project, moto_url: str) -> None:
    kms = client(moto_url, "kms")
    key = project.outputs()["keyId"]

    clean = project.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    kms.update_key_description(KeyId=key, Description="somebody was here")
    drifted = project.pulumi("preview", "--refresh", "--diff")
    kms.update_key_description(KeyId=key, Description="a key")

    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert drifted.returncode == 0, drifted.stdout + drifted.stderr
    assert '"somebody was here" => "a key"' in drifted.stdout
    assert "~ 1 to update" in drifted.stdout


def test_an_existing_key_is_adopted_without_replacing_it(project: Project, moto_url: str) -> None:
    existing_key = client(moto_url, "kms").create_key(Description="found here")["KeyMetadata"]["KeyId"]
    project.configure({**CONFIG, "adopt": existing_key})

    steps = project.steps()

    assert {name: step["op"] for name, step in steps.items()} == {"adopted": "import"}


def test_an_unknown_input_is_refused_before_anything_is_made(project: Project) -> None:
    project.configure({**CONFIG, "nonsense": True})

    done = project.pulumi("preview")

    assert done.returncode != 0
    assert "Invalid or unknown key. Examine values at 'raw.nonsense'" in done.stdout


def test_the_wrong_account_is_refused(project: Project) -> None:
    project.configure({"aws:allowedAccountIds": ["999999999999"]})

    done = project.pulumi("preview")

    assert done.returncode != 0
    assert f"AWS Account ID not allowed: {ACCOUNT}" in done.stdout + done.stderr


def test_a_refusal_of_aws_is_one_readable_line(project: Project, moto_url: str) -> None:
    kms = client(moto_url, "kms")
    key = project.outputs()["keyId"]
    kms.create_alias(AliasName="alias/taken", TargetKeyId=key)
    project.configure({**CONFIG, "alias": "alias/taken"})

    done = project.pulumi("up", "--yes", "--skip-preview")

    assert done.returncode != 0
    # The plug-in's words alone: the program's interpreter, which the engine ends, may print something of its own.
    told = done.stdout.partition("  aws:kms:Alias (alias):\n")[2].partition("\n\n")[0].splitlines()
    assert len(told) == 3, done.stdout
    for line in (told[0], told[2]):
        assert "creating KMS Alias (alias): operation error CreateAlias" in line
        assert "api error AlreadyExistsException" in line


@pytest.mark.thorough
def test_a_policy_pack_sees_the_inputs_and_fails_the_preview(project: Project, tmp_path: Path) -> None:
    (tmp_path / "PulumiPolicy.yaml").write_text("runtime: python\ndescription: rotation\n", encoding="utf-8")
    (tmp_path / "__main__.py").write_text(PACK, encoding="utf-8")
    project.configure({**CONFIG, "period": 180})

    done = project.pulumi("preview", "--policy-pack", str(tmp_path))

    assert done.returncode != 0
    assert "a key rotates once a year" in done.stdout


@pytest.mark.thorough
def test_destruction_spares_what_is_protected_and_what_is_retained(project: Project, moto_url: str) -> None:
    kms = client(moto_url, "kms")
    key = project.outputs()["keyId"]
    project.configure({**CONFIG, "protect": True, "retain": True})
    project.pulumi("up", "--yes", "--skip-preview").check_returncode()

    refused = project.pulumi("destroy", "--yes", "--skip-preview")
    still_there = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    project.pulumi("state", "unprotect", "--all", "--yes").check_returncode()
    done = project.pulumi("destroy", "--yes", "--skip-preview")

    assert refused.returncode != 0
    assert "protected" in refused.stdout
    assert still_there == "Enabled"
    assert done.returncode == 0, done.stdout + done.stderr
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    assert not [alias for alias in kms.list_aliases()["Aliases"] if alias["AliasName"] == "alias/engine"]


def test_installing_again_changes_nothing_and_spares_an_official_host(
    engine_setup: EngineSetup, tmp_path: Path
) -> None:
    home, bin_directory = engine_setup.directory / "home", tmp_path / "bin"
    bin_directory.mkdir()
    official = bin_directory / "pulumi-language-python"
    official.write_bytes(b"\x7fELF\xff\xfe")
    before = {path: path.stat().st_mtime_ns for path in home.rglob("pulumi-resource-aws")}

    install(bin_directory / "pulumi", home, loaded_python(), choice=STANDIN)

    assert official.read_bytes() == b"\x7fELF\xff\xfe"
    assert before
    assert {path: path.stat().st_mtime_ns for path in home.rglob("pulumi-resource-aws")} == before


def test_two_checkouts_that_install_at_once_each_get_their_own_provider(tmp_path: Path, monkeypatch) -> None:
    homes = {name: tmp_path / name / "home" for name in "ab"}
    for name in homes:
        (tmp_path / name / "lib/python3.12/site-packages/pulumi_aws-7.0.0.dist-info").mkdir(parents=True)
    others = ["b"]

    def engine(command: list[str], *, env: dict[str, str], **_: object) -> subprocess.CompletedProcess[str]:
        for other in (others.pop() for _ in tuple(others)):  # before it copies the file
            install(tmp_path / "pulumi", homes[other], tmp_path / other / "bin" / "python", choice=STANDIN)
        installed = Path(env["PULUMI_HOME"], "plugins", "resource-aws-v7.0.0", "pulumi-resource-aws")
        installed.parent.mkdir(parents=True)
        shutil.copy(command[-1], installed)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", engine)
    install(tmp_path / "pulumi", homes["a"], tmp_path / "a" / "bin" / "python", choice=STANDIN)
    for name, home in homes.items():
        (provider,) = home.rglob("pulumi-resource-aws")
        assert f"exec {tmp_path}/{name}/bin/python" in provider.read_text(encoding="utf-8")


def test_another_provider_is_never_overwritten(engine_setup: EngineSetup, tmp_path: Path) -> None:
    (wrapper,) = (engine_setup.directory / "home").rglob("pulumi-resource-aws")
    real = tmp_path / "plugins" / wrapper.parent.name / wrapper.name
    real.parent.mkdir(parents=True)
    real.write_bytes(b"\x7fELF\xff\xfe")

    with pytest.raises(InstallError, match="not the sandbox's provider"):
        install(engine_setup.directory / "bin" / "pulumi", tmp_path, loaded_python())

    assert real.read_bytes() == b"\x7fELF\xff\xfe"


def test_the_provider_serves_from_any_directory_and_leaves_quietly(engine_setup: EngineSetup, tmp_path: Path) -> None:
    (wrapper,) = (engine_setup.directory / "home").rglob("pulumi-resource-aws")
    # A neighbour of the program that is called like a module of the standard library is none of its business.
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')", encoding="utf-8")
    child = subprocess.Popen(
        [str(wrapper), "127.0.0.1:1"],
        cwd=tmp_path,
        env=engine_setup.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None

    port = child.stdout.readline()
    child.send_signal(2)
    rest, complaints = child.communicate(timeout=10)

    assert port.strip().isdigit()
    assert (child.returncode, rest, complaints) == (0, "", "")
