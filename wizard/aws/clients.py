"""How a client is made: which endpoint, how long it waits, how often it tries.

Pure but for botocore, which reads its own service descriptions; calls no service.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.session import Session as Botocore

from wizard.errors import UsageError

CONNECT_TIMEOUT = 3
READ_TIMEOUT = 10
ATTEMPTS = 3
"""Tries of a call, the first included (botocore's `standard` mode, which retries throttling and 5xx)."""

FIRST_READ_TIMEOUT = 4
FIRST_ATTEMPTS = 2
"""For STS, which is asked first: an endpoint that never answers is found within ten seconds."""


def endpoint_of(service: str, environ: Mapping[str, str]) -> str | None:
    """The service's endpoint, if the environment names one: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL."""
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    variable = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
    return environ.get(variable) or environ.get("AWS_ENDPOINT_URL") or None


class PatientSession(Botocore):  # type: ignore[misc]
    """botocore's session, whose own clients, made to assume a role or to sign in, wait no longer than ours do.

    They go to the endpoints of the environment that is given here, not of the process's.
    """

    def __init__(self, *, environ: Mapping[str, str], **parameters: Any) -> None:
        super().__init__(**parameters)
        self._environ = environ

    def create_client(self, service_name: str, *arguments: Any, **parameters: Any) -> Any:
        """A client whose waiting is bounded, whatever else its config says."""
        endpoint = parameters.get("endpoint_url") or endpoint_of(service_name, self._environ)
        config = Config(**_waiting(service_name, endpoint))
        if given := parameters.get("config"):
            config = config.merge(given)
        return super().create_client(
            service_name, *arguments, **{**parameters, "config": config, "endpoint_url": endpoint}
        )


def _waiting(service: str, endpoint: str | None) -> dict[str, Any]:
    first = service == "sts"
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT,
        "read_timeout": FIRST_READ_TIMEOUT if first else READ_TIMEOUT,
        "retries": {"mode": "standard", "total_max_attempts": FIRST_ATTEMPTS if first else ATTEMPTS},
    }
    if endpoint and is_loopback(endpoint):
        options["proxies"] = {}
    return options


def make_client(
    service: str,
    *,
    botocore: Botocore,
    region: str,
    endpoint: str | None,
    keys: Credentials | None = None,
    unsigned: bool = False,
) -> Any:
    """A client with bounded waiting. Raises UsageError for an endpoint that is no URL."""
    options: dict[str, Any] = {}
    if unsigned:
        options["signature_version"] = UNSIGNED
    if endpoint:
        # A bucket's name is no part of a host name that an emulator or a private endpoint has.
        options["s3"] = {"addressing_style": "path"}
    given: dict[str, str | None] = {}
    if keys is not None:
        given = {"aws_access_key_id": keys.access_key, "aws_secret_access_key": keys.secret_key}
        given["aws_session_token"] = keys.token
    config = Config(**options)
    try:
        return botocore.create_client(service, region_name=region, endpoint_url=endpoint, config=config, **given)
    except BotoCoreError:
        raise
    except ValueError as error:
        raise UsageError(
            f"the endpoint {endpoint!r} cannot be used: {error}",
            "set AWS_ENDPOINT_URL to a URL such as http://127.0.0.1:5000, or unset it to use AWS itself",
        ) from error


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
