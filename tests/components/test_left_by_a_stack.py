"""What an earlier stack left in the account is taken in by its id, each thing by the resource that made it."""

from __future__ import annotations

from typing import Any

import pytest

from components.settings import ResourceKind
from tests.components.configurations import ACCOUNT, ADOPTED, BOTH, IAM, USER

READS = f"eonpro-access-logs-{ACCOUNT}-us-east-1"
LEFT = {
    "logs-key": "2345abcd-12ab-34cd-56ef-1234567890ab",
    "logs-key-alias": "alias/eonpro-audit-key",
    "documents-key": "3456abcd-12ab-34cd-56ef-1234567890ab",
    "documents-key-alias": "alias/eonpro-documents-key",
    "access-log-bucket": READS,
    "access-log-bucket-policy": READS,
    "access-log-bucket-versioning": READS,
    "access-log-bucket-encryption": READS,
    "access-log-bucket-public-access": READS,
    "access-log-bucket-ownership": READS,
    "access-log-bucket-lifecycle": READS,
    "application-user": "eonpro-app-user",
    "execution-role": "eonpro-execution-role",
    "secrets-role": "eonpro-secrets-role",
    "variables-policy": f"{IAM}:policy/EONPROParameterAccess",
    "alert-topic": f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-alerts",
    "fallback-topic": f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-fallback-alerts",
    "log-group": "/aws/cloudtrail/eonpro-audit-trail",
    "log-role": "eonpro-trail-logs-role",
}
EVERYTHING = {
    **BOTH,
    **USER,
    "deployTargets": ["ecs", "eks", "vercel"],
    "eksCluster": "clinic",
    "cloudwatchLogs": True,
    "documentBuckets": ["clinic-documents"],
    "documentsKey": True,
    "adopted": [f"{thing}={id_}" for thing, id_ in LEFT.items()],
}


@pytest.fixture(scope="module")
def taken_in(run_program: Any) -> dict[str, tuple[str, str]]:
    """Import id and URN's type of each resource that is imported."""
    resources = run_program(**EVERYTHING).resources
    return {one.urn: (one.type, one.imported) for one in resources if one.imported}


def test_each_thing_is_imported_once(taken_in: dict[str, tuple[str, str]]) -> None:
    assert sorted(id_ for _, id_ in taken_in.values()) == sorted(LEFT.values())
    assert len({type_ for type_, _ in taken_in.values()}) == 14, (
        "roles are three, topics two, and everything else is one of a type"
    )


def test_there_is_no_thing_that_no_resource_takes_in() -> None:
    by_hand = {adopted.partition("=")[0] for adopted in ADOPTED["adopted"]}
    assert by_hand | set(LEFT) == set(ResourceKind) and not by_hand & set(LEFT)
