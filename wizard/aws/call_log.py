"""The log's lines for calls of AWS: each call with its Region, its outcome and how long it took.

Part of the AWS edge: listens to botocore's events and writes to the logger `eonpro.aws`; calls nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.session import Session as Botocore

_LOGGER = logging.getLogger("eonpro.aws")
_BEGAN = "eonpro_began"
_SECRET_MEMBERS = frozenset(
    "secretaccesskey sessiontoken accesstoken refreshtoken idtoken plaintext ciphertextblob".split()
)
# A parameter's or secret's value is a wrapped data key, or as public as a Region.
_VALUE_MEMBERS = frozenset(("value", "secretstring"))
_SHORTEST_VALUE = 64


def watch(session: Botocore) -> None:
    """Have the session's calls logged from now on, those for its own credentials too."""
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
        extra={"secrets": dict(_secrets(parsed))},
    )


def _fail(exception: BaseException, context: Mapping[str, Any], **more: Any) -> None:
    name = str(more.get("event_name", "")).removeprefix("after-call-error.").replace(".", ":")
    _LOGGER.debug("%s%s: %s: %s", name, _where(context), type(exception).__name__, exception)


def _call(model: Any, context: Mapping[str, Any]) -> str:
    return f"{model.service_model.service_name}:{model.name}{_where(context)}"


def _where(context: Mapping[str, Any]) -> str:
    took = f", {(time.monotonic() - context[_BEGAN]) * 1000:.0f} ms" if _BEGAN in context else ""
    return f" {context.get('client_region') or ''}".rstrip() + took


def _secrets(value: Any) -> Iterator[tuple[str, str | bytes]]:
    """What the answer holds that may never be written, wherever it stands in it."""
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
