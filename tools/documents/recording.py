"""`python -m tools.documents.recording` runs the wizard in a terminal as a person does, and records the screen.

Writes `docs/recording.txt` and `docs/recording.svg`; uses a temporary folder and its own sandbox.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import groupby
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.onboarding.deployment import running_deployment
from tests.terminal.person import ENTER, SPACE, WIZARD, Person, take_what_was_detected, with_own_home

FOLDER = Path(__file__).resolve().parents[2] / "docs"
COLUMNS = 100
ROWS = 400
"""More than a run prints, so that nothing scrolls away."""

COMMAND = "python -m wizard"

# Rich's own template without the fonts, which it would download.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <style>
    .{unique_id}-matrix {{
        font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
        font-size: {char_height}px;
        line-height: {line_height}px;
    }}
    .{unique_id}-title {{
        font-size: 18px;
        font-weight: bold;
        font-family: sans-serif;
    }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""


def main(arguments: list[str] | None = None) -> int:
    """Record one onboarding to Vercel; the exit code."""
    argparse.ArgumentParser(prog="python -m tools.documents.recording", description=__doc__).parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="eonpro-recording-") as name, running_deployment(Path(name)) as deployment:
        with_own_home(deployment)
        person = Person(
            WIZARD, folder=deployment.folder, environment=deployment.environment, columns=COLUMNS, rows=ROWS
        )
        try:
            onboard(person)
            code = person.leave()
        finally:
            person.kill()
    if code != 0:
        print(f"the recorded run ended with exit code {code}:\n{person.transcript}", file=sys.stderr)
        return code
    (FOLDER / "recording.txt").write_text(f"$ {COMMAND}\n{person.transcript}\n")
    (FOLDER / "recording.svg").write_text(drawing(person.screen))
    print(f"docs/recording.txt and docs/recording.svg: {len(person.transcript.splitlines())} lines")
    return 0


def onboard(person: Person) -> None:
    """Answer every question as a new user with a Vercel project would."""
    person.see("Where does the application run?", "» ○ Vercel")
    person.type(SPACE)
    person.see("» ● Vercel")
    person.type(ENTER)
    take_what_was_detected(person)
    person.answer("Apply this plan?", "» Apply")
    person.answer("Back up the wrapped data key now?", "» Later")


def drawing(screen: pyte.Screen) -> str:
    """The screen as an SVG without external files."""
    rows = [_row(screen, number) for number in range(screen.lines)]
    while rows and not rows[-1].plain.strip():
        rows.pop()
    # Only the recording is used, not the printed text.
    with tempfile.TemporaryFile("w+") as discarded:
        console = Console(
            record=True, width=screen.columns, file=discarded, force_terminal=True, color_system="truecolor"
        )
        console.print(Text(f"$ {COMMAND}"), no_wrap=True, crop=False)
        for row in rows:
            console.print(row, no_wrap=True, crop=False)
    return console.export_svg(title=COMMAND, code_format=SVG, unique_id="recording")


def _row(screen: pyte.Screen, number: int) -> Text:
    text = Text()
    cells = [screen.buffer[number][column] for column in range(screen.columns)]
    # Neighbouring characters of the same style are one element; one element for each would make the file ten times
    # as large.
    for (fg, bg, bold, italic), same in groupby(cells, key=lambda cell: (cell.fg, cell.bg, cell.bold, cell.italics)):
        style = Style(color=_colour(fg), bgcolor=_colour(bg), bold=bold, italic=italic)
        text.append("".join(cell.data for cell in same), style)
    text.rstrip()
    return text


def _colour(name: str) -> str | None:
    """Rich's name for a colour of pyte's, which calls yellow brown and writes the others in hexadecimal."""
    if name == "default":
        return None
    if len(name) == 6 and all(digit in "0123456789abcdef" for digit in name):
        return f"#{name}"
    plain = name.removeprefix("bright").replace("brown", "yellow")
    return f"bright_{plain}" if name.startswith("bright") else plain


if __name__ == "__main__":
    sys.exit(main())
