"""What has changed between two sets of inputs, and what a live object says against them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from infra.lab.plugins.kubernetes.objects import Object, annotation, metadata, replaces
from infra.lab.plugins.values import UNKNOWN, Json, plain

ADD: Final = "ADD"
DELETE: Final = "DELETE"
UPDATE: Final = "UPDATE"
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_]\w*")


class Change(NamedTuple):
    """One difference: where (as Pulumi writes paths), what (ADD, DELETE, UPDATE), and whether it needs a new object."""

    path: str
    what: str
    replace: bool


def _joined(path: str, key: str) -> str:
    if not _PLAIN_KEY.fullmatch(key):
        quoted = key.replace("\\", "\\\\").replace('"', '\\"')
        return f'{path}["{quoted}"]'
    return f"{path}.{key}" if path else key


def _compared(old: Json, new: Json, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            here = _joined(path, key)
            if key not in new:
                yield here, DELETE
            elif key not in old:
                yield here, ADD
            else:
                yield from _compared(old[key], new[key], here)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            here = f"{path}[{index}]"
            if index >= len(new):
                yield here, DELETE
            elif index >= len(old):
                yield here, ADD
            else:
                yield from _compared(old[index], new[index], here)
    elif old != new or new is UNKNOWN:
        yield path, UPDATE


def changes(old: Object, new: Object) -> list[Change]:
    """Every difference from the old inputs to the new; an unknown new value counts as a change."""
    was, becomes = plain(old), plain(new)
    return [Change(path, what, replaces(was, re.sub(r"\[\d+\]", "[]", path))) for path, what in _compared(was, becomes, "")]


def same_name(old: Object, new: Object) -> bool:
    """Whether both have one fixed name and namespace, so that the old must go before the new can come."""
    was, becomes = metadata(old), metadata(new)
    fixed = annotation(new, "pulumi.com/autonamed") != "true"
    return fixed and was.get("name") == becomes.get("name") and was.get("namespace") == becomes.get("namespace")


def seen(inputs: Json, live: Json, intended: Json) -> Json:
    """The inputs as they really are in the cluster: each value that differs from what was intended, as found.

    Args:
        inputs: what the program asked for.
        live: what the cluster has.
        intended: what the cluster would have if the inputs were applied now: the server writes many values in another
            way («0.5» as «500m») and fills in defaults, which is no drift.
    """
    if live == intended:
        return inputs
    if isinstance(inputs, dict) and isinstance(live, dict) and isinstance(intended, dict):
        return {
            key: seen(item, live.get(key), intended.get(key))
            for key, item in inputs.items()
            if key in live or key not in intended
        }
    if isinstance(inputs, list) and isinstance(live, list) and isinstance(intended, list) and len(inputs) == len(live):
        return [seen(*items) for items in zip(inputs, live, _padded(intended, len(live)), strict=True)]
    return live


def _padded(items: list[Json], length: int) -> list[Json]:
    return (items + [None] * length)[:length]


def with_string_data(obj: Object, inputs: Object) -> Object:
    """A Secret as the cluster keeps it, with the keys that the inputs give as text in clear again."""
    texts = inputs.get("stringData")
    data = obj.get("data")
    if obj.get("kind") != "Secret" or not isinstance(texts, dict):
        return obj
    encoded = data if isinstance(data, dict) else {}
    return obj | {"stringData": {key: _decoded(encoded[key]) for key in texts if key in encoded}}


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode()
    except (ValueError, binascii.Error):
        return text
