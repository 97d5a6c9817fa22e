"""Pulumi's property values as plain Python, for both plugins: secrets and unknown values survive the way there and back.

On the wire a property is a protobuf Value. A secret is a map with a signature, a value that will be known only after an
update is a fixed string (or, in what a component is given, an output without a value).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from google.protobuf import struct_pb2

Json: TypeAlias = Any  # None, bool, int, float, str, list, dict; in properties also Secret and UNKNOWN
Properties: TypeAlias = dict[str, Json]

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"  # the key that makes a map more than a map; its value says what:
HIDDEN: Final = "1b47061264138c4ac30d75fd1eb44270"  # a secret
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
RESOURCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
UNKNOWN_TEXT: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_EXACT: Final = 2**53  # whole numbers up to here are exact in the wire's 64-bit floats


class Unknown:
    """A value that will be known only after an update; there is one of it, `UNKNOWN`."""

    def __repr__(self) -> str:
        """Say what it is; there is nothing else to tell."""
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that the engine encrypts in the state and hides in what it shows."""

    value: Json

    def __repr__(self) -> str:
        """Hide the value: messages and logs may show objects."""
        return "Secret(…)"


def secret(value: Json) -> Secret:
    """`value` as one secret; what is secret inside is so already through the outer one."""
    return Secret(plain(value))


def plain(value: Json) -> Json:
    """`value` with every secret opened, at any depth; unknown values stay."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def _any(value: Json, matches: Callable[[Json], bool]) -> bool:
    if matches(value):
        return True
    if isinstance(value, Secret):
        return _any(value.value, matches)
    if isinstance(value, dict):
        return any(_any(item, matches) for item in value.values())
    return isinstance(value, list) and any(_any(item, matches) for item in value)


def has_unknown(value: Json) -> bool:
    """Whether anything in `value` is unknown."""
    return _any(value, lambda item: item is UNKNOWN)


def has_secret(value: Json) -> bool:
    """Whether anything in `value` is a secret."""
    return _any(value, lambda item: isinstance(item, Secret))


def mark_secrets(value: Json, like: Json) -> Json:
    """`value` with a secret wherever `like`, of the same shape, has one."""
    if isinstance(like, Secret):
        return value if isinstance(value, Secret) else secret(value)
    if isinstance(like, dict) and isinstance(value, dict):
        return {key: mark_secrets(item, like.get(key)) for key, item in value.items()}
    if isinstance(like, list) and isinstance(value, list):
        if len(like) == len(value):
            return [mark_secrets(item, twin) for item, twin in zip(value, like, strict=True)]
        return secret(value) if has_secret(like) else value
    return value


def from_value(value: struct_pb2.Value) -> Json:
    """One value from the wire."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _from_fields(value.struct_value.fields)
    if kind == "list_value":
        return [from_value(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) <= _EXACT else number
    if kind == "string_value":
        return UNKNOWN if value.string_value == UNKNOWN_TEXT else value.string_value
    return value.bool_value if kind == "bool_value" else None


def _from_fields(fields: Mapping[str, struct_pb2.Value]) -> Json:
    signature = fields[SIGNATURE].string_value if SIGNATURE in fields else ""
    if signature == HIDDEN:
        return secret(from_value(fields["value"]))
    if signature == OUTPUT:
        inner = from_value(fields["value"]) if "value" in fields else UNKNOWN
        return secret(inner) if "secret" in fields and fields["secret"].bool_value else inner
    return {key: from_value(item) for key, item in fields.items()}


def from_struct(properties: struct_pb2.Struct) -> Properties:
    """A map of properties from the wire. Assets and references to resources stay the maps they are."""
    return {key: from_value(item) for key, item in properties.fields.items()}


def to_value(value: Json) -> struct_pb2.Value:
    """One value for the wire.

    Raises:
        TypeError: `value` is of a type that Pulumi doesn't know.
    """
    match value:
        case None:
            field: Properties = {"null_value": struct_pb2.NULL_VALUE}
        case bool():
            field = {"bool_value": value}
        case int() | float():
            field = {"number_value": float(value)}
        case str():
            field = {"string_value": value}
        case Unknown():
            field = {"string_value": UNKNOWN_TEXT}
        case Secret():
            field = {"struct_value": to_struct({SIGNATURE: HIDDEN, "value": plain(value)})}
        case dict():
            field = {"struct_value": to_struct(value)}
        case list():
            field = {"list_value": struct_pb2.ListValue(values=[to_value(item) for item in value])}
        case _:
            raise TypeError(f"a property cannot be a {type(value).__name__}")
    return struct_pb2.Value(**field)


def to_struct(properties: Mapping[str, Json]) -> struct_pb2.Struct:
    """A map of properties for the wire."""
    return struct_pb2.Struct(fields={key: to_value(item) for key, item in properties.items()})


def reference(urn: str, resource_id: str) -> Properties:
    """A reference to a resource; an empty id says that it isn't known yet."""
    return {SIGNATURE: RESOURCE, "urn": urn, "id": resource_id}
