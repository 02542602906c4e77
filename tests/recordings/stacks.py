"""Stacks as the real AWS provider recorded them: Terraform's provider 5.46 under Pulumi's bridge 3.120.

Each file has the resources of one stack in the order of their creation: type, name, id, inputs, and for two stacks also
outputs. Touches nothing but these files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.components.configurations import ACCOUNT, ECS_ONLY, EKS_ONLY, IAM, REPLICAS
from tests.components.conftest import DOCUMENTS_KEY_ID, KEY_ID, TRAIL_KEY_ID

RECORDED_ACCOUNT = "123456789012"
_CALLER = f"{IAM}:user/clinic-admin"
_BUCKET = f"eonpro-cloudtrail-logs-{ACCOUNT}"
_VERCEL = {"vercelTeam": "eonpro", "vercelProject": "eonpro"}
_PARTS_OF_THE_BUCKET = ("", "-policy", "-versioning", "-encryption", "-public-access", "-ownership", "-lifecycle")
_COMMON = {
    "administrators": [_CALLER],
    "incidentResponders": [_CALLER],
    "trailBucket": f"{_BUCKET}-us-east-1-an",
}

STACKS: Mapping[str, Mapping[str, Any]] = {
    "ecs-secrets-manager": {**_COMMON, **ECS_ONLY, "secretStore": "secrets-manager"},
    "eks": {**_COMMON, **EKS_ONLY, "eksCluster": "eonpro", "secretStore": "secrets-manager"},
    "existing-trail": {
        **_COMMON,
        **_VERCEL,
        "existingTrailArn": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/company-trail",
        "trailBucket": f"company-trail-logs-{ACCOUNT}",
    },
    "imported": {
        **_COMMON,
        **_VERCEL,
        "vercelOidcProviderArn": f"{IAM}:oidc-provider/oidc.vercel.com/eonpro",
        "trailBucket": _BUCKET,
        "adopted": [
            f"key={KEY_ID}",
            "alias=alias/eonpro-phi-key",
            "application-role=eonpro-app-role",
            f"application-policy={IAM}:policy/EONPROKMSAccess",
            f"policy-attachment=eonpro-app-role/{IAM}:policy/EONPROKMSAccess",
            f"trail=arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/eonpro-audit-trail",
            *(f"bucket{part}={_BUCKET}" for part in _PARTS_OF_THE_BUCKET),
        ],
    },
    "multi-region": {**_COMMON, **ECS_ONLY, **REPLICAS},
    "vercel-ecs-documents": {
        **_COMMON,
        **_VERCEL,
        "deployTargets": ["ecs", "vercel"],
        "documentBuckets": ["clinic-documents"],
        "documentsKey": True,
        "rotationPeriodDays": 200,
        "trailRetentionDays": 3000,
    },
    "vercel-user": {**_COMMON, **_VERCEL, "vercelAccess": "user"},
}
"""Each stack's settings, as changes of the plain stack's configuration."""
WITH_OUTPUTS = ("multi-region", "vercel-ecs-documents")

_KEY_IDS = {"phi-key": KEY_ID, "audit-trail-key": TRAIL_KEY_ID, "documents-key": DOCUMENTS_KEY_ID}


@cache
def recorded(name: str) -> list[dict[str, Any]]:
    """A stack's resources, word for word."""
    resources: list[dict[str, Any]] = json.loads(Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8"))
    return resources


def of_the_mock(name: str) -> dict[tuple[str, str], dict[str, Any]]:
    """A stack's resources by type and name, with the account and the keys of the tests' mock of the cloud."""
    text = json.dumps(recorded(name)).replace(RECORDED_ACCOUNT, ACCOUNT)
    for resource in recorded(name):
        if resource["type"] == "aws:kms/key:Key":
            text = text.replace(resource["id"], _KEY_IDS[resource["name"]])
    return {(each["type"], each["name"]): each for each in json.loads(text)}


def given(value: Any) -> Any:
    """The part of recorded inputs that the program gave."""
    if isinstance(value, dict):
        own = {name: part for name, part in value.items() if not name.startswith("__")}
        return {name: given(part) for name, part in own.items() if name not in value.get("__defaults", ())}
    return [given(part) for part in value] if isinstance(value, list) else value


def in_this_form(recorded: Any, value: Any) -> Any:
    """A value of the program's in the form that the provider gave to the recorded one."""
    if isinstance(recorded, dict) and isinstance(value, dict):
        return {**recorded, **{name: in_this_form(recorded.get(name), part) for name, part in value.items()}}
    if isinstance(recorded, list) and isinstance(value, list) and len(recorded) == len(value):
        return [in_this_form(*pair) for pair in zip(recorded, value, strict=True)]
    return value
