"""The Pulumi program: the stack's configuration in, the components, the stack's outputs out.

Touches the Pulumi engine only, through the components.
"""

import pulumi

from components import installation
from components.access import AppAccess, AppAccessArgs
from components.alerts import Alerts, AlertsArgs
from components.configuration import read_settings
from components.delivery import Delivery, DeliveryArgs
from components.key import PhiKey, PhiKeyArgs
from components.principal import AppPrincipal, AppPrincipalArgs
from components.s3_documents import DocumentsKey, DocumentsKeyArgs
from components.trail import AuditTrail, AuditTrailArgs

settings = read_settings()
principal = AppPrincipal("app-principal", AppPrincipalArgs(settings=settings))
key = PhiKey("phi-key", PhiKeyArgs(settings=settings, principal=principal))
key_arns = [key.key_arn, *key.replica_arns]
access = AppAccess("app-access", AppAccessArgs(settings=settings, key_arns=key_arns, principal=principal))
trail = AuditTrail("audit-trail", AuditTrailArgs(settings=settings))
documents_key = (
    DocumentsKey("documents-key", DocumentsKeyArgs(settings=settings, principal=principal))
    if settings.documents_key
    else None
)
other_keys = [documents_key.key_arn] if documents_key else []
alerts_args = AlertsArgs(settings=settings, key_arns=key_arns, other_key_arns=other_keys, trail=trail)
alerts = Alerts("alerts", alerts_args) if settings.alerts else None
delivery = Delivery("delivery", DeliveryArgs(settings=settings, principal=principal))

outputs: dict[str, object] = {
    "keyArn": key.key_arn,
    "keyId": key.key_id,
    "aliasName": key.alias_name,
    "appPolicyArn": access.policy_arn,
    "appPrincipalArn": principal.arn,
    "trailArn": trail.trail_arn,
    "trailBucket": trail.bucket_name,
    "parameterPrefix": delivery.parameter_prefix,
    "taskSecrets": delivery.task_secrets,
    "appUserArn": principal.user_arn,
    "secretsRoleArn": delivery.secrets_role_arn,
    "replicaKeyArns": key.replica_arns,
    "documentsKeyArn": documents_key.key_arn if documents_key else None,
    "programVersion": installation.version(),
}
for name, value in outputs.items():
    if value is not None and value != []:
        pulumi.export(name, value)
