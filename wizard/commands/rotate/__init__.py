"""`rotate`, `restore` and `adopt`: change the key material or the current version of the data key.

Pure: the options only; `command` is imported when one of them runs.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard.core.next_command import Result

if TYPE_CHECKING:
    from wizard.setup.steps import Clients, Request


@dataclass(frozen=True, kw_only=True)
class RotateOptions:
    """The options of `rotate`."""

    cmk: bool = False
    schedule: int | None = None
    """Days between automatic rotations."""
    reencrypt: str | None = None
    """The ARN of the KMS key that wraps the data key from then on."""
    data_key: bool = False
    promote: str | None = None
    """The fingerprint of the data key that becomes the current one."""
    redeploy: bool | None = None

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument("--cmk", action="store_true", help="new material for the KMS key, now")
        parser.add_argument("--schedule", type=int, metavar="DAYS", help="days between automatic rotations")
        parser.add_argument("--reencrypt", metavar="KEY", help="wrap the data key under another KMS key (its ARN)")
        parser.add_argument("--data-key", action="store_true", help="a new data key; the old one stays current")
        parser.add_argument("--promote", metavar="FINGERPRINT", help="make the new data key the current one")
        parser.add_argument("--redeploy", action="store_true", default=None, help="restart the application afterwards")
        parser.add_argument("--no-redeploy", action="store_false", dest="redeploy", help="do not, and do not ask")

    def run(self, request: Request, clients: Clients) -> Result:
        """The command, to its end. Raises SetupError."""
        from wizard.commands.rotate import command

        return command.rotate(self, request, clients)


@dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """The options of `restore`."""

    version: str | None = None
    """The fingerprint of a stored version."""
    from_backup: str | None = None
    """A file or `s3://…`."""
    redeploy: bool | None = None

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument("--version", metavar="FINGERPRINT", help="the version; without it, they are listed")
        parser.add_argument("--from-backup", metavar="PLACE", help="FILE or s3://… of a backup")
        parser.add_argument("--redeploy", action="store_true", default=None, help="restart the application afterwards")
        parser.add_argument("--no-redeploy", action="store_false", dest="redeploy", help="do not, and do not ask")

    def run(self, request: Request, clients: Clients) -> Result:
        """The command, to its end. Raises SetupError."""
        from wizard.commands.rotate import command

        return command.restore(self, request, clients)


@dataclass(frozen=True, kw_only=True)
class AdoptOptions:
    """The options of `adopt`."""

    encryption_key: bool = False
    redeploy: bool | None = None

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument("--encryption-key", action="store_true", help="64 hex digits, from stdin or a prompt")
        parser.add_argument("--redeploy", action="store_true", default=None, help="restart the application afterwards")
        parser.add_argument("--no-redeploy", action="store_false", dest="redeploy", help="do not, and do not ask")

    def run(self, request: Request, clients: Clients) -> Result:
        """The command, to its end. Raises SetupError."""
        from wizard.commands.rotate import command

        return command.adopt(self, request, clients)
