"""The session of every call to AWS: resolved credentials and Region, clients, translated errors.

Calls AWS (or what AWS_ENDPOINT_URL names) through botocore; starts threads for look-ups that run in parallel.
"""

import math
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from botocore import xform_name
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError
from botocore.paginate import Paginator
from botocore.session import Session as Botocore

from wizard.aws.auth import credentials as sources
from wizard.aws.auth.answers import Answer, UnreadableResponse
from wizard.aws.auth.call_log import is_sent_once, may_have_happened
from wizard.aws.auth.errors import BOTOCORE_ERRORS, THROTTLED, ErrorSource, code_of, translate
from wizard.aws.auth.http import ObjectReader, endpoint_of, endpoint_variable, make_client
from wizard.aws.auth.narrowing import narrowed
from wizard.aws.auth.profiles import sso_region_of
from wizard.aws.auth.sign_in import MARGIN, AskCode, Chain, chain_in
from wizard.core import errors, retry
from wizard.core.call_limit import MAX_PAGES, Pages
from wizard.core.models.account import ProfileFact
from wizard.core.retry import SYSTEM_CLOCK, Clock, Reason

T = TypeVar("T")

_READS = ("Get", "List", "Describe", "Head", "Lookup", "BatchGet")
"""Prefixes of the operations that change nothing."""

AGAIN_SECONDS = 10.0
"""How long a question is asked again whose answer cannot be read, or that AWS refuses because of its rate alone.

A broken connection is over by then, a proxy stays. AWS counts the calls of each second.
"""


@dataclass(frozen=True, kw_only=True)
class Session:
    """Credentials, a Region, and the calls made with them. Threads may share it; its repr holds no secret."""

    resolved: sources.Resolved
    environ: Mapping[str, str] = field(repr=False)
    clock: Clock = field(default=SYSTEM_CLOCK, repr=False)
    """For `wizard.core.retry`, and for the pauses that the quotas of some services need."""
    reads_only: bool = False
    """Whether AWS is asked to keep the session to reading."""
    _botocore: Botocore = field(repr=False)
    _chain: Chain | None = field(default=None, repr=False)
    """None where the credentials come from the environment."""
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)
    """For all Regions: `loaded`, True once the credentials were loaded or else the error; `renewed`, `skew`;
    `given`, the keys that were narrowed."""
    _once: retry.Once = field(default_factory=retry.Once, repr=False)
    _answers: retry.Once | None = field(default=None, repr=False)
    """The answer to each reading request, where none is sent twice; None where it may be."""
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
        reads_only: bool = False,
    ) -> "Session":
        """Resolve once; calls nothing. Raises CredentialsError for a profile that does not exist.

        `reads_only`: a run that changes nothing. It sends each reading request once, as `asking_once`, and where the
        credentials are temporary, AWS is asked to refuse every call of them that writes.
        """
        resolved = sources.resolve(profile=profile, region=region, environ=environ)
        botocore = sources.botocore_session(resolved.profile, environ)
        chain, keys = None, resolved.keys
        if keys is not None:
            botocore.set_credentials(keys.access_key, keys.secret_key, keys.token)
        else:
            chain = chain_in(botocore, resolved.profile, resolved.region, environ, ask_code)
        return cls(
            resolved=resolved,
            environ=dict(environ),
            clock=clock,
            reads_only=reads_only,
            _botocore=botocore,
            _chain=chain,
            _answers=retry.Once() if reads_only else None,
        )

    @property
    def region(self) -> str:
        """The Region of every regional call."""
        return self.resolved.region

    def with_region(self, region: str) -> "Session":
        """A session with the same credentials in another Region."""
        return replace(self, resolved=replace(self.resolved, region=region, region_source="the answer"))

    def asking_once(self) -> "Session":
        """A session that sends each reading request once; the same request gets the same answer."""
        return replace(self, _answers=retry.Once())

    @cached_property
    def source(self) -> str:
        """The source of the credentials, in words. Without a profile or keys it tries the default chain once."""
        return sources.source_of(self.resolved, self._botocore, lock=self._lock)

    def endpoint(self, service: str) -> str | None:
        """The service's endpoint, if the environment names one; None for AWS itself."""
        return endpoint_of(service, self.environ)

    def environment(self) -> dict[str, str]:
        """The environment with which a child process uses these credentials in this Region.

        The keys of a role or a sign-in are passed on, valid for at least 15 minutes where they can be renewed.
        """
        # A child of a session that is kept to reading gets the narrowed keys.
        keys = self._frozen() if self.resolved.passes_keys or self.is_narrowed else self.resolved.keys
        return sources.child_environment(self.resolved, self.environ, keys)

    def _frozen(self) -> Credentials:
        self._load_credentials()
        with self._lock, self.translating("sts", "AssumeRole"):
            credentials = self._botocore.get_credentials()
            # botocore renews credentials that end within the margin, except those that need an MFA code.
            frozen = credentials.get_frozen_credentials()
            latest = self._cache.get("renewed", credentials)
            ends = isinstance(latest, RefreshableCredentials) and latest.refresh_needed(MARGIN)
            if self.can_ask_for_code and ends:
                self._cache["renewed"] = renewed = self._chain.load_credentials()  # type: ignore[union-attr]
                frozen = renewed.get_frozen_credentials()
                # Clients in use keep the old keys, which are still valid for a while; new clients get these.
                self._botocore.set_credentials(frozen.access_key, frozen.secret_key, frozen.token)
                self._clients.clear()
            return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    @property
    def can_ask_for_code(self) -> bool:
        """Whether the credentials can be renewed by asking a person for an MFA code."""
        source = self.resolved.source
        return bool(source and source.mfa_serial and self._chain and self._chain.ask_code)

    def _load_credentials(self) -> None:
        """Load the credentials once, in the first thread that needs them, so that an MFA code is asked for only once.

        A failure is raised again and not retried: that takes a new session.
        """
        if self._cache.get("loaded") is True:
            return
        with self._lock:
            if isinstance(failure := self._cache.get("loaded"), errors.SetupError):
                raise failure
            try:
                with self.translating("sts", "AssumeRole"):
                    credentials = self._botocore.get_credentials()
                    if credentials is not None:
                        frozen = credentials.get_frozen_credentials()
                        given = Credentials(frozen.access_key, frozen.secret_key, frozen.token)
                        if self.reads_only and (keys := narrowed(self, given)):
                            self._botocore.set_credentials(keys.access_key, keys.secret_key, keys.token)
                            self._cache["given"] = given
            except errors.CredentialsError as error:
                self._cache["loaded"] = error
                raise
            self._cache["loaded"] = True

    @property
    def is_narrowed(self) -> bool:
        """Whether AWS keeps the session to reading."""
        if self.reads_only and not self.resolved.incomplete:
            self._load_credentials()
        return "given" in self._cache

    def writing(self) -> "Session":
        """The session with the credentials as they were given, for the one call of a reading command that writes."""
        if not self.is_narrowed:
            return self
        given = self._cache["given"]
        botocore = sources.botocore_session(self.resolved.profile, self.environ)
        botocore.set_credentials(given.access_key, given.secret_key, given.token)
        resolved = replace(self.resolved, keys=given)
        return Session(resolved=resolved, environ=self.environ, clock=self.clock, _botocore=botocore)

    def once(self, name: str, find: Callable[[], Any]) -> Any:
        """The value of `find()`, called once for all Regions; an error is raised, and not cached."""
        return self._once(name, find)

    def record_skew(self, skew: float | None) -> None:
        """Remember by how many seconds this machine's clock is ahead of AWS's."""
        self._cache["skew"] = skew

    @property
    def skew(self) -> float | None:
        """The recorded seconds; None before AWS answered."""
        return self._cache.get("skew")

    def profiles(self) -> tuple[ProfileFact, ...]:
        """The profiles of the AWS configuration files."""
        return sources.profiles(self.environ)

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
        """The Region's partition: `aws`, `aws-cn`, `aws-us-gov`."""
        return str(self._botocore.get_partition_for_region(self.region))

    def service_regions(self, service: str) -> tuple[str, ...]:
        """The Regions that botocore's own data names for a service, in the Region's partition."""
        return tuple(self._botocore.get_available_regions(service, partition_name=self.partition))

    def region_places(self) -> Mapping[str, str]:
        """The place of each Region in botocore's data, by the Region's name: `Europe, Frankfurt`."""
        partitions = self._botocore.get_component("data_loader").load_data("partitions")["partitions"]
        return {
            name: str(region["description"]).replace(" (", ", ").removesuffix(")")
            for partition in partitions
            for name, region in partition["regions"].items()
            if "description" in region
        }

    def call(self, service: str, operation: str, /, **parameters: Any) -> Any:
        """Send one request: `call("kms", "CreateKey", …)`. Raises errors of `wizard.core.errors` only.

        An answer that cannot be read is asked for again, then UnreadableAnswer; so is what AWS refuses because of its
        rate, then Throttled. A call that is sent once
        (`is_sent_once`) and whose answer was lost is OutcomeUnknown.
        """
        # An object's content is a stream, which is read once.
        if self._answers is None or not operation.startswith(_READS) or operation == "GetObject":
            answer = self._send(service, operation, parameters)
        else:
            question = repr((service, operation, self.region, sorted(parameters.items())))
            answer = self._answers(question, lambda: self._send(service, operation, parameters))
        return Answer.of(answer, lambda what: self.unreadable(what, service, operation))

    def ask(self, client: Any, service: str, operation: str, /, **parameters: Any) -> Any:
        """Send one request with another client (`make_client`)."""
        with self.translating(service, operation):
            answer = getattr(client, xform_name(operation))(**parameters)
        return Answer.of(answer, lambda what: self.unreadable(what, service, operation))

    def unreadable(self, what: str, service: str, operation: str) -> errors.SetupError:
        """The error for an answer with a fault, in words, that is found where it is read."""
        return self.translation(UnreadableResponse(what=what), service, operation)

    def _send(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Any:
        client = self.client(service)
        is_repeatable = not is_sent_once(service, operation, parameters)

        def send() -> Any:
            with self.translating(service, operation):
                return getattr(client, xform_name(operation))(**parameters)

        def reason(error: errors.SetupError) -> Reason | None:
            if operation.startswith(_READS) and code_of(error.__cause__) in THROTTLED:
                return Reason.THROTTLED
            return Reason.NETWORK if is_repeatable and isinstance(error, errors.UnreadableAnswer) else None

        try:
            return retry.call(send, clock=self.clock, seconds=AGAIN_SECONDS, reason=reason)
        except errors.SetupError as error:
            if is_repeatable or not may_have_happened(error.__cause__):
                raise
            raise errors.OutcomeUnknown(
                f"{service}:{operation} was sent once, and its answer was lost ({error.message})",
                "check whether the change was made, then run the command again",
            ) from error.__cause__

    def find(self, service: str, operation: str, /, *, absent: Collection[str], **parameters: Any) -> Any | None:
        """Send one request; None if the service answers with one of the codes in `absent`."""
        try:
            return self.call(service, operation, **parameters)
        except errors.SetupError as error:
            if code_of(error.__cause__) in absent:
                return None
            raise

    def pages(self, service: str, operation: str, key: str, /, **parameters: Any) -> Iterator[Any]:
        """The entries under `key` on all pages."""
        for page in self.whole_pages(service, operation, **parameters):
            yield from page.get(key) or ()

    def whole_pages(
        self, service: str, operation: str, /, *, most: int | None = MAX_PAGES, **parameters: Any
    ) -> Iterator[Any]:
        """The pages of a listing; each is one call. `most`: None where it may be as long as a bucket is large."""
        model = self.client(service).meta.service_model.operation_model(operation)
        with self._lock:
            config = self._botocore.get_paginator_model(service).get_paginator(operation)

        seconds = retry.LISTING_SECONDS if most else math.inf
        limit = Pages(
            name=f"{service}:{operation}: {self.endpoint(service) or f'AWS in {self.region}'}",
            deadline=retry.new_deadline(seconds, clock=self.clock),
            most=most or sys.maxsize,
        )

        def page(**of_page: Any) -> Any:
            limit.ask(repr(sorted(of_page.items())))
            answer = self.call(service, operation, **of_page)
            limit.check([entry for member in answer.values() if isinstance(member, list) for entry in member])
            return answer

        with self.translating(service, operation):
            yield from Paginator(page, config, model).paginate(**parameters)

    def object_reader(self, bucket: str, owner: str) -> ObjectReader:
        """A reader of a bucket that belongs to this account."""
        return ObjectReader(client=self.client("s3"), credentials=self._frozen(), bucket=bucket, owner=owner)

    together = staticmethod(retry.together)

    def client(self, service: str) -> Any:
        """The service's client, created at its first use: that costs 20 to 60 ms."""
        if not self.resolved.incomplete:
            self._load_credentials()
        with self._lock:
            key = (service, self.region)
            if key not in self._clients:
                if self.resolved.incomplete:
                    missing = self.resolved.incomplete
                    raise errors.CredentialsError(
                        f"the credentials in the environment are incomplete: {missing} is missing",
                        self.resolved.renewal,
                    )
                self._clients[key] = self.make_client(service)
            return self._clients[key]

    def make_client(self, service: str, *, keys: Credentials | None = None, unsigned: bool = False) -> Any:
        """A separate client, for other credentials than the session's or for none."""
        # botocore's session is not thread-safe.
        with self._lock, self.translating(service, "*"):
            return make_client(
                service,
                session=self._botocore,
                region=self.region,
                endpoint=self.endpoint(service),
                keys=keys,
                unsigned=unsigned,
            )

    @contextmanager
    def translating(self, service: str, operation: str) -> Iterator[None]:
        """Raises every botocore exception of the block as one of `wizard.core.errors`, from its cause."""
        try:
            yield
        except BOTOCORE_ERRORS as error:
            raise self.translation(error, service, operation) from error

    def translation(self, error: Exception, service: str, operation: str) -> errors.SetupError:
        """The error of `wizard.core.errors` for one of botocore's."""
        origin = ErrorSource(
            region=self.region,
            profile=self.resolved.profile,
            source=self.source,
            endpoint=self.endpoint(service),
            endpoint_variable=endpoint_variable(service, self.environ),
            sign_in=self.resolved.sign_in,
            renewal=self.resolved.renewal,
        )
        action = f"{_PREFIXES.get(service, service)}:{operation}"
        return translate(error, action=action, origin=origin)

    def for_profile(self, profile: str) -> Botocore:
        """A botocore session of another profile, from the same files; nobody is asked for an MFA code."""
        session = sources.botocore_session(profile, self.environ)
        chain_in(session, profile, self.region, self.environ, None)
        return session

    def environment_keys(self, prefix: str) -> Credentials | None:
        """The access key in the environment variables with this prefix; None where there is none."""
        return sources.environment_credentials(self.environ, prefix)[0]


_PREFIXES = {"accessanalyzer": "access-analyzer", "service-quotas": "servicequotas"}
"""The services whose actions have another prefix than botocore's name."""
