"""Policy documents that no configuration's plan has, made by the functions that make them, with ids that stand for any.

Pure: touches nothing but the functions of components/policies/__init__.py.
"""

from __future__ import annotations

import json

from components import policies
from tests.linters.terraform_plan import PolicyDocument
from tests.linters.terraform_types import Document
from tests.onboarding.deployment import ACCOUNT

CONFIGURATION = "unrendered"
"""What stands in a finding for the name of its configuration."""

_CLUSTER = "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"

DOCUMENTS = (
    # But for this the plan is the one with Pod Identity.
    PolicyDocument(
        address="policies.irsa_trust_statements",
        kind=Document.TRUST,
        text=json.dumps(
            policies.policy(
                policies.irsa_trust_statements(
                    oidc_provider_arn=f"arn:aws:iam::{ACCOUNT}:oidc-provider/{_CLUSTER}",
                    namespace="eonpro",
                    service_account="eonpro",
                )
            )
        ),
        own_arn=f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role",
    ),
)
