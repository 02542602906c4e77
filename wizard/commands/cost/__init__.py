"""`cost`: the monthly cost of the stack.

Pure: the options only; `command` is imported when it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard.core.next_command import Result

if TYPE_CHECKING:
    from wizard.core.clients import Clients, Request


@dataclass(frozen=True, kw_only=True)
class CostOptions:
    used: bool = False
    days: int | None = None
    requests: int | None = None
    instances: int | None = None
    cache_minutes: float | None = None

    NEEDS: ClassVar[Mapping[str, tuple[str, ...]]] = {"--days": ("--used",)}
    """Flags that do something only beside one of these words."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--used", action="store_true", help="from what was used, as AWS counts it")
        parser.add_argument("--days", type=int, metavar="DAYS", help="with --used: how far back (default: 90)")
        parser.add_argument("--requests", type=int, metavar="N", help="assume this many KMS requests a month")
        parser.add_argument("--instances", type=int, metavar="N", help="assume this many running instances")
        parser.add_argument("--cache-minutes", type=float, metavar="M", help="assume this lifetime of the key cache")

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.cost import command

        return command.run(self, request, clients)
