"""The edge to the child that wraps a former ENCRYPTION_KEY: runs `python -m phi wrap` as the operator.

Touches one child process, which inherits this one's standard input or asks at the terminal itself: the key goes from
there to KMS and never comes into this process, nor onto a command line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import (
    CredentialsError,
    PermissionDenied,
    ResourceError,
    SetupError,
    Unreachable,
    UsageError,
)
from wizard.core.next_command import Command

TIMEOUT_SECONDS = 60
"""Without a person at the terminal, who may take longer to find the key."""

PIPED = 'printf %s "$ENCRYPTION_KEY" | python -m wizard adopt --encryption-key --confirm STACK'
_NOT_PASSED = ("ENCRYPTION_KEY", "ENCRYPTED_PHI_KEY", "VERCEL_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN")
"""What of the operator's environment is none of the child's business."""


class ChildWrapper:
    """Implements `wizard.core.ports.aws.Wrapper`."""

    def __init__(self, folder: Path, *, environ: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._environ = environ

    def wrap(self, environment: Mapping[str, str], *, key_arn: str, prompt: bool) -> WrappedDataKey:
        """What KMS made of the key that the child read. The child's answer holds nothing secret."""
        region = key_arn.split(":")[3]
        given = {name: value for name, value in self._environ.items() if name not in _NOT_PASSED}
        # Of two sources the one that this run was told of counts, not the one that happens to be set.
        given = {name: value for name, value in given.items() if name not in _CREDENTIALS} | dict(environment)
        given |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_KMS_KEY_ID": key_arn}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "phi", "wrap", *(["--prompt"] if prompt else [])],
                cwd=self._folder,
                env=given,
                capture_output=True,
                text=True,
                timeout=None if prompt else TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ResourceError(
                f"the key was not wrapped within {TIMEOUT_SECONDS} s; nothing was changed", f"pipe it in: {PIPED}"
            ) from error
        told = _told(done.stdout)
        if told is None:
            raise SetupError(
                f"the child that wraps the key ended without an answer (exit {done.returncode}); nothing was changed",
                "run the same command again; with --debug it says more",
            )
        if told.get("wrapped"):
            try:
                return WrappedDataKey(value=str(told["wrapped"]))
            except MalformedDataKey as error:
                raise ResourceError(
                    f"what KMS answered is no wrapped data key ({error}); nothing was changed",
                    "look at what AWS_ENDPOINT_URL names",
                ) from error
        raise _failure(str(told.get("cause") or ""), str(told.get("message") or ""), key_arn)


_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
)


def _told(printed: str) -> dict[str, Any] | None:
    try:
        told = json.loads(printed)
    except json.JSONDecodeError:
        return None
    return told if isinstance(told, dict) else None


def _failure(cause: str, message: str, key_arn: str) -> SetupError:
    # The child's words are fixed ones: they say what is wrong with a key and never what it is.
    match cause:
        case "InvalidEncryptionKey":
            return UsageError(f"what was given is no ENCRYPTION_KEY: {message} Nothing was changed", PIPED)
        case "AccessDenied":
            return PermissionDenied(
                f"the caller may not do kms:Encrypt under {key_arn}; nothing was changed",
                "the key policy gives kms:Encrypt to nobody: have it allowed to you by IAM for this one command",
            )
        case "BadCredentials":
            return CredentialsError(
                f"AWS does not take the credentials ({message})", Command("aws sts get-caller-identity")
            )
        case "Unreachable" | "Throttled":
            return Unreachable(f"KMS did not answer ({message}); nothing was changed", "run the same command again")
        case "NotFound" | "Disabled":
            return ResourceError(
                f"the key {key_arn} cannot be used: {message} Nothing was changed",
                Command(f"aws kms describe-key --key-id {key_arn}"),
            )
        case _:
            return ResourceError(f"KMS did not wrap the key ({cause}: {message}); nothing was changed", "see the cause")
