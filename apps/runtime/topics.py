"""Topics by their ids: one that was deleted and made anew has its old name, and other records behind the same offsets."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from runtime.errors import UnavailableError

ASK_S = 5.0


class Topics:
    """The ids that some topics have, or had when they were last there."""

    def __init__(self, brokerlist: str, names: Sequence[str]) -> None:
        """Nothing connects before `look`."""
        self.ids: dict[str, str] = {}  # of those that were ever there
        self._brokerlist = brokerlist
        self._names = list(names)
        self._admin: AdminClient | None = None

    def look(self) -> set[str]:
        """Ask Kafka; returns the names of those that were made anew since the last time.

        Raises:
            UnavailableError: Kafka is away.
        """
        told = self._ask()
        anew = {name for name, known in self.ids.items() if told.get(name, known) != known}
        self.ids |= told
        return anew

    def _ask(self) -> dict[str, str]:
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self._brokerlist, "log_level": 2})
        told = {}
        asked = self._admin.describe_topics(TopicCollection(self._names), request_timeout=ASK_S)
        for name, answer in asked.items():
            try:
                known = answer.result(ASK_S).topic_id
            except (KafkaException, TimeoutError) as failed:
                if isinstance(failed, KafkaException) and failed.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise UnavailableError(f"Kafka does not tell the topic {name}: {failed}") from failed
            told[name] = f"{known.get_most_significant_bits():x}-{known.get_least_significant_bits():x}"
        return told
