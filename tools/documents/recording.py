"""`python -m tools.documents.recording` runs the wizard in a terminal as a person does, and records the screen.

`recording` is one onboarding. `night` is one repair: the key is disabled, a variable edited by hand, the state cut off.
Writes `docs/NAME.txt` and `docs/NAME.svg`; uses a temporary folder and its own sandbox.
"""

import argparse
import base64
import sys
import tempfile
from itertools import groupby
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.onboarding.deployment import Deployment, running_deployment
from tests.terminal.person import ENTER, SPACE, WIZARD, Person, take_what_was_detected, with_own_home

FOLDER = Path(__file__).resolve().parents[2] / "docs"
COLUMNS = 100
ROWS = 400
"""More than a run prints, so that nothing scrolls away."""

COMMAND = "python -m wizard"
PROMPT, MARK = "$ ", "\x1b[0m\x1b[0m"
"""The prompt, and the commands before it: a terminal shows nothing of it, and no command prints it."""
SHOWN_FOLDER = "/home/ada/eonpro-kms"
MOST_COMMANDS = 8

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
    """Record one onboarding to Vercel, or one repair; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.documents.recording", description=__doc__)
    parser.add_argument("names", nargs="*", default=["recording", "night"], help="recording, night: both by default")
    for name in parser.parse_args(arguments).names:
        with (
            tempfile.TemporaryDirectory(prefix="eonpro-recording-") as root,
            running_deployment(Path(root)) as deployment,
        ):
            with_own_home(deployment)
            screen, text = {"recording": _onboarding, "night": _night}[name](deployment)
        (FOLDER / f"{name}.txt").write_text(f"{text}\n")
        (FOLDER / f"{name}.svg").write_text(drawing(screen))
        print(f"docs/{name}.txt and docs/{name}.svg: {len(text.splitlines())} lines")
    return 0


def _onboarding(deployment: Deployment) -> tuple[pyte.Screen, str]:
    person = Person(WIZARD, folder=deployment.folder, environment=deployment.environment, columns=COLUMNS, rows=ROWS)
    try:
        person.screen.draw(f"$ {COMMAND}")
        person.screen.index()
        person.screen.carriage_return()
        onboard(person)
        code = person.leave()
    finally:
        person.kill()
    assert code == 0, f"the recorded run ended with exit code {code}:\n{person.transcript}"
    return person.screen, person.transcript


def _night(deployment: Deployment) -> tuple[pyte.Screen, str]:
    deployment.set_up("vercel")
    deployment.wizard("push", "--redeploy", "--yes")
    _break(deployment)
    shell = ("bash", "--norc", "--noprofile", "--noediting")
    environment = {**deployment.environment, "PS1": f"{MARK}{PROMPT}"}
    person = Person(shell, folder=deployment.folder, environment=environment, columns=COLUMNS, rows=ROWS)
    try:
        person.see_at_cursor(PROMPT)
        for _ in range(MOST_COMMANDS):
            _typed(person, f"{COMMAND} doctor")
            doctor = deployment.wizard("doctor", "--json", expect=None)
            if doctor.code == 0:
                break
            _typed(person, doctor.document["findings"][0]["command"])
        else:
            raise AssertionError(f"it did not get well:\n{person.transcript}")
    finally:
        person.kill()
    # The state's own path is told, and is that of this machine.
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(screen).feed(person.received.replace(str(deployment.folder).encode(), SHOWN_FOLDER.encode()))
    rows = [row.rstrip() for row in screen.display]
    return screen, "\n".join(rows).rstrip().removesuffix(PROMPT.strip()).rstrip()


def _break(deployment: Deployment) -> None:
    """Disable the key, edit a variable on Vercel, and cut the state as a full disk does."""
    deployment.client("kms").disable_key(KeyId=deployment.keys()[0])
    variable, value = deployment.variables()["ENCRYPTED_PHI_KEY"], base64.b64encode(b"\x07" * 184).decode()
    deployment.vercel("PATCH", f"/v9/projects/eonpro/env/{variable['id']}", {"value": value})
    state = deployment.folder / "state" / ".pulumi" / "stacks" / "eonpro-kms" / "production.json"
    state.write_text(state.read_text()[:2000])


def _typed(person: Person, command: str) -> None:
    before = person.received.count(MARK.encode())
    person.type(command + ENTER)
    while person.received.count(MARK.encode()) == before:
        person.goes_on(1.0)


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
