"""`status`: the state of the stacks.

Pure: the options only; `command` is imported when it runs.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard.core.next_command import Result

if TYPE_CHECKING:
    from wizard.core.clients import Clients, Request


@dataclass(frozen=True, kw_only=True)
class StatusOptions:
    all_stacks: bool = False

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--all", action="store_true", dest="all_stacks", help="every stack")

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.status import command

        return command.run(self, request, clients)
