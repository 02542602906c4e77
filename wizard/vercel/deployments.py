"""What production runs on Vercel, and one more deployment of the same code: made, waited for, judged.

Touches the network through `wizard/vercel/http.py` only. A deployment that fails takes nobody's place: the former
goes on running. Shapes: https://vercel.com/docs/rest-api/deployments.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from wizard.core.errors import SetupError, Unreachable, Unsupported
from wizard.core.models.delivery import VercelProject
from wizard.core.models.deployment import Deployment, Redeployed, RedeployState
from wizard.core.retry import Deadline, Reason
from wizard.vercel.conflicts import ACCESS_KEY, NAMES
from wizard.vercel.http import Api, Endpoint, Response
from wizard.vercel.projects import read_entries, text
from wizard.vercel.variable_state import ListedVariable, in_production

ENDED_BADLY = frozenset({"ERROR", "CANCELED", "BLOCKED", "DELETED"})
READING_SECONDS = 20.0
MAKING_SECONDS = 60.0
ASSIGNING_SECONDS = 30.0
"""How long a deployment that is ready may take to be given production's domains."""

_MARK = "eonproKms"
"""In a deployment's `meta`: by it one is found whose making was never answered."""
_UNKNOWN = frozenset({404, 405, 501})


def last_change(listed: tuple[ListedVariable, ...]) -> datetime | None:
    """When one of the delivered variables of production was last changed; None where none is, or it is not known."""
    times = [
        each.updated_at
        for name in (*NAMES, *ACCESS_KEY)
        for each in in_production(listed, name)
        if each.updated_at is not None
    ]
    return datetime.fromtimestamp(max(times) / 1000, UTC) if times else None


class Deployments:
    """The deployments of one project."""

    def __init__(self, api: Api, project: VercelProject) -> None:
        self._api, self._project = api, project
        self._scope: dict[str, str] = {}
        if project.team_id:
            self._scope = {"teamId": project.team_id}
        elif project.team_slug:
            self._scope = {"slug": project.team_slug}

    def in_production(self) -> Deployment | None:
        """What production runs; None where nothing was deployed there yet.

        Raises Unsupported for an endpoint that does not tell, SetupError for one that does not answer or refuses.
        """
        deadline = self._api.deadline(READING_SECONDS)
        answer = self._get(Endpoint.PROJECT.path(project=self._project.id), deadline)
        # After a rollback it is not the latest one that runs: the project itself tells which.
        targets = answer.body.get("targets") if isinstance(answer.body, dict) else None
        if isinstance(targets, dict) and (found := _deployment(targets.get("production"))):
            return found
        ready = (each for each in self._latest(deadline, state="READY") if each.get("readySubstate") != "STAGED")
        return next((found for each in ready if (found := _deployment(each))), None)

    def redeploy(self, former: Deployment, *, seconds: float, tell: Callable[[str], None]) -> Redeployed:
        """One more deployment of the former's code with the variables of now, waited for at most so many seconds.

        Never raises for one that fails: the former runs on, and why is in what comes back. Raises SetupError where
        none could be made.
        """
        deadline = self._api.deadline(seconds)

        def ended(state: RedeployState, after: Deployment | None, why: str = "") -> Redeployed:
            took = round(deadline.passed, 1)
            return Redeployed(target="vercel", state=state, before=former, after=after, why=why, seconds=took)

        made = self._make(former)
        reported = ""
        while True:
            if made.state != reported:
                reported = made.state
                tell(f"{made.name}: {reported.lower()}")
            if made.state == "READY":
                why = self._not_in_production(made)
                return ended(RedeployState.FAILED if why else RedeployState.DONE, made, why)
            if made.state in ENDED_BADLY:
                return ended(RedeployState.FAILED, made, self._why(made))
            if not deadline.wait(Reason.ROLLOUT):
                why = f"it was {made.state} still after {seconds:.0f} s, and may yet end well: https://{made.name}"
                return ended(RedeployState.FAILED, made, why)
            made = self._refresh(made)

    # --- one deployment

    def _make(self, former: Deployment) -> Deployment:
        mark = secrets.token_hex(8)
        content = {
            "name": self._project.name,
            "deploymentId": former.id,
            "target": "production",
            "meta": {"action": "redeploy", _MARK: mark},
        }
        query = {**self._scope, "forceNew": "1"}
        deadline = self._api.deadline(MAKING_SECONDS)
        doing = f"deploy the project {self._project.name} again"
        while True:
            try:
                answer = self._api.attempt("POST", Endpoint.REDEPLOY.path(), query=query, content=content)
            except Unreachable as error:
                failure: SetupError = error
                wait = None
            else:
                if answer.ok and (made := _deployment(answer.body)) is not None:
                    return made
                failure, wait = self._api.refusal(answer, doing), answer.retry_after
                if not answer.passing:
                    raise failure
            # It may have been made all the same, and a second one would only cost a build.
            for each in self._latest(deadline):
                meta = each.get("meta")
                if isinstance(meta, dict) and meta.get(_MARK) == mark and (found := _deployment(each)) is not None:
                    return found
            if not deadline.wait(Reason.THROTTLED if wait else Reason.NETWORK, at_least=wait):
                raise failure

    def _refresh(self, made: Deployment) -> Deployment:
        try:
            answer = self._get(Endpoint.DEPLOYMENT.path(id=made.id), self._api.deadline(READING_SECONDS))
        except Unreachable:
            # It is built all the same, and is looked at again.
            return made
        return _deployment(answer.body) or made

    def _why(self, made: Deployment) -> str:
        body = self._get(Endpoint.DEPLOYMENT.path(id=made.id), self._api.deadline(READING_SECONDS)).body
        reported = body if isinstance(body, dict) else {}
        words = text(reported.get("errorMessage")) or f"it ended as {made.state}"
        return f"{words}; its log: {text(reported.get('inspectorUrl')) or f'https://{made.name}'}"

    def _not_in_production(self, made: Deployment) -> str:
        """Why production does not run a deployment that is ready; empty where it does."""
        deadline = self._api.deadline(ASSIGNING_SECONDS)
        while True:
            running = self.in_production()
            if running is not None and running.id == made.id:
                return ""
            body = self._get(Endpoint.DEPLOYMENT.path(id=made.id), self._api.deadline(READING_SECONDS)).body
            reported = body if isinstance(body, dict) else {}
            waits = reported.get("readySubstate") in ("STAGED", "ROLLING") or reported.get("aliasError")
            if waits or not deadline.wait(Reason.ROLLOUT):
                return (
                    "it is ready, and production still runs the former, as after a rollback or where domains are "
                    f"assigned by hand: vercel promote {made.name}"
                )

    # --- requests

    def _latest(self, deadline: Deadline, **more: str) -> tuple[Mapping[str, Any], ...]:
        query = {"projectId": self._project.id, "target": "production", "limit": "20", **more}
        return read_entries(self._get(Endpoint.DEPLOYMENTS.path(), deadline, query).body, "deployments")

    def _get(self, path: str, deadline: Deadline, query: Mapping[str, str] | None = None) -> Response:
        answer = self._api.persist("GET", path, query={**self._scope, **(query or {})}, deadline=deadline)
        if answer.status in _UNKNOWN:
            raise Unsupported(
                f"{self._api.base_url} does not list the deployments of {self._project.name} ({answer.words})",
                "look in the project's list of deployments",
            )
        if not answer.ok:
            raise self._api.refusal(answer, f"see the deployments of {self._project.name}")
        return answer


def _deployment(body: Any) -> Deployment | None:
    """A deployment in any of the API's shapes; None for what is none."""
    if not isinstance(body, dict):
        return None
    id = text(body.get("id")) or text(body.get("uid"))
    at = body.get("createdAt", body.get("created"))
    if id is None or not isinstance(at, (int, float)):
        return None
    return Deployment(
        target="vercel",
        id=id,
        name=text(body.get("url")) or id,
        made=datetime.fromtimestamp(at / 1000, UTC),
        state=text(body.get("readyState")) or text(body.get("state")) or text(body.get("status")) or "QUEUED",
    )
