"""`rotate`, `restore` and `adopt` from the command line to their end.

Touches what the steps touch: the KMS key, the stored data key and its versions, the stack's settings, the targets.
"""

from __future__ import annotations

from wizard.commands.rotate import AdoptOptions, RestoreOptions, RotateOptions, data_key, key, reencrypt, result
from wizard.commands.rotate import adopt as is_importing
from wizard.commands.rotate import restore as restoring
from wizard.commands.rotate.result import RotateResult, show_next
from wizard.core.errors import UsageError
from wizard.core.next_command import Result, wizard
from wizard.setup.steps import Clients, Request


def rotate(options: RotateOptions, request: Request, clients: Clients) -> Result:
    """`rotate`: one of its five changes. Raises SetupError."""
    given = {
        "--cmk": options.cmk,
        "--schedule DAYS": options.schedule is not None,
        "--reencrypt KEY": options.reencrypt is not None,
        "--data-key": options.data_key,
        "--promote FINGERPRINT": options.promote is not None,
    }
    if (count := sum(given.values())) != 1:
        raise UsageError(
            f"rotate takes one of {', '.join(given)}" + (f", not {count} of them" if count else ""),
            wizard("rotate", "--help"),
        )
    if options.cmk:
        return _ended(clients, key.rotate_material(request, clients))
    if options.schedule is not None:
        return _ended(clients, key.change_schedule(request, clients, options.schedule))
    if options.reencrypt is not None:
        return _ended(clients, reencrypt.reencrypt(request, clients, options.reencrypt, redeploy=options.redeploy))
    if options.data_key:
        return _ended(clients, data_key.make_new(request, clients))
    return _ended(clients, data_key.promote(request, clients, options.promote or "", redeploy=options.redeploy))


def restore(options: RestoreOptions, request: Request, clients: Clients) -> Result:
    """`restore`: a version or a backup; without either, the list of versions. Raises SetupError."""
    version, backup = options.version, options.from_backup
    if version and backup:
        raise UsageError("restore takes a version or a backup, not both", wizard("restore", "--version", version))
    if version:
        return _ended(clients, restoring.restore_version(request, clients, version, redeploy=options.redeploy))
    if backup:
        return _ended(clients, restoring.restore_backup(request, clients, backup, redeploy=options.redeploy))
    versions, again = restoring.listing(request, clients)
    return UsageError.exit_code, result.listing(request.stack, versions, next=again)


def adopt(options: AdoptOptions, request: Request, clients: Clients) -> Result:
    """`adopt`: a key that the application used before. Raises SetupError."""
    if not options.encryption_key:
        raise UsageError(
            "adopt takes a key that was used before: --encryption-key", wizard("adopt", "--encryption-key")
        )
    return _ended(clients, is_importing.adopt(request, clients, redeploy=options.redeploy))


def _ended(clients: Clients, done: RotateResult) -> Result:
    show_next(clients.ui, done.next)
    return int(not done.ok), result.document(done)
