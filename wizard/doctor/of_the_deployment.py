"""What runs: whether it holds the values that were delivered last, and whether it remembers a failed load of its key.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from components.contract import Target
from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, LeftOut, Told, Unlooked, Well
from wizard.errors import SetupError
from wizard.facts_audit import KeyUse
from wizard.facts_deployment import Deployment
from wizard.push.instances import Instances

_PLACES = {Target.VERCEL: "production on Vercel", Target.ECS: "the service on ECS", Target.EKS: "the pods on EKS"}
_HISTORY = timedelta(days=90)
"""How far back CloudTrail's event history goes."""


def of_the_deployment(evidence: Evidence) -> Iterator[Told]:
    """What runs at each target."""
    if evidence.outputs is None:
        return
    for instances in evidence.instances:
        place = _PLACES[instances.target]
        if instances.target is Target.EKS:
            yield LeftOut(what=f"{place}: they read the values when they start, and are not asked")
        elif instances.deployment is None:
            yield _nothing_seen(evidence, instances, place)
        else:
            yield from _values(evidence, instances, instances.deployment, place)
            yield from _memory(evidence, instances, instances.deployment, place)


def _nothing_seen(evidence: Evidence, instances: Instances, place: str) -> Told:
    settings = evidence.settings
    if instances.stale is False:
        return Well(what=f"{place}: {instances.why}")
    if instances.target is Target.ECS:
        cluster, name = settings.ecs_cluster, settings.ecs_service
        if cluster is None:
            return LeftOut(what=f"{place}: {instances.why} (pulumi config set eonpro-kms:ecsCluster NAME)")
        if name and evidence.once("service", lambda: evidence.cloud.fleet().service(cluster, name)) is None:
            return Well(what=f"{place}: there is no service {cluster}/{name} yet, so that nothing holds old values")
    return Unlooked(what=f"whether {place} holds the delivered values", why=instances.why)


def _values(evidence: Evidence, instances: Instances, runs: Deployment, place: str) -> Iterator[Told]:
    if instances.stale is None:
        yield Unlooked(what=f"whether {place}, {runs.name}, holds the delivered values", why=instances.why)
    elif not instances.stale:
        yield Well(what=f"{place}, {runs.name}, began after its values were last changed")
    else:
        changed = f", and its values were changed at {_time(instances.changed)}" if instances.changed else ""
        yield Finding(
            cause="deployment-stale",
            what=f"{place}, {runs.name}, began at {_time(runs.made)}{changed}",
            why="variables are read when a deployment is made or a task starts: what runs has the old values, or none",
            command=_anew(evidence),
        )


def _memory(evidence: Evidence, instances: Instances, runs: Deployment, place: str) -> Iterator[Told]:
    """Whether its last use of the key was refused: then it remembers that, though the cause may be mended."""
    outputs = evidence.outputs
    if outputs is None:
        return
    key, principal = outputs.key_arn, outputs.principal_of(instances.target)
    since = max(runs.made, datetime.now(UTC) - _HISTORY)
    found = evidence.once(f"key uses {since}", lambda: evidence.cloud.audit().key_uses(key, since=since))
    if isinstance(found, SetupError):
        yield Unlooked.of(f"whether {place} failed to load its key", found)
        return
    # The ARN of a session's role comes without the role's path.
    uses = [use for use in found.uses if _name(use.principal) == _name(principal) and use.at >= since]
    failed = [use for use in uses if use.error is not None]
    if failed and uses[0].error is not None:
        yield _remembered(evidence, runs, place, failed)
    elif not found.complete and not uses:
        yield Unlooked(
            what=f"whether {place} failed to load its key",
            why="CloudTrail has more events than are read, and none of the application's is among the newest",
        )
    else:
        yield Well(what=f"{place} was not refused the key when it used it last, as far as CloudTrail tells yet")


def _remembered(evidence: Evidence, runs: Deployment, place: str, failed: list[KeyUse]) -> Finding:
    times = "once" if len(failed) == 1 else f"{len(failed)} times"
    return Finding(
        cause="failure-remembered",
        what=f"{place}, {runs.name}, was refused the key {times}, last at {_time(failed[0].at)} ({failed[0].error}), "
        "and has not opened it since",
        why="the application remembers a failed load of its key until it is started anew, though the cause is mended",
        command=_anew(evidence),
    )


def _anew(evidence: Evidence) -> str:
    return remedies.wizard(evidence, "push", "--redeploy", "--yes")


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "a time that is not told"
