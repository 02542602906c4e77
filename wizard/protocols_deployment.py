"""What the redeploy on ECS needs of AWS: a Protocol.

Pure. `wizard.aws.ecs` implements it; the steps of `wizard.push` know only this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from components.contract import SecretStore
from wizard.facts_fleet import Rollout, Service, TaskDefinition


class Fleet(Protocol):
    """The services of ECS in one Region. Its methods raise errors of `wizard.errors` only."""

    def services(self, cluster: str) -> tuple[Service, ...]:
        """All active services of a cluster. Raises ResourceError where there is no such cluster."""
        ...

    def service(self, cluster: str, name: str) -> Service | None:
        """An active service; None when the cluster has none of that name."""
        ...

    def task_definition(self, name: str) -> TaskDefinition | None:
        """A revision by its ARN, or the newest active one of a family; None when there is none."""
        ...

    def register(self, body: Mapping[str, Any]) -> TaskDefinition:
        """A new revision. Every revision before stays."""
        ...

    def update(self, service: Service, task_definition: str, *, force: bool) -> Rollout:
        """Have the service run that revision; nothing else of it is changed. The deployment that is then its newest.

        `force`: a new deployment even where it runs that revision already, so that its tasks read their values anew.
        """
        ...

    def stopped(self, service: Service, rollout: Rollout) -> tuple[str, ...]:
        """Why tasks of that deployment stopped, in ECS's words; empty where the caller may not see it."""
        ...

    def changed_at(self, names: Sequence[str], *, store: SecretStore = SecretStore.PARAMETER_STORE) -> datetime | None:
        """When the value of any of those parameters or secrets was written last, UTC; None where there is none."""
        ...
