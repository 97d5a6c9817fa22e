"""Who carries boards' messages to Kafka: exactly one of the bridge and Node-RED."""

from __future__ import annotations

from collections.abc import Collection

from infra.scales import Scale

NODE_RED = "node-red"


def refusal(carrier: str, chosen: Collection[str], asked: Collection[str], scale: Scale) -> str:
    """Why that cannot be; empty if it can."""
    if carrier not in chosen and carrier != "bridge":
        return f"iotlab:iotkitIngest names '{carrier}', which is not among iotlab:services; add it, or name bridge"
    if carrier == NODE_RED and scale.mqtt_shards > 1:
        return (
            f"iotlab:iotkitIngest: Node-RED listens to the first broker, and scale {scale.name} has {scale.mqtt_shards}, "
            "each with boards of its own; name bridge, or take scale S or M"
        )
    reads = sorted(service for service in asked if service == NODE_RED or service.startswith("iot-kafka-"))
    if reads and carrier not in asked:
        return (
            f"nothing carries boards' messages to '{reads[0]}': add bridge to iotlab:services, or node-red and set "
            "iotlab:iotkitIngest to node-red"
        )
    return ""
