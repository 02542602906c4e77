"""What a run that ended half-way has to come to, when the same command is typed again.

Touches the deployment it is given.
"""

from __future__ import annotations

from tests.onboarding.deployment import ACCESS_LOG_BUCKET, BUCKET, Deployment


def converges(deployment: Deployment, *, key: str | None = None, stored_key: str | None = None) -> None:
    """Type the same command again: one key, one data key, one of everything, and nothing left to change."""
    deployment.set_up("vercel")
    made = deployment.inventory()
    assert len(deployment.keys()) == 1 and key in (None, *deployment.keys())
    assert len(deployment.stored_key_versions()) == 1 and stored_key in (None, *deployment.stored_key_versions())
    assert deployment.variables()["AWS_KMS_KEY_ID"]["value"] == deployment.keys()[0] == deployment.outputs()["keyArn"]
    assert len(deployment.log_keys()) == 1 and len(deployment.all_keys()) == 2
    assert sorted(made["buckets"]) == sorted((BUCKET, ACCESS_LOG_BUCKET))
    for kind in ("trails", "providers"):
        assert len(made[kind]) == 1, kind
    deployment.pulumi("preview", "--stack", "production", "--expect-no-changes")
    assert not deployment.state().get("pending_operations")
