"""The policy pack in the real engine: what was built passes it, and a later hand that weakens it is stopped.

Touches the deployments that are set up once, which it only looks at, and one of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from botocore.exceptions import ClientError

from guardrails.rules import RULES, STACK_RULES
from tests.guardrails import any_type
from tests.guardrails.harms import Harm, with_account
from tests.guardrails.harms_by_meaning import ALL, HARMLESS
from tests.onboarding.deployment import ACCOUNT, CompletedCommand, Deployment, running_deployment

PACK = ("--policy-pack", "guardrails", "--stack", "production")

ON_EVERYTHING = """
change(
    "Key", "phi-key", {"protect": False}, enable_key_rotation=False, is_enabled=False, rotation_period_in_days=None,
    deletion_window_in_days=7, bypass_policy_lockout_safety_check=True, policy=also(
        Principal={"AWS": "*"}, Action="kms:Decrypt", Resource="*"
    ),
)
change("Role", "app-principal", assume_role_policy=also(Principal={"AWS": FOREIGN}, Action="sts:AssumeRole"))
change("BucketPublicAccessBlock", "audit-trail", block_public_policy=False)
change("BucketPolicy", "audit-trail", policy=edit(no_denials))
change("BucketVersioning", "audit-trail", versioning_configuration={"status": "Suspended"})
change("BucketServerSideEncryptionConfiguration", "audit-trail", rules=[{}])
change(
    "BucketLifecycleConfiguration", "audit-trail", rules=[{"id": "x", "status": "Enabled", "expiration": {"days": 30}}]
)
change(
    "BucketObjectLockConfiguration", "audit-trail", rule={"default_retention": {"mode": "GOVERNANCE", "days": 1}}
)
change("Trail", "audit-trail", is_multi_region_trail=False)
import components.alerts as _alerts
patch(_alerts, "alert_rules_of", lambda settings: ())
"""


def run_changed(deployment: Deployment, harm: Harm, *, number: int = 0) -> CompletedCommand:
    """A preview of a checkout whose program a later hand has changed, and whose settings are those of the harm."""
    folder = deployment.another_folder(f"harm-{number}")
    (folder / "__main__.py").write_text(harm.program())
    if harm.config:
        file = folder / "Pulumi.production.yaml"
        settings = yaml.safe_load(file.read_text())
        settings["config"] |= {
            f"eonpro-kms:{name}": with_account(value, ACCOUNT) for name, value in harm.config.items()
        }
        file.write_text(yaml.safe_dump(settings))
    deployment.forget_calls()
    return deployment.pulumi("preview", *PACK, folder=folder, expect=None)


@pytest.fixture(scope="module")
def unmade(onboarded: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A stack with the settings of the example, of which nothing is made yet: neither in the state nor in the cloud."""
    with running_deployment(tmp_path_factory.mktemp("unmade")) as deployment:
        onboarded.copy_settings(deployment.folder)
        any_type.install(Path(deployment.environment["PULUMI_HOME"]))
        deployment.pulumi("stack", "init", "production")
        yield deployment


def refused_by(command: CompletedCommand) -> set[str]:
    """The rules that stop a plan."""
    return set(re.findall(r"\[mandatory\] +([a-z-]+)", command.output))


@pytest.mark.thorough
@pytest.mark.parametrize("example", ["onboarded", pytest.param("on_ecs", marks=pytest.mark.thorough)])
def test_what_the_examples_build_passes_an_update_with_the_pack(example: str, request: pytest.FixtureRequest) -> None:
    deployment: Deployment = request.getfixturevalue(example)
    passed = deployment.pulumi("up", "--yes", "--expect-no-changes", *PACK)
    assert "eonpro-kms-guardrails" in passed.output and "mandatory" not in passed.output


def test_a_later_hand_on_everything_is_told_every_rule_and_changes_nothing(unmade: Deployment) -> None:
    more = 'aws.iam.AccessKey("more", user="eonpro-app-user")'
    refused = run_changed(unmade, Harm(name="everything", before=ON_EVERYTHING, after=more), number=1000)
    assert refused.code != 0
    assert refused_by(refused) == {*(rule.name for rule in RULES), *(rule.name for rule in STACK_RULES)}, refused.output
    assert "The stack has no EventRule alerts-key-changes, which its settings ask for" in refused.output
    assert unmade.changes() == {}


FEW = (
    "a foreign account decrypts, by the key policy",
    "the Object Lock taken out of the program",
    "an explicit provider that is another account's role",
)


@pytest.mark.parametrize(
    ("number", "harm"),
    [
        pytest.param(number, harm, id=harm.name, marks=() if harm.name in FEW else pytest.mark.thorough)
        for number, harm in enumerate(ALL)
        if harm.by_engine
    ],
)
def test_the_engine_refuses_a_harmful_change_before_anything_is_made(
    number: int, harm: Harm, unmade: Deployment, onboarded: Deployment
) -> None:
    deployment = onboarded if harm.is_known_later else unmade
    refused = run_changed(deployment, harm, number=number)
    # Of what exists, an ignored property stays as it was: then the option itself is what is refused.
    rules = {harm.rule, "listed-resources"} if "ignore_changes" in harm.before else {harm.rule}
    # A first preview knows only where the name of the bucket, or the ARN of the topic, comes from.
    rules |= {"required-resources"} if any(each in harm.after for each in ("trail.bucket_name", "topic_arn")) else set()
    assert refused.code != 0 and refused_by(refused) & rules, refused.output
    assert deployment.changes() == {}


@pytest.mark.parametrize(
    ("number", "change"),
    [
        pytest.param(number, change, id=change.name, marks=() if number == 0 else pytest.mark.thorough)
        for number, change in enumerate(HARMLESS)
        if change.by_engine
    ],
)
def test_the_engine_plans_a_harmless_change(
    number: int, change: Harm, unmade: Deployment, onboarded: Deployment
) -> None:
    deployment = onboarded if change.is_known_later else unmade
    planned = run_changed(deployment, change, number=2000 + number)
    assert planned.code == 0 and refused_by(planned) == set(), planned.output


@pytest.mark.thorough
def test_what_a_preview_cannot_know_is_said_and_refused_in_the_update(
    deployment: Deployment, onboarded: Deployment
) -> None:
    onboarded.copy_settings(deployment.folder)
    wider = 'change("Policy", "app-access", policy=also(Action="kms:*", Resource="*"))'
    folder = deployment.another_folder("widened")
    (folder / "__main__.py").write_text(Harm(name="wider", before=wider).program())
    deployment.pulumi("stack", "init", "production", folder=folder)

    planned = deployment.pulumi("preview", *PACK, folder=folder)
    assert "[advisory] listed-access " in planned.output and "can't be known during preview" in planned.output

    refused = deployment.pulumi("up", "--yes", "--skip-preview", *PACK, folder=folder, expect=None)
    assert refused.code != 0 and "[mandatory] listed-access " in refused.output
    iam = deployment.client("iam")
    assert iam.list_policies(Scope="Local")["Policies"] == []

    passed = deployment.pulumi("up", "--yes", "--skip-preview", *PACK)
    assert "mandatory" not in passed.output
    [made] = iam.list_policies(Scope="Local")["Policies"]
    version = iam.get_policy_version(PolicyArn=made["Arn"], VersionId=made["DefaultVersionId"])["PolicyVersion"]
    assert "kms:*" not in json.dumps(version["Document"])


@pytest.mark.thorough
def test_settings_of_a_bucket_by_a_computed_name_are_refused_before_the_call(
    deployment: Deployment, onboarded: Deployment
) -> None:
    onboarded.copy_settings(deployment.folder)
    s3 = deployment.client("s3")
    s3.create_bucket(Bucket="clinic-pulumi-state")
    readable = 'doc({"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::clinic-pulumi-state/*"})'
    theirs = (
        '_own = aws.s3.Bucket("more", bucket="team-files-2")\n'
        '_name = _own.id.apply(lambda _: "clinic-pulumi-state")\n'
        f'aws.s3.BucketPolicy("more", bucket=_name, policy={readable})'
    )
    folder = deployment.another_folder("computed")
    (folder / "__main__.py").write_text(Harm(name="computed", after=theirs).program())
    deployment.pulumi("stack", "init", "production", folder=folder)

    refused = deployment.pulumi("up", "--yes", "--skip-preview", *PACK, folder=folder, expect=None)
    assert refused.code != 0 and "its bucket is clinic-pulumi-state" in refused.output
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="clinic-pulumi-state")

    own = "\n".join(
        f'_own = aws.s3.Bucket("{name}"{named})\n'
        f'aws.s3.BucketVersioning("{name}", bucket=_own.id, versioning_configuration={{"status": "Suspended"}})'
        for name, named in (("named", ', bucket="team-files-3"'), ("prefix", ', bucket_prefix="team-"'), ("auto", ""))
    )
    (folder / "__main__.py").write_text(Harm(name="own", after=own).program())
    passed = deployment.pulumi("up", "--yes", "--skip-preview", *PACK, folder=folder)
    assert "mandatory" not in passed.output
    assert len([each for each in s3.list_buckets()["Buckets"] if "team-" in each["Name"]]) == 2
