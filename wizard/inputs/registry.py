"""The table of all inputs of the set-up, in the order of their questions, and the flags made from it.

Pure. Imports no library: `python -m wizard --help` is printed from this table.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

from wizard.core.models import inputs
from wizard.inputs import accepted
from wizard.inputs.key import KEY_INPUTS
from wizard.inputs.trail import TRAIL_INPUTS
from wizard.targets.port import all_targets

TARGET = inputs.Input(
    key="target",
    saved_as="deploy_targets",
    kind=inputs.InputType.CHECKBOX,
    prompt="Where does the application run?",
    why="The wizard writes the key's settings to the place where the application reads them.",
    safeguard="164.312(a)(2)(iv), encryption and decryption",
    link="https://docs.aws.amazon.com/kms/latest/developerguide/data-keys.html",
    help=f"where the application runs ({', '.join(target.name for target in all_targets())}), or several, with commas",
    metavar="NAME,...",
    many=True,
    choices=tuple(inputs.Choice(value=target.name, title=target.title, note=target.note) for target in all_targets()),
)
"""The first question: it needs nothing from the account, and is asked while the other modules load."""


def _of_target(name: str, entry: inputs.Input) -> inputs.Input:
    """The input of a target: needed only where the application runs there."""
    return replace(entry, needed=lambda values: name in (values.get("target") or ()) and entry.needed(values))


APPLICATION_INPUTS: tuple[inputs.Input, ...] = (
    inputs.Input(
        key="app_principal",
        saved_as="app_principal_arn",
        kind=inputs.InputType.SELECT,
        prompt="Which IAM role or user does the application run as?",
        why="Only this identity is allowed to decrypt the data key, and it is allowed nothing else.",
        safeguard="164.312(a)(2)(i), unique user identification",
        link="https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html",
        help=f"ARN of the IAM role or user that the application runs as; `{inputs.CREATE}`: a new role",
        metavar="ARN",
        words=(inputs.CREATE,),
        recommended=inputs.CREATE,
        choices=(inputs.Choice(value=inputs.CREATE, title="Create a role for it (recommended)"),),
        free_text=True,
    ),
    inputs.Input(
        key="permissions_boundary",
        saved_as="permissions_boundary_arn",
        prompt="Which permissions boundary do the new roles get?",
        why="Some organizations require one: a role without it cannot be created.",
        safeguard="164.308(a)(4)(ii)(C), access establishment and modification",
        help="ARN of the managed policy that is the permissions boundary of the new roles and the new user",
        metavar="ARN",
        asked=False,
        optional=True,
    ),
    inputs.Input(
        key="secret_store",
        kind=inputs.InputType.SELECT,
        prompt="Where is the wrapped data key stored?",
        why="Written once and never overwritten; ECS and EKS read it from there.",
        safeguard="164.312(a)(2)(iv), encryption and decryption",
        help="where in AWS the wrapped data key is stored: parameter-store (default, free) or secrets-manager",
        metavar="STORE",
        choices=(
            inputs.Choice(value="parameter-store", title="Parameter Store", note="free"),
            inputs.Choice(value="secrets-manager", title="Secrets Manager", note="$0.40 a month for each secret"),
        ),
        asked=False,
        default="parameter-store",
    ),
    inputs.Input(
        key="variable_names",
        prompt="Which other names do the application's variables have?",
        why="Where something else in the application reads the usual name, such as its S3 client, each needs its own.",
        safeguard="164.312(a)(2)(iv), encryption and decryption",
        help="other names for the application's variables, with commas, such as "
        "AWS_REGION=EONPRO_AWS_REGION,AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID (default: the guide's names)",
        metavar="NAME=OTHER,...",
        asked=False,
        optional=True,
        many=True,
    ),
    inputs.Input(
        key="replace_variable",
        saved=False,
        prompt="Which variables of somebody else can be replaced?",
        why="A variable that this stack did not write may serve something else: it is replaced only by name.",
        safeguard="164.312(c)(1), integrity",
        help="a variable of the application with a value of somebody else that is replaced, by its name; several with "
        "commas",
        metavar="NAME,...",
        own=True,
        asked=False,
        optional=True,
        many=True,
        accepts=accepted.accept_variable_name,
    ),
    inputs.Input(
        key="record_tables",
        prompt="Which tables hold PHI records?",
        why="A rotation of the data key has to re-encrypt each of them, with its search hashes, before it ends.",
        safeguard="164.312(a)(2)(iv), encryption and decryption",
        help="tables with PHI records, with commas: SCHEMA.TABLE.KEY=COLUMN+COLUMN:HASH, where HASH is the column of "
        "its search hashes, such as Patient.id=firstName+email:emailHash+dob:dobHash; then @COLUMN for the tenant's "
        "column, and /row or /column for what the records are bound to",
        metavar="TABLE,...",
        asked=False,
        optional=True,
        many=True,
    ),
    inputs.Input(
        key="document_buckets",
        prompt="Which S3 buckets hold documents of patients?",
        why="Their encryption, and who can read them, is part of every check; the stack changes no bucket.",
        safeguard="164.312(a)(2)(iv), encryption and decryption",
        help="names of the application's S3 buckets with documents of patients, with commas (default: none)",
        metavar="NAME,...",
        asked=False,
        optional=True,
        many=True,
    ),
    inputs.Input(
        key="documents_key",
        kind=inputs.InputType.CONFIRM,
        prompt="Give the documents in S3 a KMS key of their own?",
        why="Then access to the bucket alone is not enough to read a document, and each reading is in the trail.",
        safeguard="164.312(a)(2)(iv), encryption and decryption",
        help="whether the documents have a KMS key of their own, for S3 only; never the PHI key (default: no; $1 a "
        "month)",
        asked=False,
        default=False,
    ),
    *(_of_target(target.name, entry) for target in all_targets() for entry in target.inputs),
)

STATE_INPUTS: tuple[inputs.Input, ...] = (
    inputs.Input(
        key="backend",
        saved=False,
        kind=inputs.InputType.SELECT,
        prompt="Where does Pulumi store its state?",
        why="Every later update needs the state, which lists the created resources and never contains PHI.",
        safeguard="164.316(b)(1), documentation, of what was set up",
        link="https://www.pulumi.com/docs/iac/concepts/state-and-backends/",
        help=f"Pulumi's state: {inputs.S3} (a new bucket), s3://BUCKET, {inputs.CLOUD} (Pulumi Cloud), "
        f"or {inputs.LOCAL}",
        metavar="URL",
        # Only where nothing says which backend is in use.
        asked=False,
        optional=True,
        free_text=True,
        choices=(
            inputs.Choice(
                value=inputs.S3, title="a new S3 bucket of this account", note="created at once; private, encrypted"
            ),
            inputs.Choice(value=inputs.CLOUD, title="Pulumi Cloud", note="asks for a login"),
            inputs.Choice(value=inputs.LOCAL, title="files on this machine", note="nobody else can use them"),
        ),
        accepts=accepted.accept_backend,
        own_variable="PULUMI_BACKEND_URL",
    ),
    inputs.Input(
        key="secrets_provider",
        saved=False,
        prompt="What encrypts the stack's secrets?",
        why="Needed only for a new stack: this version stores no secret in a stack, a later one may.",
        safeguard="164.312(a)(2)(iv), encryption and decryption",
        help=f"of a new stack: awskms://alias/NAME?region=REGION, {inputs.PASSPHRASE}, or {inputs.DEFAULT} "
        "(Pulumi Cloud's own)",
        metavar="URL",
        asked=False,
        optional=True,
        accepts=accepted.accept_secrets_provider,
    ),
    inputs.Input(
        key="passphrase",
        saved=False,
        kind=inputs.InputType.SECRET,
        prompt="The stack's passphrase",
        why="Pulumi needs it to open a stack whose configuration is encrypted under a passphrase.",
        safeguard="164.312(a)(2)(iv), encryption and decryption",
        help="the passphrase of the stack; PULUMI_CONFIG_PASSPHRASE_FILE may name its file, as the flag does",
        metavar="PASSPHRASE",
        asked=False,
        optional=True,
        secret=True,
        accepts=accepted.accept_passphrase,
        own_variable=inputs.VARIABLE,
    ),
)

BACKUP_TO = inputs.Input(
    key="backup_to",
    saved=False,
    kind=inputs.InputType.SELECT,
    prompt="Back up the wrapped data key now?",
    why="Without a copy outside, one mistake in this account can delete every copy of it, and with it all records.",
    safeguard="164.308(a)(7)(ii)(A), data backup plan",
    link="https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html",
    help="where the end of the set-up backs up the wrapped data key: FILE, s3://BUCKET/KEY with Object Lock, a Region, "
    f"or {inputs.LATER} (default)",
    metavar="PLACE",
    # By the end of the set-up, not before the plan.
    asked=False,
    optional=True,
    choices=(inputs.Choice(value=inputs.LATER, title="Later", note="the next steps name the command"),),
    free_text=True,
    accepts=accepted.accept_backup_place,
)
"""The last question: asked when there is a data key to back up."""

STEPS = ("Application", "Account", "Region", "Administrators", "Details", "Review")
"""The pages of a stack's first run, in order."""
_STEPS = {
    **{"target": 1, "profile": 2, "account": 2, "region": 3, "multi_region": 3, "replica_regions": 3},
    **{"administrators": 4, "alert_emails": 4},
}

INPUTS: tuple[inputs.Input, ...] = (TARGET, *KEY_INPUTS, *APPLICATION_INPUTS, *TRAIL_INPUTS, *STATE_INPUTS, BACKUP_TO)


def step_of(key: str) -> int:
    """The number of the page that asks for an input, from 1."""
    return _STEPS.get(key, 5)


def heading(step: int) -> tuple[str, str]:
    """The heading of a page, and the note with its number."""
    return STEPS[step - 1], f"step {step} of {len(STEPS)}"


OPTIONAL_KEYS = tuple(
    entry.key.upper() for entry in INPUTS if entry.key.startswith("encrypted_phi_") and entry.key != "encrypted_phi_key"
)
"""The variables of the stored values beside the data key, for a parser that loads no settings."""

by_key: Mapping[str, inputs.Input] = MappingProxyType({entry.key: entry for entry in INPUTS})
"""Every input by its key."""


def add_flags(
    parser: argparse._ActionsContainer, *, keys: Collection[str] | None = None, helps: Mapping[str, str] | None = None
) -> None:
    """Add a flag for every input: None as default, a list for many values. A secret's flag names a file.

    `keys`: the inputs to add, None for all. `helps`: the help texts by key, the other inputs hidden; None for all
    inputs with their own texts.
    """
    for entry in INPUTS:
        if keys is not None and entry.key not in keys:
            continue
        text = f"{entry.flag_takes} [{entry.variable}]".replace("%", "%%")
        if helps is not None:
            text = helps.get(entry.key, argparse.SUPPRESS)
        action = "append" if entry.many else "store"
        metavar = "FILE" if entry.secret else entry.metavar
        parser.add_argument(entry.flag, dest=entry.file_key, metavar=metavar, default=None, action=action, help=text)
