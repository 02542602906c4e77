"""The one table of everything the set-up may ask, in the order it is asked, and the flags made from it.

Pure. Loads no library: `python -m wizard --help` is printed from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from wizard.input import CALLER, CREATE, Choice, Input, Kind, Question

if TYPE_CHECKING:
    import argparse

__all__ = ["CALLER", "CREATE", "INPUTS", "Choice", "Input", "Kind", "Question", "add_flags", "by_key"]


def _targets(name: str) -> Any:
    return lambda values: name in (values.get("target") or ())


INPUTS: tuple[Input, ...] = (
    Input(
        key="profile",
        kind=Kind.SELECT,
        prompt="Which AWS profile?",
        why="The set-up does only what these credentials may do, and keeps none of them.",
        help="profile of the AWS configuration whose credentials are used; without it, the environment's",
        metavar="NAME",
        asked=False,
        optional=True,
    ),
    Input(
        key="account",
        field="account_id",
        kind=Kind.TEXT,
        prompt="Which AWS account is this for?",
        why="Named twice, here and by the credentials, so that nothing is ever built in the wrong account.",
        help=f"the AWS account's 12-digit id, compared with the credentials; `{CALLER}`: whichever is theirs",
        metavar="ID",
        words=(CALLER,),
    ),
    Input(
        key="region",
        field="region",
        kind=Kind.SEARCH,
        prompt="Which Region?",
        why="The key never leaves its Region: choose the one your application runs in.",
        help="AWS Region of the key, such as us-east-1",
        metavar="REGION",
    ),
    Input(
        key="environment",
        field="environment",
        kind=Kind.TEXT,
        prompt="Which environment is this?",
        why="Each environment has a key of its own, so that staging can never read production's data.",
        help="name of the environment; part of every name but production's (default: the stack's name)",
        metavar="NAME",
    ),
    Input(
        key="administrators",
        field="administrators",
        kind=Kind.CHECKBOX,
        prompt="Who administers the key?",
        why="Administrators manage the key and cannot decrypt with it; without one nobody can mend it.",
        help=f"ARNs of the IAM users and roles that administer the key, with commas; `{CALLER}`: yourself",
        metavar="ARN,...",
        many=True,
        words=(CALLER,),
        free_text=True,
    ),
    Input(
        key="app_principal",
        field="app_principal_arn",
        kind=Kind.SELECT,
        prompt="As whom does the application run?",
        why="This one identity may unwrap the data key, and may do nothing else.",
        help=f"ARN of the IAM role or user that the application runs as; `{CREATE}`: a role is made for it",
        metavar="ARN",
        words=(CREATE,),
        choices=(Choice(value=CREATE, title="Make a role for it (recommended)"),),
        free_text=True,
    ),
    Input(
        key="target",
        field="deploy_targets",
        kind=Kind.CHECKBOX,
        prompt="Where does the application run?",
        why="The three variables go straight to where the application reads them: nothing is copied by hand.",
        help="where the application runs: vercel, ecs, or both, separated by a comma",
        metavar="NAME,...",
        many=True,
        choices=(
            Choice(value="vercel", title="Vercel", note="a project's variables"),
            Choice(value="ecs", title="Amazon ECS", note="a task's parameters"),
        ),
    ),
    Input(
        key="vercel_team",
        field="vercel_team",
        kind=Kind.TEXT,
        prompt="Which Vercel team (its slug)?",
        why="The trust between AWS and Vercel names the team: no other team's project can use the key.",
        help="slug of the Vercel team",
        metavar="SLUG",
        needed=_targets("vercel"),
    ),
    Input(
        key="vercel_project",
        field="vercel_project",
        kind=Kind.TEXT,
        prompt="Which Vercel project?",
        why="Its production environment, and only that, gets the three variables.",
        help="name of the Vercel project",
        metavar="NAME",
        needed=_targets("vercel"),
    ),
    Input(
        key="vercel_token",
        kind=Kind.SECRET,
        prompt="A Vercel token with access to the project",
        why="Used to write the variables, and then forgotten: it is never saved, printed or passed on.",
        help="token of the Vercel API; never a flag, never in a file",
        metavar="TOKEN",
        needed=_targets("vercel"),
        secret=True,
        own_variable="VERCEL_TOKEN",
    ),
    Input(
        key="vercel_oidc_provider",
        field="vercel_oidc_provider_arn",
        kind=Kind.TEXT,
        prompt="Which IAM OIDC provider stands for the Vercel team?",
        why="An account has one provider for each address: one that is there already has to be used.",
        help="ARN of an existing IAM OIDC provider of the Vercel team (default: made when there is none)",
        metavar="ARN",
        needed=_targets("vercel"),
        asked=False,
        optional=True,
        follows="vercel_team",
    ),
    Input(
        key="ecs_cluster",
        field="ecs_cluster",
        kind=Kind.TEXT,
        prompt="Which ECS cluster? (empty: only the parameters are written)",
        why="Named in the report, with the command that starts the service anew.",
        help="name of the ECS cluster",
        metavar="NAME",
        needed=_targets("ecs"),
        optional=True,
    ),
    Input(
        key="ecs_service",
        field="ecs_service",
        kind=Kind.TEXT,
        prompt="Which ECS service? (empty: none)",
        why="A task reads its values when it starts: this service has to be deployed anew.",
        help="name of the ECS service",
        metavar="NAME",
        needed=lambda values: _targets("ecs")(values) and bool(values.get("ecs_cluster")),
        optional=True,
        follows="ecs_cluster",
    ),
    Input(
        key="ecs_execution_role",
        field="ecs_execution_role_arn",
        kind=Kind.SELECT,
        prompt="Which role reads the parameters for the task?",
        why="ECS reads them, not the application: the task execution role may read these and no others.",
        help=f"ARN of the task execution role; `{CREATE}`: one is made (default)",
        metavar="ARN",
        needed=_targets("ecs"),
        optional=True,
        words=(CREATE,),
        choices=(Choice(value=CREATE, title="Make a role for it (recommended)"),),
        free_text=True,
    ),
    Input(
        key="trail",
        field="existing_trail_arn",
        kind=Kind.SELECT,
        prompt="Which trail records the use of the key?",
        why="The audit log says who used the key and when; it is kept for six years at least.",
        help=f"ARN of an existing CloudTrail trail; `{CREATE}`: one is made, with a bucket of its own",
        metavar="ARN",
        words=(CREATE,),
        choices=(Choice(value=CREATE, title="Make a trail and a bucket for it"),),
        free_text=True,
    ),
    Input(
        key="trail_bucket",
        field="trail_bucket",
        kind=Kind.TEXT,
        prompt="Which bucket does that trail write to?",
        why="Its retention is checked: a log that expires early is no audit log.",
        help="name of the trail's bucket: another name for the one that is made, or the existing trail's",
        metavar="NAME",
        needed=lambda values: values.get("trail") not in (None, CREATE),
        asked=False,
        optional=True,
        follows="trail",
    ),
    Input(
        key="trail_retention_days",
        field="trail_retention_days",
        kind=Kind.TEXT,
        prompt="For how many days is the audit log kept?",
        why="HIPAA keeps documentation for six years; common practice keeps audit logs as long.",
        help="days that the audit log is kept: 2192 (six years) at least (default: 2557, seven years)",
        metavar="DAYS",
        asked=False,
        default=2557,
    ),
    Input(
        key="rotation_period_days",
        field="rotation_period_days",
        kind=Kind.TEXT,
        prompt="After how many days does KMS rotate the key's material?",
        why="Rotation limits how much one key material protects; what was encrypted before stays readable.",
        help="days between automatic rotations, 90 to 2560 (default: 365)",
        metavar="DAYS",
        asked=False,
        default=365,
    ),
)

by_key: Mapping[str, Input] = MappingProxyType({each.key: each for each in INPUTS})
"""Every input by its key."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every input that is no secret: None where it is not given, a list for many values."""
    group = parser.add_argument_group(
        "answers",
        "Each can also be given as an environment variable, or under its name in an answers file. "
        "A flag wins over the environment, the environment over the file.",
    )
    for each in INPUTS:
        if each.flag is None:
            continue
        text = f"{each.help} [{each.variable}]".replace("%", "%%")
        action = "append" if each.many else "store"
        group.add_argument(each.flag, dest=each.key, metavar=each.metavar, default=None, action=action, help=text)
    secrets = ", ".join(f"{each.variable} ({each.help})" for each in INPUTS if each.secret)
    parser.add_argument_group("secrets", f"From the environment or a masked prompt only: {secrets}.")
