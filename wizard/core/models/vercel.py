"""Facts of Vercel: a project, its environments, its variables.

Pure. One delivery is for one environment, with variables of its own, so none is ever extended or restricted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from components.settings import Settings, VariableNames, VercelIssuerMode
from wizard.core.next_command import Command, chain, shell

_PRODUCTION, _PREVIEW = "production", "preview"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """An environment, or the deployments of one git branch in preview."""

    environment: str
    """`production`, `preview`, or the slug of a custom environment."""
    custom_id: str | None = None
    """The custom environment's id."""
    branch: str | None = None
    """The git branch, of preview only."""

    @classmethod
    def of(cls, settings: Settings) -> Scope:
        """The environment that a stack is for."""
        return cls(environment=settings.vercel_environment)

    @property
    def is_custom(self) -> bool:
        """Whether the environment is a custom one: a variable names such an environment by its id."""
        return self.environment not in (_PRODUCTION, _PREVIEW)

    @property
    def place(self) -> str:
        return self.custom_id or (f"the branch {self.branch}" if self.branch else self.environment)

    @property
    def words(self) -> str:
        if self.branch:
            return f"the branch {self.branch} of preview"
        return f"the custom environment {self.environment}" if self.is_custom else self.environment

    @property
    def typed(self) -> tuple[str, ...]:
        """The scope as arguments of the Vercel CLI: `vercel env rm NAME preview feature`."""
        return (self.environment, self.branch) if self.branch else (self.environment,)

    def removal(self, names: Iterable[str]) -> Command:
        """The commands that remove the variables there."""
        return chain(*(shell("vercel", "env", "rm", name, *self.typed) for name in names))

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of a variable that is set for it."""
        if self.custom_id:
            return {"customEnvironmentIds": [self.custom_id]}
        return {"target": [self.environment], **({"gitBranch": self.branch} if self.branch else {})}

    def sees(self, variable: VercelVariable) -> bool:
        """Whether deployments there see the variable."""
        environments = places(variable)
        # An endpoint that lists no environment at all must not make a data key look absent.
        return self.place in environments or not environments

    def beside(self, variable: VercelVariable) -> tuple[str, ...]:
        """The other environments of the variable."""
        return tuple(place for place in places(variable) if place != self.place)


PRODUCTION = Scope(environment=_PRODUCTION)


def places(variable: VercelVariable) -> tuple[str, ...]:
    """The places of a variable: environments, a branch as `the branch NAME`, ids of custom environments."""
    branch = (f"the branch {variable.git_branch}",) if variable.git_branch else ()
    # A branch means only its deployments in preview, not all of preview.
    targets = [target for target in variable.targets if not (branch and target == _PREVIEW)]
    return (*targets, *branch, *variable.custom_environments)


@dataclass(frozen=True, kw_only=True)
class VercelProject:
    """A project the token can reach."""

    id: str
    name: str
    team_id: str | None
    team_slug: str | None
    framework: str | None = None
    """The framework that Vercel detected: `nextjs`; None without one."""
    gives_tokens: bool | None = None
    """Whether its deployments get OIDC tokens; None: the endpoint does not say."""
    issuer_mode: VercelIssuerMode | None = None
    """The issuer of the tokens; None: the endpoint does not give it."""
    has_rolling_releases: bool = False
    """Whether a new deployment gets production's traffic in stages."""
    scope: Scope = PRODUCTION
    """The environment whose variables and deployments are meant: by default that of the stack."""
    variable_names: VariableNames = VariableNames()
    """The names that the stack's variables have there."""

    @classmethod
    def named(cls, team: str, project: str, environment: str = _PRODUCTION) -> VercelProject:
        """The project by name or id, of the team with that slug or id, before Vercel is asked about it."""
        is_id = team.startswith("team_")
        team_id, slug = (team, None) if is_id else (None, team or None)
        return cls(id=project, name=project, team_id=team_id, team_slug=slug, scope=Scope(environment=environment))

    def at(self, scope: Scope) -> VercelProject:
        """The project with another of its environments."""
        return replace(self, scope=scope)

    def with_names(self, names: VariableNames) -> VercelProject:
        """The project with variables of these names."""
        return replace(self, variable_names=names)


@dataclass(frozen=True, kw_only=True)
class VercelVariable:
    """An environment variable as Vercel lists it."""

    id: str
    key: str
    type: str
    """`plain`, `encrypted`, `sensitive`, …"""
    targets: tuple[str, ...]
    comment: str
    git_branch: str | None = None
    custom_environments: tuple[str, ...] = ()
    """Ids of the custom environments it is for."""
    value: str | None = field(default=None, repr=False)
    """The value, where Vercel shows it: never for a sensitive variable."""


@dataclass(frozen=True, kw_only=True)
class Linked:
    """The project that a folder is linked to (`vercel link`)."""

    project_id: str
    team_id: str | None
    """`team_…`; None when the project belongs to a person's own account."""
