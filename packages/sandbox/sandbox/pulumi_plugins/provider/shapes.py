"""The forms that Pulumi's bridge gives to the values of a Terraform provider: `__defaults`, and what is empty.

Touches the installed SDK through `schema` (read only).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.pulumi_plugins.provider.schema import Field, Type, nested_fields
from sandbox.pulumi_plugins.provider.values import DEFAULTS, Properties, is_zero

_EMPTY = {"str": "", "int": 0, "float": 0, "bool": False, "any": ""}


def marked(inputs: Properties, fields: Mapping[str, Field] | None, defaults: Iterable[str] = ()) -> Properties:
    """The inputs with `__defaults` in every object, by name what the provider filled in; without fields, maps too."""
    types = {name: field.type for name, field in (fields or {}).items()}
    parts = {name: _marked(part, types.get(name), fields is None) for name, part in inputs.items()}
    return {DEFAULTS: sorted(defaults), **parts}


def _marked(value: Any, expected: Type | None, is_import: bool) -> Any:
    if isinstance(value, list):
        return [_marked(element, expected and expected.element, is_import) for element in value]
    if isinstance(value, dict) and (is_import or (expected and expected.name == "object")):
        return marked(value, nested_fields(expected.package, expected.fields) if expected else None)
    return value


def completed(value: Any, expected: Type) -> Any:
    """A value of AWS's as the provider records it: an object has all its fields."""
    if value is None:
        # A new one each time: nothing is shared.
        return [] if expected.name == "list" else {} if expected.name == "map" else _EMPTY.get(expected.name)
    return _with_fields(value, expected, completed)


def planned(value: Any, expected: Type) -> Any:
    """A value of an input as a plan has it: an object has all its fields, and only lists of objects are empty."""
    if value is None:
        return [] if expected.element and expected.element.name == "object" else None
    return _with_fields(value, expected, planned)


def _with_fields(value: Any, expected: Type, fill: Any) -> Any:
    if isinstance(value, list) and expected.element:
        return [fill(element, expected.element) for element in value]
    if isinstance(value, dict) and expected.name == "object":
        fields = nested_fields(expected.package, expected.fields) or {}
        return {name: fill(value.get(name), field.type) for name, field in fields.items()}
    return value


def without_empty(value: Any) -> Any:
    """A value of AWS's as an import records it among the inputs."""
    if isinstance(value, list):
        return [without_empty(element) for element in value]
    if isinstance(value, dict):
        return {name: without_empty(part) for name, part in value.items() if not is_zero(part)}
    return value


def refreshed(recorded: Any, current: Any) -> Any:
    """A recorded input by AWS's value: what the program does not name stays out of it."""
    if isinstance(recorded, dict) and isinstance(current, dict):
        return {name: refreshed(part, current[name]) for name, part in recorded.items() if name in current}
    if isinstance(recorded, list) and isinstance(current, list):
        return [refreshed(*pair) for pair in zip(recorded, current, strict=False)]
    return current
