"""Reads a resource type from the installed pulumi_aws SDK: its inputs, their types, its outputs.

Touches the SDK's source files (read only): it reads class definitions instead of importing them, which
would cost most of a second at each start.
"""

import ast
import functools
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.pulumi_plugins.protocol import installed_version
from sandbox.pulumi_plugins.provider.resources import RESOURCE_TYPES

SCALARS = frozenset({"str", "int", "float", "bool"})


@dataclass(frozen=True, kw_only=True)
class Type:
    """The type of an input: a scalar's name, "list", "map", "object" or "any"."""

    name: str
    element: "Type | None" = None
    fields: str = ""
    package: str = ""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One input: its name on the wire, its type, whether it is required."""

    name: str
    type: Type
    required: bool


@dataclass(frozen=True, kw_only=True)
class ResourceSchema:
    """The inputs and outputs of a resource type, by their names on the wire."""

    inputs: dict[str, Field]
    outputs: dict[str, Type]


class UnknownType(Exception):
    """The installed SDK has no such resource type."""


ANY = Type(name="any")


@functools.cache
def resource_schema(token: str) -> ResourceSchema:
    """The schema of a type token such as `aws:kms/key:Key`; raises UnknownType."""
    try:
        _, module_path, name = token.split(":")
        package, member = module_path.split("/")
    except ValueError:
        raise UnknownType(token) from None
    source = _source(package, _snake(member))
    if source is None:
        raise UnknownType(token)
    inputs = _class_in(source, f"{name}InitArgs") or _class_in(source, f"{name}Args")
    state = _class_in(source, f"_{name}State")
    if inputs is None or state is None:
        raise UnknownType(token)
    return ResourceSchema(
        inputs={field.name: field for field in _fields(inputs, package)},
        outputs={field.name: field.type for field in _fields(state, package)},
    )


@functools.cache
def nested_fields(package: str, name: str) -> dict[str, Field] | None:
    """The fields of a nested input type, or None where the SDK's package does not define it."""
    source = _source(package, "_inputs")
    spec = _class_in(source, name) if source else None
    return None if spec is None else {field.name: field for field in _fields(spec, package)}


@functools.cache
def _source(package: str, member: str) -> str | None:
    spec = importlib.util.find_spec("pulumi_aws")
    if spec is None or not spec.submodule_search_locations:
        return None
    directory = Path(next(iter(spec.submodule_search_locations)))
    path = directory / member if package == "index" else directory / package / member
    try:
        return path.with_suffix(".py").read_text(encoding="utf-8")
    except OSError:
        return None


def _class_in(source: str, name: str) -> ast.ClassDef | None:
    # Parsing one class is about forty times faster than parsing the file, which has hundreds.
    spec = re.search(rf"^class {re.escape(name)}:\n(?:[ \t].*\n|\n)*", source, re.MULTILINE)
    if spec is None:
        return None
    definition = ast.parse(spec.group(0)).body[0]
    return definition if isinstance(definition, ast.ClassDef) else None


def _arguments_and_defaults(definition: ast.ClassDef) -> list[tuple[ast.arg, ast.expr | None]]:
    for member in definition.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            return list(zip(member.args.kwonlyargs, member.args.kw_defaults, strict=True))
    return []


def _wire_names(definition: ast.ClassDef) -> dict[str, str]:
    names: dict[str, str] = {}
    for member in definition.body:
        if not isinstance(member, ast.FunctionDef):
            continue
        for decorator in member.decorator_list:
            if isinstance(decorator, ast.Call):
                for keyword in decorator.keywords:
                    if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                        names[member.name] = str(keyword.value.value)
    return names


def _fields(definition: ast.ClassDef, package: str) -> list[Field]:
    names = _wire_names(definition)
    return [
        Field(
            name=names.get(argument.arg, argument.arg),
            type=_type(argument.annotation, package),
            required=default is None,
        )
        for argument, default in _arguments_and_defaults(definition)
    ]


def _type(annotation: ast.expr | None, package: str) -> Type:
    match annotation:
        case ast.Constant(value=str(name)):
            return Type(name="object", fields=name, package=package)
        case ast.Attribute(attr=name) | ast.Name(id=name) if name in SCALARS:
            return Type(name=name)
        case ast.Subscript(value=ast.Attribute(attr="Input") | ast.Name(id="Optional"), slice=inner):
            return _type(inner, package)
        case ast.Subscript(value=ast.Name(id="Sequence"), slice=inner):
            return Type(name="list", element=_type(inner, package))
        case ast.Subscript(value=ast.Name(id="Mapping"), slice=ast.Tuple(elts=[_, inner])):
            return Type(name="map", element=_type(inner, package))
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=choices)):
            # Only enumerations and policy documents are unions: a plain string, or its typed form.
            choice_types = [_type(choice, package) for choice in choices]
            documents = any(choice_type.fields.endswith("DocumentArgs") for choice_type in choice_types)
            return ANY if documents or choice_types[0].name not in SCALARS else choice_types[0]
    return ANY


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


@functools.cache
def provider_inputs() -> frozenset[str]:
    """The names of the provider's own inputs (`aws:region` and so on)."""
    source = _source("index", "provider")
    definition = _class_in(source, "ProviderArgs") if source else None
    return frozenset(field.name for field in _fields(definition, "index")) if definition else frozenset()


_SCALARS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def package_schema() -> dict[str, Any]:
    """The schema of every resource type this provider knows."""
    types: dict[str, Any] = {}
    resources = {token: _json_resource(token, types) for token in sorted(RESOURCE_TYPES)}
    return {
        "name": "aws",
        "version": installed_version("pulumi-aws"),
        "meta": {"moduleFormat": "(.*)(?:/[^/]*)"},
        "resources": resources,
        "types": types,
    }


def _json_resource(token: str, types: dict[str, Any]) -> dict[str, Any]:
    schema = resource_schema(token)
    inputs = _json_properties(schema.inputs, types)
    return {
        "inputProperties": inputs,
        "requiredInputs": [field.name for field in schema.inputs.values() if field.required],
        "properties": {name: _json_type(output, types) for name, output in schema.outputs.items()},
    }


def _json_properties(fields: dict[str, Field], types: dict[str, Any]) -> dict[str, Any]:
    return {name: _json_type(field.type, types) for name, field in fields.items()}


def _json_type(requested: Type, types: dict[str, Any]) -> dict[str, Any]:
    if requested.name in _SCALARS:
        return {"type": _SCALARS[requested.name]}
    if requested.name == "list" and requested.element:
        return {"type": "array", "items": _json_type(requested.element, types)}
    if requested.name == "map" and requested.element:
        return {"type": "object", "additionalProperties": _json_type(requested.element, types)}
    if requested.name == "object":
        name = requested.fields.removesuffix("Args")
        token = f"aws:{requested.package}/{name[0].lower()}{name[1:]}:{name}"
        fields = nested_fields(requested.package, requested.fields)
        if fields is not None:
            if token not in types:
                types[token] = {}
                types[token] = {"type": "object", "properties": _json_properties(fields, types)}
            return {"$ref": f"#/types/{token}"}
    return {"type": "string"}
