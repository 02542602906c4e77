"""botocore's clients with short time-outs, and their endpoints; the clock against AWS's.

Reads the clock; opens no connection itself.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

from boto3.session import Session
from botocore import UNSIGNED, exceptions
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.session import Session as Botocore

from wizard.aws.auth.limits import limit_client, send
from wizard.core.errors import CredentialsError, UsageError
from wizard.core.next_command import shell

TOLERATED = 5 * 60
"""Seconds by which a clock may be off; S3 accepts 15 minutes.

https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
"""


def skew_of(response: Mapping[str, Any]) -> float | None:
    """Seconds that this machine's clock is ahead of AWS's, by the `Date` of an answer that has just arrived."""
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        theirs = parsedate_to_datetime(str(date))
    except ValueError:
        return None
    return (datetime.now(UTC) - theirs).total_seconds() if theirs.tzinfo else None


def wrong_clock(response: Mapping[str, Any]) -> CredentialsError | None:
    """The error for a refusal that a wrong clock caused; None where the clock is right."""
    skew = skew_of(response)
    if skew is None or abs(skew) <= TOLERATED:
        return None
    ours = datetime.now(UTC)
    theirs = datetime.fromtimestamp(ours.timestamp() - skew, UTC)
    return CredentialsError(
        f"this machine's clock is wrong: it says {ours:%Y-%m-%d %H:%M:%S} UTC, AWS says {theirs:%Y-%m-%d %H:%M:%S} UTC,"
        " and AWS refuses a request that is off by more than 5 minutes",
        shell("timedatectl", "set-ntp", "true", advice="then run the same command again"),
    )


CONNECT_TIMEOUT = 3
READ_TIMEOUT = 10
ATTEMPTS = 3
"""Tries of a call, the first included (botocore's `standard` mode, which retries throttling and 5xx)."""

FIRST_READ_TIMEOUT = 4
FIRST_ATTEMPTS = 2
"""For STS, which is asked first: an endpoint that never answers is noticed within ten seconds."""


def endpoint_of(service: str, environ: Mapping[str, str]) -> str | None:
    """The service's endpoint, if the environment names one."""
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return environ.get(endpoint_variable(service, environ)) or None


def endpoint_variable(service: str, environ: Mapping[str, str]) -> str:
    """The variable that names the service's endpoint: AWS_ENDPOINT_URL_<SERVICE>, else AWS_ENDPOINT_URL."""
    variable = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
    return variable if environ.get(variable) else "AWS_ENDPOINT_URL"


class BoundedSession(Botocore):  # type: ignore[misc]
    """botocore's session. Its own clients (to assume a role, to sign in) have this program's time-outs.

    They use the endpoints of `environ`, not those of the process's environment.
    """

    def __init__(self, *, environ: Mapping[str, str], **parameters: Any) -> None:
        super().__init__(**parameters)
        self._environ = environ

    @cached_property
    def boto3(self) -> Session:
        """boto3's session over this one, which makes the clients."""
        return Session(botocore_session=self)

    def create_client(self, service_name: str, *arguments: Any, **parameters: Any) -> Any:
        """A client with short time-outs."""
        loader = self.get_component("data_loader")
        if "list_available_services" not in vars(loader):
            # It would look into the folders of all 450 services for each kind of model, to know that one is there.
            folders = {name for path in loader.search_paths if os.path.isdir(path) for name in os.listdir(path)}
            loader.list_available_services = lambda type_name: folders
        endpoint = parameters.get("endpoint_url") or endpoint_of(service_name, self._environ)
        config = Config(**_timeouts(service_name, endpoint))
        if override := parameters.get("config"):
            config = config.merge(override)
        client = super().create_client(
            service_name, *arguments, **{**parameters, "config": config, "endpoint_url": endpoint}
        )
        limit_client(client)
        return client


def _timeouts(service: str, endpoint: str | None) -> dict[str, Any]:
    first = service == "sts"
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT,
        "read_timeout": FIRST_READ_TIMEOUT if first else READ_TIMEOUT,
        "retries": {"mode": "standard", "total_max_attempts": FIRST_ATTEMPTS if first else ATTEMPTS},
    }
    if endpoint and is_loopback(endpoint):
        options["proxies"] = {}
    return options


PARALLEL_OBJECTS = 96
"""Objects that are read in parallel: a quarter has some 2,200 digests of a trail, and more log files.

S3 answers 5,500 reads a second of one prefix
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html).
"""


@dataclass(frozen=True, kw_only=True)
class ObjectReader:
    """Reads the objects of a bucket in less than half of the CPU that botocore's model of S3 takes for each."""

    client: Any
    """A client of S3, whose connections, time-outs, proxies and certificates are used."""
    credentials: Credentials = field(repr=False)
    bucket: str
    owner: str

    def read(self, key: str) -> tuple[bytes, Mapping[str, str]] | None:
        """The content and the metadata; None for any other answer, which the client's own GetObject has to explain."""
        if self.client.meta.config.use_fips_endpoint:
            # botocore knows the host for us-east-1 only after its own endpoint rules.
            return None
        url = f"{self.client.meta.endpoint_url}/{quote(f'{self.bucket}/{key}', safe='/~')}"
        request = AWSRequest("GET", url, headers={"x-amz-expected-bucket-owner": self.owner})
        S3SigV4Auth(self.credentials, "s3", self.client.meta.region_name).add_auth(request)
        try:
            response = send(self.client, request.prepare())
        except BotoCoreError:
            return None
        if response.status_code != 200 or response.headers.get("content-length") != str(len(response.content)):
            return None
        prefix = "x-amz-meta-"
        names = (name for name in response.headers if name.lower().startswith(prefix))
        return response.content, {name.lower().removeprefix(prefix): response.headers[name] for name in names}


def make_client(
    service: str,
    *,
    session: BoundedSession,
    region: str,
    endpoint: str | None,
    keys: Credentials | None = None,
    unsigned: bool = False,
) -> Any:
    """A client with short time-outs. Raises UsageError for an endpoint that is not a URL."""
    options: dict[str, Any] = {"max_pool_connections": PARALLEL_OBJECTS} if service == "s3" else {}
    if unsigned:
        options["signature_version"] = UNSIGNED
    if endpoint:
        # An emulator or a private endpoint has no host name for each bucket.
        options["s3"] = {"addressing_style": "path"}
    credentials: dict[str, str | None] = {}
    if keys is not None:
        credentials = {"aws_access_key_id": keys.access_key, "aws_secret_access_key": keys.secret_key}
        credentials["aws_session_token"] = keys.token
    config = Config(**options)
    try:
        return session.boto3.client(service, region_name=region, endpoint_url=endpoint, config=config, **credentials)
    except exceptions.BotoCoreError:
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
