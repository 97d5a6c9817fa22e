"""What needs a new object, what is a change, and what is drift."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from infra.lab.plugins.kubernetes.diff import Change, changes, same_name, seen, with_string_data
from infra.lab.plugins.values import UNKNOWN, Secret

BRIEFLY = settings(max_examples=50, deadline=None)  # no deadline: the machine may be busy
JSON = some.recursive(
    some.booleans() | some.integers(0, 9) | some.text(max_size=3),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = some.dictionaries(some.text(max_size=3), JSON, max_size=4)


def obj(kind: str, **top: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "a", "namespace": "b"}} | top


@BRIEFLY
@given(OBJECTS)
def test_equal_inputs_have_no_changes(one: dict[str, Any]) -> None:
    assert changes(one, one) == []


@BRIEFLY
@given(OBJECTS, OBJECTS)
def test_different_inputs_have_a_change(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert bool(changes(one, two)) == (one != two)


def test_paths_are_written_as_pulumi_reads_them() -> None:
    old = {"metadata": {"labels": {"app.kubernetes.io/name": "a", 'with"quote': "x"}}, "items": [1, 2]}
    new = {"metadata": {"labels": {"app.kubernetes.io/name": "b"}}, "items": [1, 3, 4], "more": {}}
    assert changes(old, new) == [
        Change('metadata.labels["app.kubernetes.io/name"]', "UPDATE", replace=False),
        Change('metadata.labels["with\\"quote"]', "DELETE", replace=False),
        Change("items[1]", "UPDATE", replace=False),
        Change("items[2]", "ADD", replace=False),
        Change("more", "ADD", replace=False),
    ]


def test_an_unknown_value_is_a_change_and_a_secret_is_compared_by_its_value() -> None:
    assert [change.path for change in changes({"a": UNKNOWN}, {"a": UNKNOWN})] == ["a"]
    assert changes({"a": Secret("x")}, {"a": "x"}) == []


@pytest.mark.parametrize(
    ("kind", "old", "new", "replaced"),
    [
        ("Deployment", {"selector": {"matchLabels": {"a": "1"}}}, {"selector": {"matchLabels": {"a": "2"}}}, True),
        ("Deployment", {"replicas": 1}, {"replicas": 2}, False),
        ("StatefulSet", {"serviceName": "a"}, {"serviceName": "b"}, True),
        ("StatefulSet", {"volumeClaimTemplates": [{"spec": 1}]}, {"volumeClaimTemplates": [{"spec": 2}]}, True),
        ("StatefulSet", {"template": {"spec": 1}}, {"template": {"spec": 2}}, False),
        ("StatefulSet", {}, {"minReadySeconds": 2}, False),
        ("Job", {"template": {"spec": {"a": 1}}}, {"template": {"spec": {"a": 2}}}, True),
        ("Job", {"backoffLimit": 1}, {"backoffLimit": 2}, False),
        ("Pod", {"containers": [{"image": "a"}]}, {"containers": [{"image": "b"}]}, False),
        ("Pod", {"containers": [{"command": ["a"]}]}, {"containers": [{"command": ["b"]}]}, True),
        ("Service", {"clusterIP": "1"}, {"clusterIP": "2"}, True),
        ("Service", {"ports": [{"port": 1}]}, {"ports": [{"port": 2}]}, False),
        ("PersistentVolumeClaim", {"accessModes": ["a"]}, {"accessModes": ["b"]}, True),
        ("PersistentVolumeClaim", {"resources": {"requests": 1}}, {"resources": {"requests": 2}}, False),
    ],
)
def test_only_what_the_server_cannot_change_needs_a_new_object(kind: str, old: Any, new: Any, *, replaced: bool) -> None:
    (change,) = changes(obj(kind, spec=old), obj(kind, spec=new))
    assert change.replace is replaced


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_data_needs_a_new_object_only_where_it_was_declared_immutable(kind: str) -> None:
    old, new = {"data": {"a": "1"}}, {"data": {"a": "2"}}
    assert not changes(obj(kind, **old), obj(kind, **new))[0].replace
    assert changes(obj(kind, immutable=True, **old), obj(kind, immutable=True, **new))[0].replace
    assert changes(obj(kind, immutable=True), obj(kind))[0].replace


def test_another_name_or_namespace_is_another_object() -> None:
    renamed = obj("ConfigMap") | {"metadata": {"name": "z", "namespace": "b"}}
    assert changes(obj("ConfigMap"), renamed)[0].replace
    assert not same_name(obj("ConfigMap"), renamed)
    assert same_name(obj("ConfigMap"), obj("ConfigMap"))


def test_what_the_server_writes_in_its_own_way_is_no_drift_and_what_somebody_changed_is() -> None:
    inputs = {"cpu": "0.5", "image": "a", "args": ["x", "y"], "gone": "1", "dropped": "1"}
    intended = {"cpu": "500m", "image": "a", "args": ["x", "y"], "gone": "1", "added": True}
    live = {"cpu": "500m", "image": "b", "args": ["x", "z"], "added": True}
    assert seen(inputs, live, intended) == {"cpu": "0.5", "image": "b", "args": ["x", "z"], "dropped": "1"}


@BRIEFLY
@given(OBJECTS, OBJECTS)
def test_a_live_object_as_intended_leaves_the_inputs_as_they_are(inputs: dict[str, Any], live: dict[str, Any]) -> None:
    assert seen(inputs, live, live) == inputs


def test_a_secrets_text_is_compared_in_clear() -> None:
    inputs = {"kind": "Secret", "stringData": {"a": "x", "b": "y"}}
    live = {"kind": "Secret", "data": {"a": "eA==", "other": "eg=="}}
    assert with_string_data(live, inputs)["stringData"] == {"a": "x"}
    assert with_string_data({"kind": "ConfigMap"}, inputs) == {"kind": "ConfigMap"}
