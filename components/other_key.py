"""A KMS key of the stack besides the PHI key, and its alias: of the audit logs, or of the documents.

Touches the Pulumi engine only: it registers resources as children of a component.
"""

import json

import pulumi
import pulumi_aws as aws

from components.configuration import import_options
from components.lockout import no_lockout
from components.policies.stack import OtherKey
from components.settings import DELETION_WINDOW_DAYS, LOGS_KEY_ROTATION_DAYS, Settings


def make_other_key(
    name: str, settings: Settings, key: OtherKey, *, description: str, retained: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """The ARN of a symmetric key that is rotated every year. `retained`: the options of both resources."""
    as_key, as_alias = key.imported_as
    made = aws.kms.Key(
        name,
        description=description,
        customer_master_key_spec="SYMMETRIC_DEFAULT",
        key_usage="ENCRYPT_DECRYPT",
        policy=json.dumps(key.policy),
        enable_key_rotation=True,
        rotation_period_in_days=LOGS_KEY_ROTATION_DAYS,
        deletion_window_in_days=DELETION_WINDOW_DAYS,
        tags={**settings.tags, "Purpose": key.purpose},
        opts=pulumi.ResourceOptions.merge(
            pulumi.ResourceOptions.merge(retained, import_options(settings, as_key)), no_lockout(name, settings)
        ),
    )
    aws.kms.Alias(
        name,
        name=key.alias,
        target_key_id=made.key_id,
        opts=pulumi.ResourceOptions.merge(retained, import_options(settings, as_alias)),
    )
    arn: pulumi.Output[str] = made.arn
    return arn
