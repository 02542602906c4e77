"""The checks of the application: its running instances, the ECS task definition, and other readers of the variables.

Reads through the facts. The code is in the folder that the command was started in, or EONPRO_APP_FOLDER.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from components.settings import DATA_KEY_VARIABLE, KEY_ID_VARIABLE, REGION_VARIABLE, VariableNames
from components.settings.arn import resource_name
from wizard.account import fixes
from wizard.account.facts import StackFacts
from wizard.account.judgements.companion_variables import former_key
from wizard.account.notices import Judgement, Notice, judgement, needed
from wizard.core.errors import SetupError
from wizard.core.models.deployment import Deployment, Instances, Service
from wizard.core.models.trail import KeyCall
from wizard.core.next_command import Command, Text
from wizard.core.safe_text import first_of
from wizard.core.variable_ownership import OwnValues
from wizard.inputs.application_readers import CHECK_ADVICE
from wizard.targets.ecs.service import (
    ExpectedDefinition,
    changes,
    container_of,
    express_commands,
    foreign_in,
    former_key_in,
    with_variables,
)
from wizard.targets.port import deploy_target

_MOST_NAMED = 6
_SUGGESTED = {
    REGION_VARIABLE: "EONPRO_AWS_REGION",
    KEY_ID_VARIABLE: "EONPRO_KMS_KEY_ID",
    DATA_KEY_VARIABLE: "EONPRO_PHI_KEY",
}
"""Names that nothing else has."""


_HISTORY = timedelta(days=90)
"""How far back CloudTrail's event history goes."""


@judgement("application-tested")
def check_deployments(facts: StackFacts) -> Iterator[Notice]:
    """Whether the running instances have the delivered values, and no cached failure."""
    if facts.outputs is None:
        return
    for instances in facts.instances:
        place = deploy_target(instances.target).runtime(facts.settings)
        if not instances.is_inspected or instances.is_absent:
            yield Notice.person(Text(f"{place}: ", instances.why))
        elif instances.deployment is None and instances.stale is False:
            yield Notice.good(Text(f"{place}: ", instances.why))
        elif instances.deployment is None:
            yield Notice.unknown(f"whether {place} has the delivered values", why=instances.why)
        else:
            yield from _values(facts, instances, instances.deployment, place)
            yield from _memory(facts, instances, instances.deployment, place)


def _values(facts: StackFacts, instances: Instances, runs: Deployment, place: str) -> Iterator[Notice]:
    release = instances.release
    if instances.stale is None:
        yield Notice.unknown(f"whether {place}, {runs.name}, has the delivered values", why=instances.why)
    elif not instances.stale:
        yield Notice.good(f"{place}, {runs.name}, started after the last change of its values")
    elif release is not None and instances.is_rolling:
        yield Notice.wrong(
            "deployment-rolling",
            what=f"{place}, {runs.name}, has outdated values; {release.canary.name} has the new ones: {release.words}",
            why="a part of the traffic has the old values until the rolling release is complete; it is healthy",
            command=release.command,
        )
    else:
        what = f"{place} has values of before {_time(instances.changed)}"
        if instances.why:
            what = f"{place}, {runs.name}, does not have the values: {instances.why}"
        if release is not None and (instances.is_aborted or release.is_active):
            has = "had" if instances.is_aborted else "does not have"
            what += f"; {release.canary.name} {has} the new values: {release.words}"
        yield Notice.wrong(
            "deployment-stale",
            what=what,
            why=f"variables are read when a deployment or a task starts: {runs.name} has the old values, or none",
            command=_redeploy(facts),
        )


def _memory(facts: StackFacts, instances: Instances, runs: Deployment, place: str) -> Iterator[Notice]:
    """Whether its last use of the key failed: it caches that even if the cause is fixed."""
    outputs = facts.outputs
    if outputs is None:
        return
    key, principal = outputs.key_arn, outputs.principal_of(instances.target)
    # CloudTrail tells whole seconds: a use in the second of the start is one of what was started.
    since = max(runs.made.replace(microsecond=0), datetime.now(UTC) - _HISTORY)
    calls = facts.once(f"key uses {since}", lambda: facts.aws.audit.key_calls(key, since=since))
    if isinstance(calls, SetupError):
        yield Notice.unread(f"whether {place} failed to load its key", calls)
        return
    # The ARN of a session's role does not contain the role's path.
    uses = [use for use in calls.calls if resource_name(use.principal) == resource_name(principal) and use.at >= since]
    failed = [use for use in uses if use.error is not None]
    if failed and uses[0].error is not None:
        yield _remembered(facts, runs, place, failed)
    elif not calls.complete and not uses:
        yield Notice.unknown(
            f"whether {place} failed to load its key",
            why="CloudTrail has more events than doctor reads, and the newest have none of the application",
        )
    else:
        yield Notice.good(f"the last use of the key by {place} did not fail, as far as CloudTrail has recorded it")


def _remembered(facts: StackFacts, runs: Deployment, place: str, failed: list[KeyCall]) -> Notice:
    times = "once" if len(failed) == 1 else f"{len(failed)} times"
    return Notice.wrong(
        "failure-remembered",
        what=f"{place}, {runs.name}, failed to use the key {times}, last at {_time(failed[0].at)} "
        f"({failed[0].error}), and has not used it since",
        why="the application caches a failed load of its key until it restarts, even after the cause is fixed",
        command=_redeploy(facts),
    )


def _redeploy(facts: StackFacts, *words: str) -> Command:
    return fixes.eonpro(facts, "push", "--redeploy", "--yes", *words)


def _completion(
    facts: StackFacts, service: Service, expected: ExpectedDefinition, foreign: Sequence[str] = ()
) -> Command:
    """`foreign`: the variables with a value of somebody else, which the finding names."""
    words = [word for name in foreign for word in ("--replace-variable", name)]
    return express_commands(expected, service) if service.is_express else _redeploy(facts, *words)


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown time"


@judgement("application-tested")
def check_task_definition(facts: StackFacts) -> Iterator[Notice]:
    """Whether the service's task definition has the stack's roles and secrets."""
    settings, outputs = facts.settings, facts.outputs
    cluster, name = settings.ecs_cluster, settings.ecs_service
    if outputs is None or not outputs.task_secrets or not cluster or not name:
        return  # The settings name no service; check_deployments reports what runs.
    service = facts.once("service", lambda: facts.aws.ecs_services.service(cluster, name))
    if service is None or isinstance(service, SetupError):
        return
    arn = service.task_definition
    read = facts.once("task definition", lambda: facts.aws.ecs_services.task_definition(arn))
    definition = needed(f"the task definition {arn}", read)
    if definition is None:
        yield Notice.unknown(f"the task definition {arn}", why="ECS has no such task definition")
        return
    if place := former_key_in(definition, f"{cluster}/{name}"):
        yield former_key(facts, place)
    expected = ExpectedDefinition.of(settings, outputs)
    task_role = definition.body.get("taskRoleArn")
    if task_role != expected.task_role:
        yield Notice.wrong(
            "wrong-principal",
            what=f"the service {cluster}/{name} runs as {task_role or 'no role at all'}, not as {expected.task_role}",
            why="the key allows only the application's own role: KMS returns AccessDeniedException"
            if task_role
            else "its tasks have no credentials for KMS",
            command=_completion(facts, service, expected),
        )
    try:
        container = container_of(definition, expected, service)
    except SetupError as error:
        yield Notice.unread(f"which container of {arn} is the application's", error)
        return
    rest = {**definition.body, "taskRoleArn": expected.task_role}
    missing = changes(rest, with_variables(rest, container, expected), container)
    own = OwnValues.of(settings, outputs)
    foreign = tuple(dict.fromkeys(each.name for each in foreign_in(definition, container, service, settings, own)))
    if missing:
        yield Notice.wrong(
            "task-definition-behind",
            what=f"the task definition of {cluster}/{name} lacks: {'; '.join(missing)}",
            why="its tasks do not get the variables from the stack's store, and say “Encryption key not initialized”",
            command=_completion(facts, service, expected, foreign),
        )
    elif task_role == expected.task_role:
        yield Notice.good(f"the service {cluster}/{name} runs as the application, with the stack's variables")


@judgement()
def check_other_readers(facts: StackFacts) -> Iterator[Notice]:
    """Whether other code reads the variables; nothing is said without the application's folder."""
    code = facts.code
    if code is None:
        return
    for why in code.unread:
        yield Notice.person(f"the rest of the application's code: {why}")
    others, names = code.others(facts.settings), facts.settings.delivered_names
    of_key = [other for other in others if other.variable == names.key_id]
    of_region = [other for other in others if other.variable == names.region]
    if of_key:
        yield Notice.wrong(
            "variable-shared",
            what=f"other code of the application reads {names.key_id}",
            why=first_of([other.line for other in of_key], _MOST_NAMED, separator="; "),
            command=_other_names(facts),
            advice="have the code of the data key read the new names, deploy it, and give the other code its value "
            "back (docs/application.md)",
        )
    if of_region:
        yield Notice.wrong(
            "region-shared",
            what=f"other code of the application reads {names.region}",
            why=first_of([other.line for other in of_region], _MOST_NAMED, separator="; "),
            advice="if its Region differs, give it a variable of its own, or the stack's another name "
            "(docs/application.md)",
        )
    if not others:
        yield Notice.good("no other code of the application reads the variables")


@judgement()
def check_start(facts: StackFacts) -> Iterator[Notice]:
    """Whether a build or start without the key fails; nothing is said where it cannot be known."""
    code = facts.code
    if code is None:
        return
    if code.checks_key:
        yield Notice.good("the application checks its key before it starts")
    elif code.lacks_check:
        yield Notice.person(f"the application does not check its key before it starts: {CHECK_ADVICE}")


def _other_names(facts: StackFacts) -> Command:
    """The set-up that gives the variables of the key and the Region other names. What was delivered stays there."""
    names, guides = facts.settings.delivered_names, VariableNames()
    given = {variable: names[variable] for variable in names.guides.values() if names[variable] != guides[variable]}
    # The Region goes with the key: what reads the one for S3 mostly reads the other.
    given |= {names.guides[name]: _SUGGESTED[names.guides[name]] for name in (names.key_id, names.region)}
    pairs = ",".join(f"{variable}={name}" for variable, name in given.items())
    return fixes.eonpro(facts, "setup", "--variable-names", pairs, "--yes")


ACCESS_CHECKS: tuple[Judgement, ...] = (check_task_definition,)
OTHER_CHECKS: tuple[Judgement, ...] = (check_deployments, check_other_readers, check_start)
