"""The architecture of a stack as facts: where the application runs, the keys, the stored data key, the audit trail.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.settings import (
    APPLICATION_VARIABLES,
    DELETION_WINDOW_DAYS,
    Outputs,
    SecretStore,
    Settings,
    Target,
)
from wizard.commands.report.facts import ApplicationFacts, Architecture, DataKeyFacts, RegionKey, TrailDetails
from wizard.core.errors import SetupError
from wizard.core.models.account import KeyFact, TrailFact
from wizard.core.models.delivery import StoredDataKey
from wizard.data_key.storage import region_of
from wizard.targets.port import deploy_targets

CIPHER = "AES-256-GCM"
"""Of the application's records (`phi/`)."""

_STORES: Mapping[SecretStore, str] = {
    SecretStore.PARAMETER_STORE: "Parameter Store",
    SecretStore.SECRETS_MANAGER: "Secrets Manager",
}


def architecture(
    settings: Settings,
    outputs: Outputs,
    *,
    keys: Mapping[str, KeyFact | SetupError | None],
    stored_data_key: StoredDataKey | SetupError | None,
    trail: TrailFact | SetupError | None,
) -> Architecture:
    """The deployed stack. `keys`: by ARN, each read in its Region."""
    return Architecture(
        cipher=CIPHER,
        variables=APPLICATION_VARIABLES,
        applications=tuple(_applications(settings, outputs)),
        alias=outputs.alias_name,
        keys=tuple(
            RegionKey(region=region_of(arn), arn=arn, replica=arn != outputs.key_arn, state=_state(keys.get(arn)))
            for arn in outputs.key_arns
        ),
        administrators=(*settings.administrators, *settings.administrator_patterns),
        deletion_administrators=settings.deletion_administrators,
        deletion_window_days=DELETION_WINDOW_DAYS,
        data_key=_data_key(stored_data_key),
        trail=_trail(settings, outputs, trail),
    )


def _state(key: KeyFact | SetupError | None) -> str | None:
    if isinstance(key, SetupError):
        return None
    return key.state if key else "it does not exist"


def _data_key(stored_data_key: StoredDataKey | SetupError | None) -> DataKeyFacts | None:
    if stored_data_key is None or isinstance(stored_data_key, SetupError):
        return None
    return DataKeyFacts(
        name=stored_data_key.parameter,
        store=_STORES[stored_data_key.store],
        fingerprint=stored_data_key.wrapped.fingerprint,
        version=stored_data_key.version,
        wrapped_by=stored_data_key.key_arn,
    )


def _applications(settings: Settings, outputs: Outputs) -> Iterator[ApplicationFacts]:
    for target in deploy_targets(settings.deploy_targets):
        described = target.describe(settings)
        yield ApplicationFacts(
            target=Target(target.name),
            place=described.place,
            principal=outputs.principal_of(target.name),
            identity=described.identity,
            reads_from=described.reads_from,
        )


def _trail(settings: Settings, outputs: Outputs, trail: TrailFact | SetupError | None) -> TrailDetails:
    own = settings.existing_trail_arn is None
    fact = trail if isinstance(trail, TrailFact) else None
    return TrailDetails(
        arn=outputs.trail_arn,
        bucket=outputs.trail_bucket,
        is_own=own,
        logging=fact.logging if fact else None,
        encrypted_by="unknown" if fact is None else fact.key_arn or "the default encryption of S3",
        access_log_bucket=settings.names.access_log_bucket if own and settings.access_logging else None,
        log_group=settings.names.log_group if own and settings.cloudwatch_logs else None,
        alert_topic=settings.names.alert_topic if settings.alerts else None,
        alert_emails=len(settings.alert_emails),
    )
