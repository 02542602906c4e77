"""Credentials of the application's principal, for the verification that it can decrypt its data key.

Reads the EONPRO_APP_… variables, the files they name and the container endpoint they name; calls STS.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session

from components.settings.arn import Arn
from wizard.aws.auth.errors import BOTOCORE_ERRORS
from wizard.aws.auth.http import is_loopback
from wizard.aws.auth.limits import limit_fetcher
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import SessionClient
from wizard.core import files
from wizard.core.errors import SetupError
from wizard.core.models.account import Principal
from wizard.core.models.verification import VERIFICATION_NAME, AppCredentials, CredentialsSearch

SESSION_SECONDS = 900
"""The shortest session that STS allows."""

CONTAINER_HOSTS = ("169.254.170.2",)
"""The address of ECS's credentials endpoint (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html)."""

SOURCES = ("ACCESS_KEY_ID", "PROFILE", "WEB_IDENTITY_TOKEN_FILE", "CONTAINER_CREDENTIALS_URI")
"""The variables that name a source of the application's credentials, after `EONPRO_APP_`."""

CONTAINER_TIMEOUT = 3
LARGEST_DOCUMENT = 65536


class _Unavailable(Exception):
    """A source gave no credentials. The message has the reason and no secret."""


_Source = tuple[str, Callable[[Session, Principal], Credentials | None]]


class ApplicationCredentials(SessionClient):
    """Credentials of the application."""

    @property
    def are_configured(self) -> bool:
        """Whether the environment names a source of them."""
        return any(self._session.environ.get(f"EONPRO_APP_{name}") for name in SOURCES)

    def app_credentials(self, principal_arn: str, *, container_first: bool = False) -> CredentialsSearch:
        """Credentials of exactly this principal: configured ones, then the platform's, then those of sts:AssumeRole.

        With `container_first` a container's endpoint is asked before a web identity token.
        """
        deployed: tuple[_Source, _Source] = (
            ("a web identity token (sts:AssumeRoleWithWebIdentity)", _from_web_identity),
            ("the container's credentials endpoint", _from_container),
        )
        sources: tuple[_Source, ...] = (
            ("the access key in EONPRO_APP_ACCESS_KEY_ID", lambda session, _: session.environment_keys("EONPRO_APP_")),
            ("the profile in EONPRO_APP_PROFILE", _from_profile),
            # Either can decrypt the data key; the source that the platform itself uses proves more.
            *(reversed(deployed) if container_first else deployed),
            ("sts:AssumeRole", _from_assume_role),
        )
        tried = []
        for how, source in sources:
            try:
                keys = source(self._session, Principal(arn=principal_arn))
                if keys is None:
                    continue
                _check_owner(self._session, keys, principal_arn)
            except _Unavailable as error:
                tried.append(f"{how}: {error}")
            except SetupError as error:
                tried.append(f"{how}: {error.message}")
            else:
                credentials = AppCredentials(
                    how=how,
                    access_key_id=keys.access_key,
                    secret_access_key=keys.secret_key,
                    session_token=keys.token,
                )
                return CredentialsSearch(credentials=credentials, tried=(*tried, f"{how}: used"))
        return CredentialsSearch(credentials=None, tried=tuple(tried))


def _from_profile(session: Session, principal: Principal) -> Credentials | None:
    profile = session.environ.get("EONPRO_APP_PROFILE")
    if not profile:
        return None
    try:
        credentials = session.for_profile(profile).get_credentials()
        frozen = credentials.get_frozen_credentials() if credentials else None
    except BOTOCORE_ERRORS as error:
        raise _Unavailable(f"{profile} gave no credentials ({type(error).__name__})") from error
    if frozen is None:
        raise _Unavailable(f"{profile} has no credentials")
    return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def _from_web_identity(session: Session, principal: Principal) -> Credentials | None:
    file = session.environ.get("EONPRO_APP_WEB_IDENTITY_TOKEN_FILE")
    if not file or principal.kind != "role":
        return None
    try:
        token = files.read_text(Path(file), streams=True).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _Unavailable(f"the file {file} cannot be read ({type(error).__name__})") from error
    client = session.make_client("sts", unsigned=True)
    return _from_sts(
        session.ask(
            client,
            *("sts", "AssumeRoleWithWebIdentity"),
            RoleArn=principal.arn,
            RoleSessionName=VERIFICATION_NAME,
            WebIdentityToken=token,
            DurationSeconds=SESSION_SECONDS,
        )
    )


def _from_container(session: Session, principal: Principal) -> Credentials | None:
    url = session.environ.get("EONPRO_APP_CONTAINER_CREDENTIALS_URI")
    if not url:
        return None
    document = _fetch(url)
    try:
        return Credentials(
            str(document["AccessKeyId"]), str(document["SecretAccessKey"]), document.get("Token") or None
        )
    except KeyError as error:
        raise _Unavailable(f"its answer has no {error}") from None


def _from_assume_role(session: Session, principal: Principal) -> Credentials | None:
    if principal.kind != "role":
        return None
    return _from_sts(
        session.call(
            "sts",
            "AssumeRole",
            RoleArn=principal.arn,
            RoleSessionName=VERIFICATION_NAME,
            DurationSeconds=SESSION_SECONDS,
        )
    )


class _SessionKeys(Credentials):  # type: ignore[misc]
    """Keys that STS made in this run, with the ARN that it named with them."""

    owner: str | None = None


def _from_sts(answer: Any) -> Credentials:
    made = answer["Credentials"]
    keys = _SessionKeys(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    keys.owner = (answer.get("AssumedRoleUser") or {}).get("Arn")
    return keys


def _check_owner(session: Session, keys: Credentials, principal_arn: str) -> None:
    """Refuse keys of another principal: a verification with them would prove nothing."""
    arn = keys.owner if isinstance(keys, _SessionKeys) else None
    try:
        if arn is None:
            client = session.make_client("sts", keys=keys)
            arn = str(session.ask(client, "sts", "GetCallerIdentity")["Arn"])
    except SetupError as error:
        raise _Unavailable(f"STS did not say whose they are ({type(error).__name__})") from error
    if _owner(arn) != _owner(principal_arn):
        raise _Unavailable(f"they belong to {arn}, not to {principal_arn}")


def _owner(text: str) -> tuple[str, str, str]:
    # A role's name is unique in its account, and the ARN of an assumed role has no path.
    owner = Arn.find(text)
    if owner is None:
        return "", "", text
    if owner.kind == "assumed-role":
        return owner.account, "role", owner.path.partition("/")[0]
    return owner.account, owner.kind, owner.name


def _fetch(url: str) -> dict[str, Any]:
    """The JSON object at a URL of this machine or of the ECS agent. No other host is asked for credentials."""
    parts = urlsplit(url)
    if (
        parts.scheme != "http"
        or not (is_loopback(url) or parts.hostname in CONTAINER_HOSTS)
        or parts.username is not None
    ):
        raise _Unavailable("refused: EONPRO_APP_CONTAINER_CREDENTIALS_URI must be http, on loopback or 169.254.170.2")
    http = URLLib3Session(timeout=CONTAINER_TIMEOUT, proxies={})
    limit_fetcher(http)
    try:
        response = http.send(AWSRequest("GET", url).prepare())
        document = json.loads(response.content[:LARGEST_DOCUMENT])
    except (BotoCoreError, ValueError) as error:
        raise _Unavailable(f"it gave no credentials ({type(error).__name__})") from error
    if response.status_code != 200:
        raise _Unavailable(f"it gave no credentials (HTTP {response.status_code})")
    if not isinstance(document, dict):
        raise _Unavailable("its answer is not a JSON object")
    return document
