"""A project's `.venv`, which is built beside, checked, and renamed: what has that name is whole.

Starts uv, or Python's venv and pip; writes `.venv/` and `.cache/environment*` of the project.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import os
import shutil
import stat
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.installation import origin
from wizard.core import files
from wizard.core.child_environment import inherited
from wizard.core.errors import SetupError
from wizard.core.next_command import Text, shell

INSTALL_SECONDS = 900.0
_FOLDER = Path(".cache", "environment")
_AGAIN = "repair what it names, then run the same command again"


@contextmanager
def held(project: Path, tell: Callable[[str], None] = lambda text: None) -> Iterator[Draft]:
    """The draft of the project's environment while its lock is held; a run that has it is waited for."""
    folder = project / _FOLDER.parent
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        files.make_folder(folder)
        lock = os.open(project / _FOLDER.with_suffix(".lock"), flags, 0o600)
    except OSError as error:
        raise SetupError(
            f"the packages cannot be installed by way of {folder}: {error}", shell("ls", "-ld", folder)
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("another run is installing the packages; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        draft = Draft(project=project, lock=lock)
        try:
            yield draft
        finally:
            shutil.rmtree(draft.folder, ignore_errors=True)
    finally:
        os.close(lock)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The environment that takes the place of a project's `.venv`."""

    project: Path
    lock: int

    @property
    def folder(self) -> Path:
        return self.project / _FOLDER

    @property
    def environment(self) -> Path:
        return self.folder / ".venv"

    def build(self, requirements: bytes) -> None:
        """Install the packages of this requirements.txt, hashes checked. Raises SetupError; `.venv` stays as it is."""
        asked = self.folder / "requirements.txt"
        # What a killed run left may as well have come with the folder.
        shutil.rmtree(self.folder, ignore_errors=True)
        files.make_folder(self.folder)
        files.replace(asked, requirements, private=False)
        base, python = base_python(), str(self.environment / "bin" / "python")
        if program := uv():
            self._run(program, "venv", "--quiet", "--python", base, str(self.environment))
            self._run(program, "pip", "sync", "--quiet", "--python", python, "--require-hashes", str(asked))
        else:
            self._run(base, "-m", "venv", str(self.environment))
            self._run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(asked))
        self._name_final_place()
        if fault := self.fault_of(self.environment):
            raise SetupError(Text("the packages are not whole after their installation: ", fault), _AGAIN)

    def replace_environment(self) -> None:
        """Give the draft the name `.venv`. Raises SetupError."""
        target, replaced = self.project / ".venv", self.folder / "replaced"
        try:
            if os.path.lexists(target):
                os.rename(target, replaced)
            os.rename(self.environment, target)
        except OSError as error:
            if os.path.lexists(replaced):
                os.rename(replaced, target)
            raise SetupError(f"{target} cannot be replaced: {error}", shell("ls", "-ld", target)) from error

    def fault_of(self, environment: Path) -> str:
        """What an environment lacks; empty where every file of every RECORD and every needed package is there."""
        for folder in environment.glob("lib/python3.*/site-packages/*.dist-info"):
            if not (folder / "RECORD").exists():
                return f"{folder.name} has no RECORD"
            for name, digest, *_ in _rows(folder / "RECORD"):
                try:
                    content = (folder.parent / name).read_bytes()
                except OSError as error:
                    return f"{folder.name}: {name}: {error.strerror}"
                if digest.startswith("sha256=") and digest != _digest(content):
                    return f"{folder.name}: {name} is not the file that was installed"
        python = str(environment / "bin" / "python")
        try:
            if program := uv():
                self._run(program, "pip", "check", "--quiet", "--python", python)
            else:
                self._run(python, "-m", "pip", "check")
        except SetupError as error:
            return error.message
        return ""

    def _name_final_place(self) -> None:
        """Write the path that the environment will have where its files have the present one.

        Those are pyvenv.cfg and the programs of `bin/`, whose hashes are in RECORD files. The end of the path is
        replaced: how its beginning is quoted differs from file to file.
        """
        before, after = f"/{_FOLDER}/.venv".encode(), b"/.venv"
        changed: dict[str, bytes] = {}
        for path in (self.environment / "pyvenv.cfg", *(self.environment / "bin").iterdir()):
            if path.is_symlink() or not path.is_file() or before not in (content := path.read_bytes()):
                continue
            changed[path.name] = content.replace(before, after)
            _rewrite(path, changed[path.name])
        for record in self.environment.glob("lib/python3.*/site-packages/*.dist-info/RECORD"):
            rows = _rows(record)
            programs = [row for row in rows if row[0].startswith("../") and Path(row[0]).name in changed and row[1]]
            for row in programs:
                content = changed[Path(row[0]).name]
                row[1:] = [_digest(content), str(len(content))]
            if programs:
                text = io.StringIO()
                csv.writer(text, lineterminator="\n").writerows(rows)
                _rewrite(record, text.getvalue().encode())

    def _run(self, *words: str) -> None:
        # The installer keeps the lock until it ends, also where this process is killed.
        run(*words, pass_fds=(self.lock,))


def fingerprint(environment: Path) -> str:
    """A hash of every file's name, size, time and inode; empty where byte code is there that is no copy of its source.

    Whoever writes a file into the environment, as a pull of a repository that has one of that name, changes it.
    """
    found = hashlib.sha256()
    for folder, names, files_ in os.walk(environment):
        names.sort()
        is_byte_code = os.path.basename(folder) == "__pycache__"
        for path in (os.path.join(folder, name) for name in sorted((*files_, *names))):
            status = os.lstat(path)
            if is_byte_code:
                # Python writes it while it runs, and takes it where it fits the source's time: unless it is flagged.
                # https://peps.python.org/pep-0552/
                if not stat.S_ISREG(status.st_mode) or _flags(path):
                    return ""
            elif not stat.S_ISDIR(status.st_mode):
                target = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""
                facts = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino)
                found.update(repr((path, target, facts)).encode(errors="surrogateescape"))
    return found.hexdigest()


def _flags(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(8)[4:] != bytes(4)


def _rewrite(path: Path, content: bytes) -> None:
    mode = path.stat().st_mode
    # The file may be a hard link into the installer's cache.
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


def _rows(record: Path) -> list[list[str]]:
    """The rows of a RECORD, which are path, hash and size (https://peps.python.org/pep-0376/#record)."""
    return [row for row in csv.reader(io.StringIO(record.read_text(encoding="utf-8"))) if row]


def _digest(content: bytes) -> str:
    return "sha256=" + urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def base_python() -> str:
    """The interpreter below any virtual environment."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def uv() -> str | None:
    """uv itself: of `uvx` and `uv run` the one that runs this."""
    return os.environ.get("UV") or shutil.which("uv")


def run(*words: str, pass_fds: tuple[int, ...] = ()) -> None:
    """Run an installer; it keeps these files open. Raises SetupError with what it said."""
    environment = {
        name: value
        for name, value in inherited(os.environ, "UV_", "PIP_", "XDG_", "NETRC").items()
        if name not in _MISLEADING
    }
    if wheel := origin.origin().wheel:
        # The program that was started from a file is installed from that file.
        environment = {"UV_FIND_LINKS": os.path.dirname(wheel), "PIP_FIND_LINKS": os.path.dirname(wheel), **environment}
    command = shell(*words)
    try:
        done = subprocess.run(
            words,
            env=environment,
            # Both read settings of the folder they are started in and of those above it, and Python its modules.
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            pass_fds=pass_fds,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(Text("`", command, f"` did not run: {error}"), _AGAIN) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise SetupError(Text("`", command, f"` ended with {done.returncode}: {said[-2000:]}"), _AGAIN)


_MISLEADING = frozenset(("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "UV_PROJECT_ENVIRONMENT"))
"""Options for another environment: `.venv` alone is meant."""
