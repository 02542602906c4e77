"""The progress of a re-encryption, a line every few seconds, and the result of a command for tables.

Touches the stream passed to it. A command's results are on standard output, its errors on standard error.
"""

import json
import sys
import time
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TextIO

from eonpro_phi.errors import PhiError
from eonpro_phi.reencryption.errors import ReencryptionError, UsageError
from eonpro_phi.reencryption.models import MAX_LISTED_ROWS, ColumnCounts, RowCounts, RunResult

_LINE_SECONDS = 5.0
_LONGEST = 1000


def printable(text: str) -> str:
    """The text on one line, for a terminal: a database's names, keys and messages may hold what a terminal executes.

    A question mark stands for each control, bidi and zero-width character; a text above 1,000 characters is cut.
    """
    shown = "".join(
        "?" if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") else character
        for character in text[:_LONGEST]
    )
    return f"{shown} …" if len(text) > _LONGEST else shown


def report_failure(error: PhiError, command: str, *, as_json: bool) -> int:
    """Print why a command for tables failed, on standard error and with `as_json` as its document; its exit code."""
    hint = error.hint if isinstance(error, ReencryptionError) else ""
    problems = error.problems if isinstance(error, UsageError) else (str(error),)
    for problem in problems:
        print(printable(f"phi {command}: {problem}"), file=sys.stderr)
    if hint:
        print(printable(hint), file=sys.stderr)
    if as_json:
        document = {"cause": type(error).__name__, "message": str(error), "hint": hint, "problems": list(problems)}
        print(json.dumps({"complete": False, **document}))
    return error.exit_code if isinstance(error, ReencryptionError) else 1


def report(
    command: str,
    work: Callable[[], tuple[bool, Mapping[str, object], list[str]]],
    *,
    as_json: bool = False,
) -> int:
    """Do the work of a command for tables and print its result; the exit code: 0 all done, 1 not all done, 2 usage
    error, 130 Ctrl-C.

    `work` returns whether it succeeded, the document for `as_json`, and the lines for a person.
    """
    try:
        succeeded, document, lines = work()
    except PhiError as error:
        return report_failure(error, command, as_json=as_json)
    except KeyboardInterrupt:
        # While workers run, the worker pool handles the signal; this is before or after.
        print(f"phi {command}: interrupted; no batch was in progress", file=sys.stderr)
        return 130
    if as_json:
        facts = {"command": command, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        print(json.dumps({**facts, **document, "succeeded": succeeded, "message": " ".join(lines)}))
    for line in lines:
        print(printable(line), file=sys.stderr if as_json else sys.stdout)
    return 0 if succeeded else 1


def example_rows(key_column: str, counts: ColumnCounts) -> str:
    """The line with the keys of rows that hold what cannot be decrypted."""
    unlisted = counts.undecryptable - len(counts.example_rows)
    more = f" and {unlisted:,} more" if unlisted > 0 else ""
    return f"  {key_column}: {', '.join(counts.example_rows)}{more}"[: 200 * MAX_LISTED_ROWS]


def rows_written(result: RunResult) -> str:
    """The line with the counts and the time of a run that writes."""
    written = sum(counts.written for counts in result.passes)
    return (
        f"Rows written: {written:,}; read: {result.passes[-1].rows:,}; passes: {len(result.passes)}; "
        f"time: {duration(result.seconds)}"
    )


class Progress:
    """The progress of one pass after another."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self.begin("", None)

    def begin(self, activity: str, rows: int | None) -> None:
        """A pass begins; `rows` is how many it will read, None where that is unknown."""
        self._activity, self._expected = activity, rows
        self._rows = self._written = 0
        self._started = self._clock()
        self._next = self._started + _LINE_SECONDS

    def add(self, counts: RowCounts) -> None:
        """A batch is finished."""
        self._rows += counts.rows
        self._written += counts.written
        if (now := self._clock()) >= self._next:
            self._next = now + _LINE_SECONDS
            self.say(self.line(now))

    def line(self, now: float) -> str:
        """How far the pass is."""
        line = f"{self._activity}: {self._rows:,} rows read, {self._written:,} written"
        if self._expected and self._expected >= self._rows > 0:
            left = (now - self._started) * (self._expected / self._rows - 1)
            line += f", {int(100 * self._rows / self._expected)} %, about {duration(left)} left"
        return line

    def say(self, text: str) -> None:
        """Print a line."""
        self._stream.write(f"{printable(text)}\n")
        self._stream.flush()


def duration(seconds: float) -> str:
    """A duration in its two largest units."""
    whole = round(seconds)
    for size, unit, smaller_size, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"
