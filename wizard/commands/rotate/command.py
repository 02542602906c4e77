"""`rotate`, `restore` and `adopt`: choose the action of the options, run it, and show the next steps.

Its actions change the KMS key, the stored data key and its versions, the stack's settings and the targets.
"""

from __future__ import annotations

from wizard.commands.rotate import AdoptOptions, RestoreOptions, RotateOptions, data_key, key, reencrypt, result
from wizard.commands.rotate import adopt as adoption
from wizard.commands.rotate import restore as restoration
from wizard.commands.rotate.result import RotateResult, show_next
from wizard.core.errors import UsageError
from wizard.core.next_command import Result, wizard
from wizard.setup.steps import Clients, Request


def rotate(options: RotateOptions, request: Request, clients: Clients) -> Result:
    """`rotate`: one of its five actions. Raises SetupError."""
    actions = {
        "--cmk": options.cmk,
        "--schedule DAYS": options.schedule is not None,
        "--reencrypt KEY": options.reencrypt is not None,
        "--data-key": options.data_key,
        "--promote FINGERPRINT": options.promote is not None,
    }
    if (count := sum(actions.values())) != 1:
        raise UsageError(
            f"rotate needs one of {', '.join(actions)}" + (f", not {count} of them" if count else ""),
            wizard("rotate", "--help"),
        )
    if options.cmk:
        return _finish(clients, key.rotate_material(request, clients))
    if options.schedule is not None:
        return _finish(clients, key.change_schedule(request, clients, options.schedule))
    if options.reencrypt is not None:
        return _finish(clients, reencrypt.reencrypt(request, clients, options.reencrypt, redeploy=options.redeploy))
    if options.data_key:
        return _finish(clients, data_key.make_new(request, clients))
    return _finish(clients, data_key.promote(request, clients, options.promote or "", redeploy=options.redeploy))


def restore(options: RestoreOptions, request: Request, clients: Clients) -> Result:
    """`restore`: a version or a backup; without one, show the versions. Raises SetupError."""
    version, backup = options.version, options.from_backup
    if version and backup:
        raise UsageError("restore needs --version or --from-backup, not both", wizard("restore", "--version", version))
    if version:
        return _finish(clients, restoration.restore_version(request, clients, version, redeploy=options.redeploy))
    if backup:
        return _finish(clients, restoration.restore_backup(request, clients, backup, redeploy=options.redeploy))
    versions, again = restoration.listing(request, clients)
    return UsageError.exit_code, result.listing(request.stack, versions, next=again)


def adopt(options: AdoptOptions, request: Request, clients: Clients) -> Result:
    """`adopt`: add the key that the application used before. Raises SetupError."""
    if not options.encryption_key:
        raise UsageError(
            "adopt needs --encryption-key: the key that the application used before",
            wizard("adopt", "--encryption-key"),
        )
    return _finish(clients, adoption.adopt(request, clients, redeploy=options.redeploy))


def _finish(clients: Clients, done: RotateResult) -> Result:
    show_next(clients.ui, done.next)
    return int(not done.ok), result.document(done)
