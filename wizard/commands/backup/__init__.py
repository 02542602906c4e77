"""`backup`: copies of the wrapped data key in a file, an S3 object or another Region.

Pure: the options only; `command` is imported when it runs.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard.core.next_command import Result

if TYPE_CHECKING:
    from wizard.setup.steps import Clients, Request


@dataclass(frozen=True, kw_only=True)
class BackupOptions:
    """The options of `backup`."""

    to: str | None = None
    """A file or `s3://…`."""
    to_region: str | None = None

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--to", metavar="PLACE", help="FILE, or s3://BUCKET/KEY with Object Lock")
        parser.add_argument("--to-region", metavar="REGION", help="a copy in the parameter store of that Region")

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.backup import command

        return command.run(self, request, clients)
