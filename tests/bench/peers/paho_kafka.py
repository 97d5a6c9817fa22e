"""The bridge that most people would write: paho-mqtt and kafka-python, acknowledged to MQTT after Kafka has it.

`python -m tests.bench.peers.paho_kafka PORT USER PASSWORD FILTER BROKERLIST TOPIC`
"""

from __future__ import annotations

import sys
from typing import Any

from kafka import KafkaProducer
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion


def main() -> None:
    """Run until killed."""
    port, user, password, mqtt_filter, brokerlist, topic = sys.argv[1:]
    producer = KafkaProducer(
        bootstrap_servers=brokerlist,
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        batch_size=262_144,
    )
    client = Client(CallbackAPIVersion.VERSION2, client_id="bridge", clean_session=False, manual_ack=True)
    client.username_pw_set(user, password)

    def carry(_client: Client, _data: Any, message: MQTTMessage) -> None:
        mid = message.mid
        key = message.topic.rpartition("/")[2].encode()
        sent = producer.send(topic, message.payload, key, headers=[("topic", message.topic.encode())])
        sent.add_callback(lambda _record: client.ack(mid, 1))

    def connected(*_told: Any) -> None:
        client.subscribe(mqtt_filter, 1)

    client.on_message = carry
    client.on_connect = connected
    client.connect("127.0.0.1", int(port), 240)
    client.loop_forever()


if __name__ == "__main__":
    main()
