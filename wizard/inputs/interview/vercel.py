"""The questions about Vercel: the token, the team and the project.

Asks Vercel through its client. A list that cannot be read is no error: the names can be typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from wizard.core.clients import Answer, Clients, Source
from wizard.core.errors import CredentialsError, PermissionDenied, SetupError, attempted, known_or
from wizard.core.models.inputs import Choice, Input, InputType
from wizard.core.models.vercel import VercelProject
from wizard.inputs import choices
from wizard.inputs.interview.state import State
from wizard.inputs.registry import by_key

if TYPE_CHECKING:
    from wizard.vercel.client import VercelClient

_ANOTHER = "another"


class Vercel:
    """The Vercel project of an interview, and the questions about it."""

    def __init__(self, state: State, clients: Clients) -> None:
        self._state, self._connect, self._ui = state, clients.vercel, clients.ui
        self._linked = clients.linked
        """The project that the application's folder is linked to."""
        self._sign_in = clients.sign_in_to_vercel
        """The sign-in that is not yet offered."""

    def detect(self) -> Mapping[str, Answer]:
        """The linked project, or the token's only project; nothing where neither is known."""
        if self._state.earlier.get("vercel_team"):
            return {}
        client, linked = self._client(), self._linked
        if client is not None and linked is not None and linked.team_id is not None:
            project = attempted(client.find_project, linked.team_id, linked.project_id)
            if not isinstance(project, SetupError):
                return _answers(project, ".vercel") if project.team_slug else {}
        if not self._ui.interactive:
            return {}
        self._ui.working("asking Vercel for its projects")
        projects = self._projects()
        return _answers(projects[0], "the only project") if len(projects) == 1 else {}

    def ask_team(self, entry: Input) -> str:
        """The team; with its project in one question, where Vercel lists the projects."""
        state = self._state
        if "vercel_project" not in state.answers and (projects := self._projects()):
            offered = tuple(_choice(f"{project.team_slug}/{project.name}", project) for project in projects)
            question = replace(
                state.question(by_key["vercel_project"]),
                kind=InputType.SEARCH,
                choices=(*offered, Choice(value=_ANOTHER, title="Another (type its names)")),
                default=f"{state.earlier.get('vercel_team')}/{state.earlier.get('vercel_project')}",
                check=lambda _: None,
                parse=str,
            )
            team, slash, project = self._ui.ask(question).partition("/")
            if slash:
                state.answers["vercel_project"] = choices.asked(project)
                return str(team)
        return str(self._ui.ask(state.question(entry)))

    def ask_project(self, entry: Input) -> str:
        """A project of the known team; typed, where Vercel lists none."""
        team = self._state.answers.get("vercel_team")
        question = self._state.question(entry)
        # A team that was typed is none of those that Vercel lists.
        if team is not None and team.source is not Source.ASKED:
            of_team = [project for project in self._projects() if project.team_slug == team.value]
            if offered := tuple(_choice(project.name, project) for project in of_team):
                question = replace(question, kind=InputType.SEARCH, choices=offered, free_text=True, typed_as="name")
        return str(self._ui.ask(question))

    def ask_token(self, entry: Input) -> str | Answer:
        """A token: that of the Vercel CLI's login, by the browser, or a pasted one."""
        state, sign_in = self._state, self._sign_in
        self._sign_in = None
        prompt = "Sign in to Vercel in the browser (vercel login)?"
        if sign_in is not None and self._ui.confirm(
            prompt, why=entry.why, explanation=entry.explanation, back=state.has_back
        ):
            login = attempted(sign_in)
            if not isinstance(login, SetupError):
                return login
            self._ui.error(login)
        while True:
            token = str(self._ui.ask(state.question(entry)))
            if (refusal := self._refusal(token)) is None:
                return token
            self._ui.error(refusal)

    def _refusal(self, token: str) -> CredentialsError | None:
        """Why Vercel refuses a token; None where it does not, and for other problems, which the checks report."""
        team, project = self._state.values.get("vercel_team"), self._state.values.get("vercel_project")
        linked = self._linked
        if linked is not None and not (team and project):
            team, project = linked.team_id, linked.project_id
        self._ui.working("asking Vercel")
        client = self._connect(token)
        try:
            if team and project:
                client.find_project(team, project)
            else:
                client.check_token()
        except CredentialsError as error:
            if linked is None or team != linked.team_id or not isinstance(error, PermissionDenied):
                return error
            # A valid token of another team: the folder's link is only a default, and does not apply.
            self._linked = None
        except SetupError:
            pass
        return None

    def _client(self) -> VercelClient | None:
        token = self._state.values.get("vercel_token")
        return self._connect(token) if token else None

    def _projects(self) -> tuple[VercelProject, ...]:
        """The projects of teams that the token can access: a trust between AWS and Vercel names the team."""
        client = self._client()
        projects = known_or(attempted(client.list_projects), ()) if client is not None else ()
        return tuple(project for project in projects if project.team_slug)


def _answers(project: VercelProject, where: str) -> dict[str, Answer]:
    return {
        "vercel_team": choices.detected(project.team_slug, where),
        "vercel_project": choices.detected(project.name, where),
    }


def _choice(value: str, project: VercelProject) -> Choice:
    return Choice(value=value, title=value, note=project.framework or "")
