"""Kafka, where every reading is kept in order and read by as many as want to.

The bridge writes; timeseries and, later, consumers and learning read. Records survive a restart on a volume and are kept
by bytes, so that a disk is never full. Topics are made by a job from the wiring; nobody makes one by a typing error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from infra import wiring
from infra.scales import Scale
from infra.services._access import Access
from infra.services._release import release, resources

KEPT_SHARE = 0.8  # of the volume for the topics; the rest is Kafka's own logs and the segment being written
HEAP_SHARE = 0.36  # of the memory limit; page cache, metaspace and threads take the rest


@dataclass(frozen=True, slots=True)
class KafkaArgs:
    """What can differ: the image's reference and the size."""

    image: str
    scale: Scale


def topics(scale: Scale) -> list[dict[str, Any]]:
    """Name, partitions and bytes kept per partition of every topic."""
    kept = int(scale.kafka_volume_gb * 2**30 * KEPT_SHARE)
    listed = []
    for topic in wiring.TOPICS:
        partitions = scale.partitions if topic.spread else 1
        listed.append({"name": topic.name, "partitions": partitions, "retentionBytes": int(kept * topic.share / partitions)})
    return listed


def values(args: KafkaArgs) -> dict[str, Any]:
    """The chart's values."""
    budget = args.scale.budgets["kafka"]
    return {
        "image": args.image,
        "replicas": args.scale.kafka_brokers,
        "topics": topics(args.scale),
        "clients": wiring.clients_of(wiring.KAFKA),
        "volumeGb": args.scale.kafka_volume_gb,
        "heapMb": int(budget.limit_mb * HEAP_SHARE),
        "resources": resources(budget),
    }


class Kafka(pulumi.ComponentResource):
    """The log with its topics."""

    def __init__(self, name: str, args: KafkaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """`name` is the release's and the host's name."""
        super().__init__("iotlab:services:Kafka", name, None, opts)
        self.access = Access(wiring.KAFKA, (release(name, "kafka", values(args), self),))
        self.register_outputs({})
