"""What it costs: before anything is there, and by what was really used.

Touches the deployment that is set up once, where it makes the application use the key; nothing is changed.
"""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest

from tests.day_two import in_this_process, the_application
from tests.onboarding.deployment import Deployment

DAY = 43_800 / 1440
"""Days of a month: a window that is shorter than a day counts as one."""


def used(deployment: Deployment, *arguments: str) -> dict[str, Any]:
    """What `cost --used` says of the use."""
    usage: dict[str, Any] = in_this_process.run(deployment, "cost", "--used", "--json", *arguments).document["used"]
    return usage


def use_the_key(deployment: Deployment, *, decrypts: int, data_keys: int) -> None:
    """As the application does."""
    variables = deployment.deployed()
    kms = deployment.client("kms", credentials=the_application.credentials(deployment))
    key, blob = variables["AWS_KMS_KEY_ID"], base64.b64decode(variables["ENCRYPTED_PHI_KEY"])
    for _ in range(decrypts):
        kms.decrypt(KeyId=key, CiphertextBlob=blob)
    for _ in range(data_keys):
        kms.generate_data_key(KeyId=key, KeySpec="AES_256")


def test_the_cost_is_told_before_there_is_an_account(on_vercel: Deployment) -> None:
    folder = on_vercel.another_folder("nothing-set-up")
    (folder / "Pulumi.production.yaml").unlink()
    away: dict[str, str | None] = dict.fromkeys(
        name for name in on_vercel.environment if name.startswith(("AWS_", "PULUMI_", "VERCEL_"))
    )
    pulumi = folder / "bin" / "pulumi"
    pulumi.parent.mkdir()
    pulumi.write_text(f"#!/bin/sh\ntouch '{folder}/started'\necho v3.259.0\n")
    pulumi.chmod(0o755)
    away["PATH"] = f"{pulumi.parent}{os.pathsep}{on_vercel.environment['PATH']}"
    on_vercel.forget_calls()

    document = on_vercel.wizard("cost", "--json", "--answers", "examples/vercel.yaml", folder=folder, env=away).document

    assert on_vercel.calls() == {} and not (folder / "started").exists(), "somebody was asked"
    assert document["estimate"]["monthly"] == 2.1791 and document["used"] is None
    assert [point["monthly"] for point in document["growth"]] == [2.1791, 4.1791, 6.1791]
    requests = next(each for each in document["estimate"]["drivers"] if each["driver"] == "requests")
    # Two instances that ask every five minutes, and 8,760 log files; 20,000 are free.
    assert (requests["quantity"], requests["monthly"]) == (17_520 + 8_760, 0.0188)


def test_what_was_used_is_what_was_called(on_vercel: Deployment) -> None:
    changed = on_vercel.changes()
    before = used(on_vercel)["counts"]
    assert on_vercel.changes() - changed == {}
    own = on_vercel.calls()
    use_the_key(on_vercel, decrypts=60, data_keys=5)
    calls = on_vercel.calls() - own

    usage = used(on_vercel)

    counts = usage["counts"]
    calls_on_key = calls["kms:Decrypt"] + calls["kms:GenerateDataKey"]
    assert counts["keyRequests"] - before["keyRequests"] == calls_on_key == 65
    # A reading asks KMS too: some of it before CloudWatch is asked, the rest, of the first reading, after.
    a_reading = sum(count for call, count in (on_vercel.calls() - own - calls).items() if call.startswith("kms:"))
    assert counts["kmsRequests"] - before["kmsRequests"] == calls_on_key + a_reading
    assert usage["assumptions"]["requests"] == round(counts["keyRequests"] * DAY)
    assert usage["assumptions"]["rotations"] == counts["rotations"] == 0
    assert counts["otherTrails"] == 0 and "trail-events" not in {each["driver"] for each in usage["drivers"]}
    assert usage["unknown"] == []
    assert counts["keyRequestsCutOff"] is False


@pytest.mark.thorough
def test_what_may_not_be_asked_is_unknown_and_never_nothing(on_vercel: Deployment) -> None:
    for service, operation in (("cloudtrail", "LookupEvents"), ("monitoring", "ListMetrics")):
        on_vercel.fault(service=service, operation=operation, error="AccessDenied", status=403, times=9)
    try:
        usage = used(on_vercel)
    finally:
        on_vercel.no_more_faults()
    counts, unknown = usage["counts"], {each["what"] for each in usage["unknown"]}
    assert (counts["keyRequests"], counts["kmsRequests"], counts["trailBytes"]) == (None, None, None)
    assert {"KMS requests", "audit logs, storage in S3", "KMS requests in the Region"} <= unknown
    assert {"requests", "log-storage"}.isdisjoint(each["driver"] for each in usage["drivers"])
