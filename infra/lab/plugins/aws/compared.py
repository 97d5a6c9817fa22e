"""What is wanted beside what there is: for previews, updates and refreshes."""

from __future__ import annotations

import json
from typing import Final

import jmespath

from infra.lab.plugins.aws import table
from infra.lab.plugins.values import UNKNOWN, Json, Properties, has_unknown, mark_secrets, plain

_OUTPUTS: Final = {"arn", "tagsAll"}


def same(wanted: Json, live: Json) -> bool:
    """Whether AWS has what is wanted: maps may hold more, lists are sets, documents of JSON may be written otherwise."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return all(same(item, live.get(key)) for key, item in wanted.items())
    if isinstance(wanted, list) and isinstance(live, list):
        left = list(live)
        for item in wanted:
            twin = next((index for index, other in enumerate(left) if same(item, other)), None)
            if twin is None:
                return False
            left.pop(twin)
        return not left
    if isinstance(wanted, str) and isinstance(live, str) and wanted.startswith("{") and live.startswith("{"):
        try:
            return bool(json.loads(wanted) == json.loads(live))
        except ValueError:
            pass
    return bool(wanted == live)


def changed(old: Properties, new: Properties) -> list[str]:
    """The inputs that changed; one that isn't known yet counts as changed."""
    keys = [key for key in sorted(old.keys() | new.keys()) if not key.startswith("__")]
    return [key for key in keys if has_unknown(new.get(key)) or not (key in old and key in new and _equal(old[key], new[key]))]


def _equal(old: Json, new: Json) -> bool:
    return old == new or (isinstance(old, str) and same(old, new))


def replaced(row: table.Type, old: Properties, new: Properties) -> list[str]:
    """The changed inputs that need a new resource."""
    found = set(changed(old, new))
    paths = [*row.replace, *(path for switch, paths in row.replace_if.items() if new.get(switch) for path in paths)]
    return sorted(
        {
            path.split(".")[0]
            for path in paths
            if path.split(".")[0] in found and ("." not in path or jmespath.search(path, old) != jmespath.search(path, new))
        }
    )


def due(change: table.Change, wanted: Properties, live: Properties, old: Properties) -> bool:
    """Whether something of `change` is not as wanted: as AWS has it or, where AWS can't tell, as it was before."""
    for key in change.of:
        if key in live and key in wanted:
            if not same(wanted[key], live[key]):
                return True
        elif wanted.get(key) != old.get(key):
            return True
    return False


def seen(inputs: Properties, live: Properties) -> Properties:
    """The inputs as they really are: each that AWS has otherwise, as found."""
    found = {key: item if key not in live or same(item, live[key]) else _like(item, live[key]) for key, item in inputs.items()}
    return {key: item for key, item in found.items() if item is not None}


def _like(wanted: Json, live: Json) -> Json:
    """`live` with the keys of `wanted` alone: AWS fills in the others."""
    if isinstance(wanted, dict) and isinstance(live, dict) and wanted:
        return {key: live.get(key) for key in wanted if live.get(key) is not None}
    return live


def state(inputs: Properties, live: Properties) -> Properties:
    """What the state keeps: what AWS has, in the inputs' spelling where it means the same."""
    wanted = plain(inputs)
    outputs = {
        key: item
        for key, item in live.items()
        if item is not None and not (key in wanted and same(wanted[key], item) and not isinstance(item, dict))
    }
    return dict(mark_secrets(wanted | outputs, inputs))


def expected(row: table.Type, inputs: Properties, before: Properties | None = None) -> Properties:
    """What a preview shows: the inputs, what the state has, and of the rest that it isn't known."""
    found = before if before is not None else dict.fromkeys(outputs(row), UNKNOWN)
    return found | inputs


def outputs(row: table.Type) -> set[str]:
    """What `take` gives, by its keys: it ends in a map of them."""
    keys: set[str] = set()
    nodes = [row.take.parsed]
    while nodes:
        node = nodes.pop()
        if node["type"] == "multi_select_dict":
            keys |= {pair["value"] for pair in node["children"]}
        else:
            nodes += node["children"]
    return keys
