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

from wizard.core import retry
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import (
    CredentialsError,
    PermissionDenied,
    ResourceError,
    SetupError,
    Unreachable,
    UsageError,
)
from wizard.core.models.delivery import AppCredentials, AppVariables, ChildResult
from wizard.core.next_command import Command, wizard
from wizard.core.retry import SYSTEM_CLOCK, Clock, Reason

WRAP_TIMEOUT_SECONDS = 60
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
                timeout=None if prompt else WRAP_TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ResourceError(
                f"the key was not wrapped within {WRAP_TIMEOUT_SECONDS} s; nothing was changed", f"pipe it in: {PIPED}"
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


PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
"""What the child inherits. Everything else of the operator's environment stays here: above all, the credentials."""

TIMEOUT_SECONDS = 60
RETRY_SECONDS = retry.SCHEDULES[Reason.PROPAGATION].seconds
SETTLING = ("AccessDenied", "NotFound", "BadCredentials")
"""Causes that a role, key or access key made seconds ago can show until IAM, eventually consistent, has spread it
(https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html)."""


class ChildDecryptVerifier:
    """Implements `wizard.core.ports.run.DecryptVerifier`."""

    def __init__(
        self,
        folder: Path,
        *,
        environ: Mapping[str, str] = os.environ,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._folder = folder
        self._environ = environ
        self._clock = clock
        self._child: subprocess.Popen[str] | None = None

    def prove(
        self, credentials: AppCredentials, batch: AppVariables, *, retry_seconds: float = RETRY_SECONDS
    ) -> ChildResult:
        """Unwrap the delivered key and carry one made-up record there and back, as the application."""
        result = None
        for _ in retry.attempts(Reason.PROPAGATION, clock=self._clock, seconds=retry_seconds):
            result = self._once(credentials, batch)
            if result.proved or result.cause not in SETTLING:
                break
        assert result is not None, "there is one try at least"
        return result

    def warm_up(self) -> None:
        """Start the child ahead of its turn. It holds nothing yet, and ends with this process if it is never asked."""
        if self._child is None:
            self._child = self._start()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "phi", "prove", "--stdin"],
            cwd=self._folder,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A Ctrl-C is this process's to handle.
            process_group=0,
        )

    def _once(self, credentials: AppCredentials, batch: AppVariables) -> ChildResult:
        child, self._child = self._child or self._start(), None
        try:
            printed, complaint = child.communicate(json.dumps(_given(credentials, batch)), timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            return ChildResult(
                proved=False,
                principal="",
                fingerprint="",
                cause="Unreachable",
                message=f"no answer in {TIMEOUT_SECONDS} s",
            )
        except KeyboardInterrupt:
            # It holds credentials: it does not outlive who asked.
            child.kill()
            child.wait()
            raise
        told = _verdict(printed)
        if told is None:
            raise SetupError(
                f"the proof ended without a verdict (exit {child.returncode}): {complaint.strip()[-500:]}",
                wizard("verify"),
            )
        return ChildResult(
            # Nothing but a plain yes is one.
            proved=told.get("proved") is True,
            principal=str(told.get("principal") or ""),
            fingerprint=str(told.get("fingerprint") or ""),
            cause=str(told.get("cause") or ""),
            message=str(told.get("message") or ""),
        )

    def _environment(self) -> dict[str, str]:
        environment = {name: self._environ[name] for name in PASSED_ON if name in self._environ}
        environment |= {name: value for name, value in self._environ.items() if name.startswith("AWS_ENDPOINT_URL")}
        return {**environment, "AWS_EC2_METADATA_DISABLED": "true"}


def _given(credentials: AppCredentials, batch: AppVariables) -> dict[str, str]:
    """What the application would find in its environment. It goes through a pipe, where nobody else can look."""
    given = {
        **dict(batch.values),
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
    }
    if credentials.session_token:
        given["AWS_SESSION_TOKEN"] = credentials.session_token
    return given


def _verdict(printed: str) -> dict[str, Any] | None:
    try:
        told = json.loads(printed)
    except json.JSONDecodeError:
        return None
    return told if isinstance(told, dict) else None
