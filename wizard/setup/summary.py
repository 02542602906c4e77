"""The last page's summary: every answer in words, with where it comes from.

Pure. The words are pinned by golden files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from components.settings import ImportGroup, ObjectLock, SecretStore, Settings, Target
from wizard.core.models.account import Identity, Principal
from wizard.inputs import choices
from wizard.inputs.answers import Answer
from wizard.targets.port import deploy_targets

Row = tuple[str, str, str]
"""What it is, its value, and where the value comes from."""


def rows(
    settings: Settings,
    identity: Identity,
    stack: str,
    targets: Iterable[Target],
    answers: Mapping[str, Answer] | None = None,
) -> tuple[Row, ...]:
    """The answers, for the page before the confirmation. Without `answers` no source is told."""
    known = answers or {}
    return tuple(
        (what, value, choices.source(known.get(key)) if key else "")
        for what, value, key in _rows(settings, identity, stack, tuple(targets))
    )


def _rows(
    settings: Settings, identity: Identity, stack: str, asked: tuple[Target, ...]
) -> list[tuple[str, str, str | None]]:
    return [
        *_account(settings, identity, stack),
        *_key(settings, identity),
        *_application(settings, asked),
        *_trail(settings),
    ]


def _account(settings: Settings, identity: Identity, stack: str) -> list[tuple[str, str, str | None]]:
    alias = f" ({identity.account_alias})" if identity.account_alias else ""
    beside = "" if stack == settings.environment else f" (stack {stack})"
    return [
        ("account", f"{settings.account_id}{alias}", "account"),
        ("you", f"{identity.arn}, by {identity.source}", None),
        ("region", settings.region, "region"),
        ("environment", settings.environment + beside, "environment"),
    ]


def _key(settings: Settings, identity: Identity) -> list[tuple[str, str, str | None]]:
    administrators = [
        *(_short(arn, identity) for arn in settings.administrators),
        *(f"roles {pattern.rpartition('/')[2]}" for pattern in settings.administrator_patterns),
    ]
    policy = ["no delegation to IAM"] if settings.strict_key_policy else []
    policy += ["used by the application only"] if settings.exclusive_use else []
    key = f"{settings.names.alias}, rotated every {settings.rotation_period_days} days"
    found: list[tuple[str, str, str | None]] = [("key", key, "rotation_period_days")]
    if settings.multi_region:
        found.append(("replicas", ", ".join(settings.replica_regions) or "none yet", "replica_regions"))
    else:
        found.append(("multi-Region", "no (decided when the key is made)", "multi_region"))
    found.append(("administrators", ", ".join(administrators), "administrators"))
    if policy:
        found.append(("key policy", ", ".join(policy), "strict_key_policy"))
    deleters = ", ".join(_short(arn, identity) for arn in settings.deletion_administrators)
    return [*found, ("may delete it", deleters or "nobody", "deletion_administrators")]


def _application(settings: Settings, asked: tuple[Target, ...]) -> list[tuple[str, str, str | None]]:
    names = settings.names
    made = [f"role {names.app_role}"] if settings.makes_role else []
    made += [f"user {names.app_user}"] if settings.makes_user else []
    app = settings.app_principal_arn or f"{' and '.join(made)}, made here"
    found: list[tuple[str, str, str | None]] = [("application", app, "app_principal")]
    if settings.secret_store is SecretStore.SECRETS_MANAGER:
        found.append(("escrow", f"Secrets Manager {names.stored_data_key}", "secret_store"))
    for target in deploy_targets(settings.deploy_targets):
        label, where, key = target.summary(settings)
        found.append((label, where + ("" if target.name in asked else " (set up earlier; kept as it is)"), key))
    if settings.kept_as_found:
        found.append(("left as found", ", ".join(settings.kept_as_found), "repair"))
    return found


def _trail(settings: Settings) -> list[tuple[str, str, str | None]]:
    names = settings.names
    found: list[tuple[str, str, str | None]] = []
    if settings.existing_trail_arn:
        found.append(("audit trail", f"{settings.existing_trail_arn}, as it is", "trail"))
    else:
        # A bucket that is left as it was found keeps its own retention, and has none of the guards.
        as_found = ImportGroup.BUCKET in settings.kept_as_found
        kept = "" if as_found else f", kept {settings.trail_retention_days} days"
        guards = ["encrypted under a key of its own"] if settings.trail_key else []
        guards += [f"locked ({settings.trail_lock})"] if settings.trail_lock is not ObjectLock.NONE else []
        guards += ["reads logged"] if settings.access_logging else []
        guards += ["in CloudWatch Logs too"] if settings.cloudwatch_logs else []
        found += [
            ("audit trail", f"{names.trail}{kept}", "trail"),
            ("its bucket", names.trail_bucket, "trail_bucket"),
            ("its logs", "as found" if as_found else ", ".join(guards) or "plain", "trail_lock"),
        ]
    if settings.alerts:
        told = ", ".join(settings.alert_emails) or f"topic {names.alert_topic}, nobody subscribed"
        found.append(("alerts", told, "alert_emails"))
    return found


def _short(arn: str, identity: Identity) -> str:
    principal = Principal(arn=arn)
    you = " (you)" if arn == identity.principal_arn else ""
    return f"{principal.kind} {principal.name}{you}"
