"""`review`: who can use the key, compared with the settings and the review before.

Pure: the options only; `command` is imported when it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from wizard.core.next_command import Result

if TYPE_CHECKING:
    from wizard.core.clients import Clients, Request


@dataclass(frozen=True, kw_only=True)
class ReviewOptions:
    sign: str | None = None
    """The name of the person who signs the review."""
    days: int | None = None
    out: Path | None = None

    NEEDS: ClassVar[Mapping[str, tuple[str, ...]]] = {"--confirm": ("--sign",)}
    """Flags that do something only beside one of these words."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--sign", metavar="NAME", help="sign the review with that name")
        parser.add_argument("--days", type=int, metavar="DAYS", help="how far back use is read (default: 90)")
        parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the files go (default: reviews/)")

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.review import command

        return command.run(self, request, clients)
