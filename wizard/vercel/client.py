"""The client of Vercel: projects, variables, deliveries and deployments, for one token.

Touches one endpoint over HTTPS; `wizard/vercel/delivery.py` and `wizard/vercel/access_key.py` say what it writes.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import SetupError
from wizard.core.models.access import VariableEntry
from wizard.core.models.account import DiscoveredDataKey
from wizard.core.models.delivery import (
    PRODUCTION,
    AccessKey,
    AppVariables,
    Delivered,
    Scope,
    VercelProject,
    VercelVariable,
)
from wizard.core.models.deployment import Deployment, Redeployed
from wizard.core.retry import Deadline
from wizard.vercel.access_key import deliver as deliver_access_key
from wizard.vercel.access_key import delivered_id
from wizard.vercel.conflicts import find_data_key, name_data_key, overlaps, rename_variable
from wizard.vercel.delivery import deliver, missing, refusal
from wizard.vercel.deployments import Deployments, last_change
from wizard.vercel.http import Api, Endpoint
from wizard.vercel.projects import label, list_projects, no_access, owner, read_entries, read_project
from wizard.vercel.variables import Variables, list_entries

BASE_URL = "https://api.vercel.com"
READING_SECONDS = 20.0
"""How long an operation that only reads may take, with its repeats."""
BUILD_SECONDS = 900.0
"""How long a build is waited for."""


class Vercel:
    """Vercel for one token (`wizard.core.ports.run.VercelClient`). The token is in no repr, error or log."""

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
        return f"Vercel({self._api.base_url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    # --- variables

    def list_variables(self, project: VercelProject) -> tuple[VercelVariable, ...]:
        """All variables of the project, with values only where the listing has them in plain text."""
        return self._variables(project, READING_SECONDS).list()

    def read_value(self, project: VercelProject, variable: VercelVariable) -> str | None:
        """The value of one variable; None for a sensitive one, and where it is unknown."""
        if variable.type == "sensitive" or variable.value is not None:
            return variable.value
        return self._variables(project, READING_SECONDS).decrypt(variable)

    def conflict(
        self,
        project: VercelProject,
        stored: WrappedDataKey | None,
        *,
        region: str | None = None,
        key_arn: str | None = None,
        replaceable: frozenset[str] = frozenset(),
        scope: Scope = PRODUCTION,
    ) -> str | None:
        """Why a delivery would be refused, in words; None when it would not be. Reads only.

        `stored` is the stored data key, None when it does not exist yet. With `region`, and `key_arn` where the key
        exists already, the other two variables are compared as well.
        """
        variables = self._variables(project, READING_SECONDS)
        return refusal(variables, stored, region=region, key_arn=key_arn, replaceable=replaceable, scope=scope)

    def overlaps(self, project: VercelProject) -> tuple[str, ...]:
        """The uses of the delivered names outside production, one line each; never a value. Reads only.

        In preview, development, a branch, a custom environment, or as the team's shared variables; above all, whether
        one of them has production's data key.
        """
        return overlaps(self._variables(project, READING_SECONDS))

    def find_data_key(self, project: VercelProject) -> DiscoveredDataKey:
        """What production has under the three names, for the import of a manual set-up. Reads only.

        Raises DataKeyConflict for two data keys, and for a value that cannot be one.
        """
        return find_data_key(self._variables(project, READING_SECONDS))

    def name_data_key(self, project: VercelProject, wrapped: WrappedDataKey) -> None:
        """Write the data key's fingerprint into the comment of a variable that Vercel cannot show. Its value stays.

        Raises DataKeyConflict where the comment names another data key.
        """
        name_data_key(self._variables(project, self._deadline), wrapped)

    def deliver(
        self,
        project: VercelProject,
        batch: AppVariables,
        *,
        replaceable: frozenset[str] = frozenset(),
        scope: Scope = PRODUCTION,
    ) -> Delivered:
        """Deliver the batch to the scope, checked by a new listing; nothing is written when it is in place.

        `replaceable` are the fingerprints of data keys that it may replace: stored versions.

        Raises DataKeyConflict when the scope has another data key, ResourceError when Vercel does not store
        all three or one serves other environments too, Unreachable when it is unknown what was written.
        """
        return deliver(self._variables(project, self._deadline), batch, replaceable=replaceable, scope=scope)

    def read_variables(self, project: VercelProject) -> tuple[VariableEntry, ...]:
        """The entries of the three names in all environments, with the values that Vercel shows. Reads only."""
        return list_entries(self._variables(project, READING_SECONDS))

    def check(self, project: VercelProject, batch: AppVariables, *, scope: Scope = PRODUCTION) -> str | None:
        """What the scope lacks of the batch, in words; None when all three are in place. Reads only."""
        return missing(self._variables(project, READING_SECONDS), batch, scope=scope)

    def custom_environments(self, project: VercelProject) -> Mapping[str, str]:
        """The slug of each of the project's custom environments by its id; empty where they cannot be listed."""
        return self._variables(project, READING_SECONDS).custom_environments()

    # --- deployments

    def production_deployment(self, project: VercelProject) -> Deployment | None:
        """What production runs; None where nothing was deployed there yet. Reads only.

        Raises Unsupported for an endpoint without deployments.
        """
        return Deployments(self._api, project).in_production()

    def last_change(self, project: VercelProject) -> datetime | None:
        """When one of the delivered variables of production was last changed; None where that is unknown."""
        return last_change(self._variables(project, READING_SECONDS).list())

    def redeploy(
        self, project: VercelProject, former: Deployment, *, tell: Callable[[str], None], seconds: float = BUILD_SECONDS
    ) -> Redeployed:
        """Deploy the former deployment's code to production again, with the present variables, and wait for it.

        Raises SetupError where no deployment could be created; one that fails is a result, and the former runs on.
        """
        return Deployments(self._api, project).redeploy(former, seconds=seconds, tell=tell)

    def rename_variable(self, project: VercelProject, id: str, *, stored: WrappedDataKey, today: date) -> str:
        """Rename another data key's variable in production; its value stays. Returns the change in words.

        Raises UsageError where production has no such variable, DataKeyConflict for the stored data key itself.
        """
        return rename_variable(self._variables(project, self._deadline), id, stored=stored, today=today)

    # --- the application's access key

    def access_key_id(self, project: VercelProject) -> str | None:
        """The id of the access key that production has, as the comments of both variables say; else None."""
        return delivered_id(self._variables(project, READING_SECONDS))

    def deliver_access_key(self, project: VercelProject, key: AccessKey) -> None:
        """AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to `production`, checked by a new listing.

        Raises DataKeyConflict, with nothing written, for variables that somebody else set; ResourceError when Vercel
        does not store both, one serves other environments too or another run delivered first; Unreachable when it is
        unknown what was written.
        """
        deliver_access_key(self._variables(project, self._deadline), key)

    def _variables(self, project: VercelProject, seconds: float) -> Variables:
        return Variables(self._api, project, self._api.deadline(seconds))

    # --- the project

    def list_projects(self) -> tuple[VercelProject, ...]:
        """Every project that the token reaches, by team and name, for a list to choose from, within eight seconds.

        The first hundred of each team. Never raises: what cannot be listed is left out.
        """
        return list_projects(self._api)

    def find_project(self, team: str, project: str) -> VercelProject:
        """The project; `team` is a slug or a `team_…` id, `project` a name or a `prj_…` id.

        Raises CredentialsError for a bad token or a team without access, SetupError when there is no such
        project, Unreachable when the endpoint does not answer.
        """
        deadline = self._api.deadline(READING_SECONDS)
        scope = {"teamId" if team.startswith("team_") else "slug": team} if team else {}
        answer = self._api.persist("GET", Endpoint.PROJECT.path(project=project), query=scope, deadline=deadline)
        if answer.bad_token:
            raise self._api.refusal(answer, f"see the project {project}")
        if answer.status == 403:
            raise no_access(self._api, team, answer)
        if answer.status == 404:
            raise self._no_such_project(team, project, scope, deadline)
        if not answer.ok or not isinstance(answer.body, dict):
            raise self._api.refusal(answer, f"see the project {project}")
        details: Mapping[str, Any] = answer.body.get("project") or answer.body
        team_id = team if team.startswith("team_") else owner(details)
        slug = team if team and team != team_id else self._slug(team_id, details, deadline)
        return read_project(details, fallback=project, team_id=team_id, team_slug=slug)

    def _slug(self, team_id: str | None, project: Mapping[str, Any], deadline: Deadline) -> str | None:
        if team_id is None:
            return None
        answer = self._api.persist("GET", Endpoint.TEAM.path(id=team_id), query={}, deadline=deadline)
        team = project.get("team")
        # Not every endpoint has the API of teams; some return the team with the project.
        return (
            label(answer.fields.get("slug"))
            or label(project.get("teamSlug"))
            or (label(team.get("slug")) if isinstance(team, dict) else None)
        )

    def _no_such_project(self, team: str, project: str, scope: Mapping[str, str], deadline: Deadline) -> SetupError:
        answer = self._api.persist("GET", Endpoint.PROJECTS.path(), query={**scope, "limit": "100"}, deadline=deadline)
        if answer.bad_token or answer.status == 403:
            return no_access(self._api, team, answer)
        listed = read_entries(answer.body if answer.ok else None, "projects")
        names = [name for entry in listed if (name := label(entry.get("name")))]
        near = difflib.get_close_matches(project, names, n=5, cutoff=0.4) or names[:10]
        similar = f"; it has {', '.join(near)}" if near else ""
        return SetupError(
            f"there is no project {project} in the Vercel team {team}{similar}",
            f"use its name or id from its settings, or create it first: vercel project add {project}",
        )
