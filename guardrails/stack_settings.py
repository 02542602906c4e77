"""The settings of the stack that the engine checks, which the pack compares the resources with.

Touches `pulumi_policy`: the engine sends the stack's configuration to every pack, and the SDK drops it. So this file
extends a private class of the SDK; tests/guardrails/test_pack.py fails where a new version of it differs.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pulumi
from pulumi_policy import policy

from components.settings import ContractError, Settings

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
def stack_settings() -> Settings | None:
    """The settings of the stack; None where the engine sent none that can be used."""
    try:
        return Settings.from_config(stack_configuration())
    except ContractError:
        return None
