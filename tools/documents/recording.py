"""`python -m tools.documents.recording` runs the wizard in a terminal as a person does, and films the screen.

`recording` is one onboarding, with three stills. `night` is one repair: the key is disabled, a variable edited by hand,
the state cut off. `report` is the page of a report, by Chromium. Writes `docs/pictures/`; uses a temporary folder and
its own sandbox.
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
PROMPT, MARK = "$ ", "\x1b[0m\x1b[0m"
"""The prompt, and the commands before it: a terminal shows nothing of it, and no command prints it."""
SHOWN_FOLDER = "/home/ada/eonpro-kms"
MOST_COMMANDS = 8

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

TITLES = {
    "recording": (
        "An onboarding in a terminal",
        "The wizard asks six questions, shows the plan, creates 41 resources in AWS, delivers the data key to Vercel, "
        "verifies that the application can decrypt with it, and prints the compliance checklist and the next steps.",
    ),
    "night": (
        "A repair in a terminal",
        "The key is disabled, a variable on Vercel was edited by hand, and the stack's state is cut off. The command "
        "doctor names each cause and the command that repairs it, until nothing is wrong.",
    ),
}
"""Name to the title of the film, and what it shows, for those who do not see it."""


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
    every = ("recording", "night", "report")
    parser.add_argument("names", nargs="*", default=every, help=f"{', '.join(every)}: all by default")
    for name in parser.parse_args(arguments).names:
        if name == "report":
            written = {"report.webp": _report()}
        else:
            written = {file: text.encode() for file, text in _filmed(name).items()}
        for file, content in written.items():
            (FOLDER / file).write_bytes(content)
            print(f"docs/pictures/{file}: {len(content):,} bytes")
    return 0


def _filmed(name: str) -> dict[str, str]:
    """The film and the text of a run, and the stills of an onboarding: file to content."""
    with (
        tempfile.TemporaryDirectory(prefix="eonpro-recording-") as root,
        running_deployment(Path(root)) as deployment,
    ):
        with_own_home(deployment)
        take = {"recording": _onboarding, "night": _night}[name](deployment)
        # The state's own path is told, and is that of this machine.
        take = [piece.replace(str(deployment.folder), SHOWN_FOLDER) for piece in take]
    typed = f"{PROMPT}{COMMAND}" if name == "recording" else ""
    shown = played(normalised(take), columns=COLUMNS, rows=ROWS, typed=typed, prompt=PROMPT)
    title, description = TITLES[name]
    files = {
        f"{name}.svg": film(shown.frames, columns=COLUMNS, title=title, description=description),
        f"{name}.txt": f"{shown.text.removesuffix(PROMPT.strip()).rstrip()}\n",
    }
    return files | (_stills(shown) if name == "recording" else {})


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


def _night(deployment: Deployment) -> Take:
    deployment.set_up("vercel")
    deployment.wizard("push", "--redeploy", "--yes")
    _break(deployment)
    shell = ("bash", "--norc", "--noprofile", "--noediting")
    person = Filmed(shell, folder=deployment.folder, environment={**deployment.environment, "PS1": f"{MARK}{PROMPT}"})
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
    return person.take


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
