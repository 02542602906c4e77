"""`rotate`, `restore` and `adopt` from the command line to their end.

Touches what the steps touch: the KMS key, the escrow and its ledger, the stack's settings, the targets.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from wizard.commands.rotate import adopt, data_key, key, reencrypt, restore, result
from wizard.commands.rotate.result import RotateResult, show_next
from wizard.core.errors import UsageError
from wizard.setup.steps import Clients, Request

_ROTATE = ("--cmk", "--schedule DAYS", "--reencrypt KEY", "--data-key", "--promote FINGERPRINT")


def run(options: argparse.Namespace, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
    """The command, to an exit code and its document. Raises SetupError."""
    match options.command:
        case "rotate":
            done = _rotate(options, request, clients)
        case "restore":
            if options.version and options.from_backup:
                raise UsageError(
                    "restore takes a version or a backup, not both",
                    f"python -m wizard restore --version {options.version} --stack {options.stack}",
                )
            if not options.version and not options.from_backup:
                versions, again = restore.listing(request, clients)
                return UsageError.exit_code, result.listing(request.stack, versions, next=again)
            done = (
                restore.restore_version(request, clients, options.version, redeploy=options.redeploy)
                if options.version
                else restore.restore_backup(request, clients, options.from_backup, redeploy=options.redeploy)
            )
        case _:
            if not options.encryption_key:
                raise UsageError(
                    "adopt takes a key that was used before: --encryption-key",
                    f"python -m wizard adopt --encryption-key --stack {options.stack}",
                )
            done = adopt.adopt(request, clients, redeploy=options.redeploy)
    show_next(clients.ui, done.next)
    return int(not done.ok), result.document(done)


def _rotate(options: argparse.Namespace, request: Request, clients: Clients) -> RotateResult:
    given = [
        name
        for name, is_given in zip(
            _ROTATE,
            (
                options.cmk,
                options.schedule is not None,
                options.reencrypt is not None,
                options.data_key,
                options.promote is not None,
            ),
            strict=True,
        )
        if is_given
    ]
    if len(given) != 1:
        raise UsageError(
            f"rotate takes one of {', '.join(_ROTATE)}" + (f", not {len(given)} of them" if given else ""),
            f"python -m wizard rotate --cmk --stack {options.stack}   # the key's material; --help tells the others",
        )
    if options.cmk:
        return key.rotate_material(request, clients)
    if options.schedule is not None:
        return key.change_schedule(request, clients, options.schedule)
    if options.reencrypt is not None:
        return reencrypt.reencrypt(request, clients, options.reencrypt, redeploy=options.redeploy)
    if options.data_key:
        return data_key.make_new(request, clients)
    return data_key.promote(request, clients, options.promote, redeploy=options.redeploy)
