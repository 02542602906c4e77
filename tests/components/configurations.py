"""The stacks that the program is run for: each a configuration, by a name.

Pure: touches nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

ACCOUNT = "111122223333"
REGION = "us-east-1"
IAM = f"arn:aws:iam::{ACCOUNT}"
EXISTING_ROLE = f"{IAM}:role/teams/portal"
EXISTING_USER = f"{IAM}:user/apps/portal"
ADMINISTRATOR = f"{IAM}:role/admin"
SECOND_ADMINISTRATOR = f"{IAM}:user/ops/second"
SSO_PATTERN = f"{IAM}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_KeyAdmin_????????????????"
BOUNDARY = f"{IAM}:policy/teams/Boundary"
ORGANIZATION_TRAIL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/organization"
CLUSTER_PROVIDER = f"{IAM}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"

CONFIG: dict[str, Any] = {
    "aws:region": REGION,
    "aws:allowedAccountIds": [ACCOUNT],
    "eonpro-kms:accountId": ACCOUNT,
    "eonpro-kms:environment": "production",
    "eonpro-kms:administrators": [f"arn:aws:iam::{ACCOUNT}:role/admin"],
    "eonpro-kms:deployTargets": ["vercel"],
    "eonpro-kms:vercelTeam": "acme",
    "eonpro-kms:vercelProject": "portal",
    "eonpro-kms:appPrincipalArn": "",
}
"""What every configuration begins with: the plain stack."""


def as_text(configuration: Mapping[str, Any]) -> dict[str, str]:
    """A configuration as the engine gives it: text, lists and numbers in JSON; what is None is unset."""
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in configuration.items()
        if value is not None
    }


AS_TEXT = as_text(CONFIG)

NO_VERCEL = {"vercelTeam": None, "vercelProject": None}
ECS_ONLY = {"deployTargets": ["ecs"], **NO_VERCEL}
EKS_ONLY = {"deployTargets": ["eks"], "eksCluster": "clinic", **NO_VERCEL}
BOTH = {"deployTargets": ["ecs", "vercel"]}
USER = {"vercelAccess": "user"}
REPLICAS = {"multiRegion": True, "replicaRegions": ["eu-west-1", "us-west-2"]}
ADOPTED = {
    "appPrincipalArn": "",
    "adopted": [
        "key=1234abcd-12ab-34cd-56ef-1234567890ab",
        "alias=alias/eonpro-phi-key",
        "application-role=eonpro-app-role",
        f"application-policy={IAM}:policy/EONPROKMSAccess",
        f"policy-attachment=eonpro-app-role/{IAM}:policy/EONPROKMSAccess",
        f"trail=arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/eonpro-audit-trail",
        "bucket=clinic-logs",
        "bucket-policy=clinic-logs",
        "bucket-versioning=clinic-logs",
        "bucket-encryption=clinic-logs",
        "bucket-public-access=clinic-logs",
        "bucket-ownership=clinic-logs",
        "bucket-lifecycle=clinic-logs",
    ],
    "trailBucket": "clinic-logs",
}

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "vercel": {},
    "vercel-user": USER,
    "vercel-user-and-ecs": {**BOTH, **USER},
    "vercel-and-ecs": BOTH,
    "vercel-existing-provider": {
        "vercelIssuerMode": "global",
        "vercelOidcProviderArn": f"{IAM}:oidc-provider/oidc.vercel.com",
        "vercelEnvironment": "preview",
        "vercelEnvironments": ["staging"],
    },
    "ecs": ECS_ONLY,
    "ecs-secrets-manager": {**ECS_ONLY, "secretStore": "secrets-manager"},
    "ecs-existing-execution-role": {**ECS_ONLY, "ecsExecutionRoleArn": f"{IAM}:role/ecs/starter"},
    "eks-pod-identity": EKS_ONLY,
    "eks-irsa": {**EKS_ONLY, "eksIdentity": "irsa", "eksOidcProviderArn": CLUSTER_PROVIDER},
    "eks-secrets-manager": {**EKS_ONLY, "secretStore": "secrets-manager"},
    "every-target": {
        "deployTargets": ["ecs", "eks", "vercel"],
        "eksCluster": "clinic",
        "hashKey": True,
        "keysForReading": True,
        "keyCheckValue": True,
        **USER,
    },
    "replicas": {**BOTH, **REPLICAS},
    "existing-role": {"appPrincipalArn": EXISTING_ROLE},
    "existing-user": {"appPrincipalArn": EXISTING_USER},
    "boundary": {**BOTH, **USER, "permissionsBoundaryArn": BOUNDARY, "cloudwatchLogs": True},
    "strict": {"administrators": [ADMINISTRATOR, SECOND_ADMINISTRATOR], "strictKeyPolicy": True},
    "guarded": {
        "administratorPatterns": [SSO_PATTERN],
        "deletionAdministrators": [SECOND_ADMINISTRATOR],
        "incidentResponders": [SECOND_ADMINISTRATOR],
        "exclusiveUse": True,
    },
    "full-audit": {
        "trailLock": "compliance",
        "cloudwatchLogs": True,
        "alertEmails": ["ops@clinic.example", "security@clinic.example"],
    },
    "least-audit": {
        "trailKey": False,
        "trailLock": "none",
        "trailArchiveDays": 0,
        "accessLogging": False,
        "alerts": False,
    },
    "alerts-without-a-trail-key": {"trailKey": False},
    "existing-trail": {"existingTrailArn": ORGANIZATION_TRAIL, "trailBucket": "organization-logs"},
    "adopted": ADOPTED,
    "adopted-kept-as-found": {
        **ADOPTED,
        "keptAsFound": ["key", "application-role", "application-policy", "trail", "bucket"],
    },
    "staging": {**BOTH, "environment": "staging"},
    "documents": {**BOTH, "documentBuckets": ["clinic-documents", "clinic-scans"], "documentsKey": True},
}
