"""Values that cannot work are refused before anything is sent to a cluster, with the value's name in the message."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.charts import EVERYTHING, refused

BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "an image by tag": ("kafka", {"image": "localhost/iotlab/kafka:latest"}, "/image"),
    "two Kafka nodes": ("kafka", {"replicas": 2}, "/replicas"),
    "a cluster id of the wrong length": ("kafka", {"clusterId": "short"}, "/clusterId"),
    "a topic without retention": ("kafka", {"topics": [{"name": "a", "partitions": 1}]}, "retentionBytes"),
    "a topic with a blank": (
        "kafka",
        {"topics": [{"name": "a b", "partitions": 1, "retentionBytes": 4 << 20}]},
        "/topics/0/name",
    ),
    "an unknown key": ("kafka", {"replica": 1}, "replica"),
    "an unknown nested key": ("influxdb", {"resources": {"memory": "1Gi"}}, "memory"),
    "no Secret": ("influxdb", {"existingSecret": ""}, "/existingSecret"),
    "a user's name that would end a statement": ("influxdb", {"admin": 'a" WITH'}, "/admin"),
    "a database with a quote": ("influxdb", {"databases": [{"name": 'a"b', "retentionH": 1}]}, "/databases/0/name"),
    "no user": ("mosquitto", {"users": []}, "/users"),
    "an access line that is none": ("mosquitto", {"users": [{"name": "a", "access": ["may a/#"]}]}, "/users/0/access/0"),
    "a pattern that binds nobody": ("mosquitto", {"patterns": ["write a/#"]}, "/patterns/0"),
    "a node port out of range": ("mosquitto", {"external": {"nodePort": 1883}}, "/external/nodePort"),
    "a packet larger than Kafka takes": ("mosquitto", {"maxPacketBytes": 2_000_000}, "/maxPacketBytes"),
    "a password's variable in small letters": ("app", {"env": {"password": "x"}}, "password"),
    "a number as environment": ("app", {"env": {"PORT": 1}}, "/env/PORT"),
    "a claim on a path that is none": ("app", {"claims": [{"name": "data", "path": "data"}]}, "/claims/0/path"),
    "a module that is a path": ("app", {"module": "../bridge"}, "/module"),
    "a publisher's image by a moving tag": ("grafana", {"image": "registry.example/grafana:latest"}, "/image"),
    "a dashboard that is no JSON": ("grafana", {"dashboards": {"a.json": "title"}}, "/dashboards/a.json"),
    "no dashboard": ("grafana", {"dashboards": {}}, "/dashboards"),
    "an Ingress without a certificate": ("ingress", {"tlsSecret": ""}, "/tlsSecret"),
    "a route without a path": ("ingress", {"routes": [{"service": "a", "port": 1, "paths": []}]}, "/routes/0/paths"),
    "a path that is none": (
        "ingress",
        {"routes": [{"service": "a", "port": 1, "paths": [{"path": "a", "type": "Exact"}]}]},
        "/routes/0/paths/0/path",
    ),
    "a notebook server without a token's name": ("jupyter", {"user": ""}, "/user"),
    "a password among the notebooks' settings": ("jupyter", {"env": {"password": "x"}}, "password"),
    "a host name with a wildcard": ("jupyter", {"hosts": ["*"]}, "/hosts/0"),
    "a server for no host": ("jupyter", {"hosts": []}, "/hosts"),
    "nobody who brings the models": (
        "camunda",
        {"users": [{"name": "a", "role": "admin"}]},
        "needs a user with the role deployer",
    ),
    "a role that is none": ("camunda", {"users": [{"name": "a", "role": "root"}]}, "/users/0/role"),
    "a registry without a login": ("registry", {"existingSecret": ""}, "/existingSecret"),
    "a registry's image by tag": ("registry", {"image": "localhost/iotlab/registry:1"}, "/image"),
    "the page of the cluster by a moving tag": ("headlamp", {"image": "registry.example/headlamp:latest"}, "/image"),
    "the API anywhere": ("headlamp", {"apiServer": {"networks": ["anywhere"]}}, "/apiServer/networks/0"),
    "text for a number": ("app", {"replicas": "two"}, "/replicas"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_it_is_refused_and_named(name: str) -> None:
    chart, change, told = BAD[name]
    assert told in refused(chart, EVERYTHING[chart] | change)


@pytest.mark.parametrize("chart", sorted(EVERYTHING))
def test_an_image_must_be_given(chart: str) -> None:
    values = {key: value for key, value in EVERYTHING[chart].items() if key != "image"}
    assert "image" in refused(chart, values)
