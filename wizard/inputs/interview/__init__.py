"""The interview: identifies the caller, detects answers, and asks a question for each missing one.

Asks at the terminal and reads AWS and Vercel through their clients. The choices are in `wizard.inputs.choices`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from wizard.core.clients import Answer, Clients, Request, Source
from wizard.core.errors import SetupError, attempted, known_or
from wizard.core.models.account import Identity
from wizard.core.models.inputs import CREATE, Back, Input, InputType, Question
from wizard.inputs import choices
from wizard.inputs.answers import are_written, missing, missing_error
from wizard.inputs.interview.account import Account
from wizard.inputs.interview.state import State
from wizard.inputs.interview.vercel import Vercel
from wizard.inputs.registry import INPUTS, STEPS, by_key, step_of

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient

MOST_QUESTIONS = 8
"""Most questions of a first run with one target, the confirmation of the plan included."""

BEFORE_THE_ACCOUNT = ("target", "profile")
"""Asked before the account is identified: the target needs no account, the profile decides which account."""


@dataclass(frozen=True, kw_only=True)
class Interview:
    """The answers, and the identity of the credentials or the error of reading it."""

    answers: Mapping[str, Answer] = field(repr=False)
    aws: AwsClient | None
    identity: Identity | SetupError

    @property
    def values(self) -> Mapping[str, Any]:
        """The values by the key of their input."""
        return {key: answer.value for key, answer in self.answers.items()}


class Interviewer:
    """The interview of a run; it saves a draft after each answer."""

    def __init__(self, request: Request, clients: Clients, *, unasked: tuple[str, ...] = ()) -> None:
        """`unasked`: the inputs that the command does without."""
        self._ui, self._unasked = clients.ui, unasked
        self._has_state_location = clients.has_state_location
        self._state = State(request, clients)
        self._account = Account(self._state, clients)
        self._vercel = Vercel(self._state, clients)
        self._asks = {
            "profile": self._account.ask_profile,
            "account": self._account.ask_account,
            "region": self._account.ask_region,
            "administrators": self._account.ask_administrators,
            "vercel_token": self._vercel.ask_token,
            "vercel_team": self._vercel.ask_team,
            "vercel_project": self._vercel.ask_project,
        }

    def run(self) -> Interview:
        """Raises MissingAnswers, with all of them, where the terminal is not interactive."""
        if not self._ui.interactive:
            return self._unattended()
        if self._state.asked:
            self._state.save()
        self._ask_missing()
        self._state.enter(len(STEPS) - 1)
        self._state.is_first = False
        return self._interview()

    def change(self) -> Interview:
        """Let the person change one answer, then ask the questions that follow from it."""
        state, previous = self._state, dict(self._state.answers)
        inputs = [
            entry for entry in INPUTS if entry.needed(state.values) and not entry.secret or entry.key in state.answers
        ]
        question = choices.which_to_change(inputs, state.answers)
        try:
            key = self._ui.ask(replace(question, back=True))
            state.can_go_back = True
            self._ask(state.reopen(key))
        except Back:
            state.answers = previous
            return self._interview()
        finally:
            state.can_go_back = False
        state.remove_stale(key)
        if key == "profile":
            self._account.forget()
        self._ask_missing()
        return self._interview()

    def _unattended(self) -> Interview:
        state = self._state
        # An error is reported later, with all other problems.
        aws = attempted(self._account.connected)
        if not isinstance(aws, SetupError) and aws.region_source and "region" not in state.answers:
            state.answers["region"] = choices.detected(aws.region, aws.region_source)
        lacking = {entry.key for entry in self._missing()}
        if lacking and lacking <= {"vercel_team", "vercel_project"}:
            # Vercel is asked only where nothing else is missing.
            state.add(self._vercel.detect())
        state.add_defaults()
        if absent := self._missing():
            raise missing_error(absent, state.values)
        identity = aws if isinstance(aws, SetupError) else attempted(aws.caller)
        return Interview(answers=state.answers, aws=known_or(aws, None), identity=identity)

    def _missing(self) -> tuple[Input, ...]:
        return tuple(entry for entry in missing(self._state.values) if entry.key not in self._unasked)

    def _interview(self) -> Interview:
        self._state.add_defaults()
        assert self._account.identity is not None
        aws = self._account.connected().with_region(self._state.values["region"])
        return Interview(answers=dict(self._state.answers), aws=aws, identity=self._account.identity)

    def _ask_missing(self) -> None:
        """Ask until nothing is missing; Back reopens the question before."""
        while True:
            try:
                if (entry := self._next()) is None:
                    return
                self._ask(entry)
            except Back:
                last = self._state.asked.pop()
                self._state.reopen(last)
                if last in BEFORE_THE_ACCOUNT:
                    self._account.forget()

    def _next(self) -> Input | None:
        """The input that is asked next, after what can be detected before it."""
        state = self._state
        for entry in INPUTS:
            if entry.key not in BEFORE_THE_ACCOUNT and self._account.identity is None:
                self._account.identify()
            if entry.recommended:
                state.add({entry.key: Answer(value=entry.recommended, source=Source.DEFAULT, where="recommended")})
            if entry.key == "vercel_team" and entry.needed(state.values) and entry.key not in state.answers:
                state.add(self._vercel.detect())
            if entry.key == "trail" and state.is_first and not self._has_room():
                state.add({"trail": Answer(value=CREATE, source=Source.DEFAULT, where="default")})
            if self._is_missing(entry):
                return entry
        return None

    def _has_room(self) -> bool:
        """Whether one more question leaves room for those that follow: where the state is, and the plan."""
        asked = len({*self._state.asked} - {"vercel_token"})
        return asked + 1 + (not self._has_state_location) + 1 <= MOST_QUESTIONS

    def _is_missing(self, entry: Input) -> bool:
        state = self._state
        if entry.key in (*state.answers, *self._unasked):
            return False
        if entry.key == "profile":
            return self._account.is_profile_open()
        if entry.key == "backend":
            return not self._has_state_location
        if entry.optional and are_written(state.answers):
            return False
        if entry.key == "alert_emails":
            return state.is_first and state.values.get("alerts") is not False
        return entry.asked and entry.needed(state.values)

    def _ask(self, entry: Input) -> None:
        """Ask one question and record its answer. Raises Back."""
        self._state.enter(step_of(entry.key))
        self._state.record(entry, self._asks.get(entry.key, self._ask_listed)(entry))

    def _ask_listed(self, entry: Input) -> Any:
        """The answer to a question whose choices are listed in the account, if there are any."""
        listed: choices.Offer = ((), None)
        if entry.key not in BEFORE_THE_ACCOUNT:
            if entry.is_listed:
                self._ui.working("asking AWS what there is in the account")
            listed = choices.choices_for(entry.key, self._account.connected(), self._state.values)
        question = self._state.question(entry, *listed)
        if listed[0] and entry.kind is InputType.TEXT:
            typed_as = "/".join(key.rpartition("_")[2] for key in (entry.key, entry.rest) if key)
            question = replace(question, kind=InputType.SEARCH, free_text=True, typed_as=typed_as)
        return self._ask_with_rest(entry, by_key[entry.rest], question) if entry.rest else self._ui.ask(question)

    def _ask_with_rest(self, entry: Input, rest: Input, question: Question) -> Any:
        """The answer to a question that takes the values of two inputs, with a slash between them."""

        def fault(text: str) -> str | None:
            head, slash, tail = text.partition("/")
            return entry.fault(head) or (rest.fault(tail) if slash else None)

        head, slash, tail = str(self._ui.ask(replace(question, parse=str, check=fault))).partition("/")
        if slash:
            self._state.record_along(entry.key, rest.key, rest.parse(tail))
        return entry.parse(head)
