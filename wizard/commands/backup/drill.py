"""`backup drill`: a backup is opened as the application, to know that a restoration would succeed.

Reads a backup, starts a child process as the application, and writes one record to the account.
"""

import platform
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from components.settings.arn import Arn
from components.settings.stored_values import DATA_KEY
from wizard.account.facts import StackFacts
from wizard.commands import deployed_stack
from wizard.commands.backup import destination
from wizard.commands.backup.command import document, file_place, to_a_file
from wizard.core.clients import Clients, Request
from wizard.core.errors import DataKeyConflict, PermissionDenied, ResourceError, UsageError
from wizard.core.models.delivery import AppVariables, StoredDataKey
from wizard.core.models.inputs import Mark
from wizard.core.models.rotation import S3, DataKeyVersion, LastBackup, RestoreDrill, VersionOrigin, file_name_of
from wizard.core.models.verification import AppCredentials
from wizard.core.next_command import Text, eonpro
from wizard.data_key import storage
from wizard.data_key.backup_document import Backup
from wizard.targets.port import DeployTarget, deploy_targets


def run(request: Request, clients: Clients, *, from_backup: str | None) -> tuple[int, Mapping[str, Any]]:
    """Open a backup as the application, in a child process that holds the key only in memory; nothing is left behind.

    The record of it, in the account, is all that it writes. Raises DataKeyConflict for a backup of another data key
    than the stored one, PermissionDenied without the application's credentials, ResourceError if it does not open.
    """
    clients.ui.working("reading the backup")
    deployed = deployed_stack.find(request, clients)
    settings, aws = deployed.settings, deployed.aws
    stored = storage.find_stored_data_key(aws, settings)
    last = None if from_backup else _newest(deployed)
    place = last.place if last else _place_of(str(from_backup))
    started = time.monotonic()
    backup = _read_backup(place, deployed, at=last.at if last else clients.now())
    _require_values_beside(backup, place, deployed)
    _require_data_key(backup, place, deployed, stored)
    outputs = deployed_stack.outputs_of(deployed)
    target = deploy_targets(settings.deploy_targets)[0]
    principal = outputs.principal_of(target.name)
    credentials = _credentials_of(principal, target, deployed)
    clients.ui.working("opening it as the application")
    # A version that another KMS key wraps needs a grant on that key, which the application does not have any more.
    versions = [
        version
        for versions in (backup.versions, *dict(backup.beside).values())
        for version in versions
        if version.current or version.key_arn in outputs.key_arns
    ]
    faults = [fault for version in versions if (fault := _fault(version, credentials, clients))]
    record = RestoreDrill(
        at=clients.now().replace(microsecond=0),
        fingerprint=backup.fingerprint,
        opened=not faults,
        seconds=time.monotonic() - started,
        versions=len(versions) - len(faults),
        principal=principal,
        place=place,
    )
    aws.stored_data_keys.record(settings.names.last_drill, record.text, tags=settings.tags)
    if faults:
        raise ResourceError(f"the backup {place} does not open: {'; '.join(faults)}", eonpro("doctor"))
    ui = clients.ui
    ui.line(f"{place}: opened as {principal} in {record.seconds:.1f} s; versions: {record.versions}", mark=Mark.OK)
    ui.line(f"recorded in {settings.names.last_drill}; the next report shows it")
    return 0, document(request.stack, backup, (), record)


def _require_data_key(backup: Backup, place: str, deployed: StackFacts, stored: StoredDataKey | None) -> None:
    """Raises DataKeyConflict where the backup is of another data key than the stored one, or none is stored."""
    if stored is None:
        raise DataKeyConflict(
            f"{place} holds the data key {backup.fingerprint}, but the application uses none: the stored data key is "
            "missing",
            _restoring(place, deployed.stack),
        )
    in_use, settings = stored.wrapped.fingerprint, deployed.settings
    if backup.fingerprint != in_use:
        raise DataKeyConflict(
            f"{place} holds the data key {backup.fingerprint}, but the application uses {in_use}",
            eonpro(
                "backup",
                "--stack",
                deployed.stack,
                "--to",
                file_name_of(settings.application, settings.environment, in_use),
            ),
        )
    recorded = stored.wrapped.check_value
    if recorded and backup.wrapped.check_value not in (None, recorded):
        raise DataKeyConflict(
            f"{place} says that {in_use} opens to the key {backup.wrapped.check_value}, but the stored one opens to "
            f"{recorded}",
            eonpro("verify", "--stack", deployed.stack, "--full"),
        )


def _credentials_of(principal: str, target: DeployTarget, deployed: StackFacts) -> AppCredentials:
    """The application's credentials. Raises PermissionDenied where they are not available here."""
    search = deployed.aws.application_credentials.app_credentials(
        principal, container_first=target.container_credentials_first
    )
    if search.credentials is None:
        raise PermissionDenied(
            f"the backup was not opened: the credentials of {principal} are not available here "
            f"({'; '.join(search.tried)})",
            Text(
                "set EONPRO_APP_WEB_IDENTITY_TOKEN_FILE, EONPRO_APP_PROFILE or EONPRO_APP_ACCESS_KEY_ID, then: ",
                eonpro("backup", "drill", "--stack", deployed.stack),
            ),
        )
    return search.credentials


def _require_values_beside(backup: Backup, place: str, deployed: StackFacts) -> None:
    """Raises DataKeyConflict where the application has another stored value that the backup has not."""
    for of_key in deployed.settings.of_each_key[1:]:
        value = of_key.names.value
        held = {version.fingerprint for version in backup.versions_of(value) if version.current}
        stored = storage.find_stored_data_key(deployed.aws, of_key)
        if stored is not None and stored.wrapped.fingerprint not in held:
            raise DataKeyConflict(
                f"{place} does not hold the {value.noun} {stored.wrapped.fingerprint}, which the application uses",
                to_a_file(deployed, f"{deployed.stack}{value.option[1:]}"),
            )


def _place_of(backup: str) -> str:
    """The place of a backup that an option names, in the form of the record."""
    return backup if backup.startswith(S3) else file_place(backup)


def _restoring(place: str, stack: str) -> str:
    """The command that restores a backup that was read here; of a copy in another Region the doctor has it."""
    where, _, name = place.partition(":")
    if place.startswith(S3) or where == platform.node():
        return eonpro("restore", "--stack", stack, "--from-backup", place if place.startswith(S3) else name)
    return eonpro("doctor", "--stack", stack)


def _newest(deployed: StackFacts) -> LastBackup:
    last = storage.find_last_backup(deployed.aws, deployed.settings)
    if last is None:
        raise UsageError(
            "the account records no backup of the data key",
            to_a_file(deployed, deployed.stack),
        )
    return last


def _read_backup(place: str, deployed: StackFacts, *, at: datetime) -> Backup:
    """The backup at a place in the form of the record, read into memory. `at`: when it was made, if it does not say."""
    where, _, name = place.partition(":")
    if place.startswith(S3):
        return destination.read(place, deployed.aws.backup_storage)
    if where == platform.node():
        return destination.read(name, deployed.aws.backup_storage)
    settings = deployed.settings
    if not name.startswith(settings.names.parameter_prefix):
        raise UsageError(
            f"the newest backup is the file {name} of the machine {where}: it cannot be read from here",
            "run the drill there, or copy the file here and name it: --from-backup FILE",
        )
    beside = {
        of_key.names.value: last.place.removeprefix(f"{where}:")
        for of_key in settings.of_each_key[1:]
        if (last := storage.find_last_backup(deployed.aws, of_key)) and last.place.startswith(f"{where}:")
    }
    return Backup(
        created_at=at,
        stack=deployed.stack,
        environment=settings.environment,
        account=settings.account_id,
        region=settings.region,
        store=settings.secret_store,
        versions=(_read_copy(name, where, deployed),),
        beside=tuple((value, (_read_copy(copy, where, deployed),)) for value, copy in beside.items()),
    )


def _read_copy(name: str, region: str, deployed: StackFacts) -> DataKeyVersion:
    store = deployed.settings.secret_store
    copy = deployed.aws.with_region(region).stored_data_keys.read_stored_data_key(name, store=store)
    if copy is None:
        raise ResourceError(
            f"the copy of the data key {name} in {region} does not exist any more",
            eonpro("backup", "--stack", deployed.stack, "--to-region", region),
        )
    return DataKeyVersion(
        wrapped=copy.wrapped,
        key_arn=copy.key_arn or deployed_stack.outputs_of(deployed).key_arn,
        parameter=name,
        origin=VersionOrigin.UNKNOWN,
        kept_at=None,
        same_as=copy.wrapped.fingerprint,
        current=True,
    )


def _fault(version: DataKeyVersion, credentials: AppCredentials, clients: Clients) -> str:
    """Why the application does not open a version; empty if it does."""
    # The child compares: another key than the one that was backed up is not opened.
    check_value = version.wrapped.check_value
    variables = AppVariables(
        region=Arn.parse(version.key_arn or "").region,
        key_arn=version.key_arn or "",
        wrapped=version.wrapped,
        optional=((DATA_KEY.check_value, check_value),) if check_value else (),
    )
    result = clients.prover.prove(credentials, variables, retry_seconds=0, full=True)
    is_same = result.fingerprint == version.fingerprint
    return "" if result.proved and is_same else f"{version.fingerprint}: {result.cause or 'another data key'}"
