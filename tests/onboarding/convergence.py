"""What a run that ended half-way has to come to, when the same command is typed again.

Touches the clinic it is given.
"""

from __future__ import annotations

from tests.onboarding.clinic import ACCESS_LOG_BUCKET, BUCKET, Clinic


def converges(clinic: Clinic, *, key: str | None = None, escrowed: str | None = None) -> None:
    """Type the same command again: one key, one data key, one of everything, and nothing left to change."""
    clinic.set_up("vercel")
    made = clinic.inventory()
    assert len(clinic.keys()) == 1 and key in (None, *clinic.keys())
    assert len(clinic.escrow_versions()) == 1 and escrowed in (None, *clinic.escrow_versions())
    assert clinic.variables()["AWS_KMS_KEY_ID"]["value"] == clinic.keys()[0] == clinic.outputs()["keyArn"]
    assert len(clinic.log_keys()) == 1 and len(clinic.all_keys()) == 2
    assert sorted(made["buckets"]) == sorted((BUCKET, ACCESS_LOG_BUCKET))
    for kind in ("trails", "providers"):
        assert len(made[kind]) == 1, kind
    clinic.pulumi("preview", "--stack", "production", "--expect-no-changes")
    exported = clinic.pulumi("stack", "export", "--stack", "production").document["deployment"]
    assert not exported.get("pending_operations")
