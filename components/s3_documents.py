"""`DocumentsKey`: the KMS key of the application's documents in S3, and its alias. Never the PHI key.

Touches the Pulumi engine only: it registers resources. The buckets are the application's: the stack changes none.
"""

import pulumi

from components.other_key import make_other_key
from components.policies.stack import documents_key_of
from components.principal import AppPrincipal
from components.settings import Settings


class DocumentsKey(pulumi.ComponentResource):
    """The symmetric key under which S3 encrypts the documents, rotated every year, that no update can delete."""

    key_arn: pulumi.Output[str]

    def __init__(self, name: str, settings: Settings, principal: AppPrincipal) -> None:
        """The principals must exist: KMS refuses a key policy that names one that does not."""
        super().__init__("eonpro:kms:DocumentsKey", name, {})
        # Without the key every document under it is lost.
        retained = pulumi.ResourceOptions(
            parent=self, protect=True, retain_on_delete=True, depends_on=principal.created
        )
        description = f"{settings.names.label} document encryption key, for S3 only"
        self.key_arn = make_other_key(
            name, settings, documents_key_of(settings), description=description, retained=retained
        )
        self.register_outputs({"keyArn": self.key_arn})
