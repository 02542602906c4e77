"""What a program sent to a terminal, made the same in every run and played into frames.

Pure functions, but for pyte's screen that they draw on.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyte

from tests.terminal.person import Paper
from tools.documents.film import Frame, look

Take = list[str]
"""What was sent, in the pieces between the keys that were pressed."""

LINES_A_FRAME = 3
LINE_SECONDS, PROGRESS_SECONDS, COMMAND_SECONDS, KEY_SECONDS, MOST_SECONDS, LAST_SECONDS = 0.11, 0.7, 1.6, 1.5, 5.0, 8.0
"""How long a printed line, a progress line, a typed command, and what waits for a key are shown. Made up: a real run is
too fast to be read, or waits, and its times are others every time."""

_PROGRESS = re.compile(r"\r\x1b\[K  … (?P<text>[^\r\n\x1b]*)")
_TICKS = re.compile(r"(?: \d+ s)?(?: [\u2800-\u28ff])?$")
_LINE_END = re.compile(r"(?<!\r)\r\n|\x01")
SHOWN = "\x01"
"""After a progress line that is kept; no terminal shows it."""

# What is another in every run: what finds it, and what stands for the nth of its kind, as long as what it replaces.
_PARTS: tuple[tuple[re.Pattern[str], Callable[[int], str]], ...] = (
    (
        re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
        lambda n: str(uuid.UUID(_digest(f"key {n}")[:32], version=4)),
    ),
    (re.compile(r"(?<=sha256:)[0-9a-f]{16}\b"), lambda n: _digest(f"data key {n}")[:16]),
    (re.compile(r"(?<=\(id )\w{16}(?=\))"), lambda n: _base_62(_digest(f"variable {n}"))),
)
_MOMENT = re.compile(r"\b\d{4}-\d\d-\d\d([T ])(\d\d:\d\d:\d\d)")
_DURATIONS = {re.compile(r"\b\d\.\d s\b"): "0.1 s", re.compile(r"\bafter \d s\b"): "after 2 s"}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _base_62(digits: str) -> str:
    """Sixteen letters and digits, as Vercel's ids have."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    number = int(digits, 16)
    return "".join(letters[number // 62**n % 62] for n in range(16))


def normalised(take: Take) -> Take:
    """The same with made-up ids, dates and durations, numbered as they come, and without what only moves.

    The order in which resources are created side by side stays that of the run.
    """
    whole = "\0".join(take)
    for pattern, made_up in _PARTS:
        for number, found in enumerate(dict.fromkeys(pattern.findall(whole))):
            whole = whole.replace(found, made_up(number))
    for pattern, duration in _DURATIONS.items():
        whole = pattern.sub(duration, whole)
    moments = sorted({found[2] for found in _MOMENT.finditer(whole)})
    whole = _MOMENT.sub(lambda found: f"2026-01-05{found[1]}09:{moments.index(found[2]):02}:00", whole)
    return [_without_ticks(each) for each in whole.split("\0")]


def _without_ticks(piece: str) -> str:
    """Each progress line once; the names of resources that are being made are others in every run."""
    seen: set[str] = set()

    def kept(found: re.Match[str]) -> str:
        text = _TICKS.sub("", found["text"])
        if text in seen or not re.match(r"Pulumi |[a-z]+ing ", text):
            return ""
        seen.add(text)
        return f"\r\x1b[K  … {text}{SHOWN}"

    return _PROGRESS.sub(kept, piece)


@dataclass(frozen=True, kw_only=True)
class Film:
    """What a take came to: its frames, those in which a key is waited for, and all that ever stood on the screen."""

    frames: list[Frame]
    waiting: list[Frame]
    text: str


def played(take: Take, *, columns: int, rows: int, typed: str = "") -> Film:
    """The take on a screen of this size. `typed` is the command that began it."""
    screen = Paper(columns, rows)
    stream = pyte.Stream(screen)
    frames: list[Frame] = []
    waiting: list[Frame] = []
    if typed:
        stream.feed(f"{typed}\r\n")
        frames.append(look(screen, COMMAND_SECONDS))
    for number, piece in enumerate(take):
        lines = 0
        for part, end in _parts(piece):
            stream.feed(part + end.replace(SHOWN, ""))
            lines += end != SHOWN
            if end == SHOWN:
                frames.append(look(screen, PROGRESS_SECONDS))
            elif end and lines % LINES_A_FRAME == 0:
                frames.append(look(screen, LINE_SECONDS * LINES_A_FRAME))
        last = number == len(take) - 1
        waiting.append(look(screen, LAST_SECONDS if last else min(MOST_SECONDS, KEY_SECONDS + lines * LINE_SECONDS)))
        frames.append(waiting[-1])
    return Film(frames=_distinct(frames), waiting=waiting, text=_transcript(screen))


def _parts(piece: str) -> list[tuple[str, str]]:
    """The piece cut after its lines and kept progress lines: what is drawn, and how it ends."""
    cuts = [(found.start(), found.end()) for found in _LINE_END.finditer(piece)]
    starts = [0, *(end for _, end in cuts)]
    return [
        (piece[start:stop], piece[stop:end])
        for start, (stop, end) in zip(starts, [*cuts, (len(piece),) * 2], strict=True)
    ]


def _distinct(frames: Sequence[Frame]) -> list[Frame]:
    """Without frames that show the same as the one before, which stands longer instead."""
    found: list[Frame] = []
    for frame in frames:
        if found and found[-1].rows == frame.rows:
            frame = Frame(rows=frame.rows, seconds=max(found.pop().seconds, frame.seconds))
        found.append(frame)
    return found


def _transcript(screen: Paper) -> str:
    away = ["".join(row[column].data for column in range(screen.columns)) for row in screen.history.top]
    return "\n".join(row.rstrip() for row in (*away, *screen.display)).rstrip()
