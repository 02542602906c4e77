"""The client of Vercel: projects, variables, deliveries and deployments, for one token.

Touches one endpoint over HTTPS; `wizard/vercel/delivery.py` and `wizard/vercel/access_key.py` say what it writes.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Mapping
from copy import copy
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar

from wizard.core.errors import SetupError, TargetMissing
from wizard.core.models.deployment import Deployment, Redeployed, RollingRelease
from wizard.core.models.vercel import PRODUCTION, Scope, VercelProject
from wizard.core.next_command import shell
from wizard.core.retry import Deadline
from wizard.vercel import answers
from wizard.vercel.access_key import deliver as deliver_access_key
from wizard.vercel.access_key import delivered_id
from wizard.vercel.conflicts import find_data_key, former_key, name_data_key, overlaps, rename_variable
from wizard.vercel.delivery import deliver, foreign_variables, missing, refusal
from wizard.vercel.deployments import Deployments, last_change
from wizard.vercel.http import BASE_URL, Api, Endpoint, scope_of
from wizard.vercel.projects import list_projects, no_access, read_project
from wizard.vercel.variables import Variables, list_entries

READING_SECONDS = 20.0
"""Limit of an operation that only reads, its repeats included."""
BUILD_SECONDS = 900.0
"""Longest wait for a build."""


Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Operation = Callable[Concatenate[Variables, Parameters], Result]
Method = Callable[Concatenate["VercelClient", VercelProject, Parameters], Result]


def _method(operation: Operation[Parameters, Result], *, writes: bool) -> Method[Parameters, Result]:
    """A method of the client: an operation on one project's variables, within the time for reading or delivering."""

    def method(
        self: VercelClient, project: VercelProject, /, *values: Parameters.args, **options: Parameters.kwargs
    ) -> Result:
        variables = self._variables(project, self._deadline if writes else READING_SECONDS)
        return operation(variables, *values, **options)

    return method


def _reading(operation: Operation[Parameters, Result]) -> Method[Parameters, Result]:
    return _method(operation, writes=False)


def _writing(operation: Operation[Parameters, Result]) -> Method[Parameters, Result]:
    return _method(operation, writes=True)


class VercelClient:
    """Vercel for one token. The token is in no repr, error or log."""

    def __init__(
        self,
        *,
        token: str,
        base_url: str = BASE_URL,
        timeout: float = 10.0,
        deadline: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`timeout` is for one request, `deadline` for one delivery with all its repeats; both in seconds.

        Raises CredentialsError for an impossible token, UsageError for an address to which no token may be sent.
        """
        self._api = Api(token=token, base_url=base_url, timeout=timeout, sleep=sleep, now=now)
        self._deadline = deadline

    def __repr__(self) -> str:
        return f"VercelClient({self._api.base_url!r})"

    def asking_once(self) -> VercelClient:
        """A client over the same connections that answers a GET that is sent a second time without another request."""
        other = copy(self)
        other._api = self._api.asking_once()
        return other

    def close(self) -> None:
        self._api.close()

    # --- variables

    conflict = _reading(refusal)
    overlaps = _reading(overlaps)
    find_data_key = _reading(find_data_key)
    former_key = _reading(former_key)
    read_variables = _reading(list_entries)
    check = _reading(missing)
    foreign_variables = _reading(foreign_variables)
    custom_environments = _reading(Variables.custom_environments)
    last_change = _reading(last_change)
    name_data_key = _writing(name_data_key)
    rename_variable = _writing(rename_variable)
    deliver = _writing(deliver)
    access_key_id = _reading(delivered_id)
    deliver_access_key = _writing(deliver_access_key)

    # --- deployments

    def current_deployment(self, project: VercelProject) -> Deployment | None:
        """The current deployment of the project's scope (of preview: the latest one); None without a deployment. Reads
        only.

        Raises Unsupported for an endpoint without deployments.
        """
        return Deployments(self._api, project).running()

    def rolling_release(self, project: VercelProject) -> RollingRelease | None:
        """The latest rolling release of the project's production, in any state; None without one."""
        return Deployments(self._api, project).rolling_release() if project.has_rolling_releases else None

    def redeploy(
        self,
        project: VercelProject,
        former: Deployment,
        *,
        tell: Callable[[str], None],
        changed: datetime | None = None,
        until_complete: bool = False,
        seconds: float = BUILD_SECONDS,
    ) -> Redeployed:
        """Deploy the former deployment's code again, with the present variables of the project's scope; wait for it.

        As `Deployments.redeploy` says. Raises SetupError where no deployment could be created; one that fails is a
        result, and the former runs on.
        """
        self._api.ask_again()
        return Deployments(self._api, project).redeploy(
            former, seconds=seconds, tell=tell, changed=changed, until_complete=until_complete
        )

    def _variables(self, project: VercelProject, seconds: float) -> Variables:
        return Variables(self._api, project, self._api.deadline(seconds))

    # --- the project

    def check_token(self) -> None:
        """Raises CredentialsError where Vercel refuses the token itself, Unreachable where it does not answer.

        One request. The other methods judge which projects it reaches.
        """
        answer = self._api.persist(
            "GET", Endpoint.TEAMS.path(), query={"limit": "1"}, deadline=self._api.deadline(READING_SECONDS)
        )
        if answer.bad_token:
            raise self._api.refusal(answer, "list the teams")

    def list_projects(self) -> tuple[VercelProject, ...]:
        """The projects that the token reaches, by team and name: a list to choose from. Takes at most eight seconds.

        The first hundred of each team. Never raises: what cannot be listed is left out.
        """
        return list_projects(self._api)

    def find_project(self, team: str, project: str, environment: str = PRODUCTION.environment) -> VercelProject:
        """The project, for that environment; `team` is a slug or a `team_…` id, `project` a name or a `prj_…` id.

        Raises CredentialsError for a bad token or a team without access, SetupError when there is no such
        project or environment, Unreachable when the endpoint does not answer.
        """
        deadline = self._api.deadline(READING_SECONDS)
        scope = scope_of(VercelProject.named(team, project))
        answer = self._api.persist("GET", Endpoint.PROJECT.path(project=project), query=scope, deadline=deadline)
        if answer.bad_token:
            raise self._api.refusal(answer, f"see the project {project}")
        if answer.status == 403:
            raise no_access(self._api, team, answer)
        if answer.status == 404:
            raise self._no_such_project(team, project, scope, deadline)
        if not answer.ok:
            raise self._api.refusal(answer, f"see the project {project}")
        details = answer.read(answers.Project)
        team_id = team if team.startswith("team_") else details.owner
        slug = team if team and team != team_id else self._slug(team_id, details, deadline)
        named = read_project(details, fallback=project, team_id=team_id, team_slug=slug)
        named = named.at(Scope(environment=environment))
        return named.at(Variables(self._api, named, deadline).scope)

    def _slug(self, team_id: str | None, project: answers.Project, deadline: Deadline) -> str | None:
        if team_id is None:
            return None
        answer = self._api.persist("GET", Endpoint.TEAM.path(id=team_id), query={}, deadline=deadline)
        named = answer.read(answers.Named).slug if answer.ok else None
        # Not every endpoint has the API of teams; some return the team with the project.
        return named or project.team_slug or (project.team.slug if project.team else None)

    def _no_such_project(self, team: str, project: str, scope: Mapping[str, str], deadline: Deadline) -> SetupError:
        answer = self._api.persist("GET", Endpoint.PROJECTS.path(), query={**scope, "limit": "100"}, deadline=deadline)
        if answer.bad_token or answer.status == 403:
            return no_access(self._api, team, answer)
        listed = answer.read(answers.Projects).projects if answer.ok else ()
        names = [entry.name for entry in listed if entry.name]
        near = difflib.get_close_matches(project, names, n=5, cutoff=0.4) or names[:10]
        similar = f"; it has {', '.join(near)}" if near else ""
        return TargetMissing(
            f"there is no project {project} in the Vercel team {team}{similar}",
            shell(
                *("vercel", "project", "add", project, "--scope", team),
                advice="creates it; or use the name or id of another one",
            ),
            shell("vercel", "project", "ls", "--scope", team) if names else None,
        )
