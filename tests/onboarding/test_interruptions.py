"""Runs that are killed half-way, wherever: the same command is typed again, and it ends where it would have ended.

Touches deployments of its own. The moment of each end is a call that arrived and is held up, never a time.
"""

from __future__ import annotations

import pytest

from tests.onboarding.convergence import call_refused
from tests.onboarding.deployment import ACCOUNT, CALLER, Deployment, onboarding, until


@pytest.mark.thorough
def test_a_first_set_up_that_is_given_up_is_removed_with_what_nobody_heard_of(deployment: Deployment):
    deployment.fault(service="iam", operation="CreateRole", kind="hang", times=1)
    running = deployment.start("vercel")
    # The key, and what else nothing stands before, is in the state; the role is not.
    until(
        lambda: deployment.calls()["iam:CreateRole"] and deployment.calls()["sns:CreateTopic"], running, what="a role"
    )
    until(lambda: deployment.keys(), running, what="the key")
    running.kill_tree()
    deployment.no_more_faults()
    iam, topics = deployment.client("iam"), deployment.client("sns").list_topics

    def own_roles() -> list[str]:
        return [name for role in iam.list_roles()["Roles"] if (name := role["RoleName"]).startswith("eonpro-")]

    until(own_roles, what="the role that nobody heard of")
    deployment.wizard("destroy", "--stack", "production", "--confirm", "production", "--non-interactive")
    assert (own_roles(), topics()["Topics"]) == ([], [])
    assert len(deployment.keys()) == 1, "a key is never deleted by a stack"


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_a_second_run_does_not_end_well_without_the_key_policy_of_the_plan(deployment: Deployment) -> None:
    """The provider records the planned values of a step that fails: by the state alone nothing is left to do."""
    kms, key = deployment.client("kms"), deployment.keys()[0]
    second = deployment.client("iam").create_user(UserName="second")["User"]["Arn"]
    before = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    administrators = ("--administrators", f"caller,{second}")
    # The logs' key gets another policy too, in any order.
    call_refused(deployment, "vercel", "kms:PutKeyPolicy", *administrators, times=2)
    assert kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"] == before
    deployment.set_up("vercel", *administrators)
    assert second in kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_a_refused_refresh_names_the_action_its_resource_and_the_policy_that_has_it(deployment: Deployment) -> None:
    rule = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/eonpro-key-changes"
    why = f"because no identity-based policy allows the {TAGS} action"
    message = f"User: {CALLER} is not authorized to perform: {TAGS} on resource: {rule} {why}"
    service, _, operation = TAGS.partition(":")
    deployment.fault(service=service, operation=operation, error="AccessDeniedException", message=message, times=99)
    for command in (("preview",), ()):
        ended = deployment.wizard(*command, *onboarding("vercel"), expect=3)
        lines = ended.err.partition("✗")[2].splitlines()
        assert f"AWS refused {TAGS} on {rule} {why}" in ended.output and len(lines) < 12
        assert "eonpro-kms policy operator" in ended.output and "read its state" not in ended.output


TAGS = "events:ListTagsForResource"
