"""Two wizards at the same moment: one key, one data key, one of everything, and both runs end well.

Touches deployments of its own.
"""

from __future__ import annotations

import pytest

from tests.onboarding.deployment import Deployment, RunningCommand, until
from tests.onboarding.loaded import loaded_python
from wizard.core.safe_text import quoted

PUSH = ("push", "--no-redeploy", "--non-interactive")


@pytest.mark.thorough
@pytest.mark.parametrize("folders", ["the same folder", "two folders that share the state backend"])
def test_two_at_once_end_with_one_key_and_one_data_key(deployment: Deployment, folders: str):
    other = deployment.folder if folders == "the same folder" else deployment.another_folder("colleague")
    first, second = deployment.start("vercel", log="first"), deployment.start("vercel", folder=other, log="second")
    for run, folder in ((first, deployment.folder), (second, other)):
        # Where both plans were shown before the first was applied, the other one no longer holds.
        if run.wait():
            assert "another run has set up the stack production since" in " ".join(run.output.split()), run.output
            run = deployment.start("vercel", folder=folder, log="again")
        assert run.wait() == 0, run.output
    made = deployment.inventory()
    [key] = deployment.keys()
    assert len(deployment.log_keys()) == 1 and len(made["keys"]) == 2
    assert len(made["trails"]) == 1 and len(made["buckets"]) == 2
    assert deployment.calls()["kms:CreateKey"] == 2
    assert len(deployment.stored_key_versions()) == 1
    assert deployment.variables()["AWS_KMS_KEY_ID"]["value"] == key
    fingerprints = {
        word for told in (first.output, second.output) for word in told.split() if word.startswith("sha256:")
    }
    assert len({word.rstrip("),;:") for word in fingerprints}) == 1
    deployment.pulumi("preview", "--stack", "production", "--expect-no-changes")


@pytest.mark.onboarded("vercel")
def test_two_that_make_the_data_key_at_the_same_moment_keep_one(deployment: Deployment):
    # As if the run had ended before its data key: the stack is built; no stored data key, no version, no variables.
    deployment.client("ssm").delete_parameters(Names=[*deployment.parameters()])
    for variable in deployment.variables().values():
        deployment.vercel("DELETE", f"/v10/projects/eonpro/env/{variable['id']}")
    deployment.forget_calls()
    deployment.fault(service="ssm", operation="PutParameter", kind="hang", times=2)
    runs = [
        RunningCommand(
            [str(loaded_python()), "-m", "wizard", *PUSH],
            folder=deployment.another_folder(name),
            environment=deployment.environment,
            log=deployment.root / f"{name}.log",
        )
        for name in ("one", "two")
    ]
    until(lambda: deployment.calls()["ssm:PutParameter"] == 2, what="both wizards' hold on a data key of their own")
    deployment.no_more_faults()
    assert [run.wait() for run in runs] == [0, 0], "\n".join(run.output for run in runs)
    assert deployment.calls()["kms:GenerateDataKeyWithoutPlaintext"] == 2
    assert len(deployment.stored_key_versions()) == 1
    deployment.forget_calls()
    pushed = deployment.wizard(*PUSH, "--json").document
    assert [each["state"] for each in pushed["delivered"]] == ["unchanged"] and deployment.changes() == {}


@pytest.mark.thorough
def test_two_backends_at_once_end_with_one_stack_and_the_other_makes_nothing(deployment: Deployment):
    """No lock of Pulumi keeps two backends apart: the environment is claimed in the account."""
    backend = deployment.root / "other-state"
    backend.mkdir()
    deployment.fault(service="ssm", operation="PutParameter", kind="hang", times=2)
    runs = [
        deployment.start("vercel", log="one"),
        deployment.start(
            "vercel", folder=deployment.another_folder("two"), log="two", PULUMI_BACKEND_URL=f"file://{backend}"
        ),
    ]
    until(lambda: deployment.calls()["ssm:PutParameter"] == 2, what="both wizards' claims, each of an empty account")
    deployment.no_more_faults()
    codes = {run.wait(): run for run in runs}
    assert sorted(codes) == [0, 4], "\n".join(run.output for run in runs)
    words = " ".join(codes[4].output.split())
    assert f"belongs to another stack: {quoted('stack production, state in')[:-1]}" in words
    assert deployment.calls()["kms:CreateKey"] == 2 and len(deployment.keys()) == len(deployment.log_keys()) == 1
