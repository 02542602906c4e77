"""`push`: deliver the stored data key to its targets again.

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
class PushOptions:
    """The options of `push`."""

    to: str | None = None
    """Vercel environments, separated by commas; None: the stack's own."""
    branch: str | None = None
    rename_existing: str | None = None
    """The id of an ENCRYPTED_PHI_KEY on Vercel that is renamed."""

    NEEDS: ClassVar[Mapping[str, tuple[str, ...]]] = {"--confirm": ("--rename-existing",)}
    """Flags that do something only beside one of these words."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--to", metavar="NAMES", help="Vercel environments, with commas (default: the stack's own)")
        parser.add_argument("--branch", metavar="NAME", help="with --to preview: one git branch only")
        parser.add_argument("--rename-existing", metavar="ID", help="rename the ENCRYPTED_PHI_KEY of that id first")

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.push import command

        return command.run(self, request, clients)
