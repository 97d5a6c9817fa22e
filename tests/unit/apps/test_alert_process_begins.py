from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from alert_process.begins import Begin, begins
from confluent_kafka import KafkaError, TopicPartition
from runtime.errors import UnavailableError

NOBODY = -1001  # nothing was ever committed: the group is new


@dataclass
class Place:
    """What the client answers for a partition; its own class cannot be made with an error."""

    offset: int
    error: KafkaError | None = None
    topic: str = "b"
    partition: int = 0


@dataclass
class Asked:
    """Stands for the client: a topic with the records 10 to 99."""

    group: Place
    since: Place
    marks: tuple[int, int] | None = (10, 100)

    def committed(self, _partitions: list[TopicPartition], timeout: float) -> list[Place]:
        assert timeout > 0
        return [self.group]

    def offsets_for_times(self, _partitions: list[TopicPartition], timeout: float) -> list[Place]:
        assert timeout > 0
        return [self.since]

    def get_watermark_offsets(self, _partition: Place, timeout: float) -> tuple[int, int] | None:
        assert timeout > 0
        return self.marks


@pytest.mark.parametrize(
    ("group", "since", "effects_from", "new"),
    [
        (40, 0, 40, False),
        (5, 0, 10, False),  # what lay there is gone
        (400, 0, 100, False),
        (NOBODY, 70, 70, True),
        (NOBODY, -1, 100, True),  # no alert is as young as that
    ],
)
def test_effects_begin_at_the_groups_offset_or_with_the_first_young_alert(
    group: int, since: int, effects_from: int, *, new: bool
) -> None:
    consumer: Any = Asked(Place(group), Place(since))
    assert begins(consumer, [], 5) == [Begin("b", 0, 10, effects_from, new)]


@pytest.mark.parametrize(
    "consumer",
    [
        Asked(Place(NOBODY, KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS)), Place(70)),
        Asked(Place(NOBODY), Place(-1, KafkaError(KafkaError.LEADER_NOT_AVAILABLE))),
        Asked(Place(NOBODY), Place(70), marks=None),
        Asked(Place(40), Place(70), marks=None),
    ],
    ids=["the group's offset", "the first young alert", "the records of a new group", "the records of a group"],
)
def test_what_kafka_does_not_tell_is_not_guessed(consumer: Any) -> None:
    with pytest.raises(UnavailableError, match="does not tell where b/0 begins"):
        begins(consumer, [], 5)
