"""The configuration of the stack that the engine checks, and the values of a resource without the SDK's proxies.

Touches `pulumi_policy`: the engine sends the stack's configuration to every pack, and the SDK drops it. So this file
extends a private class of the SDK; tests/guardrails/test_pack.py fails where a new version of it differs.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pulumi
from pulumi_policy import policy
from pulumi_policy.proxy import UnknownValueError
from rules.resource import UNKNOWN  # type: ignore[import-not-found]  # of this directory
from rules.settings import Settings, SettingsError, read  # type: ignore[import-not-found]

_configuration: dict[str, Any] = {}
_configure_stack = policy._PolicyAnalyzerServicer.ConfigureStack


def _keep_configuration(servicer: Any, request: Any, context: Any) -> Any:
    _configuration.clear()
    _configuration.update(request.config)
    stack_settings.cache_clear()
    return _configure_stack(servicer, request, context)


policy._PolicyAnalyzerServicer.ConfigureStack = _keep_configuration  # type: ignore[method-assign, assignment]


def stack_configuration() -> Mapping[str, Any]:
    """The configuration of the stack by full key, lists and objects as JSON."""
    # An engine without the call has the configuration in the environment.
    return _configuration or pulumi.runtime.get_config_env()


@cache
def stack_settings() -> tuple[Settings | None, str]:
    """The settings of the stack; None where the engine sent none that can be read, and why."""
    try:
        return read(stack_configuration()), ""
    except SettingsError as error:
        return None, str(error)


def values_of(sent: Any) -> Any:
    """What the engine sent, with UNKNOWN in the place of each value that it does not know yet."""
    if isinstance(sent, Mapping):
        return {name: _value(sent, name) for name in sent}
    if isinstance(sent, Sequence) and not isinstance(sent, str):
        return [_value(sent, index) for index in range(len(sent))]
    return sent


def _value(sent: Any, name: Any) -> Any:
    try:
        return values_of(sent[name])
    except UnknownValueError:
        return UNKNOWN
