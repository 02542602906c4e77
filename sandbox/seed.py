"""What the sandbox's account holds before anybody did anything: an operator, a colleague, an administrators' role.

It may touch the emulator's IAM in this process only.
"""

from __future__ import annotations

import json

from moto.iam.models import AccessKey, iam_backends

from sandbox.state import ACCOUNT, REGION

OPERATOR = "clinic-admin"
COLLEAGUE = "security-officer"
ADMIN_ROLE = "platform-admin"
ACCOUNT_ALIAS = "eonpro-sandbox"

_ADMINISTRATOR = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)
_TRUST_OWN_ACCOUNT = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def seed() -> AccessKey:
    """Fill the account and return the operator's access key."""
    iam = iam_backends[ACCOUNT]["aws"]
    iam.create_account_alias(ACCOUNT_ALIAS)
    iam.create_user(REGION, OPERATOR)
    iam.put_user_policy(OPERATOR, "AdministratorAccess", _ADMINISTRATOR)
    iam.create_user(REGION, COLLEAGUE)
    iam.create_role(ADMIN_ROLE, _TRUST_OWN_ACCOUNT, "/", None, "Administers the clinic's platform", [], "3600")
    iam.put_role_policy(ADMIN_ROLE, "AdministratorAccess", _ADMINISTRATOR)
    return iam.create_access_key(OPERATOR)
