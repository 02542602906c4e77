"""The failures of the Pulumi CLI as SetupErrors with the next step.

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
from wizard.core.next_command import Command, shell, wizard
from wizard.pulumi_engine import plan
from wizard.pulumi_engine.events import Watch, plain
from wizard.pulumi_engine.passphrase import LOST

_EXPORT = "export PULUMI_CONFIG_PASSPHRASE_FILE=<a file only you can read>"
_LOG_IN = shell("pulumi", "login", advice="for Pulumi Cloud; for a bucket: pulumi login s3://<bucket>")
_NOISE = re.compile(r"(?:https response error )?StatusCode: \d+, |RequestID: \S*, |HostID: \S*, ")


def interrupted() -> Cancelled:
    """The error of an interrupted operation, whether or not the engine failed."""
    return Cancelled("interrupted; the engine saved its state", "run the same command again: it continues from here")


def run_error(stack: str, watch: Watch, *, was_interrupted: bool, is_silent: bool) -> SetupError | None:
    """Why a preview or an update failed, by the engine's events; None where these do not say.

    `is_silent`: its standard error is empty too.
    """
    if watch.violations:
        return PolicyRefusal(
            "the policy pack refused the plan: " + "; ".join(dict.fromkeys(watch.violations)),
            "change what it names, then run the same command again",
        )
    if was_interrupted:
        return interrupted()
    if stale := plan.deviation(stack, watch.complaints):
        return stale
    if watch.bound and is_silent and not watch.complaints:
        return plan.changed_outputs(stack)
    if failures := plan.causes(watch.failures):
        return ResourceError(
            "\n".join(failures), "fix the cause, then run the same command again: existing resources stay"
        )
    return None


def cli_error(stack: str, text: str) -> SetupError:
    """The CLI's error message as a SetupError."""
    stderr = plain(text.partition("stderr: ")[2] or text)
    message = _NOISE.sub("", stderr.removeprefix("error: ").strip() or text.strip())
    if "passphrase" in message:
        wrong = "incorrect passphrase" in message
        what = "is wrong" if wrong else "is missing"
        return UsageError(f"the stack's passphrase {what}: {message}" + (f"; {LOST}" if wrong else ""), _EXPORT)
    return (
        _of_secrets(message)
        or _of_backend(message)
        or ResourceError(f"pulumi: {message}", shell("pulumi", "preview", "--stack", stack))
    )


def _of_secrets(message: str) -> SetupError | None:
    """Errors of the KMS key that encrypts the stack's secrets."""
    if "secrets (code=" not in message and "secrets manager" not in message:
        return None
    said = f"the stack's secrets provider does not answer: {message}"
    if "code=NotFound" in message:
        return SetupError(
            said,
            shell("aws", "kms", "list-aliases", advice="then: --secrets-provider awskms://alias/NAME?region=REGION"),
        )
    if "code=PermissionDenied" in message or "AccessDenied" in message:
        return PermissionDenied(said, "allow kms:Encrypt and kms:Decrypt on that key, or name another")
    return SetupError(said, "name another for a new stack: --secrets-provider passphrase")


def _of_backend(message: str) -> SetupError | None:
    """Errors of the state backend."""
    if "pulumi login" in message or "PULUMI_ACCESS_TOKEN" in message:
        return SetupError(f"Pulumi has no state backend to work with: {message}", _LOG_IN)
    said = f"Pulumi's state backend does not answer: {message}"
    if "NoSuchBucket" in message:
        return SetupError(
            f"the bucket of Pulumi's state does not exist: {message}",
            wizard("setup", "--backend", "s3", advice="it makes a bucket; for another one: pulumi login s3://BUCKET"),
        )
    if "unable to open state directory" in message:
        return SetupError(said, shell("pulumi", "login", "--local", advice="or: mkdir -p <the directory>"))
    if re.search(r"invalid access token|401 Unauthorized|\[401\]", message, re.IGNORECASE):
        return CredentialsError(f"Pulumi Cloud rejects the login: {message}", Command("pulumi login"))
    if re.search(
        r"failed to (refresh cached|retrieve) credentials|no EC2 IMDS role|get identity: get credentials", message
    ):
        return CredentialsError(
            f"Pulumi has no AWS credentials for its state: {message}", shell("aws", "sts", "get-caller-identity")
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
        return Unreachable(said, shell("pulumi", "whoami", "-v", advice="it shows which backend Pulumi uses"))
    return None
