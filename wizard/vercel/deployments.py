"""What an environment on Vercel runs, and a redeployment of the same code, waited for and checked.

Touches the network through `wizard/vercel/http.py` only. Where a deployment fails, the former one continues to run.
Shapes: https://vercel.com/docs/rest-api/deployments.
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from components.settings import POSSIBLE_VARIABLES
from wizard.core.errors import SetupError, Unreachable, Unsupported
from wizard.core.models.delivery import PRODUCTION, VercelProject
from wizard.core.models.deployment import Deployment, Redeployed, RedeployState
from wizard.core.retry import Deadline, Reason
from wizard.core.safe_text import clean, quoted
from wizard.vercel.http import Api, Endpoint, Response, scope_of
from wizard.vercel.projects import read_entries, text
from wizard.vercel.variable_state import ACCESS_KEY_VARIABLES, entries_of
from wizard.vercel.variables import Variables

ENDED_BADLY = frozenset({"ERROR", "CANCELED", "BLOCKED", "DELETED"})
READING_SECONDS = 20.0
CREATION_SECONDS = 60.0
ASSIGNING_SECONDS = 30.0
"""How long a deployment that is ready may take to get production's domains; other environments wait for none."""

_MARK = "eonproKms"
"""In a deployment's `meta`: identifies a deployment whose creation was never answered."""
_UNKNOWN = frozenset({404, 405, 501})


def last_change(variables: Variables) -> datetime | None:
    """When one of the scope's delivered variables was last changed; None where it is unknown or there is none."""
    listed = variables.list()
    times = [
        variable.updated_at
        for name in (*POSSIBLE_VARIABLES, *ACCESS_KEY_VARIABLES)
        for variable in entries_of(listed, name, variables.scope)
        if variable.updated_at is not None
    ]
    return datetime.fromtimestamp(max(times) / 1000, UTC) if times else None


class Deployments:
    """The deployments of one project."""

    def __init__(self, api: Api, project: VercelProject) -> None:
        self._api, self._project = api, project
        self._scope, self._environment = scope_of(project), project.scope.environment

    def running(self) -> Deployment | None:
        """What the project's environment runs, of preview the latest; None where nothing was deployed there yet.

        Raises Unsupported for an endpoint without deployments, SetupError for one that does not answer or refuses.
        """
        deadline = self._api.deadline(READING_SECONDS)
        if self._is_production:
            answer = self._get(Endpoint.PROJECT.path(project=self._project.id), deadline)
            # After a rollback the latest deployment is not the one that runs: the project names it.
            targets = answer.fields.get("targets")
            if isinstance(targets, dict) and (deployment := _deployment(targets.get(self._environment))):
                return deployment
        latest = self._latest(deadline, state="READY")
        # Only production's are promoted: the others of an environment have it as long as they exist.
        ready = (entry for entry in latest if not self._is_production or entry.get("readySubstate") != "STAGED")
        return next((deployment for entry in ready if (deployment := _deployment(entry))), None)

    def redeploy(self, former: Deployment, *, seconds: float, tell: Callable[[str], None]) -> Redeployed:
        """Deploy the former deployment's code again with the present variables; wait for at most so many seconds.

        A deployment that fails is a result with the reason: the former runs on. Raises SetupError where none could be
        created.
        """
        deadline = self._api.deadline(seconds)

        def ended(state: RedeployState, after: Deployment | None, why: str = "") -> Redeployed:
            took = round(deadline.passed, 1)
            return Redeployed(target="vercel", state=state, before=former, after=after, why=why, seconds=took)

        deployment = self._create(former)
        reported = ""
        while True:
            if deployment.state != reported:
                reported = deployment.state
                tell(f"{deployment.name}: {reported.lower()}")
            if deployment.state == "READY":
                why = self._not_in_production(deployment) if self._is_production else ""
                return ended(RedeployState.FAILED if why else RedeployState.DONE, deployment, why)
            if deployment.state in ENDED_BADLY:
                return ended(RedeployState.FAILED, deployment, self._why(deployment))
            if not deadline.wait(Reason.ROLLOUT):
                why = f"it was still {deployment.state} after {seconds:.0f} s and may yet succeed: https://{deployment.name}"
                return ended(RedeployState.FAILED, deployment, why)
            deployment = self._refresh(deployment)

    # --- one deployment

    def _create(self, former: Deployment) -> Deployment:
        mark = secrets.token_hex(8)
        content = {
            "name": self._project.name,
            "deploymentId": former.id,
            **self._target(),
            "meta": {"action": "redeploy", _MARK: mark},
        }
        query = {**self._scope, "forceNew": "1"}
        deadline = self._api.deadline(CREATION_SECONDS)
        doing = f"deploy the project {self._project.name} again"
        while True:
            try:
                answer = self._api.attempt("POST", Endpoint.REDEPLOY.path(), query=query, content=content)
            except Unreachable as error:
                failure: SetupError = error
                wait = None
            else:
                if answer.ok and (deployment := _deployment(answer.body)) is not None:
                    return deployment
                failure, wait = self._api.refusal(answer, doing), answer.retry_after
                if not answer.is_temporary:
                    raise failure
            # It may have been created anyway, and a second one would only cost a build.
            for entry in self._latest(deadline):
                meta = entry.get("meta")
                if isinstance(meta, dict) and meta.get(_MARK) == mark and (existing := _deployment(entry)) is not None:
                    return existing
            if not deadline.wait(Reason.THROTTLED if wait else Reason.NETWORK, at_least=wait):
                raise failure

    def _refresh(self, deployment: Deployment) -> Deployment:
        try:
            answer = self._get(Endpoint.DEPLOYMENT.path(id=deployment.id), self._api.deadline(READING_SECONDS))
        except Unreachable:
            # The build continues, and is checked again.
            return deployment
        return _deployment(answer.body) or deployment

    def _why(self, deployment: Deployment) -> str:
        reported = self._get(Endpoint.DEPLOYMENT.path(id=deployment.id), self._api.deadline(READING_SECONDS)).fields
        said = text(reported.get("errorMessage"))
        words = quoted(said) if said else f"it ended as {clean(deployment.state)}"
        return f"{words}; its log: {clean(text(reported.get('inspectorUrl')) or '') or f'https://{deployment.name}'}"

    def _not_in_production(self, deployment: Deployment) -> str:
        """Why production does not run a deployment that is ready; empty where it does."""
        deadline = self._api.deadline(ASSIGNING_SECONDS)
        while True:
            running = self.running()
            if running is not None and running.id == deployment.id:
                return ""
            reported = self._get(Endpoint.DEPLOYMENT.path(id=deployment.id), self._api.deadline(READING_SECONDS)).fields
            waits = reported.get("readySubstate") in ("STAGED", "ROLLING") or reported.get("aliasError")
            if waits or not deadline.wait(Reason.ROLLOUT):
                return (
                    "it is ready, but production still runs the former one, as after a rollback or where domains are "
                    f"assigned manually: vercel promote {deployment.name}"
                )

    # --- requests

    @property
    def _is_production(self) -> bool:
        return self._project.scope == PRODUCTION

    def _target(self) -> Mapping[str, str]:
        """The environment of a new deployment: without one it is preview's.

        https://vercel.com/docs/rest-api/deployments/create-a-new-deployment
        """
        if self._project.scope.is_custom:
            return {"customEnvironmentSlugOrId": self._environment}
        return {"target": self._environment} if self._is_production else {}

    def _latest(self, deadline: Deadline, **more: str) -> tuple[Mapping[str, Any], ...]:
        query = {"projectId": self._project.id, "target": self._environment, "limit": "20", **more}
        entries = read_entries(self._get(Endpoint.DEPLOYMENTS.path(), deadline, query).body, "deployments")
        # An endpoint without the filter lists production's too.
        return tuple(entry for entry in entries if self._is_production or entry.get("target") != PRODUCTION.environment)

    def _get(self, path: str, deadline: Deadline, query: Mapping[str, str] | None = None) -> Response:
        answer = self._api.persist("GET", path, query={**self._scope, **(query or {})}, deadline=deadline)
        if answer.status in _UNKNOWN:
            raise Unsupported(
                f"{self._api.base_url} does not list the deployments of {self._project.name} ({answer.reported})",
                "look at the project's list of deployments",
            )
        if not answer.ok:
            raise self._api.refusal(answer, f"see the deployments of {self._project.name}")
        return answer


def _deployment(body: Any) -> Deployment | None:
    """A deployment in any of the API's shapes; None for anything else."""
    if not isinstance(body, dict):
        return None
    id = text(body.get("id")) or text(body.get("uid"))
    at = body.get("createdAt", body.get("created"))
    if id is None or not isinstance(at, (int, float)):
        return None
    return Deployment(
        target="vercel",
        id=id,
        name=clean(text(body.get("url")) or id),
        made=datetime.fromtimestamp(at / 1000, UTC),
        state=text(body.get("readyState")) or text(body.get("state")) or text(body.get("status")) or "QUEUED",
    )
