"""What is retained when a stack is removed, and why; and how to delete each part when no record needs it any more.

Pure.
"""

from __future__ import annotations

from components.settings import Outputs, SecretStore, Settings
from wizard.data_key.storage import region_of


def orphaned_creations(settings: Settings, outputs: Outputs) -> tuple[tuple[str, str], ...]:
    """(what is retained, why), the key first."""
    store = "secret" if settings.secret_store is SecretStore.SECRETS_MANAGER else "parameter"
    records = "every record encrypted under the data key is lost with it"
    found = [
        (f"the key {outputs.key_arn}", records),
        *((f"the replica {arn}", records) for arn in outputs.replica_key_arns),
        (f"its alias {outputs.alias_name}", "it shows that the key is in use"),
        (
            f"the {store} {settings.names.stored_data_key}",
            "the wrapped data key: no stack ever made it, and none can remove it",
        ),
        (f"every {store} under {settings.names.parameter_prefix}/data-keys", "its other versions, where there are any"),
    ]
    found += [
        (f"the {store} {settings.names.stored_data_key} in {region_of(arn)}", "the same, with the replica")
        for arn in outputs.replica_key_arns
    ]
    if settings.makes_vercel_provider:
        found.append(("the OIDC provider of the Vercel team", "other roles of the account may trust it by now"))
    if settings.existing_trail_arn is None:
        found += [
            (f"the trail {outputs.trail_arn}", "it records who removes what"),
            (
                f"the bucket {outputs.trail_bucket}",
                f"the audit log, to be kept for {settings.trail_retention_days} days",
            ),
        ]
        if settings.trail_key:
            found.append((f"the key of {settings.names.trail_key_alias}", "without it the audit log cannot be read"))
        if settings.access_logging:
            found.append((f"the bucket {settings.names.access_log_bucket}", "the log of who read the audit log"))
    return tuple(found)


def ending(settings: Settings, outputs: Outputs) -> str:
    """The commands that end the key, for the day when no record needs it any more."""
    return (
        "# the key policy denies deletion to everybody: name somebody first\n"
        "pulumi config set --path 'eonpro-kms:deletionAdministrators[0]' ARN && pulumi up\n"
        f"aws kms schedule-key-deletion --region {settings.region} \\\n"
        f"  --key-id {outputs.key_id} --pending-window-in-days 30"
    )
