"""The limits of botocore's clients: the watchdog sees each call, and an answer has a largest size.

Changes the endpoint of a client that botocore made, for which it has no public name; no other module does.
"""

from contextvars import ContextVar
from typing import Any

from botocore.exceptions import BotoCoreError, ConnectionClosedError, ResponseStreamingError
from botocore.httpsession import URLLib3Session
from botocore.response import StreamingBody

from wizard.core import watchdog
from wizard.core.call_limit import TooLarge, read_content

DEEPEST = 6
"""Calls inside a call: the roles that a profile assumes one from the other, and the Region of a bucket."""

_depth = ContextVar("depth", default=0)


class EndlessAnswer(BotoCoreError):  # type: ignore[misc]
    """A call was ended, and is not repeated. `what`: the endpoint's behaviour, in words."""

    fmt = "{what}"


def limit_client(client: Any) -> None:
    """Watch the calls of this client, and raise EndlessAnswer for an answer that is too large."""
    endpoint, service = client._endpoint, client.meta.service_model.service_name
    limit_size(endpoint.http_session)
    make_request = endpoint.make_request

    def watched(operation: Any, request: Any) -> Any:
        with watchdog.call(f"{service}:{operation.name} ({endpoint.host})"):
            depth = _depth.get()
            if depth == DEEPEST:
                # botocore asks where a bucket is, is sent to another place again, and asks again.
                raise EndlessAnswer(what="it redirects without an end")
            token = _depth.set(depth + 1)
            try:
                return make_request(operation, request)
            finally:
                _depth.reset(token)

    endpoint.make_request = watched


def limit_providers(container: Any, instance: Any) -> None:
    """Watch and limit botocore's providers of a container's and an instance's credentials."""
    limit_fetcher(container._fetcher._session)
    limit_fetcher(instance._role_fetcher._session)


def limit_fetcher(http: URLLib3Session) -> None:
    """Watch and limit the HTTP session that asks the metadata service of an instance or of a container."""
    limit_size(http)
    send = http.send

    def watched(request: Any) -> Any:
        with watchdog.call(f"{request.method} {request.url}"):
            return send(request)

    http.send = watched


def send(client: Any, request: Any) -> Any:
    """The answer to a prepared request, over the connections of this client. Raises BotoCoreError."""
    with watchdog.call(f"{request.method} {request.url}"):
        return client._endpoint.http_session.send(request)


def limit_size(http: URLLib3Session) -> None:
    """Read the answers of this HTTP session here, and not in botocore, except one that is a stream."""
    send = http.send

    def limited(request: Any) -> Any:
        is_stream, request.stream_output = request.stream_output, True
        response = send(request)
        if not is_stream:
            try:
                response._content = read_all(StreamingBody(response.raw, None))
            except ResponseStreamingError as error:
                raise ConnectionClosedError(endpoint_url=request.url, error=error) from error
        return response

    http.send = limited


def read_all(stream: StreamingBody) -> bytes:
    """The content of an answer that is a stream. Raises BotoCoreError."""
    with watchdog.call("s3:GetObject"):
        try:
            return read_content(stream.read)
        except TooLarge as error:
            stream.close()
            raise EndlessAnswer(what=str(error)) from error
