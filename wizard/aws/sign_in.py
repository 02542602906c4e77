"""Signing in to AWS: what the AWS CLI does in the browser, started on the person's own terminal.

Starts `aws sso login` or `aws login`, which keep their tokens under ~/.aws; reads the AWS configuration files.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from botocore.exceptions import BotoCoreError

from wizard.aws.profiles import SignIn, sign_in_of
from wizard.aws.resolution import FALLBACK_REGION, botocore_session
from wizard.aws.translation import Origin, translate
from wizard.errors import SetupError

_INSTALL = "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
_OLD = "aws-cli/1."
"""Version 1 of the AWS CLI signs nobody in; a project's own environment may have it before the other on PATH."""

_VERSION_TIMEOUT = 20


def sign_in(profile: str, environ: Mapping[str, str]) -> None:
    """Run the sign-in of the profile in the foreground, and wait for it. A session opened afterwards finds its token.

    Raises SetupError when there is no AWS CLI that can, or when it fails; Ctrl-C is KeyboardInterrupt.
    """
    needed = _sign_in_of(profile, environ)
    program = _program(environ)
    if program is None:
        raise SetupError(
            f"there is no AWS CLI, version 2, on PATH to sign in with ({needed.line})",
            f"install it ({_INSTALL}), or sign in elsewhere and export the keys",
        )
    try:
        done = subprocess.run(
            [program, *needed.command.split(), "--profile", needed.profile], env=dict(environ), check=False
        )
    except OSError as error:
        raise SetupError(f"{program} could not be started ({type(error).__name__})", needed.line) from error
    if done.returncode != 0:
        raise SetupError(
            f"the sign-in was not made: `{needed.line}` ended with {done.returncode}",
            f"{needed.line}   # see what it says, then run the same command again",
        )


def _sign_in_of(profile: str, environ: Mapping[str, str]) -> SignIn:
    try:
        found = sign_in_of(botocore_session(None, environ).full_config, profile)
    except BotoCoreError as error:
        raise translate(error, action="profile", origin=Origin(region=FALLBACK_REGION, profile=profile)) from error
    return found or SignIn(profile=profile, command="sso login")


def _program(environ: Mapping[str, str]) -> str | None:
    return next((program for program in _programs(environ) if not _is_old(program, environ)), None)


def _programs(environ: Mapping[str, str]) -> Iterator[str]:
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        for name in ("aws", "aws.exe") if os.name == "nt" else ("aws",):
            program = Path(folder or ".") / name
            if program.is_file() and os.access(program, os.X_OK):
                yield str(program)


def _is_old(program: str, environ: Mapping[str, str]) -> bool:
    """Whether it is version 1, or does not say what it is."""
    try:
        said = subprocess.run(
            [program, "--version"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return said.returncode != 0 or (said.stdout or said.stderr).startswith(_OLD)
