"""Where a profile's credentials come from: botocore's chain, with a person to ask and the AWS CLI's own memory.

Reads the AWS configuration files and the sign-ins of the AWS CLI, keeps assumed roles in ~/.aws/cli/cache as the AWS
CLI does, and calls STS and IAM Identity Center through botocore.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.credentials import (
    AssumeRoleProvider,
    CanonicalNameCredentialSourcer,
    CredentialResolver,
    EnvProvider,
    ProfileProviderBuilder,
    create_credential_resolver,
)
from botocore.exceptions import BotoCoreError, CredentialRetrievalError
from botocore.session import Session as Botocore
from botocore.utils import JSONFileCache, create_nested_client

from wizard.aws.auth.credentials import FALLBACK_REGION, botocore_session
from wizard.aws.auth.errors import ErrorSource, translate
from wizard.aws.auth.profiles import SignIn, sign_in_of
from wizard.core.errors import CredentialsError, SetupError

AskCode = Callable[[str], str]
"""Asks a person for the code that the MFA device of that serial number shows."""

MARGIN = 15 * 60
"""Seconds that handed-out credentials should last at least: as long as a whole update may take."""

_DIGITS = 6
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html: TokenCode."""


class Chain:
    """What botocore asks for credentials, instead of its own chain, whose order this keeps."""

    def __init__(
        self,
        botocore: Botocore,
        *,
        profile: str | None,
        region: str,
        environ: Mapping[str, str],
        ask_code: AskCode | None,
    ) -> None:
        self._botocore = botocore
        self._profile = profile
        self._region = region
        self._environ = environ
        self._ask_code = ask_code

    @property
    def can_ask(self) -> bool:
        """Whether there is somebody to ask for a code."""
        return self._ask_code is not None

    def load_credentials(self) -> Any:
        """botocore's credentials, or None where there are none. Raises botocore's errors."""
        try:
            return self._resolver().load_credentials()
        except BotoCoreError:
            raise
        except (OSError, ValueError) as error:
            # A credential process that is not there, or that answers with anything but its JSON.
            raise CredentialRetrievalError(provider="credential_process", error_msg=type(error).__name__) from error

    def _resolver(self) -> CredentialResolver:
        name = self._profile or "default"
        home = home_of(self._environ)
        cache = RoleCache(str(home / ".aws" / "cli" / "cache"))
        builder = ProfileProviderBuilder(
            self._botocore,
            cache=cache,
            region_name=self._region,
            sso_token_cache=JSONFileCache(str(home / ".aws" / "sso" / "cache"), dumps_func=_token),
        )
        resolver = create_credential_resolver(self._botocore, cache=cache, region_name=self._region)
        sources = [EnvProvider(self._environ), *map(resolver.get_provider, ("container-role", "iam-role"))]
        assume_role = AssumeRoleProvider(
            load_config=lambda: self._botocore.full_config,
            client_creator=self._nested_client,
            cache=cache,
            profile_name=name,
            prompter=self._prompt,
            credential_sourcer=CanonicalNameCredentialSourcer(sources),
            profile_provider_builder=builder,
        )
        # The process's own keys are no part of what was resolved.
        resolver.remove("env")
        sso = next(provider for provider in builder.providers(profile_name=name) if provider.METHOD == "sso")
        for ours in (assume_role, sso):
            resolver.insert_after(ours.METHOD, ours)
            resolver.remove(ours.METHOD)
        return resolver

    def _nested_client(self, service: str, **parameters: Any) -> Any:
        return create_nested_client(self._botocore, service, **{"region_name": self._region, **parameters})

    def _prompt(self, text: str) -> str:
        """What botocore calls with `Enter MFA code for <serial>: `; without this it would read the terminal itself."""
        serial = text.removeprefix("Enter MFA code for ").removesuffix(": ")
        if self._ask_code is None:
            profile = f" --profile {self._profile}" if self._profile else ""
            raise CredentialsError(
                f"the profile {self._profile or 'default'} takes a code of the MFA device {serial},"
                " and there is nobody to ask",
                f"in a terminal: aws sts get-caller-identity{profile}   # its session serves here, too, for an hour",
            )
        code = self._ask_code(serial).strip()
        if len(code) != _DIGITS or not code.isdecimal():
            raise CredentialsError(
                f"what was given is no code of an MFA device: it has {_DIGITS} digits",
                f"run the same command again, and give what {serial} shows",
            )
        return code


class RoleCache(JSONFileCache):  # type: ignore[misc]
    """The AWS CLI's folder of assumed roles, in private files. What cannot be read there is taken for absent.

    https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-role.html#cli-configure-role-cache
    """

    def __contains__(self, key: str) -> bool:
        try:
            found = self[key]["Credentials"]
            ends = datetime.fromisoformat(found["Expiration"].replace("UTC", "+00:00"))
        except (KeyError, TypeError, ValueError, AttributeError):
            return False
        return ends.tzinfo is not None and all(
            found.get(part) for part in ("AccessKeyId", "SecretAccessKey", "SessionToken")
        )

    def __setitem__(self, key: str, value: Any) -> None:
        # Without it the next run asks again; this one goes on.
        with suppress(OSError):
            super().__setitem__(key, value)


def home_of(environ: Mapping[str, str]) -> Path:
    """The person's home directory, where the AWS CLI has what it remembers."""
    return Path(environ.get("HOME") or Path.home())


def _token(value: Any) -> str:
    def in_utc(one: Any) -> str:
        return one.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(one, datetime) else str(one)

    return json.dumps(value, default=in_utc)


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
        raise translate(error, action="profile", origin=ErrorSource(region=FALLBACK_REGION, profile=profile)) from error
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
