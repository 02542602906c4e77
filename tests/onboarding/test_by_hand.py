"""The commands of docs/pulumi.md for a stack without the wizard and for removing one, run as they are printed.

Touches deployments of its own, and looks at the one that is set up once for ECS.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from tests.onboarding.deployment import ACCOUNT, ALIAS, PROJECT, Deployment


def commands(section: str, after: str) -> Iterator[str]:
    """The commands of the first console block that follows the words `after` in a section of docs/pulumi.md."""
    _, _, rest = (PROJECT / "docs" / "pulumi.md").read_text().partition(f"\n## {section}\n")
    assert rest, f"docs/pulumi.md has no section {section}"
    _, found, rest = rest.partition("\n## ")[0].partition(after)
    assert found, f"the section {section} does not say: {after}"
    block = rest.partition("```console\n")[2].partition("```")[0]
    assert block
    for line in block.splitlines():
        yield line.strip().removeprefix("$ ").partition("  #")[0].strip()


def typed(command: str) -> list[str]:
    """As a person would type it in the sandbox: its account, this interpreter, and yes to the one confirmation."""
    words = shlex.split(command.replace("111122223333", ACCOUNT))
    # The deployment's own script is on the PATH.
    words[0] = words[0].removeprefix(".venv/bin/")
    return [*words, "--yes"] if words[:2] in (["pulumi", "up"], ["pulumi", "destroy"], ["pulumi", "state"]) else words


def kinds(deployment: Deployment, stack: str) -> list[str]:
    """What a stack is made of: each resource's types, its parents' first, and its name."""
    return sorted(urn.split("::", 2)[2] for urn in deployment.urns(stack))


@pytest.mark.thorough
def test_a_stack_by_hand_is_the_wizards_and_its_push_completes_it(deployment: Deployment, on_ecs: Deployment):
    *by_hand, push = commands("A stack without the wizard", "deliver the data key:")
    assert push.startswith(".venv/bin/eonpro-kms push")
    assert {typed(command)[0] for command in by_hand} == {"pulumi"}
    for command in by_hand:
        deployment.run(typed(command))
    assert deployment.parameters() == {}
    wizards = [kind.replace("eonpro-kms-production", "eonpro-kms-staging") for kind in kinds(on_ecs, "production")]
    assert kinds(deployment, "staging") == wizards
    deployment.run(typed(push))
    prefix = "/eonpro/staging"
    parameters = deployment.parameters()
    [version] = [name for name in parameters if name.startswith(f"{prefix}/data-keys/")]
    variables = {f"{prefix}/{name}" for name in ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")}
    assert set(parameters) == {*variables, version}
    assert parameters[version] == parameters[f"{prefix}/ENCRYPTED_PHI_KEY"]
    assert parameters[f"{prefix}/AWS_KMS_KEY_ID"] == deployment.keys()[0]
    deployment.run(typed(".venv/bin/eonpro-kms verify --stack staging"))
    deployment.pulumi("preview", "--stack", "staging", "--expect-no-changes")


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_undone_as_the_readme_says_the_key_and_all_that_leads_to_it_are_still_there(deployment: Deployment):
    outputs, variables, before = deployment.outputs(), deployment.variables(), deployment.inventory()
    [command] = commands("Removing a stack", "each of these is retained:")
    deployment.forget_calls()
    unconfirmed = deployment.run(typed(command), expect=8)
    assert "--confirm production" in unconfirmed.output and deployment.changes() == {}
    deployment.run(typed(f"{command} --confirm production"))

    found = deployment.client("kms").describe_key(KeyId=ALIAS)["KeyMetadata"]
    assert (found["Arn"], found["KeyState"]) == (outputs["keyArn"], "Enabled")
    assert deployment.client("cloudtrail").get_trail_status(Name=outputs["trailArn"])["IsLogging"] is True
    after = deployment.inventory()
    stays = ("keys", "aliases", "trails", "buckets", "providers", "parameters", "secrets", "variables", "users")
    assert {kind: after[kind] for kind in stays} == {kind: before[kind] for kind in stays}
    assert len(deployment.stored_key_versions()) == 1 and deployment.variables() == variables
    goes = ("policies", "topics", "rules", "alarms", "stacks")
    assert {kind: after[kind] for kind in goes} == dict.fromkeys(goes, [])
    assert set(before["roles"]) - set(after["roles"]) == {"eonpro-app-role"}
