"""`PhiKey`: the KMS key that wraps the data key of the protected health information, and its alias.

Touches the Pulumi engine only: it registers resources.
"""

import json

import pulumi
import pulumi_aws as aws

from components.configuration import import_options
from components.lockout import no_lockout
from components.policies.stack import key_policy_of
from components.principal import AppPrincipal
from components.settings import DELETION_WINDOW_DAYS, ImportGroup, ResourceKind, Settings


class PhiKey(pulumi.ComponentResource):
    """The symmetric customer managed key, rotated by KMS, that no change of this program can delete; and its replicas.

    https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html
    """

    key_arn: pulumi.Output[str]
    key_id: pulumi.Output[str]
    alias_name: pulumi.Output[str]
    replica_arns: list[pulumi.Output[str]]
    """The key of each replica, in the order of the settings' Regions."""

    def __init__(self, name: str, settings: Settings, principal: AppPrincipal) -> None:
        """The principals must exist: KMS refuses a key policy that names one that does not."""
        super().__init__("eonpro:kms:PhiKey", name, {})
        # By the settings, and not by the outputs of the principals: a first preview knows the policy, shows it, and the
        # guardrails refuse a harmful one before anything is created.
        policy = json.dumps(key_policy_of(settings))
        # Without the key all PHI is lost. protect stops a deletion or replacement by this stack;
        # retain_on_delete keeps the key when somebody removes the protection.
        retained = pulumi.ResourceOptions(
            parent=self, protect=True, retain_on_delete=True, depends_on=principal.created
        )
        key = self._key(name, policy, settings, retained)
        alias = aws.kms.Alias(
            name,
            name=settings.names.alias,
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions.merge(retained, import_options(settings, ResourceKind.ALIAS)),
        )
        self.replica_arns = [
            self._replica(f"{name}-{region}", region, key, policy, settings, retained)
            for region in settings.replica_regions
        ]
        self.key_arn = key.arn
        self.key_id = key.key_id
        self.alias_name = alias.name
        outputs = {"keyArn": key.arn, "keyId": key.key_id, "aliasName": alias.name, "replicaArns": self.replica_arns}
        self.register_outputs(outputs)

    def _key(self, name: str, policy: str, settings: Settings, retained: pulumi.ResourceOptions) -> aws.kms.Key:
        imported = import_options(
            settings,
            ResourceKind.KEY,
            group=ImportGroup.KEY,
            properties=["policy", "description", "tags", "enableKeyRotation", "rotationPeriodInDays"],
        )
        return aws.kms.Key(
            name,
            description=settings.names.key_description,
            customer_master_key_spec="SYMMETRIC_DEFAULT",
            key_usage="ENCRYPT_DECRYPT",
            policy=policy,
            enable_key_rotation=True,
            rotation_period_in_days=settings.rotation_period_days,
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            # Left out where it is false, so that an existing key shows no difference.
            multi_region=True if settings.multi_region else None,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions.merge(retained, imported), no_lockout(name, settings)
            ),
        )

    def _replica(
        self,
        name: str,
        region: str,
        key: aws.kms.Key,
        policy: pulumi.Input[str],
        settings: Settings,
        retained: pulumi.ResourceOptions,
    ) -> pulumi.Output[str]:
        # A replica has the primary's key material and rotation, but a policy, an alias and tags of its own.
        replica = aws.kms.ReplicaKey(
            name,
            region=region,
            primary_key_arn=key.arn,
            description=settings.names.key_description,
            policy=policy,
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(retained, no_lockout(name, settings)),
        )
        aws.kms.Alias(name, region=region, name=settings.names.alias, target_key_id=replica.key_id, opts=retained)
        arn: pulumi.Output[str] = replica.arn
        return arn
