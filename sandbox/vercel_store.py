"""What the stand-in for Vercel holds: one team, its projects, their variables, and which of these run into each other.

Touches memory only; every method takes the store's lock.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sandbox.vercel_variable import LARGEST_ENVIRONMENT, Refusal, Variable, now, read_variable, stable_id


class Store:
    """The variables of one team's projects."""

    def __init__(self, *, team: str, projects: tuple[str, ...]) -> None:
        self._lock = threading.RLock()
        self.team_slug = team
        self.team_id = stable_id("team_", team, 24)
        self.created_at = now()
        self._names = {stable_id("prj_", f"{team}/{name}", 28): name for name in projects}
        self._variables: dict[str, tuple[Variable, ...]] = dict.fromkeys(self._names, ())

    # --- projects

    def projects(self) -> list[dict[str, Any]]:
        """All projects of the team."""
        with self._lock:
            return [self._project(id) for id in self._names]

    def project_id(self, id_or_name: str) -> str:
        """The id of a project known by id or name. Raises Refusal 404."""
        with self._lock:
            for id, name in self._names.items():
                if id_or_name in (id, name):
                    return id
        raise Refusal(404, "not_found", "Project not found.")

    def project(self, id_or_name: str) -> dict[str, Any]:
        """One project."""
        with self._lock:
            return self._project(self.project_id(id_or_name))

    def _project(self, id: str) -> dict[str, Any]:
        return {
            "id": id,
            "name": self._names[id],
            "accountId": self.team_id,
            "framework": "nextjs",
            "nodeVersion": "22.x",
            "createdAt": self.created_at,
            "updatedAt": self.created_at,
            "directoryListing": False,
        }

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
