"""Reads the current deployment of an environment on Vercel; redeploys the same code, waits for it and checks it.

Touches the network through `wizard/vercel/http.py` only. Where a deployment fails, the former one continues to run.
Shapes: https://vercel.com/docs/rest-api/deployments, https://vercel.com/docs/rest-api/rolling-release; the commands for
a rolling release: https://vercel.com/docs/cli/rolling-release.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wizard.core.errors import SetupError, Unreachable, Unsupported
from wizard.core.models.deployment import (
    Deployment,
    Redeployed,
    RedeployState,
    ReleaseStage,
    ReleaseState,
    RollingRelease,
)
from wizard.core.models.vercel import PRODUCTION, VercelProject
from wizard.core.next_command import NO_COMMAND, Command, Text, shell
from wizard.core.retry import Deadline, Reason
from wizard.core.safe_text import clean, quoted
from wizard.vercel import answers
from wizard.vercel.http import Api, Endpoint, Response, scope_of
from wizard.vercel.variable_state import ACCESS_KEY_VARIABLES, entries_of
from wizard.vercel.variables import Variables

ENDED_BADLY = frozenset({"ERROR", "CANCELED", "BLOCKED", "DELETED"})
READING_SECONDS = 20.0
CREATION_SECONDS = 60.0
ASSIGNING_SECONDS = 30.0
"""Longest wait until a ready deployment gets production's domains. Other environments have no such wait."""
APPROVAL_SECONDS = 900.0
"""Longest wait for each stage of a rolling release that a person approves."""
STAGE_SPARE_SECONDS = 60.0
"""Added to the duration of a stage that continues by itself."""

_MARK = "eonproKms"
"""In a deployment's `meta`: identifies a deployment whose creation was never answered."""
_UNKNOWN = frozenset({404, 405, 501})


def deployment_of(reported: answers.ReportedDeployment) -> Deployment:
    return Deployment(
        target="vercel",
        id=reported.id,
        name=clean(reported.url or reported.id),
        made=reported.created,
        state=reported.state or "QUEUED",
        substate=reported.ready_substate or "",
    )


def parse_release(release: answers.Release | None, project: VercelProject) -> RollingRelease | None:
    """The rolling release of an answer; None where there is none, or in a state that this version does not know."""
    if release is None or release.state not in tuple(ReleaseState) or release.canary_deployment is None:
        return None
    canary, current = deployment_of(release.canary_deployment), release.current_deployment
    active = _stage(release.active_stage) if release.active_stage else None
    return RollingRelease(
        state=ReleaseState(release.state),
        canary=canary,
        current=deployment_of(current) if current else None,
        stages=tuple(map(_stage, release.stages or ())),
        active=active,
        queued=release.queued_deployment_id,
        updated=release.updated_at,
        command=_continuation(active, canary, project),
    )


def _stage(stage: answers.Stage) -> ReleaseStage:
    return ReleaseStage(
        index=stage.index,
        percentage=stage.target_percentage,
        needs_approval=stage.require_approval,
        seconds=stage.duration,
    )


def _continuation(stage: ReleaseStage | None, canary: Deployment, project: VercelProject) -> Command:
    if stage is not None and stage.needs_approval:
        return release_command(project, "approve", f"--currentStageIndex={stage.index}", f"--dpl={canary.id}")
    return release_command(project, "fetch")


def release_command(project: VercelProject, action: str, *words: str) -> Command:
    """A command of the Vercel CLI for the project's rolling releases, for any folder."""
    team = ("--scope", project.team_slug or project.team_id) if project.team_slug or project.team_id else ()
    return shell("vercel", "rolling-release", action, *words, "--project", project.name, *team)


def last_change(variables: Variables) -> datetime | None:
    """When one of the scope's delivered variables was last changed; None where it is unknown or there is none."""
    listed = variables.list()
    times = [
        variable.updated_at
        for name in (*variables.names.every, *ACCESS_KEY_VARIABLES)
        for variable in entries_of(listed, name, variables.scope)
        if variable.updated_at is not None
    ]
    return datetime.fromtimestamp(max(times) / 1000, UTC) if times else None


@dataclass(frozen=True, kw_only=True)
class _End:
    """The end of a deployment that is ready."""

    state: RedeployState
    why: str = ""
    command: Command = NO_COMMAND
    is_shared: bool = False


def _stage_seconds(release: RollingRelease) -> float:
    """Longest wait for the active stage."""
    stage = release.active
    return APPROVAL_SECONDS if stage is None or stage.seconds is None else stage.seconds + STAGE_SPARE_SECONDS


class Deployments:
    """The deployments of one project."""

    def __init__(self, api: Api, project: VercelProject) -> None:
        self._api, self._project = api, project
        self._scope, self._environment = scope_of(project), project.scope.environment

    def running(self) -> Deployment | None:
        """The current deployment of the project's environment (of preview: the latest one); None without a deployment.

        Raises Unsupported for an endpoint without deployments, SetupError for one that does not answer or refuses.
        """
        deadline = self._api.deadline(READING_SECONDS)
        if self._is_production:
            answer = self._get(Endpoint.PROJECT.path(project=self._project.id), deadline)
            # After a rollback the latest deployment is not the one that runs: the project names it.
            if named := (answer.read(answers.Targets).targets or {}).get(self._environment):
                deployment = deployment_of(named)
                release = self.rolling_release() if deployment.substate == "ROLLING" else None
                # A part of the traffic is not production: most of it goes to the former one.
                return release.current if release is not None and release.current is not None else deployment
        latest = map(deployment_of, self._latest(deadline, state="READY"))
        # Only production's are promoted: the others of an environment have it as long as they exist.
        served = (entry for entry in latest if not self._is_production or entry.substate not in ("STAGED", "ROLLING"))
        return next(served, None)

    def rolling_release(self) -> RollingRelease | None:
        """The latest rolling release of production, in any state; None without one. Raises as `running`."""
        if not self._is_production:
            return None
        path = Endpoint.ROLLING_RELEASE.path(project=self._project.id)
        answer = self._api.persist("GET", path, query=self._scope, deadline=self._api.deadline(READING_SECONDS))
        # An endpoint, or a plan of Vercel's, without rolling releases.
        return parse_release(answer.read(answers.ReportedRelease).rolling_release, self._project) if answer.ok else None

    def redeploy(
        self,
        former: Deployment,
        *,
        seconds: float,
        tell: Callable[[str], None],
        changed: datetime | None = None,
        until_complete: bool = False,
    ) -> Redeployed:
        """Deploy the former deployment's code again with the current variables. Waits for at most `seconds`.

        A deployment that fails is a result with the reason: the former runs on. So is one whose rolling release takes
        longer: it is waiting, unless it goes on by itself in that time. `until_complete`: each of its stages is waited
        for, one that a person approves for `APPROVAL_SECONDS`. A release under way of a deployment that was created
        after the variables were `changed` is followed, and no other is created. Raises SetupError where none could be.
        """
        deadline = self._api.deadline(seconds)

        def ended(state: RedeployState, after: Deployment | None, why: str = "", **more: Any) -> Redeployed:
            took = round(deadline.passed, 1)
            return Redeployed(target="vercel", state=state, before=former, after=after, why=why, seconds=took, **more)

        def followed(deployment: Deployment) -> Redeployed:
            end = self._follow(deployment, deadline, tell, until_complete=until_complete)
            return ended(end.state, deployment, end.why, command=end.command, is_shared=end.is_shared)

        active = self._active_release()
        if active is not None and changed is not None and active.canary.made >= changed:
            tell(f"{active.canary.name} has the values already; no other deployment is created")
            return followed(active.canary)
        deployment = self._create(former)
        reported = ""
        while True:
            if deployment.state != reported:
                reported = deployment.state
                tell(f"{deployment.name}: {reported.lower()}")
            if deployment.state == "READY":
                return followed(deployment) if self._is_production else ended(RedeployState.DONE, deployment)
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
                if answer.ok:
                    return deployment_of(answer.read(answers.ReportedDeployment))
            except Unreachable as error:
                failure: SetupError = error
                wait = None
            else:
                failure, wait = self._api.refusal(answer, doing), answer.retry_after
                if not answer.is_temporary:
                    raise failure
            # It may have been created anyway, and a second one would only cost a build.
            for entry in self._latest(deadline):
                if (entry.meta or {}).get(_MARK) == mark:
                    return deployment_of(entry)
            if not deadline.wait(Reason.THROTTLED if wait else Reason.NETWORK, at_least=wait):
                raise failure

    def _refresh(self, deployment: Deployment) -> Deployment:
        try:
            return deployment_of(self._reported(deployment))
        except Unreachable:
            # The build continues, and is checked again.
            return deployment

    def _reported(self, deployment: Deployment) -> answers.ReportedDeployment:
        answer = self._get(Endpoint.DEPLOYMENT.path(id=deployment.id), self._api.deadline(READING_SECONDS))
        return answer.read(answers.ReportedDeployment)

    def _why(self, deployment: Deployment) -> str:
        reported = self._reported(deployment)
        said = reported.error_message
        words = quoted(said) if said else f"it ended as {clean(deployment.state)}"
        return f"{words}; its log: {clean(reported.inspector_url or '') or f'https://{deployment.name}'}"

    # --- production's traffic

    def _active_release(self) -> RollingRelease | None:
        if not self._project.has_rolling_releases:
            return None
        release = self.rolling_release()
        return release if release is not None and release.is_active else None

    def _follow(
        self, deployment: Deployment, whole: Deadline, tell: Callable[[str], None], *, until_complete: bool
    ) -> "_End":
        """The state of production's traffic, for a deployment that is ready.

        Production runs it, it gets a part of the traffic, it was aborted, or it waits to be promoted.
        """
        assigning, stage, reported = self._api.deadline(ASSIGNING_SECONDS), self._api.deadline(0), ""
        while True:
            deployment = self._refresh(deployment)
            try:
                release = self.rolling_release() if self._may_roll(deployment) else None
            except Unreachable as error:
                # It is healthy, as far as is known: a failure would be wrong, and a promotion would end it.
                if assigning.wait(Reason.ROLLOUT):
                    continue
                why = f"it is ready; how far its rolling release is is unknown: {error.message}"
                shows = release_command(self._project, "fetch")
                return _End(state=RedeployState.WAITING, why=why, command=shows, is_shared=True)
            own = release if release is not None and release.canary.id == deployment.id else None
            if own is not None and own.is_active:
                words = own.words
                if words != reported:
                    reported, stage = words, self._api.deadline(_stage_seconds(own))
                    tell(f"{deployment.name}: {words}")
                    if until_complete and own.active is not None and own.active.needs_approval:
                        tell(Text("to let it go on: ", own.command))
                left = own.seconds_left
                patient = until_complete or (left is not None and left + STAGE_SPARE_SECONDS <= whole.left)
                if patient and stage.wait(Reason.ROLLOUT):
                    continue
                return _End(state=RedeployState.WAITING, why=words, command=own.command, is_shared=True)
            if own is not None and own.state is ReleaseState.ABORTED:
                again = release_command(self._project, "start", f"--dpl={deployment.id}")
                return _End(state=RedeployState.FAILED, why=Text(f"{own.words}; to begin it again: ", again))
            running = self.running()
            if running is not None and running.id == deployment.id:
                return _End(state=RedeployState.DONE)
            if release is not None and release.is_active:
                why = f"it waits for the end of the rolling release of {release.canary.name}: {release.words}"
                return _End(state=RedeployState.WAITING, why=why, command=release.command)
            if self._is_left_alone(deployment) or not assigning.wait(Reason.ROLLOUT):
                return self._not_served(deployment, is_rolling=deployment.substate == "ROLLING")

    def _may_roll(self, deployment: Deployment) -> bool:
        return self._project.has_rolling_releases or deployment.substate == "ROLLING"

    def _is_left_alone(self, deployment: Deployment) -> bool:
        """Whether production will not run it by itself: it is staged, where no release in stages can begin yet."""
        is_staged = deployment.substate == "STAGED" and not self._project.has_rolling_releases
        return is_staged or bool(self._reported(deployment).alias_error)

    def _not_served(self, deployment: Deployment, *, is_rolling: bool) -> "_End":
        if is_rolling:
            # Vercel says so and shows no release: a promotion would end it.
            why = "it gets a part of the traffic, and Vercel does not show its rolling release"
            shows = release_command(self._project, "fetch")
            return _End(state=RedeployState.WAITING, why=why, command=shows, is_shared=True)
        return _End(
            state=RedeployState.FAILED,
            why="it is ready, but production still runs the former one, as after a rollback or where domains are "
            f"assigned manually: vercel promote {deployment.name}",
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

    def _latest(self, deadline: Deadline, **more: str) -> tuple[answers.ReportedDeployment, ...]:
        query = {"projectId": self._project.id, "target": self._environment, "limit": "20", **more}
        entries = self._get(Endpoint.DEPLOYMENTS.path(), deadline, query).read(answers.Deployments).deployments
        # An endpoint without the filter lists production's too.
        return tuple(entry for entry in entries if self._is_production or entry.target != PRODUCTION.environment)

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
