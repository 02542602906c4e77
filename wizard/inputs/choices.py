"""The detected values, recommended values and choices of a question.

Reads AWS and Vercel through their clients. A list that cannot be read is no error: the value can be typed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from wizard.core.clients import Answer, Source
from wizard.core.errors import PermissionDenied, SetupError, Unsupported
from wizard.core.models.account import Identity, Principal, ProfileFact, ProfileKind, TrailFact
from wizard.core.models.delivery import Linked, VercelProject
from wizard.core.models.inputs import CREATE, Choice, Input, InputType, Question
from wizard.core.models.trail import gaps
from wizard.core.next_command import Text, eonpro
from wizard.inputs.registry import INPUTS, by_key
from wizard.targets.port import all_targets

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.vercel.client import VercelClient

SEVERAL = Choice(value="several", title="Several Regions", note="a multi-Region key; cannot be changed later")
"""Among the Regions, where it is open whether the key is a multi-Region key."""

PRIMARY = "Which Region is the primary?"
"""Follows `SEVERAL`: of a multi-Region key one Region has the primary key, the others have replicas of it."""

RECOMMENDED = {entry.key: entry.recommended for entry in INPUTS if entry.recommended}


def detected(value: Any, where: str) -> Answer:
    return Answer(value=value, source=Source.DETECTED, where=where)


def asked(value: Any, *, secret: bool = False) -> Answer:
    """The person's answers in this run."""
    return Answer(value=value, source=Source.ASKED, where="your answer", secret=secret)


def of_account(aws: AwsClient, identity: Identity) -> dict[str, Answer]:
    """Answers from the credentials: the account, the Region in use, the caller as administrator."""
    answers = {
        "account": detected(identity.account_id, identity.source),
        "administrators": detected((identity.principal_arn,), "you"),
    }
    if aws.region_source:
        answers["region"] = detected(aws.region, aws.region_source)
    return answers


def of_trails(trails: tuple[TrailFact, ...]) -> dict[str, Answer]:
    """A new trail, where the account has none to choose: AWS bills every further copy of an account's events."""
    if any(trail.multi_region for trail in trails):
        return {}
    return {"trail": detected(CREATE, "no other trail")}


def recommended(answers: Mapping[str, Answer]) -> dict[str, Answer]:
    """The recommended answers of the inputs without an answer."""
    return {
        key: Answer(value=value, source=Source.DEFAULT, where="recommended")
        for key, value in RECOMMENDED.items()
        if key not in answers
    }


def linked_project(vercel: VercelClient | None, linked: Linked | None) -> VercelProject | None:
    """The project that the folder is linked to; None without a link or a token, and where Vercel does not answer."""
    if vercel is None or linked is None or linked.team_id is None:
        return None
    try:
        return vercel.find_project(linked.team_id, linked.project_id)
    except SetupError:
        return None


def list_projects(vercel: VercelClient | None) -> tuple[VercelProject, ...]:
    """The projects of teams that the token can access: a trust between AWS and Vercel names the team."""
    if vercel is None:
        return ()
    try:
        return tuple(project for project in vercel.list_projects() if project.team_slug)
    except SetupError:
        return ()


def of_project(project: VercelProject, where: str) -> dict[str, Answer]:
    """A project's team and name, as answers."""
    return {"vercel_team": detected(project.team_slug, where), "vercel_project": detected(project.name, where)}


def listed(call: Any) -> tuple[Any, ...]:
    """The list that the call returns; empty where the caller is not allowed to list it."""
    try:
        return tuple(call())
    except (PermissionDenied, Unsupported):
        return ()


Offer = tuple[tuple[Choice, ...], str | tuple[str, ...] | None]
"""Choices and the default among them."""

ANOTHER_PROJECT = "another"


def choices_for(key: str, aws: AwsClient, values: Mapping[str, Any]) -> Offer:
    """The choices and the default of the question of that key; empty where nothing is known."""
    if key == "region":
        return _regions(aws), aws.region if aws.region_source else None
    if key == "trail":
        return _trails(aws), CREATE
    if recommendation := RECOMMENDED.get(key):
        return (), recommendation
    if key == "replica_regions":
        key_region = values.get("region")
        return tuple(choice for choice in _regions(aws) if choice.value != key_region and not choice.disabled), None
    for target in all_targets():
        if places := listed(partial(target.places, key, aws)):
            none = (Choice(value="", title="None yet"),) if by_key[key].optional else ()
            default = places[0] if none == () or len(places) == 1 else ""
            return (*(Choice(value=place, title=place) for place in places), *none), default
    return (), None


def accounts(aws: AwsClient, identity: Identity) -> tuple[Choice, ...]:
    """The account of the credentials first, then the other profiles."""
    alias = f" ({identity.account_alias})" if identity.account_alias else ""
    note = f"{_title(identity.principal_arn)}, by {identity.source}"
    return (
        Choice(value=identity.account_id, title=f"{identity.account_id}{alias}", note=note),
        *(
            Choice(value=profile.name, title=f"The account of the profile {profile.name}", note=_kind(profile))
            for profile in aws.profiles()
            if profile.name != aws.profile
        ),
    )


def profiles(aws: AwsClient) -> tuple[Choice, ...]:
    """The profiles of the AWS configuration, each with the kind of its credentials."""
    return tuple(Choice(value=profile.name, title=profile.name, note=_kind(profile)) for profile in aws.profiles())


def _kind(profile: ProfileFact) -> str:
    kind: str = profile.kind
    if profile.kind is ProfileKind.ROLE and profile.role_arn:
        kind = f"role {Principal(arn=profile.role_arn).name}"
    return f"{kind}, with a code" if profile.mfa_serial else kind


def principals(aws: AwsClient, caller: str) -> tuple[Choice, ...]:
    """The candidates for key administrator: the caller first, and selected."""
    return (
        Choice(value=caller, title=_title(caller), note="you", checked=True),
        *(
            Choice(value=principal.arn, title=_title(principal.arn))
            for principal in listed(aws.iam.list_principals)
            if principal.arn != caller
        ),
    )


def projects(known: Sequence[VercelProject]) -> dict[str, Any]:
    """The fields of one question for team and project."""
    choices = [
        Choice(value=(name := f"{project.team_slug}/{project.name}"), title=name, note=project.framework or "")
        for project in known
    ]
    choices.append(Choice(value=ANOTHER_PROJECT, title="Another (type its names)"))
    return {"choices": tuple(choices), "parse": str, "check": lambda _: None, "free_text": False}


def which_to_change(inputs: Sequence[Input], answers: Mapping[str, Answer]) -> Question:
    """The question which answer to change, each with its value."""
    width = max(len(entry.key) for entry in inputs)
    return Question(
        key="change",
        kind=InputType.SEARCH,
        prompt="Which answer?",
        why="After a change everything is checked and planned again; nothing has been created or changed yet.",
        choices=tuple(
            Choice(value=entry.key, title=f"{entry.key.replace('_', ' '):<{width}}  {text(answers.get(entry.key))}")
            for entry in inputs
        ),
        explanation=Text("Each of them can also be given as a flag: ", eonpro("--help"), " lists all."),
    )


def text(answer: Answer | None) -> str:
    """An answer as text; never a secret."""
    if answer is None or answer.value in (None, ()):
        return "none"
    if answer.secret:
        return "(hidden)"
    if isinstance(answer.value, bool):
        return "yes" if answer.value else "no"
    return ", ".join(answer.value) if isinstance(answer.value, tuple) else str(answer.value)


def source(answer: Answer | None) -> str:
    """The source of an answer, as text."""
    if answer is None:
        return ""
    short = {Source.ASKED: "asked", Source.SAVED: "saved"}
    return short.get(answer.source, answer.where)


def may_exist(aws: AwsClient, arn: str) -> bool:
    """False only where IAM says that the principal does not exist; the preflight reports failed reads."""
    try:
        return aws.iam.find_principal(arn) is not None
    except (PermissionDenied, Unsupported):
        return True


def _regions(aws: AwsClient) -> tuple[Choice, ...]:
    # Enabled Regions first: half of the list may be disabled.
    return tuple(
        Choice(
            value=fact.name,
            title=f"{fact.name} · {fact.place}" if fact.place else fact.name,
            disabled=None if fact.enabled else "off in this account",
        )
        for fact in sorted(listed(aws.list_regions), key=lambda fact: not fact.enabled)
    )


def _trails(aws: AwsClient) -> tuple[Choice, ...]:
    return tuple(
        Choice(
            value=trail.arn,
            title=f"Use {trail.name}",
            note="; ".join(gap.text for gap in gaps(trail, None)) or f"writes to {trail.bucket}",
        )
        for trail in listed(aws.cloudtrail.list_trails)
        if trail.multi_region
    )


def _title(arn: str) -> str:
    principal = Principal(arn=arn)
    return f"{principal.kind} {principal.name}"
