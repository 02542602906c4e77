"""The onboarding beside a trail that is there already: used and never touched, or refused where it records nothing.

Touches a deployment of its own, set up once, and one in which nothing is ever made by a set-up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.onboarding.deployment import ACCOUNT, Deployment
from tests.onboarding.shipped_schemas import next_step
from tests.onboarding.variant import OUTPUTS, Variant, no_secret_is_kept, nothing_is_left_to_change, onboarded

pytestmark = pytest.mark.thorough

SCRIPT = ("bash", "examples/manual-setup/trail.sh")
TRAIL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/company-trail"
BUCKET = f"company-trail-logs-{ACCOUNT}"


@pytest.fixture(scope="module")
def beside_a_trail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Variant]:
    """On Vercel, in an account that has a trail."""
    with onboarded(tmp_path_factory.mktemp("trail"), "existing-trail", "--trail", TRAIL, before=SCRIPT) as variant:
        yield variant


def test_it_ends_with_its_proof_and_a_second_run_changes_nothing(beside_a_trail: Variant) -> None:
    variant = beside_a_trail
    assert variant.proofs == [("vercel", "proved")]
    outputs = variant.deployment.outputs()
    assert set(outputs) == OUTPUTS and (outputs["trailArn"], outputs["trailBucket"]) == (TRAIL, BUCKET)
    nothing_is_left_to_change(variant)
    no_secret_is_kept(variant.deployment)


def test_no_trail_bucket_or_logs_key_is_made_and_the_alerts_watch_all_the_same(beside_a_trail: Variant) -> None:
    made = beside_a_trail.deployment.inventory()
    assert (made["trails"], made["buckets"], len(made["keys"])) == ([TRAIL], [BUCKET], 1)
    kinds = {kind.split(":")[1].split("/")[0] for kind in beside_a_trail.created if kind.startswith("aws:")}
    assert not {"s3", "cloudtrail"} & kinds and {"kms", "iam", "cloudwatch", "sns"} <= kinds
    assert len(made["rules"]) == 6 and len(made["topics"]) == 2 and len(made["alarms"]) == 1


def test_the_evidence_is_the_trails_that_is_there(beside_a_trail: Variant) -> None:
    item = next(item for item in beside_a_trail.document["checklist"] if item["title"] == "CloudTrail logging")
    assert item["state"] == "done" and "company-trail" in item["evidence"] and BUCKET in item["evidence"]


@contextmanager
def company_trail(deployment: Deployment, *faults: str) -> Iterator[None]:
    """The security team's trail, with faults; afterwards taken away."""
    deployment.run([*SCRIPT, *faults])
    try:
        yield
    finally:
        deployment.client("cloudtrail").delete_trail(Name=TRAIL)
        s3 = deployment.client("s3")
        for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
            s3.delete_object(Bucket=BUCKET, Key=each["Key"])
        s3.delete_bucket(Bucket=BUCKET)


def trail_of(deployment: Deployment) -> dict[str, Any]:
    """All that the trail and its bucket are, as their APIs tell."""
    trails, s3 = deployment.client("cloudtrail"), deployment.client("s3")
    told = {
        "trail": trails.get_trail(Name=TRAIL)["Trail"],
        "logging": trails.get_trail_status(Name=TRAIL)["IsLogging"],
        "selectors": trails.get_event_selectors(TrailName=TRAIL).get("EventSelectors"),
        "policy": s3.get_bucket_policy(Bucket=BUCKET)["Policy"],
        "versioning": s3.get_bucket_versioning(Bucket=BUCKET).get("Status"),
    }
    return told


def test_a_trail_that_does_not_record_the_key_is_refused_and_what_it_lacks_beside_that_is_told(
    bare: Deployment,
) -> None:
    answers = ("--stack", "watched", "--environment", "watched", "--answers", "examples/existing-trail.yaml")
    preview = ("preview", *answers, "--trail", TRAIL, "--json")
    with company_trail(bare, "--stopped", "--without-kms", "--not-validated", "--bare-bucket"):
        before = bare.inventory(), trail_of(bare)
        bare.forget_calls()
        document = bare.set_up("existing-trail", "--trail", TRAIL, "--json", expect=1).document
        assert bare.changes() == {} and (bare.inventory(), trail_of(bare)) == before
        assert [problem["what"] for problem in document["problems"]] == [
            f"the trail {TRAIL} does not record the use of the key: {why}"
            for why in ("it is stopped", "it does not record the events of KMS")
        ]
        assert all("--trail create" in next_step(problem) for problem in document["problems"])

        # Its owner mends what was fatal; the rest is told, and is the owner's.
        trails = bare.client("cloudtrail")
        trails.start_logging(Name=TRAIL)
        everything = {"ReadWriteType": "All", "IncludeManagementEvents": True}
        trails.put_event_selectors(TrailName=TRAIL, EventSelectors=[everything])
        fixed = trail_of(bare)
        bare.forget_calls()
        output = bare.wizard(*preview).output
        assert bare.changes() == {} and trail_of(bare) == fixed
    for lack in (
        "its log files cannot be validated",
        "its bucket does not block public access",
        "its bucket does not keep earlier versions",
        "its bucket allows plain HTTP",
    ):
        assert f"the trail company-trail is used as it is, and {lack}" in output, lack
