"""Check: validation of a resource's inputs, and their defaults.

Touches the installed SDK through `schema` (read only).
"""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.pulumi_plugins.provider import shapes
from sandbox.pulumi_plugins.provider.documents import is_document, to_text
from sandbox.pulumi_plugins.provider.resource_type import ResourceType
from sandbox.pulumi_plugins.provider.schema import Field, ResourceSchema, Type, nested_fields
from sandbox.pulumi_plugins.provider.values import Properties, Unknown, is_unknown

_RANDOM_DIGITS = 7
_TYPES_IN_WORDS = {
    bool: "a boolean",
    dict: "an object",
    float: "a number",
    int: "a number",
    list: "a list",
    str: "a string",
}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An invalid input, and the reason."""

    name: str
    reason: str


def check_inputs(
    resource_type: ResourceType,
    schema: ResourceSchema,
    *,
    resource: str,
    inputs: Properties,
    recorded: Properties,
    default_tags: dict[str, str],
    region: str,
    seed: bytes,
) -> tuple[Properties, tuple[Failure, ...]]:
    present = {name: value for name, value in inputs.items() if value is not None}
    failures = [
        Failure(name=path, reason=f"{reason} Examine values at '{resource}.{path}'.")
        for path, reason in _input_failures(present, schema.inputs)
    ]
    failures += [
        Failure(name=name, reason=f"The sandbox's AWS provider does not support '{name}' of {resource_type.token}.")
        for name in sorted(resource_type.unsupported & present.keys())
    ]
    result = {
        name: _coerced(value, schema.inputs[name].type) if name in schema.inputs else value
        for name, value in present.items()
    }
    for name in resource_type.documents & result.keys():
        if not isinstance(result[name], Unknown) and not is_unknown(result[name]):
            result[name] = to_text(result[name])
            if not is_document(result[name]):
                failures.append(Failure(name=name, reason=f'"{name}" contains an invalid JSON policy.'))
    filled_in = {**resource_type.defaults, resource_type.name_input: None}.keys() - result.keys() - {""}
    result = {**resource_type.defaults, **result}
    if "tags" in schema.inputs and default_tags:
        tags = result.get("tags", {})
        result["tags"] = tags if isinstance(tags, Unknown) else {**default_tags, **tags}
    if "region" in schema.inputs:
        result.setdefault("region", region)
    if resource_type.name_input:
        _name(resource_type, result, resource=resource, recorded=recorded, seed=seed)
    if not failures:
        known = {name: value for name, value in result.items() if not isinstance(value, Unknown)}
        # An unknown value is not a missing one.
        failures += [
            Failure(name=name, reason=reason)
            for name, reason in resource_type.validate(known)
            if not isinstance(result.get(name), Unknown)
        ]
    return shapes.marked(result, schema.inputs, filled_in), tuple(failures)


def _input_failures(present: Properties, fields: dict[str, Field], path: str = "") -> Iterator[tuple[str, str]]:
    for name in present:
        if name not in fields:
            yield path + name, "Invalid or unknown key."
    for field in fields.values():
        value = present.get(field.name)
        if value is None:
            if field.required:
                yield (
                    path + field.name,
                    f'Missing required argument. The argument "{field.name}" is required, but no definition was found.',
                )
        else:
            yield from _type_failures(value, field.type, path + field.name)


def _type_failures(value: Any, expected: Type, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Unknown) or value is None or expected.name == "any":
        return
    if expected.name == "list":
        if not isinstance(value, list):
            yield path, f"Expected a list, got {_described(value)}."
        else:
            for index, element in enumerate(value):
                yield from _type_failures(element, expected.element or Type(name="any"), f"{path}[{index}]")
    elif expected.name == "map":
        if not isinstance(value, dict):
            yield path, f"Expected a map, got {_described(value)}."
        else:
            for key, element in value.items():
                yield from _type_failures(element, expected.element or Type(name="any"), f"{path}.{key}")
    elif expected.name == "object":
        fields = nested_fields(expected.package, expected.fields)
        if not isinstance(value, dict):
            yield path, f"Expected an object, got {_described(value)}."
        elif fields is not None:
            yield from _input_failures(value, fields, f"{path}.")
    elif not _is_valid(value, expected.name):
        yield path, f"Expected type '{expected.name}', got {_described(value)}."


def _is_valid(value: Any, scalar: str) -> bool:
    if isinstance(value, dict | list):
        return False
    return scalar == "str" or _scalar(value, scalar) is not None


def _scalar(value: Any, scalar: str) -> Any:
    """The value converted to a scalar type, as leniently as in the real provider; None where that is impossible."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if scalar == "bool":
        return {"true": True, "false": False}.get(text)
    if scalar == "str":
        return value if isinstance(value, str) else text
    if isinstance(value, bool):
        return None
    try:
        return int(text) if scalar == "int" else float(text)
    except ValueError:
        return None


def _coerced(value: Any, expected: Type) -> Any:
    if isinstance(value, Unknown) or value is None:
        return value
    if expected.name == "list" and isinstance(value, list):
        return [_coerced(element, expected.element or expected) for element in value]
    if expected.name == "map" and isinstance(value, dict):
        return {key: _coerced(element, expected.element or expected) for key, element in value.items()}
    if expected.name == "object" and isinstance(value, dict):
        fields = nested_fields(expected.package, expected.fields) or {}
        return {
            name: _coerced(part, fields[name].type) if name in fields else part
            for name, part in value.items()
            if part is not None
        }
    if expected.name in ("str", "int", "float", "bool") and not isinstance(value, dict | list):
        converted = _scalar(value, expected.name)
        return value if converted is None else converted
    return value


def _described(value: Any) -> str:
    return _TYPES_IN_WORDS.get(type(value), "something else")


def _name(resource_type: ResourceType, result: Properties, *, resource: str, recorded: Properties, seed: bytes) -> None:
    if result.get(resource_type.name_input) is not None:
        return
    if recorded.get(resource_type.name_input) is not None:
        result[resource_type.name_input] = recorded[resource_type.name_input]
        return
    prefix = result.get(resource_type.prefix_input) or f"{resource_type.name_prefix}{resource}-"
    if isinstance(prefix, Unknown):
        result[resource_type.name_input] = prefix
        return
    prefix = prefix.lower() if resource_type.name_is_lowercase else prefix
    # The engine's seed gives a preview and the following update the same name.
    random = hashlib.sha256(seed).hexdigest() if seed else secrets.token_hex(16)
    result[resource_type.name_input] = prefix[: resource_type.name_limit - _RANDOM_DIGITS] + random[:_RANDOM_DIGITS]
