"""The first run: preflight, plan, confirmation, update, evidence, report; and the removal of a stack.

Touches nothing; `workflow` is loaded when a command runs.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.core.next_command import Result, Text, eonpro

if TYPE_CHECKING:
    from wizard.core.clients import Clients, Request
    from wizard.core.json_documents import Document

INPUTS = Text("The inputs (the Region, the trail and others): ", eonpro("help", "inputs"))


@dataclass(frozen=True, kw_only=True)
class SetupOptions:
    plan: Path | None = None

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--plan", type=Path, metavar="FILE", help="apply a saved plan, if it still fits")
        parser.epilog = INPUTS

    def run(self, request: Request, clients: Clients) -> tuple[int, Document]:
        from wizard.setup import document, workflow

        done = workflow.setup(request, clients)
        return int(not done.ok), document.of_report(done)


@dataclass(frozen=True, kw_only=True)
class PreviewOptions:
    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--save-plan", type=Path, metavar="FILE", help="write the plan to a file, for --plan")
        parser.add_argument("--save-answers", type=Path, metavar="FILE", help="write the answers, for --answers")
        parser.epilog = INPUTS

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.setup import document, workflow

        return 0, document.of_plan(workflow.preview(request, clients))


@dataclass(frozen=True, kw_only=True)
class AccessKeyOptions:
    action: str

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "action", choices=("rotate", "retire"), metavar="ACTION", help="rotate, or retire the old one"
        )

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.core import json_documents
        from wizard.setup import workflow

        change = workflow.rotate_access_key if self.action == "rotate" else workflow.retire_access_key
        return 0, json_documents.access_key(request.stack, change(request, clients))


@dataclass(frozen=True, kw_only=True)
class DestroyOptions:
    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """It has none of its own."""

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.core import json_documents
        from wizard.setup import workflow

        return 0, json_documents.destroy(request.stack, workflow.destroy(request, clients))
