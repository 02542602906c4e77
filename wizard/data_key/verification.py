"""The child processes of `phi`: `wrap` wraps a former ENCRYPTION_KEY, `prove` acts as the application.

Starts one child at a time. `wrap` runs with the operator's credentials and reads the key from standard input or the
terminal: the key never enters this process or a command line. `prove` gets the application's credentials by a pipe.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.settings.arn import Arn
from wizard.core import retry, safe_text
from wizard.core.child_environment import inherited
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import CredentialsError, PermissionDenied, ResourceError, SetupError, Unreachable, UsageError
from wizard.core.models.delivery import AppVariables
from wizard.core.models.verification import BUSY, SILENT, VERIFICATION_NAME, AppCredentials, ChildResult, Proof
from wizard.core.next_command import Command, Text, eonpro, shell
from wizard.core.retry import SYSTEM_CLOCK, Clock, Reason

WRAP_TIMEOUT_SECONDS = 60
"""Where the key is piped in; a person at the terminal has no limit."""

PIPED = Command('printf %s "$ENCRYPTION_KEY" | ', eonpro("adopt", "--encryption-key", "--confirm", "STACK"))
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
)

DRY_RUN_VARIABLE = "PHI_PROVE_DRY_RUN"
"""Of `phi.__main__`."""
READING_VARIABLE = "ENCRYPTED_PHI_KEYS_FOR_READING"
NAMES_VARIABLE = "PHI_VARIABLE_NAMES"
"""Of `eonpro_phi.environment`."""
TIMEOUT_SECONDS = 60
RETRY_SECONDS = retry.SCHEDULES[Reason.PROPAGATION].seconds
SETTLING = ("AccessDenied", "NotFound", "BadCredentials")
"""Causes that a new role, key or access key can show until it has propagated in IAM
(https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html)."""
NO_ANSWER_SECONDS = 20.0
"""How long a KMS that is throttled or does not answer is asked again: `phi` itself has tried twice each time."""
_REASONS = {
    **dict.fromkeys(SETTLING, Reason.PROPAGATION),
    **dict.fromkeys(BUSY, Reason.THROTTLED),
    **dict.fromkeys(SILENT, Reason.NETWORK),
}


class Wrapper:
    """The child process that reads an ENCRYPTION_KEY: only it sees plaintext."""

    def __init__(self, folder: Path, *, environ: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environ = os.environ if environ is None else environ

    def wrap(self, environment: Mapping[str, str], *, key_arn: str, prompt: bool) -> WrappedDataKey:
        """The wrapped key, with its key check value; with `prompt` the child process asks at the terminal, masked, else
        it reads standard input.

        `environment` has the operator's credentials. Raises UsageError unless the key is 64 hex digits,
        PermissionDenied without kms:Encrypt.
        """
        region = Arn.parse(key_arn).region
        # The credentials of this run count, not those that happen to be set.
        child_environ = {
            name: value for name, value in inherited(self._environ, "AWS_").items() if name not in _CREDENTIALS
        }
        child_environ |= {**environment, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_KMS_KEY_ID": key_arn}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "eonpro_phi", "wrap", *(["--prompt"] if prompt else [])],
                cwd=self._folder,
                env=child_environ,
                capture_output=True,
                text=True,
                timeout=None if prompt else WRAP_TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ResourceError(
                f"the key was not wrapped within {WRAP_TIMEOUT_SECONDS} s; nothing was changed",
                Text("pipe it in: ", PIPED),
            ) from error
        answer = _json_object(done.stdout)
        if answer is None:
            raise SetupError(
                f"the child that wraps the key ended without an answer (exit {done.returncode}); nothing was changed",
                "run the same command again, with --debug for the details",
            )
        if answer.get("wrapped"):
            try:
                check_value = str(answer.get("keyCheckValue") or "") or None
                return WrappedDataKey(value=str(answer["wrapped"]), check_value=check_value)
            except MalformedDataKey as error:
                raise ResourceError(
                    f"the answer of KMS is not a wrapped data key ({error}); nothing was changed",
                    "check the endpoint in AWS_ENDPOINT_URL",
                ) from error
        raise _failure(str(answer.get("cause") or ""), str(answer.get("message") or ""), key_arn)


def _failure(cause: str, message: str, key_arn: str) -> SetupError:
    # The child's messages are fixed texts, which never hold the key.
    match cause:
        case "InvalidEncryptionKey":
            return UsageError(f"the input is not an ENCRYPTION_KEY: {message} Nothing was changed", PIPED)
        case "AccessDenied":
            return PermissionDenied(
                f"the caller is not allowed kms:Encrypt on {key_arn}; nothing was changed",
                "the key policy allows kms:Encrypt to nobody: allow it to the caller in IAM, for this one command",
            )
        case "BadCredentials":
            return CredentialsError(
                f"AWS refused the credentials ({message})", shell("aws", "sts", "get-caller-identity")
            )
        case "Unreachable" | "Throttled":
            return Unreachable(f"KMS did not answer ({message}); nothing was changed", "run the same command again")
        case "NotFound" | "Disabled":
            return ResourceError(
                f"the key {key_arn} cannot be used: {message} Nothing was changed",
                shell("aws", "kms", "describe-key", "--key-id", key_arn),
            )
        case _:
            return ResourceError(f"KMS did not wrap the key ({cause}: {message}); nothing was changed", "see the cause")


class DecryptVerifier:
    """The application, as a child process with its own credentials."""

    def __init__(self, folder: Path, *, environ: Mapping[str, str] | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        self._folder = folder
        self._environ = os.environ if environ is None else environ
        self._clock = clock

    def prove(
        self,
        credentials: AppCredentials,
        batch: AppVariables,
        *,
        retry_seconds: float = RETRY_SECONDS,
        full: bool = False,
        reading: Sequence[WrappedDataKey] = (),
    ) -> ChildResult:
        """Ask KMS, as the application, whether it would decrypt the delivered key: a dry run on this very ciphertext.

        `full`: the child unwraps the key, and encrypts and decrypts one invented record. `reading`: other data keys,
        which it compares with this one.
        `retry_seconds`: for how long a refusal may still change. A KMS that does not answer is always asked again.
        """
        variables = dict(batch.values) | ({} if full else {DRY_RUN_VARIABLE: "yes"})
        if not batch.names.are_guides:
            # The child reads them as the application does, by the names that were delivered.
            names = {variable: batch.names[variable] for variable, _ in batch.stored_values}
            pairs = [f"{variable}={name}" for variable, name in names.items() if name != variable]
            variables[NAMES_VARIABLE] = ",".join(pairs)
        if reading:
            variables[READING_VARIABLE] = " ".join(key.value for key in reading)
        return self._answer(credentials, variables, retry_seconds=retry_seconds)

    def may_decrypt(self, credentials: AppCredentials, *, region: str, key_arn: str) -> ChildResult:
        """Ask KMS, as the application, whether it may decrypt with the key, where no wrapped data key is at hand.

        The cause is `Unsupported` where the endpoint does not know a dry run without one.
        """
        variables = {"AWS_REGION": region, "AWS_KMS_KEY_ID": key_arn, DRY_RUN_VARIABLE: Proof.PERMISSION}
        return self._answer(credentials, variables, retry_seconds=0)

    def _answer(
        self, credentials: AppCredentials, variables: Mapping[str, str], *, retry_seconds: float
    ) -> ChildResult:
        deadline = retry.new_deadline(max(retry_seconds, NO_ANSWER_SECONDS), clock=self._clock)
        settling = retry.Deadline(clock=self._clock, seconds=retry_seconds, outer=deadline)
        while True:
            result = self._once({**variables, **_app_credentials(credentials)})
            reason = _REASONS.get(result.cause)
            if result.proved or reason is None:
                return result
            if not (settling if reason is Reason.PROPAGATION else deadline).wait(reason):
                return result

    def _once(self, variables: Mapping[str, str]) -> ChildResult:
        child = subprocess.Popen(
            [sys.executable, "-m", "eonpro_phi", "prove", "--stdin"],
            cwd=self._folder,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Ctrl-C goes to this process only.
            process_group=0,
        )
        # It holds credentials: it must not outlive this process, nor the thread that nobody waits for any more.
        atexit.register(child.kill)
        try:
            stdout, stderr = child.communicate(json.dumps(variables), timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            return ChildResult(
                proved=False,
                principal="",
                fingerprint="",
                cause="Unreachable",
                message=f"no answer in {TIMEOUT_SECONDS} s",
            )
        finally:
            atexit.unregister(child.kill)
            if child.poll() is None:
                child.kill()
                child.communicate()
        answer = _json_object(stdout)
        if answer is None:
            raise SetupError(
                f"the verification ended without a result (exit {child.returncode}): {stderr.strip()[-500:]}",
                eonpro("verify"),
            )
        return ChildResult(
            proved=answer.get("proved") is True,
            principal=str(answer.get("principal") or ""),
            fingerprint=str(answer.get("fingerprint") or ""),
            cause=str(answer.get("cause") or ""),
            message=str(answer.get("message") or ""),
            how=next((proof for proof in Proof if proof == answer.get("record")), None),
            key_material=str(answer.get("keyMaterialId") or ""),
            same=tuple(map(str, answer.get("sameKeys") or ())),
            check_values={str(key): str(value) for key, value in (answer.get("keyCheckValues") or {}).items()},
        )

    def _environment(self) -> dict[str, str]:
        # Above all, not the operator's credentials.
        return {
            **inherited(self._environ, "AWS_ENDPOINT_URL"),
            "AWS_EC2_METADATA_DISABLED": "true",
            # CloudTrail records it: with an access key or a container's credentials no session name tells who called.
            "AWS_SDK_UA_APP_ID": VERIFICATION_NAME,
        }


def _app_credentials(credentials: AppCredentials) -> dict[str, str]:
    """The credentials as the application has them, sent through a pipe, which other processes cannot read."""
    environment = {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
    }
    if credentials.session_token:
        environment["AWS_SESSION_TOKEN"] = credentials.session_token
    return environment


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        document = safe_text.parse_json(text)
    except json.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None
