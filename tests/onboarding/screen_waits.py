"""Waits for a person's screen as long as for any command of a deployment: a whole run may pass between two screens.

Touches the terminal of the person.
"""

from __future__ import annotations

from tests.onboarding.deployment import until
from tests.terminal.person import Person


def shows(person: Person, wanted: str) -> None:
    """Wait until the screen shows this."""

    def is_shown() -> bool:
        return wanted in person.shown or (person.goes_on(0.1) and wanted in person.shown)

    try:
        until(is_shown, what=f"{wanted!r} on the screen")
    except AssertionError as error:
        # The screen of that moment, not of the beginning.
        raise AssertionError(f"{error}\n{person.shown}") from error


def ended(person: Person) -> int:
    """Wait for the program's end; its exit code."""
    until(lambda: not person.goes_on(0.1) and not person._child.isalive(), what="the program's end")
    return person.leave()
