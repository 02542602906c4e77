"""How often each command asks AWS and Vercel: on a real account a person waits a tenth of a second for each answer.

Touches a deployment of its own.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.onboarding.deployment import Deployment

REQUESTS = {
    "status": (11, 4),
    "verify": (18, 4),
    "doctor --quick": (45, 6),
    "push --no-redeploy": (9, 9),
    "review": (11, 1),
    "report": (65, 6),
}
"""Of AWS and of Vercel, at most. More of them is a decision: look first whether the run has the answer already.

Without the pages of the event history, which grow with it.
"""
HISTORY = "cloudtrail:LookupEvents"


def asked(deployment: Deployment, command: str) -> tuple[Counter[str], Counter[str]]:
    """The requests of a command to AWS, and to Vercel."""
    deployment.forget_calls()
    deployment.wizard(*command.split(), "--json", expect=None)
    of_aws = deployment.calls()
    del of_aws[HISTORY]
    return of_aws, deployment.vercel_calls()


@pytest.mark.onboarded("vercel")
def test_no_command_waits_for_more_answers_than_it_did(deployment: Deployment):
    counted = {command: asked(deployment, command) for command in REQUESTS}
    more = {
        command: counts
        for command, counts in counted.items()
        if any(sum(count.values()) > most for count, most in zip(counts, REQUESTS[command], strict=True))
    }
    assert more == {}, "\n".join(
        f"{command}: {sum(of_aws.values())} of AWS, {dict(of_aws)}" for command, (of_aws, _) in more.items()
    )
    # Each of these is another alias, Region, rule or name: the same question is not sent again.
    of_a_report = counted["report"][0]
    once = ("iam:GetAccountAuthorizationDetails", "kms:GetKeyPolicy", "kms:ListGrants", "s3:GetBucketPolicy")
    assert [of_a_report[call] for call in once] == [1] * len(once)
