"""`documents`: the application's documents in S3. `documents encrypt` moves those of a bucket to their own KMS key.

Touches nothing before it runs: its module is imported then. It changes how objects are encrypted, and nothing else.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from wizard.core.next_command import Command, Result, eonpro

if TYPE_CHECKING:
    from wizard.core.clients import Clients, Request

VERSIONS = ("all", "current")


@dataclass(frozen=True, kw_only=True)
class DocumentsOptions:
    action: str
    """`encrypt`."""
    bucket: str | None = None
    """The bucket; None: the only one that the settings name."""
    prefix: str = ""
    """Only the objects whose names begin with it."""
    versions: str | None = None
    """Of a versioned bucket: `all`, or the `current` ones. None: a person is asked."""
    from_key: Sequence[str] = ()
    """ARNs of KMS keys whose objects are moved, too; an object under another key of somebody else is left."""
    dry_run: bool = False
    """Count, and change nothing."""
    batch: str | None = None
    """The ARN of the role of an S3 Batch Operations job: its command is printed, and nothing is changed."""

    CONFLICTS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "--batch": ("--dry-run", "--yes", "--versions", "--from-key"),
        "--dry-run": ("--yes",),
    }
    """Flags that do nothing beside a word."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("action", choices=("encrypt",), metavar="ACTION", help="encrypt: move them, in place")
        parser.add_argument("--bucket", metavar="NAME", help="the bucket (default: the only one of the settings)")
        parser.add_argument("--prefix", default="", metavar="TEXT", help="only objects whose names begin with it")
        parser.add_argument("--versions", choices=VERSIONS, help="of a versioned bucket: every version, or the current")
        parser.add_argument(
            "--from-key",
            action="append",
            default=[],
            metavar="ARN",
            help="also move the objects under this KMS key; others of somebody else's key are left",
        )
        parser.add_argument("--dry-run", action="store_true", help="count what would be moved, and change nothing")
        parser.add_argument(
            "--batch",
            metavar="ROLE",
            help="print the command of an S3 Batch Operations job that runs as that role's ARN",
        )

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.documents import command

        return command.run(
            request,
            clients,
            bucket_name=self.bucket,
            prefix=self.prefix,
            versions=self.versions,
            from_key=self.from_key,
            dry_run=self.dry_run,
            batch=self.batch,
            again=partial(self._again, request.stack),
        )

    def _again(self, stack: str, *more: str) -> Command:
        words = ["--bucket", self.bucket] if self.bucket else []
        words += ["--prefix", self.prefix] if self.prefix else []
        words += ["--versions", self.versions] if self.versions else []
        words += [word for arn in self.from_key for word in ("--from-key", arn)]
        return eonpro("documents", self.action, "--stack", stack, *words, *more)
