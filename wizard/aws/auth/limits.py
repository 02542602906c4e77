"""The connections of botocore's clients, limited: each call has one time and one size.

Changes the connections of a client that botocore made, because botocore itself has a time-out for each read only. It
has no public name for a client's endpoint and connections: the private ones are used here, and in no other module.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore import exceptions
from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.httpsession import URLLib3Session

from wizard.core import call_limit, retry


class _Http(call_limit.LimitedConnection, AWSHTTPConnection):  # type: ignore[misc]
    """botocore's connection over HTTP."""


class _Https(call_limit.LimitedConnection, AWSHTTPSConnection):  # type: ignore[misc]
    """botocore's connection over TLS."""


class _HttpPool(AWSHTTPConnectionPool):  # type: ignore[misc]
    ConnectionCls = _Http


class _HttpsPool(AWSHTTPSConnectionPool):  # type: ignore[misc]
    ConnectionCls = _Https


METADATA_SECONDS = 5.0
"""Limit of one try. The service is on the machine itself."""

DEEPEST = 6
"""Calls inside a call: the roles that a profile assumes one from the other, and the Region of a bucket."""


class EndlessAnswer(exceptions.HTTPClientError):  # type: ignore[misc]
    """A call was ended because of its limit. `what`: the endpoint's behaviour, in words."""

    fmt = "{what}"


def limit_client(client: Any, environ: Mapping[str, str]) -> None:
    """Give each call of this client one time and one size, with all its tries. Beyond it, EndlessAnswer is raised.

    Raises UsageError for a value of EONPRO_CALL_SECONDS that is no time.
    """
    service = client.meta.service_model
    # STS is asked first.
    first = retry.FIRST_CALL_SECONDS if service.service_name == "sts" else None
    seconds = retry.call_seconds(environ, first)
    endpoint = client._endpoint
    limit_connections(endpoint.http_session)
    make_request = endpoint.make_request

    def limited(operation: Any, request: Any) -> Any:
        with _raising(seconds):
            return make_request(operation, request)

    endpoint.make_request = limited
    client.meta.events.register_first(f"needs-retry.{service.service_id.hyphenize()}", _is_over)


def limit_providers(container: Any, instance: Any, environ: Mapping[str, str]) -> None:
    """The same for botocore's providers of a container's and an instance's credentials."""
    limit_fetcher(container._fetcher._session, environ)
    limit_fetcher(instance._role_fetcher._session, environ)


def send(client: Any, request: Any) -> Any:
    """The answer to a prepared request, over the connections of this client. Raises BotoCoreError."""
    with call_limit.limited():
        return client._endpoint.http_session.send(request)


def limit_fetcher(http: URLLib3Session, environ: Mapping[str, str]) -> None:
    """The same for the HTTP session that asks the metadata service of an instance or of a container."""
    limit_connections(http)
    send, seconds = http.send, retry.call_seconds(environ, METADATA_SECONDS)

    def limited(request: Any) -> Any:
        with call_limit.limited(seconds):
            return send(request)

    http.send = limited


def limit_connections(http: URLLib3Session) -> None:
    """Make the connections of this HTTP session keep the limit of their current call."""
    pools = {"http": _HttpPool, "https": _HttpsPool}
    # A proxy's manager is made with the first request through it.
    http._pool_classes_by_scheme = http._manager.pool_classes_by_scheme = pools


def read_all(stream: Any) -> bytes:
    """The content of an answer that is a stream. Raises EndlessAnswer."""
    with _raising(retry.CALL_SECONDS):
        content: bytes = stream.read()
        return content


@contextmanager
def _raising(seconds: float) -> Iterator[None]:
    with call_limit.limited(seconds) as limit:
        if limit.depth > DEEPEST:
            # botocore asks where a bucket is, is sent to another place again, and asks again.
            raise EndlessAnswer(what="it redirects without an end")
        try:
            yield
        except exceptions.BotoCoreError as error:
            if not limit.exceeded:
                raise
            raise EndlessAnswer(what=limit.exceeded) from error


def _is_over(**_: Any) -> bool | None:
    limit = call_limit.current()
    return False if limit is not None and limit.exceeded else None
