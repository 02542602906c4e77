"""Another application than the guide's: all that is made, told and printed of it has its name, and no other's.

Touches a deployment of its own, in which the application `clinic` is set up, and another that it is imported into.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.day_two.doctor_fixture import fixed
from tests.onboarding.deployment import Deployment, onboarding, running_deployment

# The name is one setting, which tests/components/settings and each document's own tests vary.
pytestmark = pytest.mark.thorough

THE_TOOLS = re.compile(
    # Its own name, its tags, the session of its proof, and its environment here.
    r"eonpro-kms|eonpro_kms|eonpro:[a-z-]+|eonpro-proof|eonpro-sandbox|"
    # The team and the project that the sandbox has on Vercel, with the addresses of its deployments.
    r"vercel\.com/eonpro|owner:eonpro:project:eonpro|team eonpro|project eonpro(?:/eonpro)?|eonpro/eonpro|"
    r'eonpro-\w+-sandbox|"eonpro"|`eonpro`'
)
OTHERS = ("--stack", "eonpro-production", "--environment", "production")


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with running_deployment(tmp_path_factory.mktemp("clinic")) as deployment:
        deployment.set_up("vercel", "--application", "clinic")
        yield deployment


def named_otherwise(text: str) -> list[str]:
    """The lines of a text that name the guide's application."""
    return [line for line in THE_TOOLS.sub("", text).splitlines() if "eonpro" in line.lower()]


def unchanged(deployment: Deployment, stack: str, **where: Any) -> None:
    """The engine finds nothing to change, and the guardrails nothing to refuse."""
    deployment.pulumi("preview", "--stack", stack, "--expect-no-changes", "--policy-pack", "guardrails", **where)


def account(deployment: Deployment) -> str:
    """What AWS has of every resource: names, descriptions, tags, policies."""
    kms, ssm, s3, sns, events = (deployment.client(each) for each in ("kms", "ssm", "s3", "sns", "events"))
    found: list[Any] = [
        deployment.client("iam").get_account_authorization_details(Filter=["Role", "User", "LocalManagedPolicy"]),
        kms.list_aliases()["Aliases"],
        deployment.client("cloudtrail").describe_trails()["trailList"],
        deployment.client("cloudwatch").describe_alarms()["MetricAlarms"],
        ssm.describe_parameters()["Parameters"],
    ]
    for arn in deployment.all_keys():
        found += [kms.describe_key(KeyId=arn), kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]]
        found += [kms.list_resource_tags(KeyId=arn)["Tags"]]
    for bucket in s3.list_buckets()["Buckets"]:
        found += [bucket["Name"], s3.get_bucket_policy(Bucket=bucket["Name"])["Policy"]]
    for topic in sns.list_topics()["Topics"]:
        found += [sns.get_topic_attributes(TopicArn=topic["TopicArn"])["Attributes"]]
    for rule in events.list_rules()["Rules"]:
        found += [rule, events.list_targets_by_rule(Rule=rule["Name"])["Targets"]]
    return "\n".join(json.dumps(each, default=str, indent=0) for each in found)


def test_nothing_in_the_account_and_on_no_page_has_the_guides_name(clinic: Deployment) -> None:
    unchanged(clinic, "production")
    clinic.wizard("push", "--redeploy", "--yes", "--json")
    assert clinic.wizard("doctor", "--json").document["findings"] == []
    clinic.wizard("review", "--all", expect=1)
    folder = clinic.root / "report"
    clinic.wizard("report", "--out", str(folder), expect=None)
    pages = {page.name: page.read_text() for page in folder.iterdir()}
    assert {name: named_otherwise(text) for name, text in pages.items()} == {name: [] for name in pages}
    assert "clinic · encryption of health data" in pages["report.html"]
    assert named_otherwise(account(clinic)) == []
    printed = [clinic.wizard("policy", each).out for each in ("operator", "auditor", "promotion", "boundary")]
    assert named_otherwise("\n".join((*clinic.printed, *printed)).replace("EONPRO KMS · ", "")) == []


def test_a_built_stack_keeps_its_application(clinic: Deployment) -> None:
    clinic.pulumi("config", "set", "--stack", "production", "eonpro-kms:application", "eonpro")
    clinic.forget_calls()
    refused = clinic.pulumi("up", "--skip-preview", "--yes", "--stack", "production", expect=None)
    assert refused.code != 0 and "pulumi config set --stack production eonpro-kms:application clinic" in refused.output
    for command in (("push",), ("verify",), ("destroy", "--confirm", "production"), ("setup",)):
        told = clinic.wizard(*command, expect=2).output
        assert "pulumi config set eonpro-kms:application clinic --stack production" in told, command
    assert clinic.changes() == {}
    fixed(clinic, "names-of-settings")
    unchanged(clinic, "production")


@pytest.mark.needs("curl")
def test_what_was_made_by_hand_is_imported_and_another_application_has_nothing_in_common(
    deployment: Deployment,
) -> None:
    script = ["bash", "examples/manual-setup/guide.sh"]
    deployment.run(script, env={"GUIDE_APPLICATION": "clinic", "GUIDE_PAUSE_SECONDS": "0"})
    given = deployment.deployed()["ENCRYPTED_PHI_KEY"]
    imported = ("--answers", "examples/imported.yaml", "--application", "clinic", "--adopt", "--yes")
    report = deployment.wizard(*imported, "--json").document
    assert (report["ok"], report["settings"]["application"]) == (True, "clinic")
    assert deployment.deployed()["ENCRYPTED_PHI_KEY"] == given
    unchanged(deployment, "production")
    assert named_otherwise(account(deployment)) == []
    # The second has a folder of its own and the same state.
    folder, before = deployment.another_folder("second"), deployment.inventory()
    (folder / "Pulumi.production.yaml").unlink()
    second = (*onboarding("ecs"), "--json")
    [problem] = deployment.wizard(*second, folder=folder, expect=2).document["problems"]
    assert "it is of another application" in problem["what"]
    assert " ".join(OTHERS) in problem["next"]["command"]
    assert deployment.inventory() == before
    deployment.wizard(*second, *OTHERS, folder=folder)
    unchanged(deployment, "production")
    deployment.wizard("destroy", "--confirm", "production")
    unchanged(deployment, OTHERS[1], folder=folder)
