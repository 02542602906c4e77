"""What the set-up may ask about the application: as whom and where it runs, in the order it is asked.

Pure. Loads no library.
"""

from __future__ import annotations

from wizard.core.models.inputs import CREATE, Choice, Input, InputType
from wizard.targets.port import all_targets

TARGET = Input(
    key="target",
    field="deploy_targets",
    kind=InputType.CHECKBOX,
    prompt="Where does the application run?",
    why="The three variables go straight to where the application reads them: nothing is copied by hand.",
    safeguard="164.312(a)(2)(iv), encryption and decryption",
    help=f"where the application runs: {', '.join(target.name for target in all_targets())}, or several, separated by commas",
    metavar="NAME,...",
    many=True,
    choices=tuple(Choice(value=target.name, title=target.title, note=target.note) for target in all_targets()),
)
"""The first question: it needs nothing from the account, so that it can be put while the rest is loaded."""

APPLICATION_INPUTS: tuple[Input, ...] = (
    Input(
        key="app_principal",
        field="app_principal_arn",
        kind=InputType.SELECT,
        prompt="Which IAM role or user does the application run as?",
        why="This one identity may unwrap the data key, and may do nothing else.",
        safeguard="164.312(a)(2)(i), unique user identification",
        help=f"ARN of the IAM role or user that the application runs as; `{CREATE}`: a role is made for it",
        metavar="ARN",
        words=(CREATE,),
        choices=(Choice(value=CREATE, title="Make a role for it (recommended)"),),
        free_text=True,
    ),
    Input(
        key="permissions_boundary",
        field="permissions_boundary_arn",
        kind=InputType.TEXT,
        prompt="Which permissions boundary bounds the roles that are made?",
        why="Where an organization demands one, a role without it cannot be made.",
        safeguard="164.308(a)(4)(ii)(C), access establishment and modification",
        help="ARN of the managed policy that bounds what the roles and the user made here may ever do",
        metavar="ARN",
        asked=False,
        optional=True,
    ),
    Input(
        key="secret_store",
        field="secret_store",
        kind=InputType.SELECT,
        prompt="Where is the wrapped data key kept?",
        why="Written once and never overwritten; ECS and EKS read it from there.",
        safeguard="164.312(a)(2)(iv), encryption and decryption",
        help="where in AWS the wrapped data key is kept: parameter-store (default, free) or secrets-manager",
        metavar="STORE",
        choices=(
            Choice(value="parameter-store", title="Parameter Store", note="free"),
            Choice(value="secrets-manager", title="Secrets Manager", note="$0.40 a month for each secret"),
        ),
        asked=False,
        default="parameter-store",
    ),
    *(each for target in all_targets() for each in target.inputs),
)
