"""`doctor` and `verify`: what is wrong, and the command that fixes it.

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
class DoctorOptions:
    quick: bool = False
    quiet: bool = False
    """Without what passed."""
    explain_denied: bool = False
    """Ask AWS which policy denied the requests of this run."""
    format: str | None = None
    """`ocsf`: the document is an array of events."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--quick", action="store_true", help="without Pulumi's own comparison (seconds)")
        parser.add_argument("--quiet", action="store_true", help="without what passed")
        parser.add_argument(
            "--explain-denied",
            action="store_true",
            help="ask AWS which layer and statement denied a request of this run (IAM Access Troubleshooter)",
        )
        parser.add_argument(
            "--format", choices=("ocsf",), action=_Form, help="the document as OCSF events, for a SIEM; implies --json"
        )

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.doctor import command

        code, document = command.run(self, request, clients)
        if self.format is None:
            return code, document
        assert request.saved is not None  # else StackNotFound
        return code, command.ocsf(document, request.saved, clients.now())


class _Form(argparse.Action):
    """A form of the document: it is on standard output, as with `--json`."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        setattr(namespace, self.dest, values)
        namespace.json = True


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    full: bool = False
    """Decrypt the data key as the application, and encrypt and decrypt a record with it."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--full",
            action="store_true",
            help="decrypt the data key in a child process and use it; without it a dry run of KMS, no plaintext",
        )

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.doctor import command

        return command.run_verify(self, request, clients)
