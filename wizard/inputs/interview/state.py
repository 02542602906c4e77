"""The state of an interview: the answers so far, the questions that were asked, and the page on the screen.

Writes to the terminal and to the draft of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wizard.core.clients import Answer, Clients, Request, Source
from wizard.core.models.inputs import Choice, Input, InputType, Mark, Question
from wizard.core.next_command import plain_name
from wizard.inputs import answers_file, choices
from wizard.inputs.registry import INPUTS, by_key, heading, step_of

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal

_PROJECT = ("vercel_team", "vercel_project")
"""Both are asked by one question, where Vercel lists the projects."""


class State:
    """The answers of an interview so far, each with its source."""

    def __init__(self, request: Request, clients: Clients) -> None:
        self._request, self._clients = request, clients
        self.ui: Terminal = clients.ui
        self.answers = dict(request.answers)
        self.asked = list(request.asked)
        """The questions that were answered in this run, in their order."""
        self.is_first = request.saved is None and not request.yes
        """Whether this is the stack's first run, and its answers were not confirmed on the command line."""
        self.can_go_back = False
        """Whether the first question, too, can be left with Back."""
        self.earlier: dict[str, Any] = {}
        """The values from before the person went back."""
        self._along: dict[str, str] = {}
        """Inputs that the answer to another input's question has set."""
        self._step = step_of(self.asked[-1]) if self.asked else 0
        """The page that is shown; 0 before the first."""
        self.add({"environment": choices.detected(plain_name(request.stack), "the stack's name")})

    @property
    def values(self) -> dict[str, Any]:
        return {key: answer.value for key, answer in self.answers.items()}

    @property
    def has_back(self) -> bool:
        """Whether there is a question to go back to."""
        return self.can_go_back or bool(self.asked)

    def add(self, answers: Mapping[str, Answer]) -> None:
        """Add the answers to inputs that have none and need one."""
        for key, answer in answers.items():
            if key not in self.answers and by_key[key].needed(self.values):
                self.answers[key] = answer

    def add_defaults(self) -> None:
        for entry in INPUTS:
            if entry.default is not None and entry.key not in self.answers:
                self.answers[entry.key] = Answer(value=entry.default, source=Source.DEFAULT, where="default")

    def record(self, entry: Input, value: Any) -> None:
        """Record the answer to a question, and save the draft."""
        self.answers[entry.key] = value if isinstance(value, Answer) else choices.asked(value, secret=entry.secret)
        if entry.key not in self.asked:
            self.asked.append(entry.key)
        self.save()

    def record_along(self, key: str, other: str, value: Any) -> None:
        """Record the answer to another input, given with the answer to the question of `key`."""
        self.answers[other] = choices.asked(value)
        self._along[key] = other

    def save(self) -> None:
        """Save the draft."""
        answers_file.save_draft(
            self._request, self._clients, answers_file.ANSWERING, self.answers, asked=tuple(self.asked)
        )

    def reopen(self, key: str) -> Input:
        """Remove the answers that one question gave; the input that is asked first for them."""
        keys = _PROJECT if key in _PROJECT else (key,)
        for reopened in (*keys, self._along.pop(key, by_key[key].rest)):
            if reopened is not None:
                self.remove(reopened)
        return by_key[keys[0]]

    def remove(self, key: str) -> None:
        """Remove an answer; its question shows it again."""
        answer = self.answers.pop(key, None)
        if answer is not None and not answer.secret:
            self.earlier[key] = answer.value

    def remove_stale(self, key: str) -> None:
        """Remove the answers that the changed answer to `key` makes invalid or needless."""
        for entry in INPUTS:
            is_stale = entry.follows == key and entry.key != self._along.get(key)
            if entry.key in self.answers and (is_stale or not entry.needed(self.values)):
                del self.answers[entry.key]

    def question(
        self, entry: Input, offered: tuple[Choice, ...] = (), default: str | tuple[str, ...] | None = None
    ) -> Question:
        """The question of an input, with the earlier answer as its default."""
        earlier = self.earlier.get(entry.key)
        if earlier is not None:
            default = earlier if entry.kind is InputType.CHECKBOX else choices.in_words(earlier)
            if entry.rest and (rest := self.earlier.get(entry.rest)):
                default = f"{earlier}/{rest}"
        return replace(entry.question(offered, default), back=self.has_back)

    def enter(self, step: int) -> None:
        """Show the heading of a page of the first run, and the detected values where they belong, once."""
        if not self.is_first or step == self._step:
            return
        self._step = step
        self.ui.section(*heading(step))
        if step == step_of("vercel_token"):
            self.show_detected()

    def show_detected(self) -> None:
        for line in self._clients.detected:
            self.ui.line(line, mark=Mark.OK)
