"""A profile's credentials: botocore's chain with a prompt for MFA codes and the AWS CLI's caches, and `aws … login`.

Reads the AWS configuration files and the AWS CLI's sign-ins, writes assumed roles to ~/.aws/cli/cache as the AWS CLI
does, calls STS and IAM Identity Center through botocore, and runs the AWS CLI.
"""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.credentials import (
    AssumeRoleProvider,
    CanonicalNameCredentialSourcer,
    CredentialResolver,
    EnvProvider,
    ProcessProvider,
    ProfileProviderBuilder,
    create_credential_resolver,
)
from botocore.exceptions import (
    BotoCoreError,
    CredentialRetrievalError,
    LoginTokenLoadError,
    MissingDependencyException,
)
from botocore.session import Session as Botocore
from botocore.utils import JSONFileCache, create_nested_client

from wizard.aws.auth.credentials import FALLBACK_REGION, botocore_session
from wizard.aws.auth.errors import ErrorSource, translate
from wizard.aws.auth.limits import limit_providers
from wizard.aws.auth.profiles import BY_LOGIN, BY_SSO, SignIn, sign_in_of
from wizard.core.errors import CredentialsError, SetupError
from wizard.core.next_command import Command, shell

AskCode = Callable[[str], str]
"""Asks a person for the code that the MFA device of that serial number shows."""

MARGIN = 15 * 60
"""Seconds that credentials passed to a child process must still last: as long as a whole update may take."""

_DIGITS = 6
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html: TokenCode."""


@dataclass(frozen=True)
class Chain:
    """The credential chain for botocore, in place of its own and in its order."""

    botocore: Botocore
    profile: str | None = field(kw_only=True)
    region: str = field(kw_only=True)
    environ: Mapping[str, str] = field(kw_only=True, repr=False)
    ask_code: AskCode | None = field(kw_only=True)

    def load_credentials(self) -> Any:
        """botocore's credentials, or None where there are none. Raises botocore's errors."""
        try:
            return self._resolver().load_credentials()
        except MissingDependencyException:
            return self._exported()
        except BotoCoreError:
            raise
        except (OSError, ValueError) as error:
            # A credential process that does not exist, or does not answer with its JSON.
            raise CredentialRetrievalError(provider="credential_process", error_msg=type(error).__name__) from error

    def _exported(self) -> Any:
        """The credentials as the AWS CLI exports them: for a sign-in of `aws login` botocore needs another library.

        https://docs.aws.amazon.com/cli/latest/reference/configure/export-credentials.html
        """
        name, program = self.profile or "default", _program(self.environ, _SSO_LOGIN)
        if program is None:
            raise LoginTokenLoadError(error_msg="version 2 of the AWS CLI is not on PATH")
        command = shlex.join([program, "configure", "export-credentials", "--profile", name, "--format", "process"])
        profiles = {"profiles": {name: {"credential_process": command}}}
        try:
            return ProcessProvider(profile_name=name, load_config=lambda: profiles).load()
        except CredentialRetrievalError as error:
            raise LoginTokenLoadError(error_msg=type(error).__name__) from error

    def _resolver(self) -> CredentialResolver:
        name = self.profile or "default"
        home = Path(self.environ.get("HOME") or Path.home())
        cache = RoleCache(str(home / ".aws" / "cli" / "cache"))
        builder = ProfileProviderBuilder(
            self.botocore,
            cache=cache,
            region_name=self.region,
            sso_token_cache=JSONFileCache(str(home / ".aws" / "sso" / "cache"), dumps_func=_token),
        )
        resolver = create_credential_resolver(self.botocore, cache=cache, region_name=self.region)
        container, instance = map(resolver.get_provider, ("container-role", "iam-role"))
        limit_providers(container, instance)
        sources = [EnvProvider(self.environ), container, instance]
        assume_role = AssumeRoleProvider(
            load_config=lambda: self.botocore.full_config,
            client_creator=self._nested_client,
            cache=cache,
            profile_name=name,
            prompter=self._prompt,
            credential_sourcer=CanonicalNameCredentialSourcer(sources),
            profile_provider_builder=builder,
        )
        # The keys of the environment were not chosen.
        resolver.remove("env")
        sso = next(provider for provider in builder.providers(profile_name=name) if provider.METHOD == "sso")
        for ours in (assume_role, sso):
            resolver.insert_after(ours.METHOD, ours)
            resolver.remove(ours.METHOD)
        return resolver

    def _nested_client(self, service: str, **parameters: Any) -> Any:
        return create_nested_client(self.botocore, service, **{"region_name": self.region, **parameters})

    def _prompt(self, text: str) -> str:
        """botocore calls this with `Enter MFA code for <serial>: `; its own prompt would read the terminal."""
        serial = text.removeprefix("Enter MFA code for ").removesuffix(": ")
        if self.ask_code is None:
            profile = ("--profile", self.profile) if self.profile else ()
            raise CredentialsError(
                f"the profile {self.profile or 'default'} needs a code of the MFA device {serial},"
                " and nobody can be asked for it here",
                shell(
                    *("aws", "sts", "get-caller-identity", *profile),
                    advice="in a terminal: its session is valid here, too, for an hour",
                ),
            )
        code = self.ask_code(serial).strip()
        if len(code) != _DIGITS or not code.isdecimal():
            raise CredentialsError(
                f"that is not a code of an MFA device: a code has {_DIGITS} digits",
                f"run the same command again, and type the code that {serial} shows",
            )
        return code


class RoleCache(JSONFileCache):  # type: ignore[misc]
    """The AWS CLI's folder of assumed roles, in private files. A file that cannot be read counts as absent.

    https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-role.html#cli-configure-role-cache
    """

    def __contains__(self, key: str) -> bool:
        try:
            credentials = self[key]["Credentials"]
            ends = datetime.fromisoformat(credentials["Expiration"].replace("UTC", "+00:00"))
        except (KeyError, TypeError, ValueError, AttributeError):
            return False
        return ends.tzinfo is not None and all(
            credentials.get(part) for part in ("AccessKeyId", "SecretAccessKey", "SessionToken")
        )

    def __setitem__(self, key: str, value: Any) -> None:
        # Without the file only the next run has to ask again.
        with suppress(OSError):
            super().__setitem__(key, value)


def chain_in(
    botocore: Botocore, profile: str | None, region: str, environ: Mapping[str, str], ask_code: AskCode | None
) -> Chain:
    """The chain, in the place of the one that this session of botocore has."""
    chain = Chain(botocore, profile=profile, region=region, environ=environ, ask_code=ask_code)
    botocore.register_component("credential_provider", chain)
    return chain


def _token(value: Any) -> str:
    def to_text(value: Any) -> str:
        return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else str(value)

    return json.dumps(value, default=to_text)


_INSTALL = "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
_SSO_LOGIN, _LOGIN = (2, 0, 0), (2, 32, 0)
"""The first versions of the AWS CLI that have `aws sso login` and `aws login`
(https://docs.aws.amazon.com/signin/latest/userguide/command-line-sign-in.html).
A Python environment may have version 1 first on PATH."""

_VERSION_TIMEOUT = 20


def problem(profile: str, environ: Mapping[str, str]) -> SetupError | None:
    """Why no AWS CLI on PATH can sign the profile in; None where one can."""
    try:
        needed = _sign_in_of(profile, environ)
    except SetupError as error:
        return error
    least = _least(needed)
    if _program(environ, least) is not None:
        return None
    version = ".".join(map(str, least)) if least > _SSO_LOGIN else "2"
    install = f"install it ({_INSTALL}), or sign in elsewhere and export the keys"
    if least > _SSO_LOGIN and _program(environ, _SSO_LOGIN) is not None:
        return SetupError(
            f"the AWS CLI on PATH is older than {version}, and has no `aws {needed.command[-1]}`", install
        )
    return SetupError(
        f"version {version} of the AWS CLI is not on PATH; it is needed to sign in ({needed.line})", install
    )


def _least(needed: SignIn) -> tuple[int, ...]:
    return _SSO_LOGIN if needed.command == BY_SSO else _LOGIN


def sign_in(profile: str, environ: Mapping[str, str]) -> None:
    """Run the profile's sign-in in the foreground and wait for it. A session opened afterwards uses its token.

    Raises SetupError when no AWS CLI can sign in, or when it fails; Ctrl-C is KeyboardInterrupt.
    """
    if (refusal := problem(profile, environ)) is not None:
        raise refusal
    needed = _sign_in_of(profile, environ)
    program = _program(environ, _least(needed))
    assert program is not None
    try:
        done = subprocess.run([program, *needed.command, "--profile", needed.profile], env=dict(environ), check=False)
    except OSError as error:
        raise SetupError(f"{program} could not be started ({type(error).__name__})", needed.line) from error
    if done.returncode != 0:
        raise SetupError(
            f"the sign-in failed: `{needed.line}` ended with {done.returncode}",
            Command(needed.line, advice="read its message, then run the same command again"),
        )


def _sign_in_of(profile: str, environ: Mapping[str, str]) -> SignIn:
    try:
        configured = sign_in_of(botocore_session(None, environ).full_config, profile)
    except BotoCoreError as error:
        raise translate(error, action="profile", origin=ErrorSource(region=FALLBACK_REGION, profile=profile)) from error
    return configured or SignIn(profile=profile, command=BY_LOGIN)


def _program(environ: Mapping[str, str], least: tuple[int, ...]) -> str | None:
    return next((program for program in _programs(environ) if _version(program, environ) >= least), None)


def _programs(environ: Mapping[str, str]) -> Iterator[str]:
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        for name in ("aws", "aws.exe") if os.name == "nt" else ("aws",):
            program = Path(folder or ".") / name
            if program.is_file() and os.access(program, os.X_OK):
                yield str(program)


def _version(program: str, environ: Mapping[str, str]) -> tuple[int, ...]:
    """The program's version; (0,) for one that does not run, and the newest for one that does not say it."""
    try:
        answer = subprocess.run(
            [program, "--version"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    if answer.returncode != 0:
        return (0,)
    version = re.match(r"aws-cli/(\d+)\.(\d+)\.(\d+)", answer.stdout or answer.stderr)
    return tuple(map(int, version.groups())) if version else _LOGIN
