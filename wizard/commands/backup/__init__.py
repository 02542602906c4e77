"""`backup`: copies of the wrapped data key in a file, an S3 object or another Region; `backup drill` opens the newest.

Pure: the options only; `command` is imported when it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard.core.errors import UsageError
from wizard.core.next_command import Result, wizard

if TYPE_CHECKING:
    from wizard.core.clients import Clients, Request


@dataclass(frozen=True, kw_only=True)
class BackupOptions:
    to: str | None = None
    """A file or `s3://…`."""
    to_region: str | None = None
    action: str | None = None
    """`drill`, or None: make a copy."""
    from_backup: str | None = None
    """The backup that the drill opens; None: the newest one that the account records."""

    NEEDS: ClassVar[Mapping[str, tuple[str, ...]]] = {"--from-backup": ("drill",)}
    """Flags that do something only beside one of these words."""
    CONFLICTS: ClassVar[Mapping[str, tuple[str, ...]]] = {"drill": ("--to", "--to-region")}
    """Flags that do nothing beside a word."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "action",
            nargs="?",
            metavar="drill",
            help="open the newest backup as the application, measure the time, and record it",
        )
        parser.add_argument("--from-backup", metavar="PLACE", help="with drill: another backup than the newest")
        parser.add_argument("--to", metavar="PLACE", help="FILE, or s3://BUCKET/KEY with Object Lock")
        parser.add_argument("--to-region", metavar="REGION", help="a copy in the parameter store of that Region")

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.backup import command

        # Not by `choices`: the value after a flag that backup does not have would be reported instead of the flag.
        if self.action not in (None, "drill"):
            raise UsageError(f"backup has no {self.action!r}: it makes a copy, or `drill`", wizard("backup", "--help"))
        return command.run(self, request, clients)
