"""Answers of AWS that can be read: complete, AWS's own, and with all that their operation always returns.

Looks at a body before botocore does, which takes one that breaks off, or an HTML page, for an answer without members;
never repeats a body in a message.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NoReturn

from botocore import parsers
from botocore.exceptions import BotoCoreError, DataNotFoundError
from botocore.session import Session as Botocore
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator

from wizard.core.errors import SetupError

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
