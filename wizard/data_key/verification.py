"""The edge to the application's side: runs `python -m phi prove` as the application and reads its verdict.

Touches one child process, which gets the application's credentials and nothing of the operator's.
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
from wizard.core.errors import SetupError
from wizard.core.models.delivery import AppCredentials, AppVariables, ChildResult
from wizard.core.next_command import wizard
from wizard.core.retry import SYSTEM_CLOCK, Clock, Reason

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
