"""Whether an answer of AWS can be read: complete, AWS's own, and with all that its operation always returns.

Looks at the body before botocore does, which takes a body that breaks off, or an HTML page, for an answer without
members. What an operation always returns is read from botocore's model of it; never repeats a body in a message.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore import parsers
from botocore.exceptions import BotoCoreError, DataNotFoundError
from botocore.session import Session as Botocore

_ALSO_RETURNS = {
    ("ssm", "GetParameters"): ("Parameters",),
    ("iam", "GetAccountAuthorizationDetails"): ("RoleDetailList", "GroupDetailList", "Policies"),
}
"""Lists that are always there, empty too, of which the model says nothing: they are not the first list of a listing."""

_CAN_BE_EMPTY = frozenset({"rest-xml"})
"""S3 answers with no member at all for a bucket without versioning, logging or objects."""


class UnreadableResponse(BotoCoreError):  # type: ignore[misc]
    """A response with a status of success that says nothing. `what` is wrong with it, in words."""

    fmt = "the answer cannot be read: {what}"


def watch_answers(session: Botocore) -> None:
    """From now on a response of the session's clients that cannot be read raises UnreadableResponse."""

    def check(operation_model: Any, response_dict: Mapping[str, Any], **_: Any) -> None:
        if what := _wrong(operation_model, response_dict, session):
            raise UnreadableResponse(what=what)

    session.register("before-parse", check)


def _wrong(operation: Any, response: Mapping[str, Any], session: Botocore) -> str | None:
    """What is wrong with the response; None for one that can be read, and for one that reads itself (a stream)."""
    body = response["body"]
    if not isinstance(body, bytes) or operation.http.get("method") == "HEAD":
        return None
    length = str(response["headers"].get("content-length") or "")
    if length.isdigit() and int(length) != len(body):
        return f"it ended after {len(body)} of {length} bytes"
    if response["status_code"] >= 300:
        return None
    if body.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "it is a web page, perhaps of a proxy or of a network that wants a sign-in"
    shape = operation.output_shape
    if shape is None or not shape.members:
        return None
    protocol = operation.service_model.resolved_protocol
    try:
        parsed = parsers.create_parser(protocol).parse(dict(response), shape)
    except (parsers.ResponseParserError, LookupError, ValueError, TypeError, AttributeError) as error:
        # The parser's errors quote the body.
        return f"it is not {protocol} ({type(error).__name__})"
    if missing := sorted({name for name in _always(operation, session) if name not in parsed}):
        return f"{', '.join(missing)} is missing"
    if protocol not in _CAN_BE_EMPTY and not any(name in parsed for name in shape.members):
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
