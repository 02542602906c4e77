"""What is known before anybody is asked: answers found in the credentials, the environment, the folder and at Vercel.

Pure: asks the edges through their Protocols. What cannot be had is no error here; the question stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wizard.core.errors import PermissionDenied, SetupError, Unsupported
from wizard.core.models.account import Identity, TrailFact
from wizard.core.models.delivery import Linked, VercelProject
from wizard.core.models.inputs import CREATE
from wizard.core.ports.run import AwsClient, VercelClient
from wizard.inputs.answers import Answer, Source

RECOMMENDED = {"app_principal": CREATE, "vercel_access": "oidc", "ecs_execution_role": CREATE}
"""What is taken unless somebody wishes otherwise: shown on the last page, and changed from there."""


def found(value: Any, where: str) -> Answer:
    """An answer that was detected, with what says so."""
    return Answer(value=value, source=Source.DETECTED, where=where)


def of_account(aws: AwsClient, identity: Identity) -> dict[str, Answer]:
    """What the credentials say: the account, the Region in use, the caller as administrator."""
    answers = {
        "account": found(identity.account_id, identity.source),
        "administrators": found((identity.principal_arn,), "you"),
    }
    if aws.region_source:
        answers["region"] = found(aws.region, aws.region_source)
    return answers


def of_trails(trails: tuple[TrailFact, ...]) -> dict[str, Answer]:
    """A trail is made where there is none to choose: every further copy of an account's events is billed."""
    if any(trail.multi_region for trail in trails):
        return {}
    return {"trail": found(CREATE, "no other trail")}


def recommended(answers: Mapping[str, Answer]) -> dict[str, Answer]:
    """The recommended answers, where there is none."""
    return {
        key: Answer(value=value, source=Source.DEFAULT, where="recommended")
        for key, value in RECOMMENDED.items()
        if key not in answers
    }


def linked_project(vercel: VercelClient | None, linked: Linked | None) -> VercelProject | None:
    """The project that the folder is linked to, by its names; None without a link, a token, or an answer."""
    if vercel is None or linked is None or linked.team_id is None:
        return None
    try:
        return vercel.find_project(linked.team_id, linked.project_id)
    except SetupError:
        return None


def projects(vercel: VercelClient | None) -> tuple[VercelProject, ...]:
    """The projects of teams that the token reaches: a trust between AWS and Vercel names the team."""
    if vercel is None:
        return ()
    try:
        return tuple(project for project in vercel.list_projects() if project.team_slug)
    except SetupError:
        return ()


def of_project(project: VercelProject, where: str) -> dict[str, Answer]:
    """A project's team and name, as answers."""
    return {"vercel_team": found(project.team_slug, where), "vercel_project": found(project.name, where)}


def listed(call: Any) -> tuple[Any, ...]:
    """What can be offered; nothing where the caller may not list it, for then it can still be typed."""
    try:
        result: tuple[Any, ...] = call()
    except (PermissionDenied, Unsupported):
        return ()
    return result
