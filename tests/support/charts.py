"""Renders charts with helm and takes the objects apart."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from infra import wiring
from infra.lab.bundle.upstream import UPSTREAM
from infra.lab.paths import ROOT, Paths
from tests.support.program import IMAGES, run_program

CHARTS = ROOT / "charts"
Object = dict[str, Any]
EVERYTHING: dict[str, Object] = {
    "mosquitto": {
        "image": IMAGES["mosquitto"],
        "imagePullPolicy": "Always",
        "existingSecret": "mosquitto-users",
        "secretVersion": "7",
        "users": [{"name": "bridge", "access": ["read a/#"]}, {"name": "fleet", "access": []}],
        "patterns": ["write a/%c"],
        "tlsSecret": "mosquitto-tls",
        "shards": 3,
        "external": {"enabled": True, "nodePort": 30001, "tlsNodePort": 30002, "sources": ["192.168.7.0/24"]},
        "clients": ["bridge", "fleet"],
        "tlsClients": ["jupyter"],
        "storageClass": "fast",
    },
    "kafka": {
        "image": IMAGES["kafka"],
        "replicas": 3,
        "topics": [
            {"name": "a", "partitions": 12, "retentionBytes": 10 << 30},
            {"name": "b", "partitions": 1, "retentionBytes": 4 << 20},
        ],
        "clients": ["bridge", "timeseries"],
        "storageClass": "fast",
    },
    "influxdb": {
        "image": IMAGES["influxdb"],
        "existingSecret": "influxdb-users",
        "databases": [{"name": "a", "retentionH": 1}, {"name": "b", "retentionH": 720}],
        "users": [{"name": "u", "read": ["a", "b"], "write": ["b"]}],
        "clients": ["timeseries"],
        "storageClass": "fast",
    },
    "camunda": {
        "image": IMAGES["camunda"],
        "existingSecret": "camunda-users",
        "users": [{"name": "a", "role": "admin"}, {"name": "w", "role": "worker"}, {"name": "d", "role": "deployer"}],
        "clients": ["process-worker"],
        "egress": [{"app": "node-red", "port": 1880}],
        "external": {"enabled": True, "nodePort": 30004, "sources": ["192.168.7.0/24"]},
        "storageClass": "fast",
    },
    "ingress": {
        "image": IMAGES["ingress"],
        "tlsSecret": "ingress-tls",
        "routes": [
            {
                "service": "camunda",
                "port": 8080,
                "paths": [{"path": "/camunda", "type": "Prefix"}, {"path": "/a", "type": "Exact"}],
            },
            {"service": "node-red", "port": 1880, "paths": [{"path": "/", "type": "Prefix"}]},
        ],
        "address": "lab.example",
        "external": {"enabled": True, "nodePort": 30003, "sources": ["192.168.7.0/24"]},
        "apiServer": {"networks": ["10.0.0.0/8"], "ports": [6443]},
    },
    "node-red": {
        "image": IMAGES["node-red"],
        "existingSecret": "node-red-users",
        "keySecret": "node-red-key",
        "flows": [{"id": "a", "type": "tab", "label": "{{ not a template }}"}],
        "carrier": {"node": "b", "enabled": True},
        "topics": ["a"],
        "deadLetterTopic": "dead",
        "logins": [{"type": "mqtt-broker", "field": "broker", "server": "mqtt", "user": "u", "secret": "mqtt-u"}],
        "external": {"enabled": True, "nodePort": 30004, "sources": ["192.168.7.0/24"]},
        "clients": ["ingress"],
        "egress": [{"app": "kafka", "port": 9092}],
    },
    "jupyter": {
        "image": IMAGES["jupyter"],
        "existingSecret": "jupyter-users",
        "user": "jupyter",
        "secretVersion": "7",
        "env": {"MOSQUITTO_ADDRESS": "mosquitto:1883"},
        "secrets": ["mosquitto-lab"],
        "hosts": ["lab.example"],
        "external": {"enabled": True, "nodePort": 30004, "sources": ["192.168.7.0/24"]},
        "clients": ["ingress"],
        "egress": [{"app": "mosquitto", "port": 1883}],
        "apiServer": {"networks": ["10.0.0.0/8"], "ports": [6443]},
        "lessons": {"namespace": "exercises", "pods": 5, "memoryMb": 320},
        "dataClaim": "data-claim",
        "storageClass": "fast",
    },
    "grafana": {
        "image": UPSTREAM[0].reference,
        "existingSecret": "grafana-users",
        "keySecret": "grafana-key",
        "secretVersion": "7",
        "influxdb": {
            "app": "influxdb",
            "user": "reader",
            "secret": "influxdb-reader",
            "databases": [{"name": "a", "uid": "influxdb-a"}, {"name": "b_c", "uid": "influxdb-b_c"}],
        },
        "dashboards": {"a.json": '{"title": "a: \\"b\\""}', "b.json": "{}"},
        "external": {"enabled": True, "nodePort": 30004, "sources": ["192.168.7.0/24"]},
        "clients": ["ingress"],
        "storageClass": "fast",
    },
    "registry": {
        "image": IMAGES["registry"],
        "existingSecret": "registry-users",
        "secretVersion": "7",
        "external": {"enabled": True, "nodePort": 30004, "sources": ["192.168.7.0/24"]},
        "clients": ["ingress"],
        "storageClass": "fast",
    },
    "headlamp": {
        "image": UPSTREAM[1].reference,
        "external": {"enabled": True, "nodePort": 30004, "sources": ["192.168.7.0/24"]},
        "clients": ["ingress"],
        "apiServer": {"networks": ["10.0.0.0/8"], "ports": [6443]},
    },
    "app": {
        "image": IMAGES["apps"],
        "module": "bridge",
        "args": ["--id", "edge"],
        "env": {"BRIDGE_ID": "edge", "BRIDGE_ROUTES": '[{"mqtt": "a/#"}]'},
        "secrets": ["mosquitto-bridge"],
        "claims": [{"name": "data-claim", "path": "/data"}],
        "replicas": 3,
        "clients": ["prometheus"],
        "egress": [{"app": "kafka", "port": 9092}],
    },
}
LEAST: dict[str, Object] = {
    "mosquitto": {key: EVERYTHING["mosquitto"][key] for key in ("image", "existingSecret", "users")},
    "kafka": {"image": IMAGES["kafka"]},
    "influxdb": {key: EVERYTHING["influxdb"][key] for key in ("image", "existingSecret")},
    "camunda": {key: EVERYTHING["camunda"][key] for key in ("image", "existingSecret", "users")},
    "ingress": {key: EVERYTHING["ingress"][key] for key in ("image", "tlsSecret")},
    "node-red": {key: EVERYTHING["node-red"][key] for key in ("image", "existingSecret", "keySecret")},
    "jupyter": {key: EVERYTHING["jupyter"][key] for key in ("image", "existingSecret", "user")},
    "grafana": {key: EVERYTHING["grafana"][key] for key in ("existingSecret", "keySecret", "influxdb", "dashboards")}
    | {"image": IMAGES["grafana"]},
    "registry": {key: EVERYTHING["registry"][key] for key in ("image", "existingSecret")},
    "headlamp": {"image": IMAGES["headlamp"]},
    "app": {"image": IMAGES["apps"], "module": "bridge"},
}


@cache
def cases() -> dict[str, tuple[str, str, Object]]:
    """Name of the case -> release, chart, values.

    The least and everything of each chart, and what the program gives at each scale.
    """
    found = {f"{chart}-least": (chart, chart, values) for chart, values in LEAST.items()}
    found |= {f"{chart}-everything": (chart, chart, values) for chart, values in EVERYTHING.items()}
    for scale in ("S", "M"):
        for name, (chart, values) in run_program({"scale": scale}).charts().items():
            found[f"{name}-{scale}"] = (name, chart, values)
    return found


def helm(*words: str, values: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run the lab's helm with `values` on its standard input."""
    command = [str(Paths.from_environment().bin / "helm"), *words, "-f", "-"]
    return subprocess.run(command, input=yaml.safe_dump(dict(values)), capture_output=True, text=True, check=False)


@cache
def rendered_text(case: str) -> str:
    """The YAML of a case."""
    return _text(*cases()[case])


def _text(release: str, chart: str, values: Mapping[str, Any]) -> str:
    done = helm("template", release, str(CHARTS / chart), "--namespace", wiring.NAMESPACE, values=values)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(case: str) -> list[Object]:
    """The objects of a case."""
    return [loaded for loaded in yaml.safe_load_all(rendered_text(case)) if loaded]


def rendered_with(release: str, chart: str, values: Mapping[str, Any]) -> list[Object]:
    """The objects of any other values."""
    return [loaded for loaded in yaml.safe_load_all(_text(release, chart, values)) if loaded]


def pod_templates(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """`Kind/name` and pod template of everything that makes pods."""
    for found in objects:
        if found["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job"}:
            yield f"{found['kind']}/{found['metadata']['name']}", found["spec"]["template"]


def refused(chart: str, values: Mapping[str, Any]) -> str:
    """Why helm refuses these values."""
    done = helm("template", chart, str(CHARTS / chart), values=values)
    assert done.returncode != 0, f"{chart} took {dict(values)}"
    return done.stderr


def templates() -> list[Path]:
    """Every template that renders an object."""
    return sorted(path for path in CHARTS.glob("*/templates/*.yaml"))
