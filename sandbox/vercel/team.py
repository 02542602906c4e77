"""What the stand-in for Vercel holds of one team: projects, their variables, and which of these run into each other.

Touches memory only; every method takes the store's lock.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.vercel.variable import LARGEST_ENVIRONMENT, Refusal, Variable, now, read_variable, stable_id


@dataclass(frozen=True, kw_only=True)
class Project:
    """One project. The time is milliseconds since 1970."""

    name: str
    framework: str | None
    created_at: int


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A variable of the team, and the ids of the projects that have it too."""

    variable: Variable
    projects: tuple[str, ...]


class Store:
    """The variables of one team's projects. `barred_by`: why the token may not act for the team; empty: it may."""

    def __init__(self, *, team: str, projects: tuple[str, ...], barred_by: tuple[str, ...] = ()) -> None:
        self._lock = threading.RLock()
        self.team_slug = team
        self.team_id = stable_id("team_", team, 24)
        self.barred_by = barred_by
        self.created_at = now()
        self._projects: dict[str, Project] = {}
        self._variables: dict[str, tuple[Variable, ...]] = {}
        self._shared: tuple[Shared, ...] = ()
        self._environments: dict[str, tuple[dict[str, Any], ...]] = {}
        for name in projects:
            self.make_project(name, "nextjs")

    # --- projects

    def projects(self) -> list[dict[str, Any]]:
        """All projects of the team."""
        with self._lock:
            return [self._project(id) for id in self._projects]

    def make_project(self, name: str, framework: str | None) -> dict[str, Any]:
        """One more project. Raises Refusal 409 for a name that is taken."""
        with self._lock:
            if any(name == each.name for each in self._projects.values()):
                raise Refusal(409, "conflict", f'Project "{name}" already exists, please use a new name.')
            id = stable_id("prj_", f"{self.team_slug}/{name}", 28)
            # No two of the same time: a page ends at one.
            latest = max((each.created_at for each in self._projects.values()), default=self.created_at - 1)
            self._projects[id] = Project(name=name, framework=framework, created_at=max(now(), latest + 1))
            self._variables[id] = ()
            return self._project(id)

    def project_id(self, id_or_name: str) -> str:
        """The id of a project known by id or name. Raises Refusal 404."""
        with self._lock:
            for id, project in self._projects.items():
                if id_or_name in (id, project.name):
                    return id
        raise Refusal(404, "not_found", "Project not found.")

    def project(self, id_or_name: str) -> dict[str, Any]:
        """One project."""
        with self._lock:
            return self._project(self.project_id(id_or_name))

    def _project(self, id: str) -> dict[str, Any]:
        project = self._projects[id]
        return {
            "id": id,
            "name": project.name,
            "accountId": self.team_id,
            "framework": project.framework,
            "nodeVersion": "22.x",
            "createdAt": project.created_at,
            "updatedAt": project.created_at,
            "directoryListing": False,
        }

    # --- what projects have in common, and environments of their own

    def share(self, variable: Variable, projects: tuple[str, ...]) -> Shared:
        """One more variable of the team, linked to projects by their ids. Raises Refusal 400 for one like another."""
        with self._lock:
            for other in self._shared:
                if variable.overlaps(other.variable):
                    message = f"A variable with the name `{variable.key}` already exists for the target."
                    raise Refusal(400, "ENV_CONFLICT", message, key=variable.key, envVarKey=variable.key)
            made = Shared(variable=variable, projects=tuple(self.project_id(each) for each in projects))
            self._shared = (*self._shared, made)
            return made

    def shared(self, project: str | None) -> tuple[Shared, ...]:
        """The variables of the team, or those that are linked to one project."""
        with self._lock:
            return tuple(each for each in self._shared if project is None or project in each.projects)

    def make_environment(self, project: str, slug: str) -> dict[str, Any]:
        """One more custom environment of a project. Raises Refusal 400 for a name that it may not have."""
        with self._lock:
            id = self.project_id(project)
            if slug.lower() in ("production", "preview", "development"):
                raise Refusal(400, "bad_request", "A custom environment must not be named 'Production' or 'Preview'.")
            if any(slug == each["slug"] for each in self._environments.get(id, ())):
                raise Refusal(400, "bad_request", f'A custom environment named "{slug}" already exists.')
            made = {
                "id": stable_id("env_", f"{id}/{slug}", 28),
                "slug": slug,
                "type": "preview",
                "description": "",
                "createdAt": now(),
                "updatedAt": now(),
            }
            self._environments[id] = (*self._environments.get(id, ()), made)
            return made

    def environments(self, project: str) -> list[dict[str, Any]]:
        """The custom environments of a project."""
        with self._lock:
            return [*self._environments.get(self.project_id(project), ())]

    # --- variables

    def variables(self, project: str) -> tuple[Variable, ...]:
        """The variables of a project."""
        with self._lock:
            return self._variables[self.project_id(project)]

    def variable(self, project: str, id: str) -> Variable:
        """One variable by its id. Raises Refusal 404."""
        for variable in self.variables(project):
            if variable.id == id:
                return variable
        raise Refusal(404, "not_found", "The Environment Variable was not found.")

    def put(self, project: str, wanted: Mapping[str, Any], *, upsert: bool) -> Variable:
        """Create one variable, or with `upsert` give the one at exactly that place a new value.

        An upsert for other targets than the existing variable's is a conflict too (getsentry/sentry#118490).
        """
        with self._lock:
            id = self.project_id(project)
            made = read_variable(wanted)
            for old in self._variables[id]:
                if upsert and made.same_place(old):
                    return self._swap(
                        id, old, replace(made, id=old.id, created_at=old.created_at, updated_at=_after(old))
                    )
            self._no_conflict(id, made)
            return self._swap(id, None, made)

    def change(self, project: str, variable_id: str, wanted: Mapping[str, Any]) -> Variable:
        """Change some fields of one variable."""
        with self._lock:
            id = self.project_id(project)
            old = self.variable(project, variable_id)
            if old.type == "sensitive" and wanted.get("type", "sensitive") != "sensitive" and "value" not in wanted:
                raise Refusal(400, "BAD_REQUEST", "A Sensitive Environment Variable cannot be changed to another type.")
            fields = {
                "key": old.key,
                "value": old.value,
                "type": old.type,
                "target": list(old.targets),
                "customEnvironmentIds": list(old.custom_environments),
                "gitBranch": old.git_branch,
                "comment": old.comment,
            }
            made = replace(
                read_variable({**fields, **wanted}), id=old.id, created_at=old.created_at, updated_at=_after(old)
            )
            self._no_conflict(id, made)
            return self._swap(id, old, made)

    def remove(self, project: str, variable_id: str) -> Variable:
        """Delete one variable."""
        with self._lock:
            id = self.project_id(project)
            old = self.variable(project, variable_id)
            self._variables[id] = tuple(each for each in self._variables[id] if each is not old)
            return old

    def _no_conflict(self, project_id: str, made: Variable) -> None:
        for other in self._variables[project_id]:
            if other.id != made.id and made.overlaps(other):
                # Vercel's message tells the branch even when there is none (vercel/vercel#16588).
                branch = made.git_branch or "undefined"
                raise Refusal(
                    400,
                    "ENV_CONFLICT",
                    f"A variable with the name `{made.key}` already exists"
                    f" for the target {','.join(made.targets)} on branch {branch}",
                    key=made.key,
                    envVarKey=made.key,
                    envVarId=other.id,
                    target=list(made.targets),
                    gitBranch=made.git_branch,
                    project=project_id,
                )

    def _swap(self, project_id: str, old: Variable | None, made: Variable) -> Variable:
        kept = [made if each is old else each for each in self._variables[project_id]]
        if old is None:
            kept.append(made)
        for target in (*made.targets, *made.custom_environments):
            size = sum(each.size for each in kept if target in (*each.targets, *each.custom_environments))
            if size > LARGEST_ENVIRONMENT:
                message = "The total size of your Environment Variables is larger than the limit of 64KB."
                raise Refusal(400, "BAD_REQUEST", message, envVarKey=made.key)
        self._variables[project_id] = tuple(kept)
        return made


def _after(old: Variable) -> int:
    # Two writes within one millisecond must still be told apart.
    return max(now(), old.updated_at + 1)
