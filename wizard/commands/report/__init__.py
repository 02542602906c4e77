"""`report`: the evidence for an auditor.

Pure: the options only; `command` is imported when it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from wizard.core.errors import UsageError
from wizard.core.next_command import Result, wizard

if TYPE_CHECKING:
    from wizard.core.clients import Clients, Request


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    out: Path | None = None
    phi_scan: Path | None = None
    """What `python -m phi scan --json` printed."""
    all_logs: bool = False
    """Compare every log file of the period with its signed digest."""
    requests: int | None = None
    instances: int | None = None
    cache_minutes: float | None = None
    format: str | None = None
    """`oscal`: the assessment results, too."""
    since: str | None = None
    """`2026-01-31`: compare with the newest report of that day or before."""
    to: str | None = None
    """`s3://BUCKET/PREFIX`, for a copy that nobody can delete."""
    action: str | None = None
    """`verify`, or None: make a report."""
    file: Path | None = None
    """The `report.json` that is verified."""
    prepared_by: str | None = None
    reviewed_by: str | None = None
    agreement: tuple[str, ...] = ()
    """`AWS=2026-01-15:aws-baa.pdf`: a business associate agreement that a person confirms."""

    CONFLICTS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "verify": tuple(
            "--prepared-by --reviewed-by --agreement --out --since --phi-scan --to --format --all-logs --requests "
            "--instances --cache-minutes".split()
        )
    }
    """Flags that do nothing beside a word."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", metavar="verify", help="check a report against its digest and facts")
        parser.add_argument(
            "file", nargs="?", type=Path, metavar="FILE", help="with verify: a report.json, or its folder"
        )
        parser.add_argument("--prepared-by", metavar="NAME", help="who prepared the report")
        parser.add_argument("--reviewed-by", metavar="NAME", help="who reviews it")
        parser.add_argument(
            "--agreement",
            action="append",
            default=[],
            metavar="AWS=DATE:FILE",
            help="a business associate agreement that you confirm, with AWS or Vercel; later reports keep it",
        )
        parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the files go (default: reports/)")
        parser.add_argument("--since", metavar="DATE", help="what changed since the report of that day")
        parser.add_argument(
            "--phi-scan",
            type=Path,
            metavar="FILE",
            help="what `python -m phi scan --json` printed",
        )
        parser.add_argument(
            "--to", metavar="s3://BUCKET/PREFIX", help="a copy there, too; the bucket must lock objects"
        )
        parser.add_argument("--format", choices=("oscal",), help="NIST's OSCAL assessment results, too")
        parser.add_argument("--all-logs", action="store_true", help="compare all audit logs, not the newest 500")
        parser.add_argument("--requests", type=int, metavar="N", help="assume this many KMS requests a month")
        parser.add_argument("--instances", type=int, metavar="N", help="assume this many running instances")
        parser.add_argument("--cache-minutes", type=float, metavar="M", help="assume this lifetime of the key cache")

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.report import command

        # Not by `choices`: the value after a flag that report does not have would be reported instead of the flag.
        if self.action not in (None, "verify") or (self.action is None) != (self.file is None):
            raise UsageError("report takes nothing, or `verify FILE`", wizard("report", "--help"))
        return command.verify(self.file, clients) if self.file else command.run(self, request, clients)
