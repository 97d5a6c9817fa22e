"""MQTT to Kafka, and nothing lost between them.

The promise: a QoS 1 message is acknowledged to the MQTT broker only after Kafka has it on all in-sync replicas, in the order
received. What the bridge has not acknowledged comes again, because its session is kept; so a reading may reach Kafka twice
but never not at all. A message that Kafka refuses for good goes to the dead-letter topic with the reason and never stops
the stream. QoS 0 messages are carried as well as they can be; the protocol gives no second chance for them.
"""
