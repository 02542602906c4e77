"""Policy documents that no configuration's plan has, made by the functions that make them, with ids that stand for any.

Pure: touches nothing but the functions of components/.
"""

from __future__ import annotations

import json

from components.policies.stack import application_trust_of
from components.settings import EksIdentity, Settings, Target
from tests.linters.terraform_plan import PolicyDocument
from tests.linters.terraform_types import Document
from tests.onboarding.deployment import ACCOUNT

CONFIGURATION = "unrendered"
"""What stands in a finding for the name of its configuration."""

_CLUSTER = "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"

_IRSA = Settings(
    account_id=ACCOUNT,
    region="us-east-1",
    administrators=(f"arn:aws:iam::{ACCOUNT}:role/platform-admin",),
    deploy_targets=(Target.EKS,),
    eks_cluster="clinic",
    eks_identity=EksIdentity.IRSA,
    eks_oidc_provider_arn=f"arn:aws:iam::{ACCOUNT}:oidc-provider/{_CLUSTER}",
)

DOCUMENTS = (
    # But for this the plan is the one with Pod Identity.
    PolicyDocument(
        address="eks.trust_of",
        kind=Document.TRUST,
        text=json.dumps(application_trust_of(_IRSA)),
        own_arn=f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role",
    ),
)
