"""What JMESPath lacks for AWS's requests: tags, files, texts."""

from __future__ import annotations

import base64
import json
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import jmespath
from jmespath.functions import Functions, signature

from infra.lab.plugins.values import Json

_ANY: Any = {"types": []}


class _OfAws(Functions):
    @signature(_ANY)
    def _func_pairs(self, values: Json) -> Json:
        """A map as AWS's list of keys and values."""
        return [{"Key": key, "Value": value} for key, value in sorted((values or {}).items())]

    @signature(_ANY)
    def _func_unpaired(self, pairs: Json) -> Json:
        """AWS's list of keys and values as a map."""
        return {pair["Key"]: pair["Value"] for pair in pairs or ()}

    @signature(_ANY, _ANY)
    def _func_without(self, values: Json, others: Json) -> Json:
        """The items of a list, or the keys of a map, that the other has not; nothing if there are none."""
        return [item for item in values or () if item not in (others or ())] or None

    @signature(_ANY, _ANY, _ANY)
    def _func_where(self, values: Json, key: Json, value: Json) -> Json:
        """The maps of a list that have this value at the key."""
        return [item for item in values or () if item.get(key) == value]

    @signature(_ANY, _ANY)
    def _func_only(self, condition: Json, value: Json) -> Json:
        """The value if the condition holds."""
        return value if condition else None

    @signature(_ANY, _ANY)
    def _func_default(self, value: Json, otherwise: Json) -> Json:
        """The value, or the other one if there is none; unlike `||` it lets false stand."""
        return otherwise if value is None else value

    @signature(_ANY)
    def _func_content(self, asset: Json) -> Json:
        """The bytes of one of Pulumi's assets, a file or a text."""
        return Path(asset["path"]).read_bytes() if asset.get("path") else str(asset.get("text", "")).encode()

    @signature(_ANY)
    def _func_text(self, value: Json) -> Json:
        """A document as JSON's text."""
        return value if value is None or isinstance(value, str) else json.dumps(value)

    @signature(_ANY)
    def _func_decoded(self, text: Json) -> Json:
        """Base64 as bytes."""
        return None if text is None else base64.b64decode(text)

    @signature(_ANY)
    def _func_encoded(self, text: Json) -> Json:
        """Text as base64."""
        return text and base64.b64encode(text.encode()).decode()

    @signature(_ANY)
    def _func_readable(self, text: Json) -> Json:
        """Base64 as text."""
        return None if text is None else base64.b64decode(text).decode(errors="replace")

    @signature(_ANY)
    def _func_tail(self, arn: Json) -> Json:
        """What an ARN names."""
        return arn and arn.rpartition("/")[2]

    @signature(_ANY)
    def _func_moment(self, when: Json) -> Json:
        """A point in time as the provider writes it."""
        return when and when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @signature(_ANY)
    def _func_filled(self, value: Json) -> Json:
        """A map without keys that have nothing, at any depth; nothing if nothing is left."""
        return filled(value)


def filled(value: Json) -> Json:
    """`value` without what is None, at any depth; None for a map of which nothing is left."""
    if isinstance(value, dict):
        return {key: item for key, item in ((key, filled(item)) for key, item in value.items()) if item is not None} or None
    return [filled(item) for item in value] if isinstance(value, list) else value


OPTIONS: Final = jmespath.Options(custom_functions=_OfAws())
