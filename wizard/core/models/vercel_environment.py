"""Which environment of a Vercel project a delivery is for: production, preview, one branch, a custom environment.

Pure. One delivery is for one of them, with variables of its own: so none ever has to be widened or narrowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wizard.core.models.delivery import VercelVariable

_PRODUCTION, _PREVIEW = "production", "preview"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """One environment, or the deployments of one git branch in preview."""

    environment: str
    """`production`, `preview`, or the slug of a custom environment."""
    custom_id: str | None = None
    """The custom environment's id."""
    branch: str | None = None
    """The git branch, of preview only."""

    @property
    def place(self) -> str:
        """What a variable for it names: see `places`."""
        return self.custom_id or (f"the branch {self.branch}" if self.branch else self.environment)

    @property
    def words(self) -> str:
        """For a person."""
        if self.branch:
            return f"the branch {self.branch} of preview"
        return f"the custom environment {self.environment}" if self.custom_id else self.environment

    @property
    def typed(self) -> str:
        """As the Vercel CLI takes it: `vercel env rm NAME preview feature`."""
        return f"{self.environment} {self.branch}" if self.branch else self.environment

    @property
    def fields(self) -> Mapping[str, Any]:
        """What says so in a variable that is set."""
        if self.custom_id:
            return {"customEnvironmentIds": [self.custom_id]}
        return {"target": [self.environment], **({"gitBranch": self.branch} if self.branch else {})}

    def sees(self, variable: VercelVariable) -> bool:
        """Whether what is deployed there sees the variable as one for it."""
        told = places(variable)
        # An endpoint that tells no environment at all must not make a data key look absent.
        return self.place in told or not told

    def beside(self, variable: VercelVariable) -> tuple[str, ...]:
        """What else the variable is for."""
        return tuple(place for place in places(variable) if place != self.place)


PRODUCTION = Scope(environment=_PRODUCTION)


def places(variable: VercelVariable) -> tuple[str, ...]:
    """What a variable is for: environments, a branch as `the branch NAME`, the ids of custom environments."""
    branch = (f"the branch {variable.git_branch}",) if variable.git_branch else ()
    # A branch means preview's deployments of it, not for all of preview.
    targets = [target for target in variable.targets if not (branch and target == _PREVIEW)]
    return (*targets, *branch, *variable.custom_environments)
