"""`python -m tools.documents.recording` runs the wizard in a terminal as a person does, and films the screen.

`recording` is one onboarding, with three stills. `report` is the page of a report, by Chromium. Writes
`docs/pictures/`; uses a temporary folder and its own sandbox.
"""

import argparse
import base64
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.onboarding.deployment import Deployment, running_deployment
from tests.terminal.person import ENTER, SPACE, WIZARD, Person, take_what_was_detected, with_own_home
from tools.documents.film import film, still
from tools.documents.takes import Film, Take, normalised, played

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
COLUMNS, ROWS = 100, 30
QUIET_SECONDS = 0.5
"""So long nothing new shows when a question waits: a key that was pressed sooner would cut its screen in two."""

COMMAND = "python -m wizard"
SHOWN_FOLDER = "/home/ada/eonpro-kms"

STILLS = {
    "question": ("Where does the application run?", "The first question: Vercel, ECS or EKS, one or several."),
    "plan": (
        "Apply this plan?",
        "The last page before anything is created: every answer with its source, plan and cost.",
    ),
    "proof": (
        "Back up the wrapped data key now?",
        "The data key is stored and delivered, and the application decrypts.",
    ),
}
"""Name to the question that waits at this moment, and what the picture shows."""

TITLE = "An onboarding in a terminal"
DESCRIPTION = (
    "The wizard asks seven questions, shows the plan, creates 41 resources in AWS, delivers the data key to Vercel, "
    "verifies that the application can decrypt with it, and prints the compliance checklist and the next steps."
)
"""What the film shows, for those who do not see it."""


class Filmed(Person):
    """A person whose keys can be found again in what the program sent."""

    def __init__(self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(command, folder=folder, environment=environment, columns=COLUMNS, rows=ROWS)
        self.typed_at: list[int] = []
        """How many octets had been received when each key was pressed."""

    def type(self, keys: str) -> None:
        """Press keys, once the screen has come to rest."""
        while self.goes_on(QUIET_SECONDS):
            pass
        self.typed_at.append(len(self.received))
        super().type(keys)

    @property
    def take(self) -> Take:
        """All that was received, in the pieces between the keys."""
        ends = [0, *self.typed_at, len(self.received)]
        return [self.received[start:end].decode() for start, end in zip(ends, ends[1:], strict=False)]


def main(arguments: list[str] | None = None) -> int:
    """Record what is asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.documents.recording", description=__doc__)
    every = ("recording", "report")
    parser.add_argument("names", nargs="*", default=every, help=f"{', '.join(every)}: all by default")
    for name in parser.parse_args(arguments).names:
        if name == "report":
            written = {"report.webp": _report()}
        else:
            written = {file: text.encode() for file, text in _filmed().items()}
        for file, content in written.items():
            (FOLDER / file).write_bytes(content)
            print(f"docs/pictures/{file}: {len(content):,} bytes")
    return 0


def _filmed() -> dict[str, str]:
    """The film, the text and the stills of an onboarding: file to content."""
    with (
        tempfile.TemporaryDirectory(prefix="eonpro-recording-") as root,
        running_deployment(Path(root)) as deployment,
    ):
        with_own_home(deployment)
        take = _onboarding(deployment)
        # The state's own path is told, and is that of this machine.
        take = [piece.replace(str(deployment.folder), SHOWN_FOLDER) for piece in take]
    shown = played(normalised(take), columns=COLUMNS, rows=ROWS, typed=f"$ {COMMAND}")
    return {
        "recording.svg": film(shown.frames, columns=COLUMNS, title=TITLE, description=DESCRIPTION),
        "recording.txt": f"{shown.text}\n",
        **_stills(shown),
    }


def _stills(shown: Film) -> dict[str, str]:
    files = {}
    for name, (question, description) in STILLS.items():
        waits = next(frame for frame in shown.waiting if question in frame.text)
        files[f"{name}.svg"] = still(waits, columns=COLUMNS, title=question, description=description)
    return files


def _onboarding(deployment: Deployment) -> Take:
    person = Filmed(WIZARD, folder=deployment.folder, environment=deployment.environment)
    try:
        onboard(person)
        code = person.leave()
    finally:
        person.kill()
    assert code == 0, f"the recorded run ended with exit code {code}:\n{person.transcript}"
    return person.take


def onboard(person: Person) -> None:
    """Answer every question as a new user with a Vercel project would."""
    person.see("Where does the application run?", "» ○ Vercel")
    person.type(SPACE)
    person.see("» ● Vercel")
    person.type(ENTER)
    take_what_was_detected(person)
    person.answer("Apply this plan?", "» Apply")
    person.answer("Back up the wrapped data key now?", "» Later")


def _report() -> bytes:
    """The first page of the report of a stack in full, as a person with a window of 1280 pixels sees it; WebP."""
    from tests.browsing.browser import opened_browser
    from tests.wizard.commands.report.samples import FILES, STATES
    from wizard.commands.report.document import document
    from wizard.commands.report.render import page

    with tempfile.TemporaryDirectory(prefix="eonpro-report-") as root:
        file = Path(root) / "report.html"
        file.write_text(page(document(STATES["in full"], files=FILES)), encoding="utf-8")
        (Path(root) / "browser").mkdir()
        with opened_browser(Path(root) / "browser") as browser:
            browser.open(file)
            taken = browser.command("Page.captureScreenshot", format="webp", quality=80)
    return base64.b64decode(taken["data"])


if __name__ == "__main__":
    sys.exit(main())
