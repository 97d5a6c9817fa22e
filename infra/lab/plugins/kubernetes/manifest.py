"""Reading what helm prints: YAML as Kubernetes reads it, lists opened, names and namespaces as pulumi-kubernetes has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import yaml

from infra.lab.errors import UserError
from infra.lab.plugins.kubernetes.objects import Object, metadata

_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9]*|0o?[0-7]+|0x[0-9a-fA-F]+)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CHANGED_TAGS: Final = frozenset({f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp")})


class _Loader(yaml.SafeLoader):
    """YAML without Python's extras: dates stay text, 1e3 and 0o644 are numbers, 12:30 is not."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _CHANGED_TAGS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("0o", "0")
    digits = text.lstrip("+-")
    base = 16 if digits.startswith("0x") else 8 if digits.startswith("0") and len(digits) > 1 else 10
    return int(digits, base) * (-1 if text.startswith("-") else 1)


_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(rf"^(?:{_INT.pattern})$"), list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"^(?:{_FLOAT.pattern})$"), list("-+0123456789."))
_Loader.add_constructor("tag:yaml.org,2002:int", _int)


def parsed(text: str) -> list[Object]:
    """Every object in a stream of YAML documents, those inside lists too.

    Raises:
        UserError: it is not YAML, or a document is no object with apiVersion, kind and name.
    """
    try:
        documents: list[Any] = list(yaml.load_all(text, Loader=_Loader))  # a SafeLoader
    except yaml.YAMLError as broken:
        raise UserError(f"The chart renders text that is not YAML: {' '.join(str(broken).split())}.") from broken
    return list(_opened(document for document in documents if document))


def _opened(documents: Iterable[Any]) -> Iterator[Object]:
    for document in documents:
        if not isinstance(document, dict):
            raise UserError(f"The chart renders something that is no object: {str(document)[:80]!r}.")
        if isinstance(document.get("items"), list):
            yield from _opened(document["items"])
            continue
        if not (document.get("apiVersion") and document.get("kind") and metadata(document).get("name")):
            name = metadata(document).get("name") or "without a name"
            raise UserError(f"The chart renders an object ({name}) that lacks apiVersion, kind or metadata.name.")
        document["apiVersion"] = str(document["apiVersion"]).removeprefix("core/")
        yield document


def placed(found: list[Object], namespace: str, namespaced: Callable[[str, str], bool]) -> list[Object]:
    """The objects with `namespace` where they belong to one and name none; definitions among them count."""
    scopes = {
        (item["spec"]["group"], item["spec"]["names"]["kind"]): item["spec"]["scope"] == "Namespaced"
        for item in found
        if item["kind"] == "CustomResourceDefinition"
    }
    for item in found:
        group = item["apiVersion"].partition("/")[0]
        scope = scopes.get((group, item["kind"]))
        if not metadata(item).get("namespace"):
            needs = namespaced(item["apiVersion"], item["kind"]) if scope is None else scope
            if needs:
                item["metadata"]["namespace"] = namespace
    return found


def child_name(prefix: str, obj: Object) -> str:
    """The child's resource name: `prefix:namespace/name`, or `prefix:name` for objects of the cluster."""
    meta = metadata(obj)
    name = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])
    return f"{prefix}:{name}" if prefix else name


def needs(obj: Object, others: list[Object]) -> list[int]:
    """Which of `others` must be there before `obj`: its namespace, and the definition of its kind."""
    group = obj["apiVersion"].partition("/")[0] if "/" in obj["apiVersion"] else ""
    return [
        index
        for index, other in enumerate(others)
        if (other["kind"] == "Namespace" and other["metadata"]["name"] == metadata(obj).get("namespace"))
        or (
            other["kind"] == "CustomResourceDefinition"
            and (other["spec"]["group"], other["spec"]["names"]["kind"]) == (group, obj["kind"])
        )
    ]
