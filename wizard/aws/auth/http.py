"""botocore's clients with short time-outs, their endpoints, readable answers and a call log; the clock against AWS's.

Reads the clock; opens no connection itself; logs no secret. Looks at a body before botocore does, which takes one that
breaks off, or an HTML page, for an answer without members; never repeats a body in a message.
"""

import ipaddress
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

from boto3.session import Session
from botocore import UNSIGNED, exceptions, parsers
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, DataNotFoundError
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.parsers import ResponseParserError
from botocore.session import Session as Botocore
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator

from wizard.aws.auth.limits import limit_client, send
from wizard.core.errors import CredentialsError, SetupError, UsageError
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


# --- answers that can be read: complete, AWS's own, and with all that their operation always returns

_ALSO_RETURNS = {
    ("ssm", "GetParameters"): ("Parameters",),
    ("iam", "GetAccountAuthorizationDetails"): ("RoleDetailList", "GroupDetailList", "Policies"),
}
"""Lists that are always there, empty too, of which the model says nothing: they are not the first list of a listing."""

_CAN_BE_EMPTY = frozenset({"rest-xml"})
"""S3 answers with no member at all for a bucket without versioning, logging or objects."""


class UnreadableResponse(BotoCoreError):  # type: ignore[misc]
    """A response with a status of success and no usable content. `what`: the fault, in words."""

    fmt = "the answer cannot be read: {what}"


class Answer(dict[str, Any]):
    """A structure of an answer. To read a member that it lacks raises the error that the call has for this.

    botocore's models call some nested members required that a service leaves out. So a member is asked for where it is
    read: an answer without one that nobody reads is good.
    """

    unreadable: Callable[[str], SetupError]
    """The error of the call for a fault of its answer, in words."""

    @classmethod
    def of(cls, value: Any, unreadable: Callable[[str], SetupError]) -> Any:
        """A copy of the value, in which each structure is an Answer."""
        if isinstance(value, dict):
            answer = cls((name, cls.of(member, unreadable)) for name, member in value.items())
            answer.unreadable = unreadable
            return answer
        return [cls.of(member, unreadable) for member in value] if isinstance(value, list) else value

    def __missing__(self, name: str) -> NoReturn:
        raise self.unreadable(f"{name} is missing")


class _Parsers(parsers.ResponseParserFactory):  # type: ignore[misc]
    """botocore's parsers, which say of every body that is not of their protocol that it cannot be read."""

    def create_parser(self, protocol_name: str) -> Any:
        """The parser of a protocol."""
        parser = super().create_parser(protocol_name)
        parse, read_list = parser.parse, parser._handle_list

        def is_list(shape: Any, node: Any) -> Any:
            # It would take a text for a list of its letters.
            if isinstance(parser, parsers.BaseJSONParser) and not isinstance(node, list):
                raise TypeError
            return read_list(shape, node)

        def checked(response: Mapping[str, Any], shape: Any) -> dict[str, Any]:
            try:
                parsed = parse(response, shape)
                if isinstance(parsed, dict):
                    if response["status_code"] < 300 and shape is not None and (what := _wrong_type(parsed, shape)):
                        raise UnreadableResponse(what=what)
                    return parsed
                fault = type(parsed).__name__
            except _NOT_OF_THE_PROTOCOL as error:
                fault = type(error).__name__
            # In no `from`, and with no words of the parser's error, which quotes the body.
            if response["status_code"] >= 300:
                raise parsers.ResponseParserError(f"not {protocol_name} ({fault})")
            raise UnreadableResponse(what=f"it is not {protocol_name} ({fault})")

        parser.parse, parser._handle_list = checked, is_list
        return parser


_NOT_OF_THE_PROTOCOL = (
    *(parsers.ResponseParserError, LookupError, ValueError, TypeError, AttributeError),
    # Of a time that is none, and of one structure inside the other without an end.
    *(ArithmeticError, RuntimeError),
)


def watch_answers(session: Botocore) -> None:
    """Make the session's clients raise UnreadableResponse for a response that cannot be read."""

    def check_body(operation_model: Any, response_dict: Mapping[str, Any], **_: Any) -> None:
        if what := _wrong_body(operation_model, response_dict):
            raise UnreadableResponse(what=what)

    def check_content(http_response: Any, parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
        if http_response.status_code < 300 and (what := _wrong_content(model, parsed, session)):
            raise UnreadableResponse(what=what)

    session.register("before-parse", check_body)
    session.register("after-call", check_content)
    factory = _Parsers()
    factory.set_parser_defaults(timestamp_parser=_timestamp)
    session.register_component("response_parser_factory", factory)


def _timestamp(value: Any) -> datetime:
    """A faster timestamp parser; botocore's takes half the time of a long listing."""
    if isinstance(value, str) and value[10:11] == "T":
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    parsed: datetime = parse_timestamp(value)
    return parsed


def _wrong_body(operation: Any, response: Mapping[str, Any]) -> str | None:
    """The fault of a body that is no answer of AWS; None for a readable one and for a stream."""
    body = response["body"]
    if not isinstance(body, bytes) or operation.http.get("method") == "HEAD":
        return None
    length = str(response["headers"].get("content-length") or "")
    if length.isdigit() and int(length) != len(body):
        return f"it ended after {len(body)} of {length} bytes"
    if response["status_code"] < 300 and body.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "it is a web page, perhaps of a proxy or of a network that wants a sign-in"
    return None


def _wrong_type(parsed: dict[str, Any], shape: Any) -> str | None:
    """The member of an answer that has a value of another type than its model says; None without one."""
    for reason, path, _ in ParamValidator().validate(parsed, shape)._errors:
        if reason == "invalid type":
            # What follows may be a key of a map, which AWS did not name.
            return f"{path.split('.')[1].split('[')[0]} has a value of another type"
    return None


def _wrong_content(operation: Any, parsed: Mapping[str, Any], session: Botocore) -> str | None:
    """The fault of an answer by the model of its operation; None without one."""
    shape = operation.output_shape
    if shape is None or not shape.members or operation.http.get("method") == "HEAD":
        return None
    if missing := sorted({name for name in _always(operation, session) if name not in parsed}):
        return f"{', '.join(missing)} is missing"
    if operation.service_model.resolved_protocol not in _CAN_BE_EMPTY and not shape.members.keys() & parsed.keys():
        return "it is empty"
    return None


def _always(operation: Any, session: Botocore) -> Iterator[str]:
    """The members of the output that every answer has: the required ones, and the list of a listing."""
    shape = operation.output_shape
    yield from shape.required_members
    service = operation.service_model.service_name
    yield from _ALSO_RETURNS.get((service, operation.name), ())
    try:
        keys = session.get_paginator_model(service).get_paginator(operation.name)["result_key"]
    except (DataNotFoundError, ValueError):
        # The service, or the operation, has no pages.
        return
    # What stands behind the first one may depend on the request.
    key = keys if isinstance(keys, str) else keys[0]
    member = shape.members.get(key)
    # An empty flattened list leaves no trace in XML.
    if member is not None and member.type_name == "list" and not member.serialization.get("flattened"):
        yield key


# --- the call log

_LOGGER = logging.getLogger("eonpro.aws")
_BEGAN = "eonpro_began"
_PARAMETERS = "eonpro_parameters"
_SECRET_MEMBERS = frozenset(
    "secretaccesskey sessiontoken accesstoken refreshtoken idtoken plaintext ciphertextblob".split()
)
# A parameter's or secret's value is a wrapped data key, or as public as a Region.
_VALUE_MEMBERS = frozenset(("value", "secretstring"))
_SHORTEST_VALUE = 64


SENT_ONCE = frozenset({("kms", "RotateKeyOnDemand"), ("iam", "CreateAccessKey")})
"""The calls of this program that must not be repeated: a second one makes another rotation or access key.

So does `ssm:PutParameter` that overwrites: each makes a version of the parameter. All others can be repeated: they set
a value, carry a token, create only what does not exist, or change nothing. A repeated `ecs:RegisterTaskDefinition`
makes an unused revision, a repeated `ecs:UpdateService` the same deployment.
"""
OVERWRITE = ("ssm", "PutParameter")


def is_sent_once(service: str, operation: str, parameters: Mapping[str, Any]) -> bool:
    """Whether the call does something twice when it is repeated."""
    call = (service, operation)
    return call in SENT_ONCE or (call == OVERWRITE and parameters.get("Overwrite") is True)


_NEVER_SENT = (exceptions.ConnectTimeoutError, exceptions.EndpointConnectionError, exceptions.ProxyConnectionError)


def may_have_happened(error: BaseException | None) -> bool:
    """Whether AWS may have carried out a call that ended with this error of botocore."""
    if isinstance(error, exceptions.ClientError):
        return _failed_inside(int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 500))
    lost = (exceptions.HTTPClientError, BotocoreConnectionError, ResponseParserError, UnreadableResponse)
    return isinstance(error, lost) and not isinstance(error, _NEVER_SENT)


def _send_once(
    response: tuple[Any, Mapping[str, Any]] | None,
    caught_exception: BaseException | None,
    request_dict: Mapping[str, Any],
    operation: Any,
    **_: Any,
) -> bool | None:
    """False ends botocore's own retries: AWS may have done it. A refusal, or no connection, may be tried again."""
    call = (operation.service_model.service_name, operation.name)
    if call == OVERWRITE and not is_sent_once(*call, json.loads(request_dict["body"])):
        return None
    status = response[0].status_code if response else None
    may_have = may_have_happened(caught_exception) if status is None else status < 300 or _failed_inside(status)
    return False if may_have else None


def _failed_inside(status: int) -> bool:
    # 501: there is no such operation.
    return status >= 500 and status != 501


def watch(session: Botocore) -> None:
    """Check and log the session's calls from now on, those for its own credentials too; send some only once."""
    watch_answers(session)
    for service, operation in (*SENT_ONCE, OVERWRITE):
        session.register(f"needs-retry.{service}.{operation}", _send_once)
    session.register("before-parameter-build", lambda params, context, **_: context.update({_PARAMETERS: params}))
    session.register("before-call", _begin)
    session.register("after-call", _end)
    session.register("after-call-error", _fail)


def _begin(context: dict[str, Any], **_: Any) -> None:
    context[_BEGAN] = time.monotonic()


def _end(http_response: Any, parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any) -> None:
    if not _LOGGER.isEnabledFor(logging.DEBUG):
        return
    about = parsed.get("ResponseMetadata", {})
    code = parsed.get("Error", {}).get("Code")
    _LOGGER.debug(
        "%s: %s%s%s%s",
        _call(model, context),
        http_response.status_code,
        f" {code}" if code and code != str(http_response.status_code) else "",
        f", tried {about['RetryAttempts'] + 1} times" if about.get("RetryAttempts") else "",
        f", request {about['RequestId']}" if about.get("RequestId") else "",
        extra={"secrets": dict(_secrets(parsed)), "names": partial(_names, parsed, model, context)},
    )


def _names(parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any]) -> dict[str, Any]:
    """A call without any value: the names of AWS's model in its parameters and its answer, error codes, seconds.

    The keys of a map, as of tags, are values.
    """
    code = re.sub(r"[^A-Za-z0-9.]", "", str(parsed.get("Error", {}).get("Code") or ""))
    return {
        "operation": f"{model.service_model.service_name}:{model.name}",
        "parameters": sorted({*_members(context.get(_PARAMETERS) or {}, model.input_shape)}),
        "answer": sorted({*_members(parsed, model.output_shape)}),
        "errors": [code] if code else [],
        "seconds": round(time.monotonic() - context[_BEGAN], 2),
    }


def _members(value: Any, shape: Any, path: str = "") -> Iterator[str]:
    if shape is not None and shape.type_name == "structure":
        for name in shape.members.keys() & value.keys():
            yield from _members(value[name], shape.members[name], f"{path}.{name}".lstrip("."))
    elif shape is not None and shape.type_name == "list" and value:
        for each in value:
            yield from _members(each, shape.member, f"{path}[]")
    elif path:
        yield path


def _fail(exception: BaseException, context: Mapping[str, Any], **more: Any) -> None:
    name = str(more.get("event_name", "")).removeprefix("after-call-error.").replace(".", ":")
    lost: dict[str, Any] = {"operation": name, "parameters": [], "answer": [], "errors": [type(exception).__name__]}
    extra = {"names": lambda: {**lost, "seconds": round(time.monotonic() - context.get(_BEGAN, 0.0), 2)}}
    _LOGGER.debug("%s%s: %s: %s", name, _where(context), type(exception).__name__, exception, extra=extra)


def _call(model: Any, context: Mapping[str, Any]) -> str:
    return f"{model.service_model.service_name}:{model.name}{_where(context)}"


def _where(context: Mapping[str, Any]) -> str:
    took = f", {(time.monotonic() - context[_BEGAN]) * 1000:.0f} ms" if _BEGAN in context else ""
    return f" {context.get('client_region') or ''}".rstrip() + took


def _secrets(value: Any) -> Iterator[tuple[str, str | bytes]]:
    """The secrets of an answer, at any depth: they must never be logged."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            word = str(name).lower()
            if isinstance(member, str | bytes):
                if word in _SECRET_MEMBERS or (word in _VALUE_MEMBERS and len(member) >= _SHORTEST_VALUE):
                    yield str(name), member
            else:
                yield from _secrets(member)
    elif isinstance(value, list):
        for member in value:
            yield from _secrets(member)
