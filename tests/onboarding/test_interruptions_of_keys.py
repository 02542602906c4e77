"""Runs that end while a key is made, or while the data key is on its way: never a second key, never a lost one.

Touches deployments of its own. The moment of each end is a call that arrived and is held up, never a time.
"""

from __future__ import annotations

import pytest

from tests.onboarding.convergence import converges
from tests.onboarding.deployment import STORED_KEY, Deployment, until


@pytest.mark.thorough
@pytest.mark.parametrize("made", ["by AWS, and nobody hears of it", "never"])
def test_a_run_killed_while_it_asks_for_both_keys_converges(deployment: Deployment, made: str):
    seconds = 600 if made == "never" else 60
    deployment.fault(service="kms", operation="CreateKey", kind="hang", times=2, seconds=seconds)
    running = deployment.start("vercel")
    until(
        lambda: deployment.calls()["kms:CreateKey"] == 2, running, what="the requests for the PHI key and the logs' key"
    )
    running.kill_tree()
    assert deployment.all_keys() == []
    if made == "never":
        converges(deployment)
        return
    deployment.no_more_faults()
    until(lambda: deployment.keys() and deployment.log_keys(), what="the keys that nobody heard of")
    before = sorted(deployment.all_keys())
    converges(deployment, key=deployment.keys()[0])
    assert sorted(deployment.all_keys()) == before


@pytest.mark.thorough
def test_a_wizard_killed_alone_leaves_the_engine_at_work_and_the_next_run_converges(deployment: Deployment):
    deployment.fault(service="cloudtrail", operation="CreateTrail", kind="hang")
    running = deployment.start("vercel")
    until(lambda: deployment.calls()["cloudtrail:CreateTrail"], running, what="the trail's creation")
    running.kill_process()
    # The engine may go on or stumble over its closed output; nobody needs to care.
    deployment.no_more_faults()
    converges(deployment)


@pytest.mark.thorough
@pytest.mark.parametrize("moment", ["before the stored data key", "before the push"])
def test_a_run_killed_on_the_data_keys_way_converges(deployment: Deployment, moment: str):
    if moment == "before the stored data key":
        # The data key was made and is in nobody's hands but the dead run's.
        # The first is the claim of the environment.
        deployment.fault(service="ssm", operation="PutParameter", kind="hang", skip=1, seconds=600)
    else:
        deployment.vercel_fault(kind="timeout", method="POST", path="/env", seconds=600)
    running = deployment.start("vercel")
    if moment == "before the stored data key":
        until(lambda: deployment.calls()["ssm:PutParameter"] == 2, running, what="PutParameter")
    else:
        until(lambda: any("POST" in call for call in deployment.changes()), running, what="the push")
    running.kill_tree()
    stored_key = deployment.parameters().get(STORED_KEY)
    assert (stored_key is None) == (moment == "before the stored data key") and deployment.variables() == {}
    converges(deployment, key=deployment.keys()[0], stored_key=stored_key)
