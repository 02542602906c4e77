"""The architecture of a stack as facts: where the application runs, the key in its Regions, the escrow, the trail.

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
from wizard.commands.report.facts import ApplicationFacts, Architecture, DataKeyPlace, KeyPlace, TrailPlace
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
    """This stack as it stands. `keys`: by ARN, as each was read in its Region."""
    return Architecture(
        cipher=CIPHER,
        variables=APPLICATION_VARIABLES,
        applications=tuple(_applications(settings, outputs)),
        alias=outputs.alias_name,
        keys=tuple(
            KeyPlace(region=region_of(arn), arn=arn, replica=arn != outputs.key_arn, state=_state(keys.get(arn)))
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
    return key.state if key else "there is none"


def _data_key(stored_data_key: StoredDataKey | SetupError | None) -> DataKeyPlace | None:
    if stored_data_key is None or isinstance(stored_data_key, SetupError):
        return None
    return DataKeyPlace(
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


def _trail(settings: Settings, outputs: Outputs, trail: TrailFact | SetupError | None) -> TrailPlace:
    made = settings.existing_trail_arn is None
    found = trail if isinstance(trail, TrailFact) else None
    return TrailPlace(
        arn=outputs.trail_arn,
        bucket=outputs.trail_bucket,
        made=made,
        logging=found.logging if found else None,
        encrypted_by="unknown" if found is None else found.key_arn or "S3's own key",
        access_log_bucket=settings.names.access_log_bucket if made and settings.access_logging else None,
        log_group=settings.names.log_group if made and settings.cloudwatch_logs else None,
        alert_topic=settings.names.alert_topic if settings.alerts else None,
        alert_emails=len(settings.alert_emails),
    )
