"""`DocumentsKey`: the KMS key of the application's documents in S3, and its alias. Never the PHI key.

Touches the Pulumi engine only: it registers resources. The buckets are the application's: the stack changes none.
"""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.configuration import import_options
from components.lockout import no_lockout
from components.policies.s3_documents import DOCUMENTS_KEY_TAGS
from components.policies.stack import documents_key_policy_of
from components.principal import AppPrincipal
from components.settings import DELETION_WINDOW_DAYS, LOGS_KEY_ROTATION_DAYS, ResourceKind, Settings

DOCUMENTS_KEY_DESCRIPTION = "EONPRO document encryption key, for S3 only"


@dataclass(frozen=True, kw_only=True)
class DocumentsKeyArgs:
    settings: Settings
    principal: AppPrincipal
    """The application's principals. They must exist: KMS refuses a key policy that names one that does not."""


class DocumentsKey(pulumi.ComponentResource):
    """The symmetric key under which S3 encrypts the documents, rotated every year, that no update can delete."""

    key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: DocumentsKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eonpro:kms:DocumentsKey", name, {}, opts)
        settings = args.settings
        # Without the key every document under it is lost.
        retained = pulumi.ResourceOptions(
            parent=self, protect=True, retain_on_delete=True, depends_on=args.principal.created
        )
        key = aws.kms.Key(
            name,
            description=DOCUMENTS_KEY_DESCRIPTION,
            customer_master_key_spec="SYMMETRIC_DEFAULT",
            key_usage="ENCRYPT_DECRYPT",
            policy=json.dumps(documents_key_policy_of(settings)),
            enable_key_rotation=True,
            rotation_period_in_days=LOGS_KEY_ROTATION_DAYS,
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            tags={**settings.tags, **DOCUMENTS_KEY_TAGS},
            opts=pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions.merge(retained, import_options(settings, ResourceKind.DOCUMENTS_KEY)),
                no_lockout(name, settings),
            ),
        )
        aws.kms.Alias(
            name,
            name=settings.names.documents_key_alias,
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions.merge(retained, import_options(settings, ResourceKind.DOCUMENTS_KEY_ALIAS)),
        )
        self.key_arn = key.arn
        self.register_outputs({"keyArn": self.key_arn})
