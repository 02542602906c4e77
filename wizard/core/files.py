"""Writes files completely or not at all: a killed process leaves no file that looks complete.

Writes the file that it is given, and a hidden draft next to it; makes folders. Only a regular file is read or replaced:
to open a named pipe waits for ever, to replace a device or to follow a link harms somebody else's. Its callers: backup,
review, report, saved plans, saved answers, a stack's settings and its passphrase.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""A file system without hard links, such as that of a memory stick."""

LARGEST = 64 * 2**20
"""Bytes of the largest file that is read."""

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
}
_STREAMS = ("/dev/", "/proc/self/fd/")
"""Paths by which a shell names open files: `/dev/stdin`, and `<(…)` as `/dev/fd/63`."""


class NotAFile(OSError):
    """There is something at the path that is not a file, or that is too large for one that is read."""

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def read(path: Path, *, links: bool = True, streams: bool = False) -> bytes:
    """The content of a regular file. Raises NotAFile for anything else, which is not opened, and OSError.

    `links`: a symbolic link to a file is followed. `streams`: a file that the shell has opened for this process is read
    to its end, too (`/dev/stdin`, `<(…)`).
    """
    is_stream = streams and str(path).startswith(_STREAMS)
    status = os.stat(path) if links or is_stream else os.lstat(path)
    # A terminal is not waited for: whoever names a file answers no questions.
    if not (is_stream and (stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode))):
        _check(path, status)
    follow = 0 if links or is_stream else os.O_NOFOLLOW
    # Between the look and the opening it may have become a pipe: to open that must not wait either.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | follow | (0 if is_stream else os.O_NONBLOCK))
    with os.fdopen(descriptor, "rb") as file:
        if not is_stream:
            _check(path, os.fstat(descriptor))
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise NotAFile(errno.EFBIG, f"it is larger than {LARGEST // 2**20} MB, and is not read", str(path))
    return content


def read_text(path: Path, *, links: bool = True, streams: bool = False) -> str:
    """The content as text in UTF-8, without a byte order mark. Raises UnicodeDecodeError for other bytes."""
    return read(path, links=links, streams=streams).decode("utf-8-sig")


def check_target(path: Path) -> None:
    """Raises NotAFile where something other than a regular file is at the path; a link is not followed."""
    with contextlib.suppress(FileNotFoundError):
        _check(path, os.lstat(path))


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise NotAFile(errno.EINVAL, f"it is {kind}, not a file", str(path))


def make_folder(folder: Path, *, own: bool = False) -> None:
    """Make a folder, and those above it that are missing, for its owner alone, whatever the umask. Raises OSError.

    `own`: the folder is this program's, also where an earlier version made it; others may not read it from now on.
    """
    if folder.is_symlink():
        raise NotAFile(errno.ENOTDIR, "it is a symbolic link, not a folder", str(folder))
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        with contextlib.suppress(FileExistsError):
            missing.mkdir(mode=0o700)
            missing.chmod(0o700)
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a file")
        raise NotAFile(errno.ENOTDIR, f"it is {kind}, not a folder", str(folder))
    if own and status.st_mode & 0o077 and status.st_uid == os.geteuid():
        folder.chmod(0o700)


def tighten(path: Path) -> None:
    """Let only the owner read the file, if it is this user's own regular file. Raises OSError."""
    status = os.lstat(path)
    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077 and status.st_uid == os.geteuid():
        path.chmod(0o600)


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
    """Write a file in place of one of that name.

    Raises OSError, NotAFile where a link, a device or anything else but a file has the name.
    """
    check_target(path)
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
            else:
                # The umask says who else may read it, never that its owner may not.
                os.fchmod(file.fileno(), stat.S_IMODE(os.fstat(file.fileno()).st_mode) | 0o600)
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
