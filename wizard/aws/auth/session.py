"""The one door to AWS: clients made once, every call translated, credentials and Region as resolved.

Calls AWS (or what AWS_ENDPOINT_URL names) through botocore; starts threads for look-ups that go together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from botocore import xform_name
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session as Botocore

from wizard.aws.auth.credentials import (
    Resolved,
    botocore_session,
    child_environment,
    environment_credentials,
    profiles,
    resolve,
)
from wizard.aws.auth.errors import BOTOCORE_ERRORS, ErrorSource, code_of, translate
from wizard.aws.auth.http import endpoint_of, make_client
from wizard.aws.auth.profiles import sso_region_of
from wizard.aws.auth.sign_in import MARGIN, AskCode, Chain
from wizard.core.errors import CredentialsError, SetupError
from wizard.core.models.discovery import ProfileFact
from wizard.core.retry import SYSTEM_CLOCK, Clock

AT_ONCE = 8
"""Look-ups that run side by side; botocore keeps ten connections for each client."""

_METHODS = {
    "shared-credentials-file": "the profile {profile}",
    "config-file": "the profile {profile}",
    "iam-role": "the instance's role",
    "container-role": "the container's role",
    "assume-role-with-web-identity": "the web identity token that AWS_WEB_IDENTITY_TOKEN_FILE names",
}


@dataclass(frozen=True, kw_only=True)
class Session:
    """Credentials, a Region, and the calls made with them. Threads may share it; its repr holds no secret."""

    resolved: Resolved
    environ: Mapping[str, str] = field(repr=False)
    clock: Clock = field(default=SYSTEM_CLOCK, repr=False)
    """For `wizard.core.retry`, and for the pace that some services ask for."""
    _botocore: Botocore = field(repr=False)
    _chain: Chain | None = field(default=None, repr=False)
    """None where the credentials are the environment's."""
    _kept: dict[str, Any] = field(default_factory=dict, repr=False)
    """What is found out once for every Region: `settled`, whether credentials were had, or the error; `skew`."""
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @classmethod
    def open(
        cls,
        *,
        profile: str | None,
        region: str | None,
        environ: Mapping[str, str],
        ask_code: AskCode | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> Session:
        """Resolve once; calls nothing. Raises CredentialsError for a profile that does not exist."""
        resolved = resolve(profile=profile, region=region, environ=environ)
        botocore = botocore_session(resolved.profile, environ)
        keys = resolved.keys
        if keys is not None:
            botocore.set_credentials(keys.access_key, keys.secret_key, keys.token)
            return cls(resolved=resolved, environ=dict(environ), clock=clock, _botocore=botocore)
        chain = _hung_in(botocore, resolved.profile, resolved.region, environ, ask_code)
        return cls(resolved=resolved, environ=dict(environ), clock=clock, _botocore=botocore, _chain=chain)

    @property
    def region(self) -> str:
        """The Region of every regional call."""
        return self.resolved.region

    def with_region(self, region: str, source: str = "the answer") -> Session:
        """The same credentials in another Region."""
        return replace(self, resolved=replace(self.resolved, region=region, region_source=source))

    @cached_property
    def source(self) -> str:
        """Where the credentials came from, in words. Without a profile or keys it walks the default chain once."""
        if self.resolved.keys is not None or self.resolved.incomplete:
            return "environment variables"
        if self.resolved.profile:
            return f"the profile {self.resolved.profile}"
        with self._lock:
            try:
                method = getattr(self._botocore.get_credentials(), "method", None)
            except BotoCoreError:
                method = None
        return _METHODS.get(str(method), "the profile {profile}" if method else "the default chain").format(
            profile="default"
        )

    def endpoint(self, service: str) -> str | None:
        """The service's endpoint, if the environment names one; None for AWS itself."""
        return endpoint_of(service, self.environ)

    def environment(self) -> dict[str, str]:
        """What a child process needs in its environment to use these credentials in this Region.

        A role's or a sign-in's keys are handed out as they are, good for 15 minutes at least where they can be renewed.
        """
        keys = self._frozen() if self.resolved.handed_out else self.resolved.keys
        return child_environment(self.resolved, self.environ, keys)

    def _frozen(self) -> Credentials:
        self._settle()
        with self._lock, self.translating("sts", "AssumeRole"):
            found = self._botocore.get_credentials()
            # Renews by itself what ends within the margin, but never what takes a code.
            frozen = found.get_frozen_credentials()
            if self._takes_a_code and _ends_soon(self._kept.get("renewed", found)):
                self._kept["renewed"] = renewed = self._chain.load_credentials()  # type: ignore[union-attr]
                frozen = renewed.get_frozen_credentials()
                # Clients in use keep the old keys, which are good for a while; new ones are made with these.
                self._botocore.set_credentials(frozen.access_key, frozen.secret_key, frozen.token)
                self._clients.clear()
            return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    @property
    def _takes_a_code(self) -> bool:
        """Whether the credentials can be renewed by asking somebody."""
        source = self.resolved.source
        return bool(source and source.mfa_serial and self._chain and self._chain.can_ask)

    def _settle(self) -> None:
        """Have the credentials, once, by whoever comes first: a code is asked by one thread, and once.

        What failed is not tried again: another session is opened for that.
        """
        if self._kept.get("settled") is True:
            return
        with self._lock:
            if isinstance(failure := self._kept.get("settled"), SetupError):
                raise failure
            try:
                with self.translating("sts", "AssumeRole"):
                    found = self._botocore.get_credentials()
                    if found is not None:
                        found.get_frozen_credentials()
            except CredentialsError as error:
                self._kept["settled"] = error
                raise
            self._kept["settled"] = True

    def once(self, name: str, find: Callable[[], Any]) -> Any:
        """What is found once for every Region; an error is raised, and not kept."""
        if name not in self._kept:
            self._kept[name] = find()
        return self._kept[name]

    def heard(self, skew: float | None) -> None:
        """Keep by how many seconds this machine's clock is ahead of AWS's."""
        self._kept["skew"] = skew

    @property
    def skew(self) -> float | None:
        """The seconds that were heard of; None before AWS answered."""
        return self._kept.get("skew")

    def profiles(self) -> tuple[ProfileFact, ...]:
        """The profiles of the AWS configuration files."""
        return profiles(self.environ)

    def sso_region(self) -> str | None:
        """The Region of IAM Identity Center that the profile signs in to; None where it does not."""
        if self.resolved.keys is not None:
            return None
        try:
            return sso_region_of(self._botocore.full_config, self.resolved.profile or "default")
        except BotoCoreError:
            return None

    @property
    def partition(self) -> str:
        """Of the Region: `aws`, `aws-cn`, `aws-us-gov`."""
        return str(self._botocore.get_partition_for_region(self.region))

    def service_regions(self, service: str) -> tuple[str, ...]:
        """The Regions that botocore's own data names for a service, in the Region's partition."""
        return tuple(self._botocore.get_available_regions(service, partition_name=self.partition))

    def call(self, service: str, operation: str, /, **parameters: Any) -> Any:
        """One call, `call("kms", "CreateKey", …)`. Raises errors of `wizard.core.errors` only."""
        client = self.client(service)
        with self.translating(service, operation):
            return getattr(client, xform_name(operation))(**parameters)

    def find(self, service: str, operation: str, /, *, absent: Collection[str], **parameters: Any) -> Any | None:
        """One call; None when the service answers with one of the codes in `absent`."""
        client = self.client(service)
        with self.translating(service, operation):
            try:
                return getattr(client, xform_name(operation))(**parameters)
            except ClientError as error:
                if code_of(error) in absent:
                    return None
                raise

    def pages(self, service: str, operation: str, key: str, /, **parameters: Any) -> Iterator[Any]:
        """The members under `key` of all pages."""
        client = self.client(service)
        with self.translating(service, operation):
            for page in client.get_paginator(xform_name(operation)).paginate(**parameters):
                yield from page.get(key) or ()

    def together(self, *calls: Callable[[], Any]) -> tuple[Any, ...]:
        """The results of all, run side by side; when all have ended, the first failure is raised."""
        if not calls:
            return ()
        with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(calls)), thread_name_prefix="aws") as pool:
            futures = [pool.submit(call) for call in calls]
        return tuple(future.result() for future in futures)

    def client(self, service: str) -> Any:
        """The service's client, made at its first use: that costs 20 to 60 ms."""
        if not self.resolved.incomplete:
            self._settle()
        with self._lock:
            key = (service, self.region)
            if key not in self._clients:
                if self.resolved.incomplete:
                    missing = self.resolved.incomplete
                    raise CredentialsError(
                        f"the credentials in the environment are incomplete: {missing} is missing",
                        f"export {missing}=…, or unset the other half and name a profile with AWS_PROFILE",
                    )
                self._clients[key] = self.make_client(service)
            return self._clients[key]

    def make_client(self, service: str, *, keys: Credentials | None = None, unsigned: bool = False) -> Any:
        """A client of its own; for other credentials than the session's, or for none."""
        # botocore's session may not make two clients at once.
        with self._lock, self.translating(service, "*"):
            return make_client(
                service,
                botocore=self._botocore,
                region=self.region,
                endpoint=self.endpoint(service),
                keys=keys,
                unsigned=unsigned,
            )

    @contextmanager
    def translating(self, service: str, operation: str) -> Iterator[None]:
        """Every exception of botocore inside leaves as one of `wizard.core.errors`, from its cause."""
        try:
            yield
        except BOTOCORE_ERRORS as error:
            raise self.translation(error, service, operation) from error

    def translation(self, error: Exception, service: str, operation: str) -> SetupError:
        """The error of our tree for one of botocore's."""
        origin = ErrorSource(
            region=self.region,
            profile=self.resolved.profile,
            source=self.source,
            endpoint=self.endpoint(service),
            sign_in=self.resolved.sign_in,
        )
        return translate(error, action=f"{service}:{operation}", origin=origin)

    def other(self, profile: str) -> Botocore:
        """A botocore session of another profile, with the same files; nobody is asked for its code."""
        session = botocore_session(profile, self.environ)
        _hung_in(session, profile, self.region, self.environ, None)
        return session

    def environment_keys(self, prefix: str) -> Credentials | None:
        """The access key that the environment holds under another prefix than AWS's own."""
        return environment_credentials(self.environ, prefix)[0]


def _hung_in(
    botocore: Botocore, profile: str | None, region: str, environ: Mapping[str, str], ask_code: AskCode | None
) -> Chain:
    chain = Chain(botocore, profile=profile, region=region, environ=environ, ask_code=ask_code)
    botocore.register_component("credential_provider", chain)
    return chain


def _ends_soon(credentials: Any) -> bool:
    return isinstance(credentials, RefreshableCredentials) and bool(credentials.refresh_needed(MARGIN))


def tags_of(pairs: Sequence[Mapping[str, str]], *, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Tags as a mapping, from any service's list of pairs."""
    return {pair[key]: pair.get(value, "") for pair in pairs}
