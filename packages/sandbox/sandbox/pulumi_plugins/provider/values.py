"""Conversion of the engine's property values to plain Python and back.

Pure.
"""

from typing import Any, Final

from google.protobuf import struct_pb2

_UNKNOWN_ON_THE_WIRE = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
_UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"


class Unknown:
    """A value that is known only after a later operation."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN: Final = Unknown()

DEFAULTS: Final = "__defaults"
"""Pulumi's bridge lists in it, in each object of the inputs, what the provider filled in."""

Properties = dict[str, Any]


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """The properties of a message, secrets unwrapped, whole numbers as `int`, unknown values as UNKNOWN.

    Without names that begin with `__`: they are the engine's, at any depth.
    """
    return {name: _from_value(value) for name, value in struct.fields.items() if not name.startswith("__")}


def defaults_in(struct: struct_pb2.Struct) -> frozenset[str]:
    """The names of the inputs of a message that the provider filled in."""
    return frozenset(_from_value(struct.fields[DEFAULTS]) or ()) if DEFAULTS in struct.fields else frozenset()


def _from_value(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return UNKNOWN if value.string_value in _UNKNOWN_ON_THE_WIRE else value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [_from_value(element) for element in value.list_value.values]
        case "struct_value":
            plain = from_struct(value.struct_value)
            match plain.get(_SIGNATURE):
                case None:
                    return plain
                case signature if signature == _SECRET:
                    return plain.get("value")
                case signature if signature == _OUTPUT:
                    return plain.get("value", UNKNOWN)
            return plain
    return None


def to_struct(properties: Properties) -> struct_pb2.Struct:
    """The message for properties, None as null."""
    return struct_pb2.Struct(fields={name: _to_value(value) for name, value in properties.items()})


def _to_value(value: Any) -> struct_pb2.Value:
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NullValue.NULL_VALUE)
    if isinstance(value, Unknown):
        return struct_pb2.Value(string_value=_UNKNOWN_STRING)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, list | tuple):
        elements = struct_pb2.ListValue(values=[_to_value(element) for element in value])
        return struct_pb2.Value(list_value=elements)
    if isinstance(value, dict):
        return struct_pb2.Value(struct_value=to_struct(value))
    return struct_pb2.Value(string_value=str(value))


def is_unknown(value: Any) -> bool:
    if isinstance(value, Unknown):
        return True
    if isinstance(value, dict):
        return any(is_unknown(part) for part in value.values())
    if isinstance(value, list):
        return any(is_unknown(part) for part in value)
    return False


def is_zero(value: Any) -> bool:
    """Whether the value is equivalent to an absent one: None, false, 0, "", [] and {}."""
    if isinstance(value, Unknown):
        return False
    if isinstance(value, dict):
        return all(is_zero(part) for part in value.values())
    return value is None or value is False or value == "" or value == 0 or value == []
