"""The questions about the AWS account: the profile, the account, the Region, the administrators.

Asks AWS through its client, and signs a profile in where the person wants it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wizard.core.clients import Answer, Clients, Source
from wizard.core.errors import CredentialsError, SetupError, SignInNeeded
from wizard.core.models.account import Identity
from wizard.core.models.inputs import CALLER, CREATE, Back, Choice, Input, InputType, Mark, Question
from wizard.core.next_command import Text
from wizard.inputs import choices
from wizard.inputs.interview.state import State
from wizard.inputs.registry import step_of

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient

_CONFIRMED = ("account", "region", "administrators")
"""Asked on a stack's first run, with the detected value as the default."""


class Account:
    """The account of an interview: its client, the owner of the credentials, and the questions about it."""

    def __init__(self, state: State, clients: Clients) -> None:
        self._state, self._clients, self._ui = state, clients, clients.ui
        self._aws: AwsClient | None = None
        self.identity: Identity | None = None
        self._detected_region: Answer | None = None
        """The Region that a first run is asked to confirm."""

    def connected(self) -> AwsClient:
        """The client of the profile and the Region of the answers. Raises SetupError."""
        if self._aws is None:
            values = self._state.values
            self._aws = self._clients.connect(values.get("profile"), values.get("region"))
        return self._aws

    def is_profile_open(self) -> bool:
        """Whether several profiles could be meant."""
        aws = self.connected()
        return not aws.profile and not aws.has_environment_credentials and len(aws.profiles()) > 1

    def identify(self, *, offers_profiles: bool = True) -> None:
        """Identify the caller, detect the account's values, and show them.

        `offers_profiles`: after a sign-in that was declined another profile can be chosen. Raises Back from there.
        """
        self._aws, self.identity = None, None
        while self.identity is None:
            aws = self.connected()
            self._ui.working("asking AWS whose credentials these are")
            try:
                self.identity = aws.identify()
            except SignInNeeded as error:
                refusal = self._offer_sign_in(error)
                if refusal is not None and not (offers_profiles and self._ask_profile_again(aws, refusal)):
                    raise refusal from error
                self._aws = None
        self._detect(aws, self.identity)
        self._show(aws, self.identity)

    def forget(self) -> None:
        """Remove the answers that belong to the account: another profile is another account."""
        self._aws = self.identity = None
        for key, answer in list(self._state.answers.items()):
            is_detected = answer.source is Source.DETECTED and key not in ("environment", "vercel_token", "backend")
            if is_detected or (answer.source is Source.ASKED and key in ("account", "administrators")):
                del self._state.answers[key]

    def ask_profile(self, entry: Input) -> Any:
        return self._ui.ask(self._state.question(entry, choices.profiles(self.connected())))

    def ask_account(self, entry: Input) -> str:
        """The account of the credentials, or that of another profile, which becomes the profile of the run."""
        while True:
            assert self.identity is not None
            offered = choices.accounts(self.connected(), self.identity)
            question = self._state.question(entry, offered)
            chosen = str(self._ui.ask(replace(question, kind=InputType.SELECT, parse=str, default=offered[0].value)))
            if chosen == self.identity.account_id:
                return chosen
            before = dict(self._state.answers)
            self._state.answers["profile"] = choices.asked(chosen)
            self.forget()
            try:
                self.identify(offers_profiles=False)
            except SetupError as error:
                self._ui.error(error)
                self._state.answers = before
                self.identify()

    def ask_region(self, entry: Input) -> str:
        """The Region; or several, for a multi-Region key, where nothing said yet whether it is one."""
        self._ui.working("asking AWS for the account's Regions")
        offered, default = choices.choices_for("region", self.connected(), self._state.values)
        first: tuple[Choice, ...] = ()
        if (detected := self._detected_region) is not None:
            default = detected.value
            first = tuple(replace(choice, note=detected.where) for choice in offered if choice.value == default)
        rest = (choice for choice in offered if not first or choice.value != default)
        question = self._state.question(entry, (*first, *rest), default)
        if first and "multi_region" not in self._state.answers:
            region, is_several = self._ask_one_or_several(question)
            self._state.record_along(entry.key, "multi_region", is_several)
        else:
            region = str(self._ui.ask(question))
        self._aws = self.connected().with_region(region)
        return region

    def ask_administrators(self, entry: Input) -> tuple[str, ...]:
        assert self.identity is not None
        caller, aws = self.identity.principal_arn, self.connected()
        self._ui.working("asking AWS for the account's users and roles")
        question = self._state.question(entry, choices.principals(aws, caller), (caller,))
        while True:
            arns = self._ui.ask(question)
            absent = [arn for arn in arns if arn not in (caller, CALLER) and not choices.may_exist(aws, arn)]
            if not absent:
                return tuple(caller if arn == CALLER else arn for arn in arns)
            for arn in absent:
                self._ui.line(f"{arn} does not exist in this account; choose again", mark=Mark.FAIL)

    def _ask_one_or_several(self, question: Question) -> tuple[str, bool]:
        """The Region, or the primary Region of several; and whether there are several."""
        offered = (question.choices[0], choices.SEVERAL, *question.choices[1:])
        while True:
            region = str(self._ui.ask(replace(question, choices=offered, parse=str)))
            if region != choices.SEVERAL.value:
                return region, False
            with suppress(Back):
                return str(self._ui.ask(replace(question, prompt=choices.PRIMARY, back=True))), True

    def _offer_sign_in(self, error: SignInNeeded) -> CredentialsError | None:
        """Sign in, if the person wants to; otherwise the error that this leaves."""
        if self._clients.sign_in is None:
            return error
        if (problem := self._clients.sign_in_problem(error.profile)) is not None:
            return CredentialsError(f"{error.message}; {problem.message}", problem.hint)
        self._ui.line(error.message, mark=Mark.WARN)
        if not self._ui.confirm(Text("Sign in now (", error.hint, ")?"), default=True):
            return error
        self._clients.sign_in(error.profile)
        return None

    def _ask_profile_again(self, aws: AwsClient, error: CredentialsError) -> bool:
        """Ask for the profile, unless the command line names it or there is only one. Raises Back."""
        given, state = self._state.answers.get("profile"), self._state
        if len(aws.profiles()) < 2 or given is not None and given.source is Source.FLAG:
            return False
        if not isinstance(error, SignInNeeded):
            self._ui.error(error)
        entry = state.reopen("profile")
        if entry.key in state.asked:
            state.asked.remove(entry.key)
        # The next run does not begin with a profile that is not signed in.
        state.save()
        state.enter(step_of(entry.key))
        state.record(entry, self.ask_profile(entry))
        return True

    def _detect(self, aws: AwsClient, identity: Identity) -> None:
        """Add the answers that the credentials give; a first run asks whether they are meant."""
        detected = choices.of_account(aws, identity)
        if self._state.is_first:
            self._detected_region = detected.get("region")
            # The question which profile was the question which account.
            kept = ("account",) if "profile" in self._state.asked else ()
            detected = {key: answer for key, answer in detected.items() if key in kept or key not in _CONFIRMED}
        if "trail" not in self._state.answers and not choices.trails(aws):
            # AWS bills every further copy of an account's events.
            detected["trail"] = choices.detected(CREATE, "no other trail")
        self._state.add(detected)

    def _show(self, aws: AwsClient, identity: Identity) -> None:
        state, ui = self._state, self._ui
        state.enter(step_of("account"))
        if not state.is_first:
            ui.section("Detected")
        if "account" in state.answers:
            ui.line(f"account {choices.account_title(identity)}", mark=Mark.OK)
        ui.line(f"{identity.arn}, by {identity.source}", mark=Mark.OK)
        if identity.warning:
            ui.line(identity.warning, mark=Mark.WARN)
        if region := state.answers.get("region"):
            ui.line(f"region {region.value}, by {region.where}", mark=Mark.OK)
        if not state.is_first:
            state.show_detected()
        for disagreement in aws.disagreements:
            ui.line(disagreement, mark=Mark.WARN)
