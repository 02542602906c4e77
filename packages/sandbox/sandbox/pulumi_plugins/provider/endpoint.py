"""The AWS-compatible endpoint: credentials, regions, and one client for each service and region.

Touches the network endpoint and credentials that the provider's configuration and the AWS variables name.
"""

from __future__ import annotations

import functools
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30
ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """The provider's configuration; secrets have no repr."""

    region: str
    profile: str | None = None
    access_key: str | None = None
    secret_key: Secret | None = None
    token: Secret | None = None
    path_style: bool = False


class Secret(str):
    """Text without a repr."""

    def __repr__(self) -> str:
        return "Secret(…)"


class Endpoint:
    """Clients for one configuration of the provider, in every region."""

    def __init__(self, settings: EndpointSettings) -> None:
        """Nothing is imported or connected before the first client is needed."""
        self.settings = settings
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, str], Any] = {}

    @functools.cached_property
    def session(self) -> boto3.Session:
        import boto3

        settings = self.settings
        profile = settings.profile
        # botocore prefers AWS_DEFAULT_PROFILE, and any profile to keys in the environment; the real provider
        # takes the keys first, then AWS_PROFILE.
        if not profile and not settings.access_key and not os.environ.get("AWS_ACCESS_KEY_ID"):
            profile = os.environ.get("AWS_PROFILE")
        return boto3.Session(
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=settings.secret_key,
            aws_session_token=settings.token,
            region_name=settings.region,
            profile_name=profile or None,
        )

    def client(self, service: str, region: str) -> Any:
        """The client of a service in a region; safe to share between threads."""
        client = self._clients.get((service, region))
        if client is not None:
            return client
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._new_client(service, region)
            return self._clients[service, region]

    def _new_client(self, service: str, region: str) -> Any:
        from botocore.config import Config

        own_endpoint = any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL", f"AWS_ENDPOINT_URL_{service.upper()}"))
        path_style = self.settings.path_style or own_endpoint
        return self.session.client(
            service,
            region_name=region,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                max_pool_connections=32,
                s3={"addressing_style": "path"} if path_style else {},
            ),
        )

    @functools.cached_property
    def identity(self) -> dict[str, str]:
        """The caller's `Account`, `Arn` and `UserId`; raises boto3's errors."""
        with self._lock:
            response = self.client("sts", self.settings.region).get_caller_identity()
        return {name: response[name] for name in ("Account", "Arn", "UserId")}

    def in_region(self, region: str | None) -> Region:
        """The endpoint in a region; in the configured one when none is named."""
        return Region(endpoint=self, name=region or self.settings.region)


@dataclass(frozen=True, kw_only=True)
class Region:
    endpoint: Endpoint
    name: str

    def __getattr__(self, service: str) -> Any:
        if service.startswith("_"):
            raise AttributeError(service)
        return self.endpoint.client(service, self.name)

    @property
    def account(self) -> str:
        return self.endpoint.identity["Account"]

    @property
    def partition(self) -> str:
        """The partition the region belongs to: aws, aws-cn or aws-us-gov."""
        if self.name.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.name.startswith("us-gov-") else "aws"
