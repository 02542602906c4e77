"""`rotate`, `restore` and `adopt`: change the key material or the current version of the data key.

Touches nothing before one of them runs: its modules are imported then. They change the KMS key, the stored data key and
its versions, the stack's settings and the targets.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from wizard.core.errors import UsageError
from wizard.core.next_command import Result, eonpro
from wizard.inputs.registry import OPTIONAL_KEYS

if TYPE_CHECKING:
    from wizard.core.clients import Clients, Request


@dataclass(frozen=True, kw_only=True)
class RotateOptions:
    cmk: bool = False
    schedule: int | None = None
    """Days between automatic rotations."""
    reencrypt: str | None = None
    """The ARN of the KMS key that wraps the data key from then on."""
    data_key: bool = False
    hash_key: bool = False
    instances: str | None = None
    """What the person says of the instances that are not seen from here."""
    promote: str | None = None
    """The fingerprint of the data key that becomes the current one."""
    reencrypted: Sequence[Path] = ()
    """What `phi reencrypt --json` printed for each table, before `--promote`."""
    no_hash_columns: bool = False
    """The person says that no table has search hashes under the former data key."""
    scanned: Sequence[Path] = ()
    """What `phi scan --json` printed for each database, before `--promote`."""
    no_records: bool = False
    """The person says that no database has records under the former data key."""

    NEEDS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "--yes": ("--cmk", "--schedule", "--reencrypt"),
        "--confirm": ("--data-key", "--hash-key", "--promote", "--reencrypt"),
        "--reencrypted": ("--promote",),
        "--no-hash-columns": ("--promote",),
        "--scanned": ("--promote",),
        "--no-records": ("--promote",),
        "--application": ("--data-key", "--hash-key"),
        "--redeploy": ("--promote", "--reencrypt", "--data-key", "--hash-key"),
        "--no-redeploy": ("--promote", "--reencrypt", "--data-key", "--hash-key"),
    }
    """Flags that do something only beside one of these words."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--cmk", action="store_true", help="new material for the KMS key, now")
        parser.add_argument("--schedule", type=int, metavar="DAYS", help="days between automatic rotations")
        parser.add_argument("--reencrypt", metavar="KEY", help="wrap the data key under another KMS key (its ARN)")
        parser.add_argument("--data-key", action="store_true", help="a new data key; the old one stays current")
        parser.add_argument("--hash-key", action="store_true", help="a new hash key; the old one stays current")
        parser.add_argument(
            "--application",
            # Not the name of the application, which every command takes from the settings.
            dest="instances",
            choices=("deployed", "stopped"),
            metavar="STATE",
            help="deployed: every instance reads the new key; or stopped",
        )
        parser.add_argument("--promote", metavar="FINGERPRINT", help="make the new key the current one")
        parser.add_argument(
            "--reencrypted",
            type=Path,
            action="append",
            metavar="FILE",
            default=[],
            help="the document of `phi reencrypt` or `phi index`, a table",
        )
        parser.add_argument(
            "--no-hash-columns",
            action="store_true",
            help="no table has search hashes under the old key",
        )
        parser.add_argument(
            "--scanned",
            type=Path,
            action="append",
            metavar="FILE",
            default=[],
            help="the document of `phi scan --rows 0`, for a database",
        )
        parser.add_argument(
            "--no-records",
            action="store_true",
            help="no database has records under the old key",
        )

    def run(self, request: Request, clients: Clients) -> Result:
        from components.settings import stored_values
        from wizard.commands.rotate import data_key, key, reencrypt, result

        actions = {
            "--cmk": self.cmk,
            "--schedule DAYS": self.schedule is not None,
            "--reencrypt KEY": self.reencrypt is not None,
            "--data-key": self.data_key,
            "--hash-key": self.hash_key,
            "--promote FINGERPRINT": self.promote is not None,
        }
        if (count := sum(actions.values())) != 1:
            raise UsageError(
                f"rotate needs one of {', '.join(actions)}" + (f", not {count} of them" if count else ""),
                eonpro("rotate", "--help"),
            )
        if self.cmk:
            return result.finish(clients.ui, key.rotate_material(request, clients))
        if self.schedule is not None:
            return result.finish(clients.ui, key.change_schedule(request, clients, self.schedule))
        if self.reencrypt is not None:
            done = reencrypt.reencrypt(request, clients, self.reencrypt)
            return result.finish(clients.ui, done)
        if self.data_key or self.hash_key:
            variable = stored_values.HASH_KEY_VARIABLE if self.hash_key else stored_values.DATA_KEY_VARIABLE
            made = data_key.make_new(request, clients, variable=variable, application=self.instances)
            return result.finish(clients.ui, made)
        done = data_key.promote(
            request,
            clients,
            self.promote or "",
            reencrypted=tuple(self.reencrypted),
            no_hash_columns=self.no_hash_columns,
            scanned=tuple(self.scanned),
            no_records=self.no_records,
        )
        return result.finish(clients.ui, done)


@dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    version: str | None = None
    """The fingerprint of a stored version."""
    from_backup: str | None = None
    """A file or `s3://…`."""
    from_target: bool = False
    """The data key that the application has: on Vercel, or in EONPRO_ENCRYPTED_PHI_KEY."""
    variable: str | None = None
    """Of the stored value that an option names; None: of the data key."""
    versions_only: bool = False
    """Keep what the backup, or the store's history, has and is not kept; the stored data key stays."""

    NEEDS: ClassVar[Mapping[str, tuple[str, ...]]] = dict.fromkeys(
        ("--confirm", "--redeploy", "--no-redeploy"), ("--version", "--from-backup", "--from-target")
    )
    """Flags that do something only beside one of these words."""
    CONFLICTS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "--versions-only": ("--confirm", "--redeploy", "--no-redeploy")
    }
    """Flags that do nothing beside a word."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--version", metavar="FINGERPRINT", help="the version; without it, they are listed")
        parser.add_argument("--from-backup", metavar="PLACE", help="FILE or s3://… of a backup")
        parser.add_argument(
            "--from-target",
            action="store_true",
            help="the application's own copy: what Vercel shows, or EONPRO_ENCRYPTED_PHI_KEY",
        )
        for variable in OPTIONAL_KEYS:
            words = variable.removeprefix("ENCRYPTED_PHI_").lower().split("_")
            text = f"of the {' '.join(words)}, not of the data key"
            parser.add_argument(
                f"--{'-'.join(words)}", dest="variable", action="store_const", const=variable, help=text
            )
        parser.add_argument(
            "--versions-only",
            action="store_true",
            help="keep the lost versions that the backup, or the store's history, has; the stored data key stays",
        )

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.rotate import restore, result

        if sum(map(bool, (self.version, self.from_backup, self.from_target))) > 1:
            raise UsageError(
                "restore needs one of --version, --from-backup and --from-target", eonpro("restore", "--help")
            )
        if self.versions_only and (self.version or self.from_target):
            raise UsageError("--versions-only goes with --from-backup, or alone", eonpro("restore", "--versions-only"))
        if self.versions_only:
            return result.finish(
                clients.ui, restore.keep_lost(request, clients, self.from_backup, variable=self.variable)
            )
        if self.version:
            return result.finish(
                clients.ui, restore.restore_version(request, clients, self.version, variable=self.variable)
            )
        if self.from_backup:
            return result.finish(
                clients.ui, restore.restore_backup(request, clients, self.from_backup, variable=self.variable)
            )
        if self.from_target:
            return result.finish(clients.ui, restore.restore_from_target(request, clients, of=self.variable))
        versions, again = restore.listing(request, clients, variable=self.variable)
        return 0, result.listing(request.stack, versions, next=again)


@dataclass(frozen=True, kw_only=True)
class AdoptOptions:
    encryption_key: bool = False

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--encryption-key", action="store_true", help="64 hex digits, from stdin or a prompt")

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.rotate import restore, result

        if not self.encryption_key:
            raise UsageError(
                "adopt needs --encryption-key: the key that the application used before",
                eonpro("adopt", "--encryption-key"),
            )
        return result.finish(clients.ui, restore.adopt(request, clients))
