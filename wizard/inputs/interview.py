"""The interview: identifies the caller, detects answers, and asks a question for each missing one.

Asks at the terminal and reads AWS and Vercel through their clients. The choices are in `wizard.inputs.choices`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from wizard.core.clients import Answer, Source
from wizard.core.errors import CredentialsError, PermissionDenied, SetupError, SignInNeeded
from wizard.core.models.account import Identity
from wizard.core.models.delivery import Linked
from wizard.core.models.inputs import CALLER, CREATE, NONE, Back, Choice, Input, InputType, Mark, Question
from wizard.core.next_command import Text, plain_name
from wizard.inputs import choices
from wizard.inputs.answers import are_written, missing, missing_error
from wizard.inputs.registry import INPUTS, STEPS, by_key, heading, step_of

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.terminal.terminal import Terminal
    from wizard.vercel.client import VercelClient

MOST_QUESTIONS = 8
"""Most questions of a first run with one target, the confirmation of the plan included."""

BEFORE_THE_ACCOUNT = ("target", "profile")
"""Asked before the account is identified: the target needs no account, the profile decides which account."""

_TOGETHER = {"vercel_team": ("vercel_team", "vercel_project"), "vercel_project": ("vercel_team", "vercel_project")}
"""Both are asked by one question, where Vercel lists the projects."""

CONFIRMED = ("account", "region", "administrators")
"""Asked on a stack's first run, with the detected value as the default."""

SaveProgress = Callable[[Mapping[str, Answer], tuple[str, ...]], None]
"""Called after each answer, with all answers and the keys of the answered questions."""


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


@dataclass(kw_only=True)
class Interviewer:
    """An interview, with the answers so far."""

    stack: str
    answers: Mapping[str, Answer] = field(repr=False)
    ui: Terminal
    connect: Callable[[str | None, str | None], AwsClient]
    vercel: Callable[[str], VercelClient]
    linked: Linked | None
    sign_in: Callable[[str], None] | None = None
    sign_in_problem: Callable[[str], SetupError | None] = lambda profile: None
    """Why no AWS CLI that is installed can sign the profile in; None where one can."""
    sign_in_to_vercel: Callable[[], Answer] | None = None
    detected: tuple[str, ...] = ()
    """Lines to show with the account."""
    has_state_location: bool = True
    """Whether it is known where Pulumi stores the state."""
    is_first: bool = False
    """Whether this is the stack's first run, and its answers were not confirmed on the command line."""
    asked: tuple[str, ...] = ()
    """The questions that are answered already in this run."""
    unasked: tuple[str, ...] = ()
    """The inputs that this command does without."""
    save_progress: SaveProgress = lambda answers, asked: None

    def __post_init__(self) -> None:
        self._answers = dict(self.answers)
        self._asked = list(self.asked)
        self._step = step_of(self.asked[-1]) if self.asked else 0
        """The page that is shown; 0 before the first."""
        self._suggested: dict[str, Answer] = {}
        """The detected values of `CONFIRMED`."""
        self._along: dict[str, str] = {}
        """Inputs that the answer to another input's question has set."""
        self._earlier: dict[str, Any] = {}
        """The answers from before the person went back."""
        self._can_go_back = False
        """Whether the first question, too, can be left with Back."""
        self._aws: AwsClient | None = None
        self._identity: Identity | None = None
        # The stack is named after its environment.
        environment = plain_name(self.stack)
        self._answers.setdefault(
            "environment", Answer(value=environment, source=Source.DETECTED, where="the stack's name")
        )

    def run(self) -> Interview:
        """Raises MissingAnswers, with all of them, where the terminal is not interactive."""
        if not self.ui.interactive:
            return self._unattended()
        if self._asked:
            self.save_progress(self._answers, tuple(self._asked))
        self._ask_missing()
        self._enter(len(STEPS) - 1)
        self.is_first = False
        return self._interview()

    def change(self) -> Interview:
        """Let the person change one answer, then ask the questions that follow from it."""
        inputs = [
            entry for entry in INPUTS if entry.needed(self._values) and not entry.secret or entry.key in self._answers
        ]
        question = choices.which_to_change(inputs, self._answers)
        try:
            key = self.ui.ask(replace(question, back=True))
        except Back:
            return self._interview()
        previous, self._can_go_back = dict(self._answers), True
        self._reopen_question(key)
        try:
            self._ask_and_save(by_key[_TOGETHER.get(key, (key,))[0]])
        except Back:
            self._answers = previous
            return self._interview()
        finally:
            self._can_go_back = False
        for entry in INPUTS:
            is_stale = entry.follows == key and entry.key != self._along.get(key)
            if entry.key in self._answers and (is_stale or not entry.needed(self._values)):
                del self._answers[entry.key]
        if key == "profile":
            self._forget_account()
        self._ask_missing()
        return self._interview()

    def _unattended(self) -> Interview:
        aws: AwsClient | None = None
        identity: Identity | SetupError
        try:
            aws = self.connect(self._values.get("profile"), self._values.get("region"))
        except SetupError as error:
            # Reported later, with all other problems.
            identity = error
        if aws is not None and aws.region_source:
            self._answers.setdefault("region", choices.detected(aws.region, aws.region_source))
        lacking = {entry.key for entry in self._missing()}
        if lacking and lacking <= {"vercel_team", "vercel_project"}:
            # Vercel is asked only where nothing else is missing.
            self._add(self._link())
        self._default()
        if absent := self._missing():
            raise missing_error(absent, self._values)
        if aws is not None:
            try:
                identity = aws.caller()
            except SetupError as error:
                identity = error
        return Interview(answers=self._answers, aws=aws, identity=identity)

    def _missing(self) -> tuple[Input, ...]:
        return tuple(entry for entry in missing(self._values) if entry.key not in self.unasked)

    def _interview(self) -> Interview:
        self._default()
        assert self._aws is not None and self._identity is not None
        aws = self._aws.with_region(self._values["region"])
        return Interview(answers=dict(self._answers), aws=aws, identity=self._identity)

    def _ask_missing(self) -> None:
        """Ask until nothing is missing; Back reopens the question before."""
        while True:
            try:
                if (entry := self._next()) is None:
                    return
                self._ask_and_save(entry)
            except Back:
                last = self._asked.pop()
                self._reopen_question(last)
                if last in BEFORE_THE_ACCOUNT:
                    self._forget_account()

    def _next(self) -> Input | None:
        for entry in INPUTS:
            if entry.key not in BEFORE_THE_ACCOUNT and self._identity is None:
                self._identify()
            if entry.key in choices.RECOMMENDED:
                self._add(choices.recommended(self._answers))
            if entry.key == "vercel_team" and entry.needed(self._values) and entry.key not in self._answers:
                self._add(self._link())
            if entry.key == "trail" and self.is_first and not self._has_room():
                self._add({"trail": Answer(value=CREATE, source=Source.DEFAULT, where="default")})
            if self._is_missing(entry):
                return entry
        return None

    def _has_room(self) -> bool:
        """Whether one more question leaves room for those that follow: where the state is, and the plan."""
        asked = len({*self._asked} - {"vercel_token"})
        return asked + 1 + (not self.has_state_location) + 1 <= MOST_QUESTIONS

    def _is_missing(self, entry: Input) -> bool:
        if entry.key in (*self._answers, *self.unasked):
            return False
        if entry.key == "profile":
            return self._is_profile_open()
        if entry.key == "backend":
            return not self.has_state_location
        if entry.optional and are_written(self._answers):
            return False
        if entry.key == "alert_emails":
            return self.is_first and self._values.get("alerts") is not False
        return entry.asked and entry.needed(self._values)

    def _ask_and_save(self, entry: Input) -> None:
        """Ask one question and save its answer. Raises Back."""
        self._enter(step_of(entry.key))
        value = self._ask(entry)
        if not isinstance(value, Answer):
            value = choices.asked(value, secret=entry.secret)
        self._answers[entry.key] = value
        if entry.key not in self._asked:
            self._asked.append(entry.key)
        self.save_progress(self._answers, tuple(self._asked))

    def _enter(self, step: int) -> None:
        """Show the heading of a page of the first run and the known values, once."""
        if not self.is_first or step == self._step:
            return
        self._step = step
        self.ui.section(*heading(step))
        if step == step_of("vercel_token"):
            for line in self.detected:
                self.ui.line(line, mark=Mark.OK)

    def _reopen_question(self, key: str) -> None:
        for reopened in (*_TOGETHER.get(key, (key,)), self._along.pop(key, by_key[key].rest)):
            if reopened is not None:
                self._reopen(reopened)

    def _reopen(self, key: str) -> None:
        answer = self._answers.pop(key, None)
        if answer is not None and not answer.secret:
            self._earlier[key] = answer.value

    def _is_profile_open(self) -> bool:
        aws = self._connected()
        return not aws.profile and not aws.has_environment_credentials and len(aws.profiles()) > 1

    def _connected(self) -> AwsClient:
        if self._aws is None:
            self._aws = self.connect(self._values.get("profile"), self._values.get("region"))
        return self._aws

    def _identify(self, *, offers_profiles: bool = True) -> None:
        """Identify the caller, detect the account's values, and show them.

        `offers_profiles`: after a sign-in that was declined another profile can be chosen. Raises Back from there.
        """
        self._aws = None
        aws = self._connected()
        while True:
            self.ui.working("asking AWS whose credentials these are")
            try:
                identity = aws.identify()
                break
            except SignInNeeded as error:
                refusal = self._offer_sign_in(error)
                if refusal is not None and not (offers_profiles and self._ask_profile_again(aws, refusal)):
                    raise refusal from error
                self._aws = None
                aws = self._connected()
        self._identity = identity
        answers = choices.of_account(aws, identity)
        if self.is_first:
            self._suggested = {key: answers.pop(key) for key in CONFIRMED if key in answers}
            if "profile" in self._asked:
                # The question which profile was the question which account.
                answers["account"] = self._suggested["account"]
        if "trail" not in self._answers:
            answers |= choices.of_trails(choices.listed(aws.cloudtrail.list_trails))
        self._add(answers)
        self._show(identity, aws)

    def _forget_account(self) -> None:
        """Remove the answers that belong to the account: another profile is another account."""
        self._aws = self._identity = None
        for key, answer in list(self._answers.items()):
            is_detected = answer.source is Source.DETECTED and key not in ("environment", "vercel_token", "backend")
            if is_detected or (answer.source is Source.ASKED and key in ("account", "administrators")):
                del self._answers[key]

    def _offer_sign_in(self, error: SignInNeeded) -> CredentialsError | None:
        """Sign in, if the person wants to; otherwise the error that this leaves."""
        if self.sign_in is None:
            return error
        if (problem := self.sign_in_problem(error.profile)) is not None:
            return CredentialsError(f"{error.message}; {problem.message}", problem.hint)
        self.ui.line(error.message, mark=Mark.WARN)
        if not self.ui.confirm(Text("Sign in now (", error.hint, ")?"), default=True):
            return error
        self.sign_in(error.profile)
        return None

    def _ask_profile_again(self, aws: AwsClient, error: CredentialsError) -> bool:
        """Ask for the profile, unless the command line names it or there is only one. Raises Back."""
        given = self._answers.get("profile")
        if len(aws.profiles()) < 2 or given is not None and given.source is Source.FLAG:
            return False
        if not isinstance(error, SignInNeeded):
            self.ui.error(error)
        self._reopen("profile")
        if "profile" in self._asked:
            self._asked.remove("profile")
        # The next run does not begin with a profile that is not signed in.
        self.save_progress(self._answers, tuple(self._asked))
        self._ask_and_save(by_key["profile"])
        return True

    def _show(self, identity: Identity, aws: AwsClient) -> None:
        alias = f" ({identity.account_alias})" if identity.account_alias else ""
        ui = self.ui
        self._enter(step_of("account"))
        if not self.is_first:
            ui.section("Detected")
        if "account" in self._answers:
            ui.line(f"account {identity.account_id}{alias}", mark=Mark.OK)
        ui.line(f"{identity.arn}, by {identity.source}", mark=Mark.OK)
        if identity.warning:
            ui.line(identity.warning, mark=Mark.WARN)
        if region := self._answers.get("region"):
            ui.line(f"region {region.value}, by {region.where}", mark=Mark.OK)
        for line in () if self.is_first else self.detected:
            ui.line(line, mark=Mark.OK)
        for disagreement in aws.disagreements:
            ui.line(disagreement, mark=Mark.WARN)

    @property
    def _values(self) -> dict[str, Any]:
        return {key: answer.value for key, answer in self._answers.items()}

    def _add(self, answers: Mapping[str, Answer]) -> None:
        """Add the answers to inputs that have none and need one."""
        for key, answer in answers.items():
            if key not in self._answers and by_key[key].needed(self._values):
                self._answers[key] = answer

    def _default(self) -> None:
        for entry in INPUTS:
            if entry.default is not None and entry.key not in self._answers:
                self._answers[entry.key] = Answer(value=entry.default, source=Source.DEFAULT, where="default")

    def _ask(self, entry: Input) -> Any:
        if entry.key == "profile":
            return self._answered(entry, self._question(entry, choices.profiles(self._connected())))
        if entry.key == "account":
            return self._account(entry)
        if entry.key == "region":
            return self._region(entry)
        if entry.key == "administrators":
            return self._administrators(entry)
        if entry.key == "alert_emails":
            return self._alert_emails(entry)
        if entry.key == "vercel_token":
            return self._token(entry)
        if entry.key == "vercel_team" and (chosen := self._project()):
            return chosen
        if entry.key == "vercel_project":
            return self._answered(entry, self._of_team(entry))
        offered, default = self._offer(entry)
        question = self._question(entry, offered, default)
        if offered and entry.kind is InputType.TEXT:
            typed_as = "/".join(key.rpartition("_")[2] for key in (entry.key, entry.rest) if key)
            question = replace(question, kind=InputType.SEARCH, free_text=True, typed_as=typed_as)
        return (
            self._answered_with(entry, by_key[entry.rest], question) if entry.rest else self._answered(entry, question)
        )

    def _answered(self, entry: Input, question: Question) -> Any:
        return entry.parse(self.ui.ask(question))

    def _answered_with(self, entry: Input, rest: Input, question: Question) -> Any:
        """The answer to a question that takes the values of two inputs, with a slash between them."""

        def fault(text: str) -> str | None:
            head, slash, tail = text.partition("/")
            return entry.fault(head) or (rest.fault(tail) if slash else None)

        head, slash, tail = str(self.ui.ask(replace(question, parse=str, check=fault))).partition("/")
        if slash:
            self._set_along(entry, rest.key, rest.parse(tail))
        return entry.parse(head)

    def _set_along(self, entry: Input, key: str, value: Any) -> None:
        self._answers[key] = choices.asked(value)
        self._along[entry.key] = key

    def _question(
        self, entry: Input, selectable: tuple[Choice, ...] = (), default: str | tuple[str, ...] | None = None
    ) -> Question:
        earlier = self._earlier.get(entry.key)
        if earlier is not None and entry.rest and self._earlier.get(entry.rest):
            earlier = f"{earlier}/{self._earlier[entry.rest]}"
        if earlier is not None:
            yes_or_no = {True: "yes", False: "no"}
            default = earlier if isinstance(earlier, tuple) else yes_or_no.get(earlier) or str(earlier)
        return replace(entry.question(selectable, default), back=self._has_back)

    @property
    def _has_back(self) -> bool:
        """Whether there is a question to go back to."""
        return self._can_go_back or bool(self._asked)

    def _offer(self, entry: Input) -> choices.Offer:
        if entry.key in BEFORE_THE_ACCOUNT:
            return (), None
        if entry.is_listed:
            self.ui.working("asking AWS what there is in the account")
        return choices.choices_for(entry.key, self._connected(), self._values)

    def _account(self, entry: Input) -> str:
        """The account of the credentials, or that of another profile, which becomes the profile of the run."""
        while True:
            assert self._identity is not None
            offered = choices.accounts(self._connected(), self._identity)
            question = self._question(entry, offered, self._identity.account_id)
            chosen = str(self.ui.ask(replace(question, kind=InputType.SELECT, parse=str, default=offered[0].value)))
            if chosen == self._identity.account_id:
                return chosen
            previous = self._answers.get("profile")
            self._answers["profile"] = choices.asked(chosen)
            self._forget_account()
            try:
                self._identify(offers_profiles=False)
            except SetupError as error:
                self.ui.error(error)
                self._answers.pop("profile")
                if previous is not None:
                    self._answers["profile"] = previous
                self._forget_account()
                self._identify()

    def _region(self, entry: Input) -> str:
        """The Region; or several, for a multi-Region key, where nothing said yet whether it is one."""
        self.ui.working("asking AWS for the account's Regions")
        regions, default = choices.choices_for("region", self._connected(), self._values)
        suggested = self._suggested.get("region")
        if suggested is not None:
            default = suggested.value
        first = tuple(
            replace(choice, note=suggested.where) for choice in regions if suggested and choice.value == default
        )
        offered = (*first, *(choice for choice in regions if not first or choice.value != default))
        is_open = bool(first) and "multi_region" not in self._answers
        while True:
            chosen = None
            if is_open:
                question = self._question(entry, (*first, choices.SEVERAL, *offered[1:]), default)
                chosen = str(self.ui.ask(replace(question, parse=str)))
            try:
                value = chosen
                if value in (None, choices.SEVERAL.value):
                    question = self._question(entry, offered, default)
                    if value is not None:
                        question = replace(question, prompt=choices.PRIMARY, back=True)
                    value = self._answered(entry, question)
            except Back:
                if not is_open:
                    raise
                continue
            if is_open:
                self._set_along(entry, "multi_region", chosen == choices.SEVERAL.value)
            self._aws = self._connected().with_region(str(value))
            return str(value)

    def _administrators(self, entry: Input) -> tuple[str, ...]:
        assert self._identity is not None
        caller, aws = self._identity.principal_arn, self._connected()
        self.ui.working("asking AWS for the account's users and roles")
        principals = choices.principals(aws, caller)
        while True:
            arns = self._answered(entry, self._question(entry, principals, (caller,)))
            absent = [arn for arn in arns if arn not in (caller, CALLER) and not choices.may_exist(aws, arn)]
            if not absent:
                return tuple(caller if arn == CALLER else arn for arn in arns)
            for arn in absent:
                self.ui.line(f"{arn} does not exist in this account; choose again", mark=Mark.FAIL)

    def _alert_emails(self, entry: Input) -> Any:
        """Addresses, with commas; none for later."""
        default = ", ".join(self._earlier.get(entry.key) or ()) or NONE
        question = replace(entry.question(default=default), parse=str, back=self._has_back)
        return entry.parse(self.ui.ask(question))

    def _vercel_client(self) -> VercelClient | None:
        token = self._values.get("vercel_token")
        return self.vercel(token) if token else None

    def _link(self) -> Mapping[str, Answer]:
        """The linked project, or the token's only project; nothing where neither is known."""
        if self._earlier.get("vercel_team"):
            return {}
        if project := choices.linked_project(self._vercel_client(), self.linked):
            return choices.of_project(project, ".vercel") if project.team_slug else {}
        if not self.ui.interactive:
            return {}
        self.ui.working("asking Vercel for its projects")
        projects = choices.list_projects(self._vercel_client())
        return choices.of_project(projects[0], "the only project") if len(projects) == 1 else {}

    def _project(self) -> str | None:
        """Ask for team and project in one question, where Vercel lists the projects. Returns the team's slug."""
        if "vercel_project" in self._answers:
            return None
        projects = choices.list_projects(self._vercel_client())
        if not projects:
            return None
        earlier = f"{self._earlier.get('vercel_team')}/{self._earlier.get('vercel_project')}"
        question = self._question(by_key["vercel_project"])
        question = replace(question, kind=InputType.SEARCH, default=earlier, **choices.projects(projects))
        chosen = self.ui.ask(question)
        if chosen == choices.ANOTHER_PROJECT:
            return None
        project = next(project for project in projects if f"{project.team_slug}/{project.name}" == chosen)
        self._answers["vercel_project"] = choices.asked(project.name)
        return str(project.team_slug)

    def _of_team(self, entry: Input) -> Question:
        """Ask for a project of the known team; typed, where Vercel lists none."""
        team, asked = self._values.get("vercel_team"), self._answers.get("vercel_team")
        typed = asked is not None and asked.source is Source.ASKED
        projects = () if typed else choices.list_projects(self._vercel_client())
        selectable = tuple(
            Choice(value=project.name, title=project.name, note=project.framework or "")
            for project in projects
            if project.team_slug == team
        )
        if not selectable:
            return self._question(entry)
        return replace(self._question(entry, selectable), kind=InputType.SEARCH, free_text=True, typed_as="name")

    def _token(self, entry: Input) -> str | Answer:
        """A token: that of the Vercel CLI's login, by the browser, or a pasted one."""
        if self.sign_in_to_vercel is not None:
            sign_in, self.sign_in_to_vercel = self.sign_in_to_vercel, None
            prompt = "Sign in to Vercel in the browser (vercel login)?"
            if self.ui.confirm(prompt, why=entry.why, explanation=entry.explanation, back=self._has_back):
                try:
                    return sign_in()
                except SetupError as error:
                    self.ui.error(error)
        while True:
            token: str = self._answered(entry, self._question(entry))
            team, project = self._values.get("vercel_team"), self._values.get("vercel_project")
            if self.linked and not (team and project):
                team, project = self.linked.team_id, self.linked.project_id
            linked = self.linked is not None and team == self.linked.team_id
            self.ui.working("asking Vercel")
            try:
                if team and project:
                    self.vercel(token).find_project(team, project)
                else:
                    self.vercel(token).check_token()
            except CredentialsError as error:
                if linked and isinstance(error, PermissionDenied):
                    # A valid token of another team: the folder's link is only a default, and does not apply.
                    self.linked = None
                    return token
                self.ui.error(error)
                continue
            except SetupError:
                pass  # Not a problem of the token: the preflight reports it.
            return token
