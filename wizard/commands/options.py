"""The options of the commands for a deployed stack: what each takes on the command line, and which module runs it.

Pure. The parser imports them for a help or a usage error, too: the module of a command is imported when it runs. Those
of `rotate`, `restore` and `adopt` are in `rotate`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from wizard.core.errors import UsageError
from wizard.core.models.stack import REHEARSAL
from wizard.core.next_command import Result, eonpro
from wizard.inputs.registry import INPUTS

if TYPE_CHECKING:
    from wizard.core.clients import Clients, Offline, Request

POLICIES = ("operator", "boundary", "auditor", "delivery", "promotion", "documents", "ci")
"""The policies that `policy` prints."""


@dataclass(frozen=True, kw_only=True)
class PushOptions:
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

    def run(self, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
        from wizard.commands.push import command

        return command.run(request, clients, to=self.to, branch=self.branch, rename_existing=self.rename_existing)


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    quick: bool = False

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--quick", action="store_true", help="without Pulumi's own comparison (seconds)")

    def run(self, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
        from wizard.commands.doctor import command

        return command.run(request, clients, quick=self.quick)


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

    def run(self, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
        from wizard.commands.doctor import command

        return command.run_verify(request, clients, full=self.full)


@dataclass(frozen=True, kw_only=True)
class RehearsalOptions:
    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(stack=REHEARSAL)

    def run(self, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
        from wizard.commands import rehearsal

        return rehearsal.run(request, clients)


@dataclass(frozen=True, kw_only=True)
class StatusOptions:
    all_stacks: bool = False

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--all", action="store_true", dest="all_stacks", help="every stack")

    def run(self, request: Request, clients: Clients) -> Result:
        from wizard.commands.status import command

        return command.run(request, clients, all_stacks=self.all_stacks)


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

    def run(self, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
        from wizard.commands.review import command

        return command.run(request, clients, signer=self.sign, days=self.days, out=self.out)


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    out: Path | None = None
    phi_scan: Path | None = None
    """What `python -m eonpro_phi scan --json` printed."""
    all_logs: bool = False
    """Compare every log file of the period with its signed digest."""
    requests: int | None = None
    instances: int | None = None
    cache_minutes: float | None = None
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
            "--prepared-by --reviewed-by --agreement --out --since --phi-scan --to --all-logs --requests "
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
            help="what `python -m eonpro_phi scan --json` printed",
        )
        parser.add_argument(
            "--to", metavar="s3://BUCKET/PREFIX", help="a copy there, too; the bucket must lock objects"
        )
        parser.add_argument("--all-logs", action="store_true", help="compare all audit logs, not the newest 500")
        _add_assumptions(parser)

    def run(self, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
        from wizard.commands.report import command

        # Not by `choices`: the value after a flag that report does not have would be reported instead of the flag.
        if self.action not in (None, "verify") or (self.action is None) != (self.file is None):
            raise UsageError("report takes nothing, or `verify FILE`", eonpro("report", "--help"))
        if self.file:
            return command.verify(self.file, clients)
        return command.run(
            request,
            clients,
            assumptions=_changed(self),
            out=self.out,
            phi_scan=self.phi_scan,
            all_logs=self.all_logs,
            since=self.since,
            to=self.to,
            prepared_by=self.prepared_by,
            reviewed_by=self.reviewed_by,
            agreements=self.agreement,
        )


@dataclass(frozen=True, kw_only=True)
class CostOptions:
    requests: int | None = None
    instances: int | None = None
    cache_minutes: float | None = None

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        _add_assumptions(parser)

    def run(self, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
        from wizard.commands import cost

        return cost.run(request, clients, assumptions=_changed(self))


@dataclass(frozen=True, kw_only=True)
class BackupOptions:
    to: str | None = None
    """A file or `s3://…`."""
    to_region: str | None = None
    action: str | None = None
    """`drill`, or None: make a copy."""
    from_backup: str | None = None
    """The backup that the drill opens; None: the newest one that the account records."""

    NEEDS: ClassVar[Mapping[str, tuple[str, ...]]] = {"--from-backup": ("drill",)}
    """Flags that do something only beside one of these words."""
    CONFLICTS: ClassVar[Mapping[str, tuple[str, ...]]] = {"drill": ("--to", "--to-region")}
    """Flags that do nothing beside a word."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "action",
            nargs="?",
            metavar="drill",
            help="open the newest backup as the application, measure the time, and record it",
        )
        parser.add_argument("--from-backup", metavar="PLACE", help="with drill: another backup than the newest")
        parser.add_argument("--to", metavar="PLACE", help="FILE, or s3://BUCKET/KEY with Object Lock")
        parser.add_argument("--to-region", metavar="REGION", help="a copy in the parameter store of that Region")

    def run(self, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
        from wizard.commands.backup import command, drill

        # Not by `choices`: the value after a flag that backup does not have would be reported instead of the flag.
        if self.action not in (None, "drill"):
            raise UsageError(f"backup has no {self.action!r}: it makes a copy, or `drill`", eonpro("backup", "--help"))
        if self.action:
            return drill.run(request, clients, from_backup=self.from_backup)
        return command.run(request, clients, to=self.to, to_region=self.to_region)


@dataclass(frozen=True, kw_only=True)
class PolicyOptions:
    action: str
    repository: str | None = None
    """The GitHub repository that CI's roles trust: OWNER/NAME, or with its ids OWNER@OWNER_ID/NAME@REPOSITORY_ID."""

    documents_key_arn: str | None = None
    """The key under which the buckets of documents take uploads; None: their policies are not printed."""

    with_removal: bool = False
    """Whether the operator's policy also grants what removes resources."""

    with_pull_requests: bool = False
    """Whether the reading role also trusts the jobs of pull requests that a reviewer of their environment let run."""

    NEEDS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "--repository": ("ci",),
        "--documents-key-arn": ("documents",),
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
        parser.add_argument("action", choices=POLICIES, metavar="WHO", help=", ".join(POLICIES))
        parser.add_argument(
            "--repository",
            metavar="OWNER/NAME",
            help="with ci: the repository on GitHub; as OWNER@ID/NAME@ID if its tokens have ids",
        )
        parser.add_argument(
            "--documents-key-arn",
            metavar="ARN",
            help="with documents: also what to add to the policy of each bucket, for this key of the stack's outputs",
        )
        parser.add_argument(
            "--with-removal",
            action="store_true",
            help="with operator: what removes an e-mail address or an old policy version, and what destroy needs",
        )
        parser.add_argument(
            "--with-pull-requests",
            action="store_true",
            help="with ci: the reading role also for pull requests that a reviewer let run",
        )
        parser.add_argument("--adopt", action="store_true", help="with operator: what an import needs, too")

    def run_offline(self, offline: Offline) -> Result:
        from wizard.commands.policy import command

        if self.action == "ci":
            return command.print_for_ci(offline, self.repository, with_pull_requests=self.with_pull_requests)
        return command.print_for_principal(offline, self.action, self.with_removal, self.documents_key_arn)


def _add_assumptions(parser: argparse.ArgumentParser) -> None:
    """Add the assumptions of a cost, for what the settings do not tell."""
    parser.add_argument("--requests", type=int, metavar="N", help="assume this many KMS requests a month")
    parser.add_argument("--instances", type=int, metavar="N", help="assume this many running instances")
    parser.add_argument("--cache-minutes", type=float, metavar="M", help="assume this lifetime of the key cache")


def _changed(options: CostOptions | ReportOptions) -> dict[str, float]:
    """The assumptions that the options change."""
    named = {"requests": options.requests, "instances": options.instances, "cache_minutes": options.cache_minutes}
    return {name: value for name, value in named.items() if value is not None}
