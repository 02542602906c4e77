"""What the set-up may ask about Pulumi's state, in the order it is asked.

Pure. Loads no library.
"""

from __future__ import annotations

from wizard.core.models.inputs import Choice, Input, InputType
from wizard.core.state_backend import (
    CLOUD,
    DEFAULT,
    LOCAL,
    PASSPHRASE,
    S3,
    VARIABLE,
    accept_backend,
    accept_passphrase,
    accept_secrets_provider,
)

STATE_INPUTS: tuple[Input, ...] = (
    Input(
        key="backend",
        kind=InputType.SELECT,
        prompt="Where does Pulumi keep the state?",
        why="The state says what was made; whoever changes it later needs it, and no PHI is ever in it.",
        safeguard="164.316(b)(1), documentation, of what was set up",
        help=f"Pulumi's state: {S3} (a bucket that is made for it), s3://BUCKET, {CLOUD} (Pulumi Cloud), or {LOCAL}",
        metavar="URL",
        # Only where nothing says which backend is in use.
        asked=False,
        optional=True,
        free_text=True,
        choices=(
            Choice(value=S3, title="an S3 bucket of this account, made now", note="private, versioned, encrypted"),
            Choice(value=CLOUD, title="Pulumi Cloud", note="asks for a login"),
            Choice(value=LOCAL, title="files of this machine", note="nobody else can go on from them"),
        ),
        accepts=accept_backend,
        own_variable="PULUMI_BACKEND_URL",
    ),
    Input(
        key="secrets_provider",
        kind=InputType.TEXT,
        prompt="What encrypts the stack's secrets?",
        why="Only a new stack is asked for it; this project keeps no secret in a stack, and later ones may.",
        safeguard="164.312(a)(2)(iv), encryption and decryption",
        help=f"of a new stack: awskms://alias/NAME?region=REGION, {PASSPHRASE}, or {DEFAULT} (Pulumi Cloud's own)",
        metavar="URL",
        asked=False,
        optional=True,
        accepts=accept_secrets_provider,
    ),
    Input(
        key="passphrase",
        kind=InputType.SECRET,
        prompt="The stack's passphrase",
        why="Pulumi opens no stack whose configuration is encrypted under a passphrase without it.",
        safeguard="164.312(a)(2)(iv), encryption and decryption",
        help="the passphrase of the stack; PULUMI_CONFIG_PASSPHRASE_FILE may name its file, as the flag does",
        metavar="PASSPHRASE",
        asked=False,
        optional=True,
        secret=True,
        accepts=accept_passphrase,
        own_variable=VARIABLE,
    ),
)
