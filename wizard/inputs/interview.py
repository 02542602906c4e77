"""From doors to values: whose credentials these are, what can be detected, and a question for what is left.

Pure: asks the terminal and reads the cloud through their Protocols. What is offered stands in `wizard.inputs.choices`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wizard.core.errors import CredentialsError, PermissionDenied, SetupError, SignInNeeded
from wizard.core.models.account import Identity
from wizard.core.models.delivery import Linked, VercelProject
from wizard.core.models.inputs import CALLER, Back, Choice, Input, InputType, Question
from wizard.core.models.stack import Mark
from wizard.core.ports.run import AwsClient, UserInterface, VercelClient
from wizard.inputs import choices as options
from wizard.inputs.answers import Answer, Source, missing, missing_error
from wizard.inputs.registry import INPUTS, by_key

BEFORE_THE_ACCOUNT = ("target", "profile")
"""Asked before the account is: the first needs nothing, the second says which account."""

_TOGETHER = {"vercel_team": ("vercel_team", "vercel_project"), "vercel_project": ("vercel_team", "vercel_project")}
"""One question for both, where Vercel tells which there are."""

Keep = Callable[[Mapping[str, Answer], tuple[str, ...]], None]
"""Told after each answer: all answers, and the questions that were put."""


@dataclass(frozen=True, kw_only=True)
class Interview:
    """The answers, and who the credentials belong to; or the error that kept it from being known."""

    answers: Mapping[str, Answer] = field(repr=False)
    aws: AwsClient | None
    identity: Identity | SetupError

    @property
    def values(self) -> Mapping[str, Any]:
        """The values by the key of their input."""
        return {key: answer.value for key, answer in self.answers.items()}


class Interviewer:
    """One interview: keeps the answers so far, and the edges that give choices and check answers."""

    def __init__(
        self,
        *,
        stack: str,
        answers: Mapping[str, Answer],
        ui: UserInterface,
        connect: Callable[[str | None, str | None], AwsClient],
        vercel: Callable[[str], VercelClient],
        linked: Linked | None,
        sign_in: Callable[[str], None] | None = None,
        found: tuple[str, ...] = (),
        is_state_placed: bool = True,
        asked: tuple[str, ...] = (),
        keep: Keep = lambda answers, asked: None,
    ) -> None:
        """`found`: what was found beside the account, in words. `asked`: questions already put in this run.

        `is_state_placed`: whether something says where Pulumi keeps the state.
        """
        self._stack = stack
        self._answers = dict(answers)
        self._talk = ui
        self._connect = connect
        self._hosting = vercel
        self._linked = linked
        self._sign_in = sign_in
        self._found = found
        self._is_state_placed = is_state_placed
        self._asked = list(asked)
        self._keep = keep
        self._before: dict[str, Any] = {}
        """What was answered before the person went back."""
        self._returns = False
        """Whether a question can be left for the one before, though none was asked before it."""
        self._cloud: AwsClient | None = None
        self._identity: Identity | None = None
        # The stack is named after its environment; nobody needs to say it twice.
        environment = stack.rsplit("/", 1)[-1]
        self._answers.setdefault(
            "environment", Answer(value=environment, source=Source.DETECTED, where="the stack's name")
        )

    def run(self) -> Interview:
        """Raises MissingAnswers, with all of them, where nobody can be asked."""
        if not self._talk.interactive:
            return self._unattended()
        if self._asked:
            # What was answered before this began is kept as well.
            self._keep(self._answers, tuple(self._asked))
        self._converse()
        return self._interview()

    def change(self) -> Interview:
        """Let the person change one answer, then ask what has become needed by it."""
        wanted = [each for each in INPUTS if each.needed(self._values) and not each.secret or each.key in self._answers]
        question = options.which_to_change(wanted, self._answers)
        try:
            key = self._talk.ask(replace(question, back=True))
        except Back:
            return self._interview()
        was, self._returns = dict(self._answers), True
        for reopened in _TOGETHER.get(key, (key,)):
            self._reopen(reopened)
        try:
            self._put(by_key[_TOGETHER.get(key, (key,))[0]])
        except Back:
            self._answers = was
            return self._interview()
        finally:
            self._returns = False
        for each in INPUTS:
            # What hung on the old answer goes with it.
            if each.key in self._answers and (each.follows == key or not each.needed(self._values)):
                del self._answers[each.key]
        if key == "profile":
            self._leave_account()
        self._converse()
        return self._interview()

    # --- nobody there ------------------------------------------------------------------------------------------

    def _unattended(self) -> Interview:
        aws: AwsClient | None = None
        identity: Identity | SetupError
        try:
            aws = self._connect(self._values.get("profile"), self._values.get("region"))
        except SetupError as error:
            # Told later, with whatever else is wrong.
            identity = error
        if aws is not None and aws.region_source:
            self._answers.setdefault("region", options.detected(aws.region, aws.region_source))
        lacking = {each.key for each in missing(self._values)}
        if lacking and lacking <= {"vercel_team", "vercel_project"}:
            # Only where nothing else is missing is it worth asking Vercel what the link means.
            self._take(self._link())
        self._default()
        if absent := missing(self._values):
            raise missing_error(absent)
        if aws is not None:
            try:
                identity = aws.identify()
            except SetupError as error:
                identity = error
        return Interview(answers=self._answers, aws=aws, identity=identity)

    # --- somebody there ----------------------------------------------------------------------------------------

    def _interview(self) -> Interview:
        self._default()
        assert self._cloud is not None and self._identity is not None
        aws = self._cloud.with_region(self._values["region"])
        return Interview(answers=dict(self._answers), aws=aws, identity=self._identity)

    def _converse(self) -> None:
        """Ask until nothing is missing, back and forth as the person wishes."""
        while (each := self._next()) is not None:
            try:
                self._put(each)
            except Back:
                last = self._asked.pop()
                for reopened in _TOGETHER.get(last, (last,)):
                    self._reopen(reopened)
                if last in BEFORE_THE_ACCOUNT:
                    self._leave_account()

    def _next(self) -> Input | None:
        for each in INPUTS:
            if each.key not in BEFORE_THE_ACCOUNT and self._identity is None:
                self._arrive()
            if each.key in options.RECOMMENDED:
                self._take(options.recommended(self._answers))
            if each.key == "vercel_team" and each.needed(self._values) and each.key not in self._answers:
                self._take(self._link())
            if self._lacks(each):
                return each
        return None

    def _lacks(self, each: Input) -> bool:
        if each.key in self._answers:
            return False
        if each.key == "profile":
            return self._is_profile_open()
        if each.key == "backend":
            return not self._is_state_placed
        return each.asked and each.needed(self._values)

    def _put(self, each: Input) -> None:
        """One question. Raises Back."""
        value = self._ask(each)
        self._answers[each.key] = Answer(value=value, source=Source.ASKED, where="your answer", secret=each.secret)
        if each.key not in self._asked:
            self._asked.append(each.key)
        self._keep(self._answers, tuple(self._asked))

    def _reopen(self, key: str) -> None:
        answer = self._answers.pop(key, None)
        if answer is not None and not answer.secret:
            self._before[key] = answer.value

    # --- the account -------------------------------------------------------------------------------------------

    def _is_profile_open(self) -> bool:
        aws = self._connected()
        return not aws.profile and not aws.has_environment_credentials and len(aws.profiles()) > 1

    def _connected(self) -> AwsClient:
        if self._cloud is None:
            self._cloud = self._connect(self._values.get("profile"), self._values.get("region"))
        return self._cloud

    def _arrive(self) -> None:
        """Who the credentials belong to, and what follows from it; a person is told all of it."""
        self._cloud = None
        aws = self._connected()
        while True:
            self._talk.working("asking AWS whose credentials these are")
            try:
                identity = aws.identify()
                break
            except SignInNeeded as error:
                if not self._signed_in(error):
                    raise
                self._cloud = None
                aws = self._connected()
        self._identity = identity
        answers = options.of_account(aws, identity)
        if "trail" not in self._answers:
            answers |= options.of_trails(options.listed(aws.cloudtrail.list_trails))
        if by_key["administrators"].needed(self._values):
            self._take(answers)
        else:
            self._take({key: answer for key, answer in answers.items() if key != "administrators"})
        self._show(identity, aws)

    def _leave_account(self) -> None:
        """What was detected is detected anew: another profile is another account."""
        self._cloud = self._identity = None
        for key, answer in list(self._answers.items()):
            if answer.source is Source.DETECTED and key not in ("environment", "vercel_token", "backend"):
                del self._answers[key]

    def _signed_in(self, error: SignInNeeded) -> bool:
        if self._sign_in is None:
            return False
        self._talk.line(error.message, mark=Mark.WARN)
        if not self._talk.confirm(f"Sign in now ({error.hint})?", default=True):
            return False
        self._sign_in(error.profile)
        return True

    def _show(self, identity: Identity, aws: AwsClient) -> None:
        alias = f" ({identity.account_alias})" if identity.account_alias else ""
        ui = self._talk
        ui.section("Detected")
        ui.line(f"account {identity.account_id}{alias}", mark=Mark.OK)
        ui.line(f"{identity.arn}, by {identity.source}", mark=Mark.OK)
        if region := self._answers.get("region"):
            ui.line(f"region {region.value}, by {region.where}", mark=Mark.OK)
        for line in self._found:
            ui.line(line, mark=Mark.OK)
        for disagreement in aws.disagreements:
            ui.line(disagreement, mark=Mark.WARN)

    # --- one question ------------------------------------------------------------------------------------------

    @property
    def _values(self) -> dict[str, Any]:
        return {key: answer.value for key, answer in self._answers.items()}

    def _take(self, answers: Mapping[str, Answer]) -> None:
        """Answers where there are none, and where they mean something."""
        for key, answer in answers.items():
            if key not in self._answers and by_key[key].needed(self._values):
                self._answers[key] = answer

    def _default(self) -> None:
        for each in INPUTS:
            if each.default is not None and each.key not in self._answers:
                self._answers[each.key] = Answer(value=each.default, source=Source.DEFAULT, where="default")

    def _ask(self, each: Input) -> Any:
        if each.key == "profile":
            choices = options.profiles(self._connected())
            return self._answered(each, self._question(each, choices))
        if each.key == "administrators":
            return self._administrators(each)
        if each.key == "vercel_token":
            return self._token(each)
        if each.key == "vercel_team" and (chosen := self._project()):
            return chosen
        if each.key == "vercel_project":
            return self._answered(each, self._of_team(each))
        return self._answered(each, self._question(each, *self._offer(each)))

    def _answered(self, each: Input, question: Question) -> Any:
        value = each.parse(self._talk.ask(question))
        if each.key == "region":
            self._cloud = self._connected().with_region(value)
        return value

    def _question(
        self, each: Input, choices: tuple[Choice, ...] = (), default: str | tuple[str, ...] | None = None
    ) -> Question:
        before = self._before.get(each.key)
        if before is not None:
            yes_or_no = {True: "yes", False: "no"}
            default = before if isinstance(before, tuple) else yes_or_no.get(before) or str(before)
        return replace(each.question(choices, default), back=self._returns or bool(self._asked))

    def _offer(self, each: Input) -> tuple[tuple[Choice, ...], str | tuple[str, ...] | None]:
        if each.key in BEFORE_THE_ACCOUNT:
            return (), None
        if each.key in ("region", "trail"):
            self._talk.working(f"asking AWS for the account's {each.key}s")
        return options.choices_for(each.key, self._connected(), self._values)

    def _administrators(self, each: Input) -> tuple[str, ...]:
        assert self._identity is not None
        caller, aws = self._identity.principal_arn, self._connected()
        self._talk.working("asking AWS for the account's users and roles")
        choices = options.principals(aws, caller)
        while True:
            arns = self._answered(each, self._question(each, choices, (caller,)))
            absent = [arn for arn in arns if arn not in (caller, CALLER) and not options.may_exist(aws, arn)]
            if not absent:
                return tuple(caller if arn == CALLER else arn for arn in arns)
            for arn in absent:
                self._talk.line(f"{arn} does not exist in this account; choose again", mark=Mark.FAIL)

    # --- Vercel ------------------------------------------------------------------------------------------------

    def _host(self) -> VercelClient | None:
        token = self._values.get("vercel_token")
        return self._hosting(token) if token else None

    def _link(self) -> Mapping[str, Answer]:
        """The linked project, or the only one there is; nothing where neither can be had."""
        if self._before.get("vercel_team"):
            return {}
        if project := options.linked_project(self._host(), self._linked):
            return options.of_project(project, ".vercel/project.json") if project.team_slug else {}
        if not self._talk.interactive:
            return {}
        self._talk.working("asking Vercel for its projects")
        known = options.list_projects(self._host())
        return options.of_project(known[0], "the token's only project") if len(known) == 1 else {}

    def _project(self) -> str | None:
        """Team and project in one question, where Vercel tells what the token reaches; the team's slug."""
        if "vercel_project" in self._answers:
            return None
        known = options.list_projects(self._host())
        if not known:
            return None
        each = by_key["vercel_project"]
        before = f"{self._before.get('vercel_team')}/{self._before.get('vercel_project')}"
        question = replace(self._question(each), kind=InputType.SEARCH, default=before, **options.projects(known))
        chosen = self._talk.ask(question)
        if chosen == options.ANOTHER_PROJECT:
            return None
        project: VercelProject = next(one for one in known if f"{one.team_slug}/{one.name}" == chosen)
        self._answers["vercel_project"] = Answer(value=project.name, source=Source.ASKED, where="your answer")
        return str(project.team_slug)

    def _of_team(self, each: Input) -> Question:
        """Which project of the team that is known; typed, where Vercel does not tell."""
        team, asked = self._values.get("vercel_team"), self._answers.get("vercel_team")
        typed = asked is not None and asked.source is Source.ASKED
        known = () if typed else [one for one in options.list_projects(self._host()) if one.team_slug == team]
        if not known:
            return self._question(each)
        choices = tuple(Choice(value=one.name, title=one.name, note=one.framework or "") for one in known)
        return replace(self._question(each, choices), kind=InputType.SEARCH, free_text=True, typed_as="name")

    def _token(self, each: Input) -> str:
        while True:
            token: str = self._answered(each, self._question(each))
            team, project = self._values.get("vercel_team"), self._values.get("vercel_project")
            if self._linked and not (team and project):
                team, project = self._linked.team_id, self._linked.project_id
            linked = self._linked is not None and team == self._linked.team_id
            try:
                if team and project:
                    self._talk.working("asking Vercel")
                    self._hosting(token).find_project(team, project)
            except CredentialsError as error:
                if linked and isinstance(error, PermissionDenied):
                    # A good token of another team: the folder's link is only a default, and is not offered then.
                    self._linked = None
                    return token
                self._talk.error(error)
                continue
            except SetupError:
                pass  # No fault of the token's: the pass before the plan tells it along with everything else.
            return token
