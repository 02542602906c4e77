"""The stack's configuration as `Settings`, and what to type where it cannot be used.

Touches the Pulumi engine only: it reads the configuration and warns.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.settings import (
    CONFIG_KEYS,
    PROJECT,
    REMOVED_KEYS,
    ContractError,
    ImportGroup,
    ResourceKind,
    Settings,
    correction,
)


def read_settings() -> Settings:
    """The stack's settings. Raises RunError, which the engine shows without a traceback, with every fault."""
    keys = ["aws:region", *(f"{PROJECT}:{key}" for key in (*CONFIG_KEYS, *REMOVED_KEYS))]
    try:
        settings = Settings.from_config({key: pulumi.runtime.get_config(key) for key in keys})
    except ContractError as error:
        lines = [f"The stack {pulumi.get_stack()} cannot be built from its configuration:"]
        lines += [f"  {field}: {fault}{advice(field)}" for field, fault in error.faults]
        raise pulumi.RunError("\n".join(lines)) from error
    warn_of_other_accounts(settings.account_id)
    return settings


def advice(field: str) -> str:
    """The command that sets the field, on its own line; none for a fault between fields, which names them."""
    command = correction(field, pulumi.get_stack())
    return f"\n      {command}" if command else ""


def warn_of_other_accounts(account: str) -> None:
    """Say so where the provider would work in another account, and how to forbid it."""
    if account not in (pulumi.runtime.get_config("aws:allowedAccountIds") or ""):
        allow = f"pulumi config set --stack {pulumi.get_stack()} --path 'aws:allowedAccountIds[0]' {account}"
        pulumi.log.warn(f"Credentials of another account than {account} are not refused. To refuse them: {allow}")


def taken_in(
    settings: Settings, thing: ResourceKind, *, part: ImportGroup | None = None, properties: Sequence[str] = ()
) -> pulumi.ResourceOptions:
    """Options under which the engine imports the thing, where the settings know it by its id, instead of making it.

    Where the settings leave the `part` as it was found, no update changes any of these `properties`.
    """
    ids = dict(adopted.split("=", 1) for adopted in settings.adopted)
    return pulumi.ResourceOptions(
        import_=ids.get(thing), ignore_changes=list(properties) if part in settings.kept_as_found else []
    )
