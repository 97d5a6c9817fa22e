"""Mosquitto in shards: one host name, a port for each, and a client's is the same wherever it is asked."""

from __future__ import annotations

from dataclasses import replace

from fleet import shards as fleet_shards

from infra import mqtt_shards, wiring
from infra.scales import S
from infra.services.mosquitto import MosquittoArgs, values
from tests.support.charts import Object, pod_templates, rendered_with
from tests.support.program import IMAGES

SHARDS = 6
NODE_PORT = {"mqtt": (31883, 31901, 31902, 31903, 31904, 31905), "mqtts": (31884, 32001, 32002, 32003, 32004, 32005)}


def _rendered() -> list[Object]:
    args = MosquittoArgs(IMAGES["mosquitto"], replace(S, mqtt_shards=SHARDS))
    return rendered_with("mosquitto", "mosquitto", values(args, "mosquitto-users"))


def _ports(objects: list[Object], service: str) -> dict[str, Object]:
    found = next(one for one in objects if one["kind"] == "Service" and one["metadata"]["name"] == service)
    return {port["name"]: port for port in found["spec"]["ports"]}


def test_each_port_of_the_one_host_name_leads_to_one_shard() -> None:
    objects = _rendered()
    owners: dict[str, list[str]] = {}
    for name, template in pod_templates(objects):
        for port in template["spec"]["containers"][0]["ports"]:
            owners.setdefault(port["name"], []).append(name)
    inside, outside = _ports(objects, "mosquitto"), _ports(objects, "mosquitto-external")
    for kind in ("mqtt", "mqtts"):
        for shard in range(SHARDS):
            name = kind if shard == 0 else f"{kind}-{shard}"
            assert owners[name] == [f"StatefulSet/mosquitto{'' if shard == 0 else f'-{shard}'}"]
            assert inside[name]["targetPort"] == outside[name]["targetPort"] == name
            assert inside[name]["port"] == outside[name]["port"]
            assert outside[name]["nodePort"] == NODE_PORT[kind][shard]
    assert [inside["mqtt" if not shard else f"mqtt-{shard}"]["port"] for shard in range(SHARDS)] == [
        endpoint.port for endpoint in mqtt_shards.endpoints(SHARDS)
    ]


def test_no_pod_is_taken_for_another_shards() -> None:
    sets = [one for one in _rendered() if one["kind"] == "StatefulSet"]
    assert len(sets) == SHARDS
    for one in sets:
        wanted = one["spec"]["selector"]["matchLabels"].items()
        matched = [
            other["metadata"]["name"] for other in sets if wanted <= other["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert matched == [one["metadata"]["name"]]


def test_the_fleet_is_spread_evenly_and_for_good() -> None:
    counts = [0] * SHARDS
    for number in range(1, 100_001):
        counts[mqtt_shards.shard_of(wiring.CAR_CLIENT_ID.format(number=number), SHARDS)] += 1
    assert max(counts) - min(counts) < 0.02 * sum(counts) / SHARDS
    names = [wiring.CAR_CLIENT_ID.format(number=number) for number in range(1, 1000)]
    assert [mqtt_shards.shard_of(name, 7) for name in names] == [fleet_shards.shard_of(name, 7) for name in names]
    assert [mqtt_shards.shard_of(f"electric-vehicle-0000{number}", SHARDS) for number in range(1, 7)] == [4, 0, 4, 3, 5, 5]
