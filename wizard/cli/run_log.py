"""The log of a run, without secrets: what it called and what came of it. A file for each run, lines for `--verbose`.

Writes to `.wizard/logs` of the project's folder, or to the file of `--log`, and removes old logs; reads the environment
and the files that it names, for the secrets in them.
"""

import logging
import os
import re
import stat
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from wizard.cli.redaction import Redaction
from wizard.core import files, safe_text
from wizard.core.next_command import plain_name

KEPT = 20
"""Logs that stay in the folder; older ones are removed."""
CALLS = ("eonpro.aws", "eonpro.vercel", "eonpro.github", "eonpro.engine")
WIZARD = logging.getLogger("eonpro.wizard")

_SECRET_FILES = ("TOKEN_FILE", "PASSWORD_FILE", "PASSPHRASE_FILE", "PHI_KEY_FILE")
_SECRET_VARIABLES = (
    "SECRET_ACCESS_KEY",
    "TOKEN",
    "PASSWORD",
    "PASSPHRASE",
    "PRIVATE_KEY",
    "CLIENT_SECRET",
    "API_KEY",
    "PHI_KEY",
)
_LONGEST_FILE = 65_536


class Loudness(IntEnum):
    """How much of the log is told on standard error as well."""

    QUIET = 0
    CALLS = 1
    """Every call of AWS, Vercel and the engine: `--verbose`."""
    ALL = 2
    """And the engine's own output, and where an error comes from: `--debug`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    path: Path | None
    """The file; None where none can be written."""
    warning: str = ""
    """Why there is no file, in words."""
    redaction: Redaction = field(repr=False)

    def secret(self, value: str | None, name: str) -> None:
        """A secret that this run came by, never to be written; `name` is written instead."""
        if value:
            self.redaction.register(value, name)

    def ended(self, code: int) -> None:
        """The last record: the exit code."""
        WIZARD.info("ended with exit code %d", code)

    def failed(self, error: BaseException) -> None:
        """An error with all its causes. No local variable is written."""
        WIZARD.error("%s: %s", type(error).__name__, error, exc_info=(type(error), error, error.__traceback__))

    def excepthook(self, err: TextIO) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
        """Prints the traceback of a bug as Python does, without secrets and without local variables."""

        def told(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
            err.write(self.redaction("".join(traceback.format_exception(kind, error, where))))
            if self.path:
                err.write(f"the log: {self.path}\n")

        return told


@contextmanager
def keep(
    *,
    stack: str,
    folder: Path,
    environ: Mapping[str, str],
    err: TextIO,
    file: Path | None = None,
    loudness: Loudness = Loudness.QUIET,
    before: Callable[[], None] = lambda: None,
    redaction: Redaction | None = None,
) -> Iterator[Log]:
    """Keep a log while inside: in `file`, or else in the project's `folder` under `.wizard/logs`.

    `before` is called ahead of each line on `err`: it clears what the terminal shows as under way.
    """
    redaction = redaction or Redaction()
    for name, value in _secrets(environ):
        redaction.register(value, name)
    stream, path, warning = _opened(stack, folder, file)
    handlers: list[logging.Handler] = [_Collecting(redaction)]
    if stream is not None:
        handlers.append(_File(stream, redaction))
    if loudness is not Loudness.QUIET:
        handlers.append(_Told(err, redaction, loudness, before))
    root = logging.getLogger("eonpro")
    former = root.level, root.propagate
    root.setLevel(logging.DEBUG)
    root.propagate = False
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield Log(path=path, warning=warning, redaction=redaction)
    finally:
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(former[0])
        root.propagate = former[1]


# --- what is written


class _Redacting(logging.Formatter):
    def __init__(self, redaction: Redaction, form: str, *, causes: bool) -> None:
        super().__init__(form)
        self._redaction = redaction
        self._causes = causes

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z"

    def format(self, record: logging.LogRecord) -> str:
        if not self._causes:
            record = logging.makeLogRecord({**record.__dict__, "exc_info": None, "exc_text": None, "stack_info": None})
        text = safe_text.lines(self._redaction(super().format(record)))
        return text.replace("\n", "\n    ")


class _Collecting(logging.Handler):
    """First of all: takes in the secrets that a record names, so that nobody after it writes them."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def emit(self, record: logging.LogRecord) -> None:
        named: Mapping[str, str | bytes] = getattr(record, "secrets", {})
        for name, value in named.items():
            self._redaction.register(value, name)


class _File(logging.StreamHandler[TextIO]):
    def __init__(self, stream: TextIO, redaction: Redaction) -> None:
        super().__init__(stream)
        form = "%(asctime)s %(levelname)-5s %(name)s  %(message)s"
        self.setFormatter(_Redacting(redaction, form, causes=True))

    def handleError(self, record: logging.LogRecord) -> None:
        """A disk that is full takes the log, never the run."""

    def close(self) -> None:
        with suppress(OSError):
            self.stream.close()
        super().close()


class _Told(logging.StreamHandler[TextIO]):
    def __init__(self, err: TextIO, redaction: Redaction, loudness: Loudness, before: Callable[[], None]) -> None:
        super().__init__(err)
        self._loudness = loudness
        self._before = before
        dim = err.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        form = "\x1b[2m%s\x1b[0m" if dim else "%s"
        self._form = form
        self.setFormatter(_Redacting(redaction, "%(name)s  %(message)s", causes=loudness is Loudness.ALL))
        self.addFilter(self._wanted)

    def _wanted(self, record: logging.LogRecord) -> bool:
        return self._loudness is Loudness.ALL or record.name in CALLS

    def format(self, record: logging.LogRecord) -> str:
        # Of a terminal that has fewer characters than the text.
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        text = super().format(record).removeprefix("eonpro.").encode(encoding, "replace").decode(encoding)
        return "\n".join(self._form % line for line in text.split("\n"))

    def emit(self, record: logging.LogRecord) -> None:
        self._before()
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """A reader of standard error that has gone takes its lines, never the run."""


# --- where it is written


def _opened(stack: str, folder: Path, file: Path | None) -> tuple[TextIO | None, Path | None, str]:
    try:
        descriptor, path = _named(file) if file is not None else _fresh(stack, folder)
    except OSError as error:
        where = file or folder / ".wizard" / "logs"
        return None, None, f"no log is kept: {where}: {error.strerror or error}"
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace"), path, ""


def _named(file: Path) -> tuple[int, Path]:
    if not str(file).startswith("/dev/"):
        # A pipe that nobody reads stops the run; /dev/stderr is what this process was given.
        files.check_target(file)
    # Added to: what somebody's file holds is not the wizard's to throw away.
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        with suppress(OSError):
            os.fchmod(descriptor, 0o600)
    os.set_blocking(descriptor, True)
    return descriptor, file


def _fresh(stack: str, folder: Path) -> tuple[int, Path]:
    logs = folder / ".wizard" / "logs"
    for part in (logs.parent, logs):
        # Of a link another folder's mode would be changed, and its logs deleted.
        files.make_folder(part, own=True)
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", plain_name(stack)).lstrip(".") or "stack"
    began = f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    for number in range(1, 1000):
        path = logs / (f"{began}.log" if number == 1 else f"{began}-{number}.log")
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            os.fchmod(descriptor, 0o600)
            _remove_old(logs)
            return descriptor, path
    raise FileExistsError(f"{began}.log and its like")


def _remove_old(logs: Path) -> None:
    def age(path: Path) -> float:
        with suppress(OSError):
            return path.stat().st_mtime
        return 0.0

    for path in sorted(logs.glob("*.log"), key=age)[:-KEPT]:
        path.unlink(missing_ok=True)


def _secrets(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in environ.items():
        if value and name.upper().endswith(_SECRET_VARIABLES):
            yield name, value
        elif value and name.upper().endswith(_SECRET_FILES):
            with suppress(OSError, UnicodeDecodeError):
                path = Path(value)
                if path.is_file() and path.stat().st_size <= _LONGEST_FILE:
                    yield name.removesuffix("_FILE"), path.read_text()


def started(words: str, facts: Mapping[str, Any]) -> None:
    """The first record of a run: what was typed, and by what it is run."""
    WIZARD.info("%s", words)
    WIZARD.debug("%s", ", ".join(f"{name} {value}" for name, value in facts.items()))
