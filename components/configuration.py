"""The stack's configuration as `Settings`, with the command to type where it cannot be used.

Touches the Pulumi engine only: it reads the configuration and warns.
"""

from collections.abc import Sequence

import pulumi

from components import settings as contract


def read_settings() -> contract.Settings:
    """The stack's settings. Raises RunError, which the engine shows without a traceback, with every fault."""
    keys = ["aws:region", *(f"{contract.PROJECT}:{key}" for key in (*contract.CONFIG_KEYS, *contract.REMOVED_KEYS))]
    try:
        settings = contract.Settings.from_config({key: pulumi.runtime.get_config(key) for key in keys})
    except contract.ContractError as error:
        lines = [f"The stack {pulumi.get_stack()} cannot be built from its configuration:"]
        lines += [f"  {field}: {fault}{advice(field)}" for field, fault in error.faults]
        raise pulumi.RunError("\n".join(lines)) from error
    refuse_replacement(settings)
    warn_of_other_accounts(settings.account_id)
    return settings


def refuse_replacement(settings: contract.Settings) -> None:
    """Raise RunError, before any resource is registered, for an application or environment that was changed later.

    The settings hold the bucket's name of the set-up. The engine refuses only when it reaches a protected resource, and
    has changed others by then.
    """
    stack, bucket = pulumi.get_stack(), settings.trail_bucket or ""
    owner = contract.owner_of(bucket, account_id=settings.account_id, region=settings.region)
    if owner is None or not settings.owns_bucket:
        return
    wanted = {"application": settings.application, "environment": settings.environment}
    changed = [(key, own) for (key, value), own in zip(wanted.items(), owner, strict=True) if value != own]
    if changed:
        lines = [f"The stack {stack} was built under other names, and an update would replace what is in use:"]
        for key, own in changed:
            lines += [f"  {key} is {wanted[key]}, and {bucket} was made for {own}"]
            lines += [f"      pulumi config set --stack {stack} {contract.PROJECT}:{key} {own}"]
        lines += ["Another application or environment is another stack: pulumi stack init NAME"]
        raise pulumi.RunError("\n".join(lines))


def advice(field: str) -> str:
    """The command that corrects the field, on its own line; empty for a fault between fields, which names them."""
    command = contract.correction_line(field, pulumi.get_stack())
    return f"\n      {command}" if command else ""


def warn_of_other_accounts(account: str) -> None:
    """Warn where the provider could work in another account, with the command that forbids it."""
    if account not in (pulumi.runtime.get_config("aws:allowedAccountIds") or ""):
        allow = f"pulumi config set --stack {pulumi.get_stack()} --path 'aws:allowedAccountIds[0]' {account}"
        pulumi.log.warn(f"Credentials of another account than {account} are not refused. To refuse them: {allow}")


def import_options(
    settings: contract.Settings,
    kind: contract.ResourceKind,
    *,
    group: contract.ImportGroup | None = None,
    properties: Sequence[str] = (),
) -> pulumi.ResourceOptions:
    """Options with which the engine imports an existing resource whose id is in the settings, instead of creating one.

    Where the settings leave the `group` unchanged, no update changes any of these `properties`.
    """
    ids = dict(adopted.split("=", 1) for adopted in settings.adopted)
    return pulumi.ResourceOptions(
        import_=ids.get(kind), ignore_changes=list(properties) if group in settings.kept_as_found else []
    )
