"""What the machine lacks (open files, memory, room, a package), told in one sentence with what to do; no traceback.

Pure. Imported early: where no file can be opened any more, nothing can be imported either.
"""

import errno
import os
import sys

from components import installation
from components.installation import origin
from wizard.core.errors import SetupError
from wizard.core.next_command import Command, shell

_AGAIN = "then run the same command again: it goes on from here"
_FILES = shell("ulimit", "-n", "4096", advice=_AGAIN)
_ROOM = f"make room on that disk, {_AGAIN}"
_MEMORY = shell("ulimit", "-v", "unlimited", advice=f"or end other programs, {_AGAIN}")
_SHORTAGES = {
    errno.EMFILE: ("this process may open no more files", _FILES),
    errno.ENFILE: ("this machine can open no more files", f"end other programs, {_AGAIN}"),
    errno.ENOSPC: ("there is no room left on the disk", _ROOM),
    errno.EDQUOT: ("the disk's quota for this user is used up", _ROOM),
    errno.EROFS: ("the file system can only be read", f"make it writable, or work in a copy elsewhere, {_AGAIN}"),
    errno.ENOMEM: ("there is not enough memory", _MEMORY),
    errno.EAGAIN: ("this machine starts no more processes for this user", f"end other programs, {_AGAIN}"),
}


def error_of(error: BaseException) -> SetupError | None:
    """The error for what the machine lacks; None for any other exception, which is a bug."""
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "start new thread" in str(error)):
        return SetupError(*_SHORTAGES[errno.ENOMEM])
    if isinstance(error, OSError) and error.errno in _SHORTAGES:
        what, advice = _SHORTAGES[error.errno]
        return SetupError(f"{what}: {error.filename}" if error.filename else what, advice)
    if isinstance(error, ModuleNotFoundError) and not _is_own(str(error.name).partition(".")[0]):
        repair = Command(origin.repair("wizard"), advice="installs them again")
        return SetupError(f"the packages of {sys.prefix} are not whole: {error.name} is missing", repair)
    return None


def _is_own(package: str) -> bool:
    """Whether a package is of this program: that it lacks a module is a bug."""
    beside = os.path.join(installation.SOURCE, package)
    return package == "eonpro_kms" or os.path.exists(beside) or os.path.exists(f"{beside}.py")
