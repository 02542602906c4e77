"""Files that are there as a whole or not at all: whoever is killed while writing leaves nothing that looks complete.

Writes the file that it is given, and a hidden draft next to it. Its callers: backup, review, report, saved plans,
saved answers, a stack's settings and its passphrase.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""A file system without hard links, such as that of a memory stick."""


def create(path: Path, content: bytes, *, private: bool = True) -> bool:
    """Write a new file; False where the name exists, as a link too. Raises OSError, and then leaves nothing.

    Only its owner may read a private file; for another the process's umask says who may.
    """
    with _draft(path, content, private) as draft:
        try:
            # Fails where the name exists: of two processes at once one file stays.
            os.link(draft, path, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _mode(private)))
            except FileExistsError:
                return False
            os.replace(draft, path)
        _sync_folder(path)
    return True


def replace(path: Path, content: bytes, *, private: bool = True) -> None:
    """Write a file in place of one of that name; a link of that name is replaced, not followed. Raises OSError."""
    with _draft(path, content, private) as draft:
        os.replace(draft, path)
        _sync_folder(path)


@contextmanager
def _draft(path: Path, content: bytes, private: bool) -> Iterator[Path]:
    """The content in a hidden file of the same folder, which is gone afterwards."""
    draft = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _mode(private))
        with os.fdopen(descriptor, "wb") as file:
            if private:
                # A default ACL of the folder may have widened the mode of os.open.
                os.fchmod(file.fileno(), _mode(private))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()


def _mode(private: bool) -> int:
    return 0o600 if private else 0o666


def _sync_folder(path: Path) -> None:
    # The new name is on disk only after its folder is synced (fsync(2)).
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
