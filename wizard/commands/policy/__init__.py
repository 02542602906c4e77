"""`policy`: the IAM policies for operator, auditor, delivery and CI, a boundary, and the pair for an organization.

Pure: the options only; `command` is imported when it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard.core.next_command import Result
from wizard.inputs.registry import INPUTS

if TYPE_CHECKING:
    from wizard.core.ports.run import Offline

ACTIONS = ("operator", "boundary", "auditor", "delivery", "ci", "organization")


@dataclass(frozen=True, kw_only=True)
class PolicyOptions:
    action: str
    repository: str | None = None
    """The GitHub repository that CI's roles trust: OWNER/NAME, or with its ids OWNER@OWNER_ID/NAME@REPOSITORY_ID."""

    organization: str | None = None
    """The id of the AWS organization that the pair of policies protects, `o-` and at least ten characters."""

    exempt: tuple[str, ...] = ()
    """ARNs, or patterns of them, that the pair excepts besides the administrators: CI's role, for example."""

    with_removal: bool = False
    """Whether the operator's policy also grants what removes resources."""

    with_pull_requests: bool = False
    """Whether the reading role also trusts the jobs of pull requests that a reviewer of their environment let run."""

    NEEDS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "--repository": ("ci",),
        "--organization": ("organization",),
        "--exempt": ("organization",),
        "--with-removal": ("operator",),
        "--with-pull-requests": ("ci",),
        "--adopt": ("operator", "boundary"),
    }
    """Flags that do something only beside one of these words."""
    CONFLICTS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "ci": ("--answers", *(each.flag for each in INPUTS if each.key != "account"))
    }
    """Flags that do nothing beside a word."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("action", choices=ACTIONS, metavar="WHO", help=", ".join(ACTIONS))
        parser.add_argument(
            "--repository",
            metavar="OWNER/NAME",
            help="with ci: the repository on GitHub; as OWNER@ID/NAME@ID if its tokens have ids",
        )
        parser.add_argument("--organization", metavar="ID", help="with organization: its id, such as o-exampleorgid")
        parser.add_argument(
            "--exempt",
            metavar="ARN",
            action="append",
            default=[],
            help="with organization: another principal that may change what is protected, such as CI's role",
        )
        parser.add_argument(
            "--with-removal",
            action="store_true",
            help="with operator: what removes an e-mail address or an old policy version, and what destroy needs",
        )
        parser.add_argument(
            "--with-pull-requests",
            action="store_true",
            help="with ci: the reading role also for pull requests that a reviewer let run; see docs/commands.md",
        )
        parser.add_argument("--adopt", action="store_true", help="with operator: what an import needs, too")

    def run_offline(self, offline: Offline) -> Result:
        from wizard.commands.policy import command

        return command.run(self, offline)
