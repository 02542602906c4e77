"""One team: its projects, their variables, and conflicts between variables.

Touches memory only; every method takes the team's lock.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.vercel.variable import MAX_ENVIRONMENT_BYTES, ApiError, Variable, now, parse_variable, stable_id


@dataclass(frozen=True, kw_only=True)
class Project:
    """One project. The time is milliseconds since 1970."""

    name: str
    framework: str | None
    created_at: int
    oidc: Mapping[str, Any] = field(default_factory=lambda: {"enabled": True, "issuerMode": "team"})
    """`oidcTokenConfig`, with Vercel's defaults for a new project (https://vercel.com/docs/oidc/reference)."""


@dataclass(frozen=True, kw_only=True)
class SharedVariable:
    """A variable of the team, and the ids of the projects that it is linked to."""

    variable: Variable
    projects: tuple[str, ...]


class Team:
    """The projects and variables of one team. `limited_by`: why the token has no access to it; empty: it has."""

    def __init__(self, *, team: str, projects: tuple[str, ...], limited_by: tuple[str, ...] = ()) -> None:
        self._lock = threading.RLock()
        self.slug = team
        self.id = stable_id("team_", team, 24)
        self.limited_by = limited_by
        self.separates_secrets = False
        """Whether its policy keeps production's Secrets from all other environments, as the CLI 64.0.2 describes it."""
        self.created_at = now()
        self._projects: dict[str, Project] = {}
        self._variables: dict[str, tuple[Variable, ...]] = {}
        self._shared: tuple[SharedVariable, ...] = ()
        self._environments: dict[str, tuple[dict[str, Any], ...]] = {}
        for name in projects:
            self.create_project(name, "nextjs")

    # Projects

    def projects(self) -> list[dict[str, Any]]:
        with self._lock:
            return [self._project(id) for id in self._projects]

    def create_project(self, name: str, framework: str | None) -> dict[str, Any]:
        """Create a project. Raises ApiError 409 for an existing name."""
        with self._lock:
            self._check_name(name, self._projects)
            id = stable_id("prj_", f"{self.slug}/{name}", 28)
            while id in self._projects:
                # Of a project that had this name: an id stays with its project.
                id = stable_id("prj_", f"{self.slug}/{name}/{id}", 28)
            # No two have the same time: pages end at a time.
            latest = max((item.created_at for item in self._projects.values()), default=self.created_at - 1)
            self._projects[id] = Project(name=name, framework=framework, created_at=max(now(), latest + 1))
            self._variables[id] = ()
            return self._project(id)

    def delete_project(self, id_or_name: str) -> None:
        """Delete a project with its variables. Raises ApiError 404."""
        with self._lock:
            id = self.project_id(id_or_name)
            del self._projects[id], self._variables[id]
            self._environments.pop(id, None)

    def project_id(self, id_or_name: str) -> str:
        """The id of a project, by its id or name. Raises ApiError 404."""
        with self._lock:
            for id, project in self._projects.items():
                if id_or_name in (id, project.name):
                    return id
        raise ApiError(404, "not_found", "Project not found.")

    def project(self, id_or_name: str) -> dict[str, Any]:
        with self._lock:
            return self._project(self.project_id(id_or_name))

    def _project(self, id: str) -> dict[str, Any]:
        project = self._projects[id]
        return {
            "id": id,
            "name": project.name,
            "accountId": self.id,
            "framework": project.framework,
            "nodeVersion": "22.x",
            "createdAt": project.created_at,
            "updatedAt": project.created_at,
            "directoryListing": False,
            "oidcTokenConfig": dict(project.oidc),
        }

    def configure_project(self, id_or_name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change a project's name and `oidcTokenConfig`, the parts that are kept; its id and variables stay.

        Raises ApiError 400 for a wrong one, and 409 for a name that another project has.

        https://vercel.com/docs/rest-api/projects/update-an-existing-project
        """
        with self._lock:
            id = self.project_id(id_or_name)
            oidc = {**self._projects[id].oidc, **changes.get("oidcTokenConfig", {})}
            if not isinstance(oidc["enabled"], bool) or oidc["issuerMode"] not in ("team", "global"):
                raise ApiError(400, "bad_request", "Invalid request: `oidcTokenConfig` is invalid.")
            name = changes.get("name", self._projects[id].name)
            if not isinstance(name, str) or not name:
                raise ApiError(400, "bad_request", "Invalid request: `name` should be string.")
            self._check_name(name, {other: item for other, item in self._projects.items() if other != id})
            self._projects[id] = replace(self._projects[id], oidc=oidc, name=name)
            return self._project(id)

    @staticmethod
    def _check_name(name: str, others: Mapping[str, Project]) -> None:
        if any(name == item.name for item in others.values()):
            raise ApiError(409, "conflict", f'Project "{name}" already exists, please use a new name.')

    # Shared variables and custom environments

    def share(self, variable: Variable, projects: tuple[str, ...]) -> SharedVariable:
        """Create a variable of the team, linked to projects by their ids. Raises ApiError 400 for a conflict."""
        with self._lock:
            for shared in self._shared:
                if variable.overlaps(shared.variable):
                    message = f"A variable with the name `{variable.key}` already exists for the target."
                    raise ApiError(400, "ENV_CONFLICT", message, key=variable.key, envVarKey=variable.key)
            created = SharedVariable(variable=variable, projects=tuple(self.project_id(item) for item in projects))
            self._shared = (*self._shared, created)
            return created

    def shared(self, project: str | None) -> tuple[SharedVariable, ...]:
        """The shared variables of the team, or those that are linked to one project."""
        with self._lock:
            return tuple(item for item in self._shared if project is None or project in item.projects)

    def create_environment(self, project: str, slug: str) -> dict[str, Any]:
        """Create a custom environment of a project. Raises ApiError 400 for an invalid or existing name."""
        with self._lock:
            id = self.project_id(project)
            if slug.lower() in ("production", "preview", "development"):
                raise ApiError(400, "bad_request", "A custom environment must not be named 'Production' or 'Preview'.")
            if any(slug == item["slug"] for item in self._environments.get(id, ())):
                raise ApiError(400, "bad_request", f'A custom environment named "{slug}" already exists.')
            created = {
                "id": stable_id("env_", f"{id}/{slug}", 28),
                "slug": slug,
                "type": "preview",
                "description": "",
                "createdAt": now(),
                "updatedAt": now(),
            }
            self._environments[id] = (*self._environments.get(id, ()), created)
            return created

    def environments(self, project: str) -> list[dict[str, Any]]:
        with self._lock:
            return [*self._environments.get(self.project_id(project), ())]

    # Variables

    def variables(self, project: str) -> tuple[Variable, ...]:
        with self._lock:
            return self._variables[self.project_id(project)]

    def variable(self, project: str, id: str) -> Variable:
        """One variable by its id. Raises ApiError 404."""
        for variable in self.variables(project):
            if variable.id == id:
                return variable
        raise ApiError(404, "not_found", "The Environment Variable was not found.")

    def put(self, project: str, requested: Mapping[str, Any], *, upsert: bool) -> Variable:
        """Create a variable, or with `upsert` change the value of the one for exactly the same environments.

        An upsert for other targets than the existing variable's is also a conflict (getsentry/sentry#118490).
        """
        with self._lock:
            id = self.project_id(project)
            created = parse_variable(requested)
            self._check_secret(id, created)
            for existing in self._variables[id]:
                if upsert and created.same_environments(existing):
                    return self._replace(id, existing, _successor(existing, created))
            self._check_conflict(id, created)
            return self._replace(id, None, created)

    def change(self, project: str, variable_id: str, requested: Mapping[str, Any]) -> Variable:
        with self._lock:
            id = self.project_id(project)
            existing = self.variable(project, variable_id)
            if (
                existing.type == "sensitive"
                and requested.get("type", "sensitive") != "sensitive"
                and "value" not in requested
            ):
                raise ApiError(
                    400, "BAD_REQUEST", "A Sensitive Environment Variable cannot be changed to another type."
                )
            fields = {
                "key": existing.key,
                "value": existing.value,
                "type": existing.type,
                "target": list(existing.targets),
                "customEnvironmentIds": list(existing.custom_environments),
                "gitBranch": existing.git_branch,
                "comment": existing.comment,
            }
            created = _successor(existing, parse_variable({**fields, **requested}))
            self._check_secret(id, created)
            self._check_conflict(id, created)
            return self._replace(id, existing, created)

    def remove(self, project: str, variable_id: str) -> Variable:
        with self._lock:
            id = self.project_id(project)
            existing = self.variable(project, variable_id)
            self._variables[id] = tuple(item for item in self._variables[id] if item is not existing)
            return existing

    def _check_secret(self, project_id: str, created: Variable) -> None:
        if not self.separates_secrets or created.type != "sensitive":
            return
        others = {*created.targets, *created.custom_environments} - {"production"}
        if others and "production" in created.targets:
            message = "Production Secrets must be stored separately, in their own environment group."
            raise ApiError(400, "BAD_REQUEST", message, envVarKey=created.key)
        for variable in self._variables[project_id] if others else ():
            same = (variable.key, variable.value) == (created.key, created.value)
            if same and variable.type == "sensitive" and "production" in variable.targets:
                message = "Production Secrets must have a different value than those of other environments."
                raise ApiError(400, "BAD_REQUEST", message, envVarKey=created.key)

    def _check_conflict(self, project_id: str, created: Variable) -> None:
        for variable in self._variables[project_id]:
            if variable.id != created.id and created.overlaps(variable):
                # Vercel's message names the branch even when there is none (vercel/vercel#16588).
                branch = created.git_branch or "undefined"
                raise ApiError(
                    400,
                    "ENV_CONFLICT",
                    f"A variable with the name `{created.key}` already exists"
                    f" for the target {','.join(created.targets)} on branch {branch}",
                    key=created.key,
                    envVarKey=created.key,
                    envVarId=variable.id,
                    target=list(created.targets),
                    gitBranch=created.git_branch,
                    project=project_id,
                )

    def _replace(self, project_id: str, existing: Variable | None, created: Variable) -> Variable:
        variables = [created if item is existing else item for item in self._variables[project_id]]
        if existing is None:
            variables.append(created)
        for target in (*created.targets, *created.custom_environments):
            size = sum(item.size for item in variables if target in (*item.targets, *item.custom_environments))
            if size > MAX_ENVIRONMENT_BYTES:
                message = "The total size of your Environment Variables is larger than the limit of 64KB."
                raise ApiError(400, "BAD_REQUEST", message, envVarKey=created.key)
        self._variables[project_id] = tuple(variables)
        return created


def _successor(existing: Variable, created: Variable) -> Variable:
    # Two writes within one millisecond must have different times.
    updated_at = max(now(), existing.updated_at + 1)
    return replace(created, id=existing.id, created_at=existing.created_at, updated_at=updated_at)
