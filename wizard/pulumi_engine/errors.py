"""What the Pulumi CLI says when it fails, as an error with a way out.

Part of the engine's edge: touches nothing but its arguments.
"""

from __future__ import annotations

import re

from wizard.core.errors import (
    Cancelled,
    CredentialsError,
    PermissionDenied,
    PolicyRefusal,
    ResourceError,
    SetupError,
    Unreachable,
    UsageError,
)
from wizard.core.next_command import Command, wizard
from wizard.pulumi_engine import plan
from wizard.pulumi_engine.events import Watch, plain
from wizard.pulumi_engine.passphrase import LOST

_EXPORT = "export PULUMI_CONFIG_PASSPHRASE_FILE=<a file only you can read>"
_LOG_IN = "pulumi login s3://<bucket>   or: pulumi login"
_NOISE = re.compile(r"(?:https response error )?StatusCode: \d+, |RequestID: \S*, |HostID: \S*, ")


def interrupted() -> Cancelled:
    """What an operation that was interrupted ends with, whether or not the engine then failed."""
    return Cancelled(
        "interrupted; the engine saved what it had done", "run the same command again: it goes on from here"
    )


def of_run(stack: str, watch: Watch, *, was_interrupted: bool, is_silent: bool) -> SetupError | None:
    """Why a preview or an update failed, by what the engine told meanwhile; None where it told nothing.

    `is_silent`: it said nothing elsewhere either.
    """
    if watch.violations:
        return PolicyRefusal(
            "the policy pack refused the plan: " + "; ".join(dict.fromkeys(watch.violations)),
            "change what it names, then run the same command again",
        )
    if was_interrupted:
        return interrupted()
    if not_planned := plan.moved(stack, watch.complaints):
        return not_planned
    if watch.bound and is_silent and not watch.complaints:
        return plan.outputs_moved(stack)
    if failures := plan.causes(watch.failures):
        return ResourceError(
            "\n".join(failures), "mend the cause, then run the same command again: what exists is kept"
        )
    return None


def told(stack: str, text: str) -> SetupError:
    """The CLI's own complaint as an error with a way out."""
    stderr = plain(text.partition("stderr: ")[2] or text)
    message = _NOISE.sub("", stderr.removeprefix("error: ").strip() or text.strip())
    if "passphrase" in message:
        wrong = "incorrect passphrase" in message
        what = "is not right" if wrong else "is not known"
        return UsageError(f"the stack's passphrase {what}: {message}" + (f"; {LOST}" if wrong else ""), _EXPORT)
    return (
        _of_secrets(message)
        or _of_backend(message)
        or ResourceError(f"pulumi: {message}", Command(f"pulumi preview --stack {stack}"))
    )


def _of_secrets(message: str) -> SetupError | None:
    """What keeps the stack's secrets: a key of KMS."""
    if "secrets (code=" not in message and "secrets manager" not in message:
        return None
    said = f"what encrypts the stack's secrets does not answer: {message}"
    if "code=NotFound" in message:
        return SetupError(said, "aws kms list-aliases   then: --secrets-provider awskms://alias/NAME?region=REGION")
    if "code=PermissionDenied" in message or "AccessDenied" in message:
        return PermissionDenied(said, "allow kms:Encrypt and kms:Decrypt on that key, or name another")
    return SetupError(said, "name another for a new stack: --secrets-provider passphrase")


def _of_backend(message: str) -> SetupError | None:
    """What keeps the state."""
    if "pulumi login" in message or "PULUMI_ACCESS_TOKEN" in message:
        return SetupError(f"Pulumi has no state backend to work with: {message}", _LOG_IN)
    said = f"Pulumi's state backend does not answer: {message}"
    if "NoSuchBucket" in message:
        return SetupError(
            f"the bucket of Pulumi's state does not exist: {message}",
            wizard("setup", "--backend", "s3", advice="it makes a bucket; for another one: pulumi login s3://BUCKET"),
        )
    if "unable to open state directory" in message:
        return SetupError(said, "mkdir -p <the directory>   or: pulumi login --local")
    if re.search(r"invalid access token|401 Unauthorized|\[401\]", message, re.IGNORECASE):
        return CredentialsError(f"Pulumi Cloud does not take the login: {message}", Command("pulumi login"))
    if re.search(
        r"failed to (refresh cached|retrieve) credentials|no EC2 IMDS role|get identity: get credentials", message
    ):
        return CredentialsError(
            f"Pulumi has no AWS credentials for its state: {message}", Command("aws sts get-caller-identity")
        )
    if re.search(r"AccessDenied|Forbidden|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken", message):
        return PermissionDenied(
            f"Pulumi may not read its state: {message}",
            "allow s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on what is in it",
        )
    if re.search(r"PermanentRedirect|AuthorizationHeaderMalformed", message):
        return SetupError(
            f"the bucket of Pulumi's state is in another Region: {message}", "add it: s3://BUCKET?region=REGION"
        )
    if re.search(r"dial tcp|request send failed|performing HTTP request|no such host|i/o timeout", message):
        return Unreachable(said, "pulumi whoami -v   shows which backend it is")
    return None
