"""The Pulumi program: the stack's configuration in, the components, the stack's outputs out.

Touches the Pulumi engine only, through the components.
"""

from __future__ import annotations

import pulumi

from components.access import AppAccess, AppAccessArgs, AppPrincipal, AppPrincipalArgs
from components.audit import AuditTrail, AuditTrailArgs
from components.contract import CONFIG_KEYS, PROJECT, ContractError, Settings
from components.delivery import Delivery, DeliveryArgs
from components.key import PhiKey, PhiKeyArgs


def read_settings() -> Settings:
    """The stack's settings. Raises RunError, which the engine shows without a traceback, with every fault."""
    keys = ["aws:region", *(f"{PROJECT}:{key}" for key in CONFIG_KEYS)]
    try:
        return Settings.from_config({key: pulumi.runtime.get_config(key) for key in keys})
    except ContractError as error:
        lines = [f"The stack {pulumi.get_stack()} cannot be built from its configuration:"]
        lines += [f"  {field}: {fault}{advice(field)}" for field, fault in error.faults]
        raise pulumi.RunError("\n".join(lines)) from error


def advice(field: str) -> str:
    """The command that sets the field, on its own line; none for a fault between fields, which names them."""
    if field != "region" and field not in CONFIG_KEYS:
        return ""
    key = "aws:region" if field == "region" else f"{PROJECT}:{field}"
    where = f"--path '{key}[N]'" if field in ("administrators", "deployTargets") else key
    return f"\n      pulumi config set --stack {pulumi.get_stack()} {where} VALUE"


settings = read_settings()
account = settings.account_id
if account not in (pulumi.runtime.get_config("aws:allowedAccountIds") or ""):
    allow = f"pulumi config set --stack {pulumi.get_stack()} --path 'aws:allowedAccountIds[0]' {account}"
    pulumi.log.warn(f"Credentials of another account than {account} are not refused. To refuse them: {allow}")
principal = AppPrincipal("app-principal", AppPrincipalArgs(settings=settings))
key = PhiKey("phi-key", PhiKeyArgs(settings=settings, app_principal_arn=principal.arn))
access = AppAccess("app-access", AppAccessArgs(settings=settings, key_arn=key.key_arn, principal=principal))
trail = AuditTrail("audit-trail", AuditTrailArgs(settings=settings))
delivery = Delivery("delivery", DeliveryArgs(settings=settings))

pulumi.export("keyArn", key.key_arn)
pulumi.export("keyId", key.key_id)
pulumi.export("aliasName", key.alias_name)
pulumi.export("appPolicyArn", access.policy_arn)
pulumi.export("appPrincipalArn", principal.arn)
pulumi.export("trailArn", trail.trail_arn)
pulumi.export("trailBucket", trail.bucket_name)
pulumi.export("parameterPrefix", delivery.parameter_prefix)
if delivery.task_secrets:
    pulumi.export("taskSecrets", delivery.task_secrets)
