"""Keeps records, and the fields of patients that are logged by name, out of logs and tracebacks.

Touches the log records that pass the filter, and standard error where `excepthook` is installed.

What it does: PHI records of every form are shortened to a note, in messages, arguments, `extra` and tracebacks; values
under the names of fields are removed from mappings and `extra`; tracebacks show no local variables, and no message of
an exception that passed through phi or a function marked with `holds_phi`.

What it does not: a decrypted value has no mark, and phi keeps no list of those it has seen, because that list would be
the leak. A name that is written into a message (`log.info(f"{patient.email}")`), or that the `repr` of an object shows,
stays. Nothing that does not pass the filter is changed: a handler without it, `print`, an error reporter that reads
the frames itself.
"""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Number
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any, TypeVar

from eonpro_phi.batches import PHI_FIELDS
from eonpro_phi.binary.record import MAGIC, looks_binary
from eonpro_phi.errors import PhiError

REMOVED = "[removed]"
"""In place of a value under the name of a field, and of an exception's message."""

RECORD = "[PHI record]"
"""In place of a record."""

_Function = TypeVar("_Function", bound=Callable[..., Any])

_RECORDS = re.compile(
    # A text record of either version, whole, cut or damaged.
    r"(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{22}={1,2}:|v2:[0-9a-f]{16}:)[A-Za-z0-9+/=:]*"
    # A binary record or stream: as bytes are shown, in hex, in base64.
    r"|b(['\"])\\xf7phi(?:(?!\1)[^\\]|\\.)*\1?|f7706869[0-9a-f]{16,}|93BoaQ[E-L][A-Za-z0-9+/]{10,}={0,2}",
    re.IGNORECASE,
)
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_FOLDER = str(Path(__file__).parent)
_DEPTH = 8
"""Levels of mappings and lists that are looked into; what is deeper is removed."""

_marked: set[CodeType] = set()


def holds_phi(function: _Function) -> _Function:
    """Marks a function whose local variables hold PHI: an exception that passes through it is shown without messages
    and local variables. The function itself is returned; a call costs nothing more. Put it below other decorators.

    >>> @holds_phi
    ... def admit(patient: str) -> None:
    ...     raise ValueError(f"no bed for {patient}")
    >>> try:
    ...     admit("Jane")
    ... except ValueError as error:
    ...     print(format_exception(error).splitlines()[-1])
    ValueError: [removed]
    """
    _marked.add(function.__code__)
    return function


def shortened(text: str) -> str:
    """The text with a note in place of each record, whole or damaged.

    >>> shortened("email=v2:c33bd82718f07f55:ZGVmZ2hpamtsbW5v for 7")
    'email=[PHI record] for 7'
    """
    return _RECORDS.sub(RECORD, text)


class PhiLogFilter(logging.Filter):
    """Changes each log record that passes, and drops none. Add it to handlers: the filter of a logger does not see what
    its children log.

    >>> handler = logging.StreamHandler()
    >>> handler.addFilter(PhiLogFilter(names=["mrn"]))
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Remove values under the names of `phi.PHI_FIELDS` and these; `first_name` is `firstName`."""
        super().__init__()
        self._names = frozenset(map(_folded, (*PHI_FIELDS, *names)))

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, for every handler after this one; always True."""
        record.msg = self._clean(record.msg)
        arguments: object = record.args
        if isinstance(arguments, tuple):
            record.args = tuple(map(self._clean, arguments))
        elif isinstance(arguments, Mapping):
            record.args = self._clean_mapping(arguments, _DEPTH)
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                record.__dict__[name] = REMOVED if _folded(name) in self._names else self._clean(value)
        if record.exc_info and record.exc_info[1]:
            # A formatter appends the text; a reporter that would read the frames finds none.
            record.exc_text, record.exc_info = format_exception(record.exc_info[1]), None
        elif record.exc_text:
            record.exc_text = shortened(record.exc_text)
        if record.stack_info:
            record.stack_info = shortened(record.stack_info)
        return True

    def _clean(self, value: object, depth: int = _DEPTH) -> Any:
        if value is None or isinstance(value, Number):
            return value
        if isinstance(value, str):
            return shortened(value)
        if isinstance(value, bytes | bytearray | memoryview) and looks_binary(bytes(value[: len(MAGIC)])):
            return RECORD
        if depth == 0:
            return REMOVED
        if isinstance(value, Mapping):
            return self._clean_mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            cleaned = [self._clean(each, depth - 1) for each in value]
            return tuple(cleaned) if isinstance(value, tuple) else cleaned
        return _Shortened(value)

    def _clean_mapping(self, values: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
        return {
            shortened(name) if isinstance(name, str) else name: REMOVED
            if isinstance(name, str) and _folded(name) in self._names
            else self._clean(value, depth - 1)
            for name, value in values.items()
        }


class _Shortened:
    """Any other object, whose text is made when a handler asks for it: a failure there is the handler's."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return shortened(str(self._value))

    def __repr__(self) -> str:
        return shortened(repr(self._value))

    def __format__(self, form: str) -> str:
        return shortened(format(self._value, form))


def format_exception(error: BaseException) -> str:
    """The traceback of an exception, its causes and its group, as Python writes it, without local variables.

    Records are shortened. Where any of them passed through phi or a function that is marked with `holds_phi`, no
    message is shown but those of PhiError, which are fixed texts.
    """
    every = list(_family(error, set()))
    hidden = any(_is_marked(frame.f_code) for each in every for frame, _ in traceback.walk_tb(each.__traceback__))
    return "\n".join(_lines(error, hidden=hidden, seen=set()))


def excepthook(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    """For `sys.excepthook`: writes `format_exception` to standard error; Ctrl-C as Python does."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, None)
    else:
        print(format_exception(error), file=sys.stderr)


def install_excepthook() -> None:
    """Write the exceptions that nobody caught with `format_exception`: those of the program and of its threads."""
    sys.excepthook = excepthook

    def of_a_thread(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None and not issubclass(failed.exc_type, SystemExit):
            excepthook(failed.exc_type, failed.exc_value, None)

    threading.excepthook = of_a_thread


def _is_marked(code: CodeType) -> bool:
    return code in _marked or code.co_filename.startswith(_FOLDER)


def _related(error: BaseException) -> list[BaseException]:
    return [each for each in (_before(error), *_inside(error)) if each is not None]


def _before(error: BaseException) -> BaseException | None:
    """The exception that Python shows before this one: its cause, or its context."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _inside(error: BaseException) -> tuple[BaseException, ...]:
    return error.exceptions if isinstance(error, BaseExceptionGroup) else ()


def _family(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    if id(error) not in seen:
        seen.add(id(error))
        yield error
        for each in _related(error):
            yield from _family(each, seen)


def _lines(error: BaseException, *, hidden: bool, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = _before(error)
    if before is not None and id(before) not in seen:
        yield from _lines(before, hidden=hidden, seen=seen)
        yield ""
        yield (
            "The above exception was the direct cause of the following exception:"
            if error.__cause__
            else "During handling of the above exception, another exception occurred:"
        )
        yield ""
    if error.__traceback__:
        yield "Traceback (most recent call last):"
        for entry in traceback.format_tb(error.__traceback__):
            yield shortened(entry.rstrip("\n"))
    if hidden and not isinstance(error, PhiError):
        kind = type(error)
        module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
        yield f"{module}{kind.__qualname__}: {REMOVED}"
    else:
        yield shortened("".join(traceback.format_exception_only(error)).rstrip("\n"))
    for number, each in enumerate(_inside(error), 1):
        if id(each) not in seen:
            yield f"  --- {number} ---"
            yield from (f"  {line}" for line in _lines(each, hidden=hidden, seen=seen))


def _folded(name: str) -> str:
    return name.replace("_", "").casefold()
