"""Kafka, the log everything flows through: the bridge writes, timeseries and later processors read at their own pace.

What survives a restart: every record that was acknowledged, until its topic's share of the volume is full.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra import wiring
from infra.scales import Budget
from infra.services._release import Reach, Values, clients, image, release, resources
from infra.settings import Settings
from infra.wiring import Topic

COPIES = 3  # of each partition, where there are as many brokers
HEAP_SHARE = 0.4  # of the memory limit; page cache, threads and direct buffers need the rest
MEBIBYTE = 1 << 20
LEAST_RETENTION = 4 * MEBIBYTE
BUSY_MSG_S = 1_000  # from here on the full compiler and G1 pay for their memory
BUSY_FLAGS = "-XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35"


@dataclass(frozen=True, slots=True)
class KafkaArgs:
    """What can differ between two Kafkas."""

    image: str
    budget: Budget
    brokers: int
    partitions: int
    volume_gb: int
    msg_s: float
    clients: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> KafkaArgs:
        """As this stack wants it."""
        scale = settings.scale
        return cls(
            image=image(settings, "kafka"),
            budget=scale.budgets["kafka"],
            brokers=scale.kafka_brokers,
            partitions=scale.partitions,
            volume_gb=scale.kafka_volume_gb,
            msg_s=scale.msg_s,
            clients=clients(settings, "kafka"),
        )


def _topic(args: KafkaArgs, topic: Topic) -> Values:
    """A topic's share of all volumes, split over copies and partitions, in whole MiB."""
    partitions = args.partitions if topic.spread else 1
    copies = min(COPIES, args.brokers)
    share = args.volume_gb * 1024 * MEBIBYTE * topic.share * args.brokers / copies / partitions
    retention = max(LEAST_RETENTION, int(share) // MEBIBYTE * MEBIBYTE)
    return {"name": topic.name, "partitions": partitions, "retentionBytes": retention}


def values(args: KafkaArgs) -> Values:
    """The chart's values."""
    flags = {"jvmFlags": BUSY_FLAGS} if args.msg_s >= BUSY_MSG_S else {}
    return flags | {
        "image": args.image,
        "replicas": args.brokers,
        "topics": [_topic(args, topic) for topic in wiring.TOPICS],
        "clients": list(args.clients),
        "volumeGb": args.volume_gb,
        "heapMb": int(args.budget.limit_mb * HEAP_SHARE),
        "resources": resources(args.budget),
    }


class Kafka(pulumi.ComponentResource):
    """A quorum of combined nodes with the lab's topics."""

    def __init__(self, args: KafkaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """`args` say how many nodes and how large."""
        super().__init__("iotlab:services:Kafka", "kafka", None, opts)
        self._chart = release("kafka", "kafka", values(args), self)
        self.endpoint = wiring.KAFKA
        self.register_outputs({"address": self.endpoint.address})

    def reach(self) -> Reach:
        """The way in; inside the namespace Kafka asks for no login, network policies decide who comes near."""
        return Reach(self.endpoint, self._chart)
