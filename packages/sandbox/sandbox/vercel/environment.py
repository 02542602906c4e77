"""The variables of one environment of a project: those that code gets, and those that a person gets for local use.

Touches nothing.
"""

from collections.abc import Iterator

from sandbox.vercel.team import Team
from sandbox.vercel.variable import Variable


def environment_for(team: Team, project: str, target: str) -> dict[str, str]:
    """The environment of code that is deployed now, with the sensitive values, which the API never returns.

    `target` is production, preview, or the slug of a custom environment.
    """
    return {entry.key: entry.value for entry in _variables_for(team, project, target, None)}


def pulled(team: Team, project: str, target: str, branch: str | None) -> dict[str, str]:
    """The environment for local use: as `environment_for`, with empty sensitive values."""
    entries = _variables_for(team, project, target, branch)
    return {entry.key: "" if entry.type == "sensitive" else entry.value for entry in entries}


def _variables_for(team: Team, project: str, target: str, branch: str | None) -> Iterator[Variable]:
    """The variables of an environment; of two with one name the later one wins."""
    custom = {each["id"] for each in team.environments(project) if target in (each["slug"], each["id"])}
    for shared in team.shared(team.project_id(project)):
        if target in shared.variable.targets:
            yield shared.variable
    # The project's variable overrides a shared one of the same name and environment, and a branch's both.
    for git_branch in dict.fromkeys((None, branch)):
        for entry in team.variables(project):
            here = target in entry.targets or custom & set(entry.custom_environments)
            if entry.git_branch == git_branch and here:
                yield entry
