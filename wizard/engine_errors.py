"""What the Pulumi CLI says when it fails, as an error with a way out.

Part of the engine's edge: touches nothing but its arguments.
"""

from __future__ import annotations

from wizard.engine_events import plain
from wizard.errors import Cancelled, ResourceError, SetupError, UsageError


def interrupted() -> Cancelled:
    """What an operation that was interrupted ends with, whether or not the engine then failed."""
    return Cancelled(
        "interrupted; the engine saved what it had done", "run the same command again: it goes on from here"
    )


def told(stack: str, text: str) -> SetupError:
    """The CLI's own complaint as an error with a way out."""
    stderr = plain(text.partition("stderr: ")[2] or text)
    message = stderr.removeprefix("error: ").strip() or text.strip()
    if "passphrase" in message:
        return UsageError(
            f"the stack's passphrase is not known or not right: {message}",
            "export PULUMI_CONFIG_PASSPHRASE_FILE=<a file only you can read>",
        )
    if "pulumi login" in message or "PULUMI_ACCESS_TOKEN" in message:
        return SetupError(
            f"Pulumi has no state backend to work with: {message}",
            "pulumi login s3://<bucket>   or: pulumi login",
        )
    return ResourceError(f"pulumi: {message}", f"pulumi preview --stack {stack}")
