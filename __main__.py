"""The Pulumi program: the stack's configuration in, the components, the stack's outputs out.

Touches the Pulumi engine only, through the components.
"""

import pulumi

from components import installation
from components.access import AppAccess
from components.alerts import Alerts
from components.configuration import read_settings
from components.delivery import Delivery
from components.key import PhiKey
from components.principal import AppPrincipal
from components.s3_documents import DocumentsKey
from components.trail import AuditTrail

settings = read_settings()
principal = AppPrincipal("app-principal", settings)
key = PhiKey("phi-key", settings, principal)
key_arns = [key.key_arn, *key.replica_arns]
access = AppAccess("app-access", settings, key_arns, principal)
trail = AuditTrail("audit-trail", settings)
documents_key = DocumentsKey("documents-key", settings, principal) if settings.documents_key else None
documents_key_arn = documents_key.key_arn if documents_key else None
alerts = Alerts("alerts", settings, trail, key_arns, documents_key_arn) if settings.alerts else None
delivery = Delivery("delivery", settings, principal)

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
    "documentsKeyArn": documents_key_arn,
    "programVersion": installation.version(),
}
for name, value in outputs.items():
    if value is not None and value != []:
        pulumi.export(name, value)
