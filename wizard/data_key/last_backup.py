"""What is at the place that the account records for the last backup of a key: does it hold that key?

Reads one file, one S3 object or one value of a store.
"""

import platform
from pathlib import Path

from components.settings import Settings
from wizard.core import files
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import SetupError, Unsupported, UsageError
from wizard.core.models.rotation import S3, LastBackup
from wizard.core.next_command import shell
from wizard.core.ports.run import AwsClient
from wizard.data_key.backup_document import parse


class NotOnThisMachine(SetupError):
    """The backup is a file of another machine, or on a medium that is not mounted."""


def fingerprint_of(last: LastBackup, aws: AwsClient, settings: Settings) -> str | None:
    """The fingerprint of the key in the backup, read and checked; None if nothing is at its place.

    `settings`: of the data key or of the hash key. Raises UsageError for anything else than a backup of the settings'
    environment, NotOnThisMachine, and SetupError for what cannot be read.
    """
    where, _, name = last.place.partition(":")
    if last.place.startswith(S3):
        bucket, _, key = last.place.removeprefix(S3).partition("/")
        stored = aws.backup_storage.read(bucket, key)
        return None if stored is None else _in_document(stored.body, last.place, settings)
    if not name.startswith(settings.names.parameter_prefix):
        content = _file(where, name)
        return None if content is None else _in_document(content, name, settings)
    values = aws.with_region(where).access_diagnostics.read_values([name], settings.secret_store)
    try:
        return WrappedDataKey(value=values[name]).fingerprint if name in values else None
    except MalformedDataKey as error:
        again = shell("aws", "ssm", "get-parameter", "--name", name, "--region", where)
        raise UsageError(f"{name} in {where} is not a wrapped key: {error}", again) from error


def _file(machine: str, name: str) -> bytes | None:
    path = Path(name)
    if machine != platform.node() or not path.parent.is_dir():
        raise NotOnThisMachine(f"the file {name} of {machine} is not on this machine", "look for it there")
    try:
        return files.read(path)
    except FileNotFoundError:
        return None
    except files.NotAFile as error:
        raise UsageError(f"{name} is not a backup: {error.strerror}", shell("ls", "-ld", path)) from error
    except OSError as error:
        raise Unsupported(f"{name} cannot be read: {error.strerror}", shell("ls", "-l", path)) from error


def _in_document(content: bytes, name: str, settings: Settings) -> str | None:
    backup = parse(content, name)
    if (backup.account, backup.environment) != (settings.account_id, settings.environment):
        whose = f"the environment {backup.environment} of the account {backup.account}"
        raise UsageError(f"{name} is a backup of {whose}", shell("ls", "-l", name))
    versions = backup.versions_of(settings.names.value)
    return next((version.fingerprint for version in versions if version.current), None)
