"""`PhiKey`: the KMS key that wraps the data key of the protected health information, and its alias.

Touches the Pulumi engine only: it registers resources.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies
from components.contract import DELETION_WINDOW_DAYS, Settings

DESCRIPTION = "EONPRO PHI encryption key for HIPAA compliance"


@dataclass(frozen=True, kw_only=True)
class PhiKeyArgs:
    """What a PhiKey is made of."""

    settings: Settings
    app_principal_arn: pulumi.Input[str]
    """The application's principal. It must exist: KMS refuses a key policy that names one that does not."""


class PhiKey(pulumi.ComponentResource):
    """The symmetric customer managed key, rotated by KMS, that no change of this program can delete."""

    key_arn: pulumi.Output[str]
    key_id: pulumi.Output[str]
    alias_name: pulumi.Output[str]

    def __init__(self, name: str, args: PhiKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eonpro:kms:PhiKey", name, {}, opts)
        settings = args.settings

        def key_policy(app_principal_arn: str) -> str:
            return json.dumps(
                policies.key_policy(
                    account_id=settings.account_id,
                    administrators=settings.administrators,
                    app_principal_arn=app_principal_arn,
                    partition=settings.partition,
                )
            )

        # Without the key all PHI is lost. protect stops a deletion or replacement by this stack;
        # retain_on_delete keeps the key when somebody lifts the protection and forgets what it was for.
        kept = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        key = aws.kms.Key(
            name,
            description=DESCRIPTION,
            customer_master_key_spec="SYMMETRIC_DEFAULT",
            key_usage="ENCRYPT_DECRYPT",
            policy=pulumi.Output.from_input(args.app_principal_arn).apply(key_policy),
            enable_key_rotation=True,
            rotation_period_in_days=settings.rotation_period_days,
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            tags=settings.tags,
            opts=kept,
        )
        alias = aws.kms.Alias(name, name=settings.names.alias, target_key_id=key.key_id, opts=kept)
        self.key_arn = key.arn
        self.key_id = key.key_id
        self.alias_name = alias.name
        self.register_outputs(
            {"keyArn": self.key_arn, "keyId": self.key_id, "aliasName": self.alias_name},
        )
