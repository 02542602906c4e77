"""The log of AWS's calls, without a secret, and which of them are sent once only.

Reads the clock.
"""

import json
import logging
import re
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from botocore import exceptions
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.parsers import ResponseParserError
from botocore.session import Session as Botocore

from wizard.aws.auth.answers import UnreadableResponse, watch_answers

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
