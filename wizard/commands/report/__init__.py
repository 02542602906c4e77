"""`report`: the evidence for an auditor.

Pure: the options only; `command` is imported when it runs.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.core.next_command import Result

if TYPE_CHECKING:
    from wizard.setup.steps import Clients, Request


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """The options of `report`."""

    out: Path | None = None
    phi_scan: Path | None = None
    """What `python -m phi scan --json` printed."""
    requests: int | None = None
    instances: int | None = None
    cache_minutes: float | None = None

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the files go (default: reports/)")
        parser.add_argument(
            "--phi-scan",
            type=Path,
            metavar="FILE",
            help="what `python -m phi scan --json` printed: evidence of the report",
        )
        parser.add_argument("--requests", type=int, metavar="N", help="assume this many KMS requests a month")
        parser.add_argument("--instances", type=int, metavar="N", help="assume this many running instances")
        parser.add_argument("--cache-minutes", type=float, metavar="M", help="assume this lifetime of the key cache")

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.report import command

        return command.run(self, request, clients)
