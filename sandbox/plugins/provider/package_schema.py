"""The package's schema in the engine's own form, derived from the installed SDK for the types there are.

May touch the installed SDK through `schema` (read only).
"""

from __future__ import annotations

from typing import Any

from sandbox.plugins.protocol import installed_version
from sandbox.plugins.provider.kinds import KINDS
from sandbox.plugins.provider.schema import Field, Type, nested_fields, resource_schema

_SCALARS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def package_schema() -> dict[str, Any]:
    """The schema of every resource type this provider knows."""
    types: dict[str, Any] = {}
    resources = {token: _resource(token, types) for token in sorted(KINDS)}
    return {
        "name": "aws",
        "version": installed_version("pulumi-aws"),
        "meta": {"moduleFormat": "(.*)(?:/[^/]*)"},
        "resources": resources,
        "types": types,
    }


def _resource(token: str, types: dict[str, Any]) -> dict[str, Any]:
    schema = resource_schema(token)
    inputs = _properties(schema.inputs, types)
    return {
        "inputProperties": inputs,
        "requiredInputs": [field.name for field in schema.inputs.values() if field.required],
        "properties": {name: inputs.get(name, {"type": "string"}) for name in schema.outputs},
    }


def _properties(fields: dict[str, Field], types: dict[str, Any]) -> dict[str, Any]:
    return {name: _type(field.type, types) for name, field in fields.items()}


def _type(wanted: Type, types: dict[str, Any]) -> dict[str, Any]:
    if wanted.name in _SCALARS:
        return {"type": _SCALARS[wanted.name]}
    if wanted.name == "list" and wanted.element:
        return {"type": "array", "items": _type(wanted.element, types)}
    if wanted.name == "map" and wanted.element:
        return {"type": "object", "additionalProperties": _type(wanted.element, types)}
    if wanted.name == "object":
        name = wanted.fields.removesuffix("Args")
        token = f"aws:{wanted.package}/{name[0].lower()}{name[1:]}:{name}"
        fields = nested_fields(wanted.package, wanted.fields)
        if fields is not None:
            if token not in types:
                types[token] = {}
                types[token] = {"type": "object", "properties": _properties(fields, types)}
            return {"$ref": f"#/types/{token}"}
    return {"type": "string"}
