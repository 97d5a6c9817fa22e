"""Kafka to InfluxDB, in batches.

The promise: an offset is committed only after its reading is written or, if InfluxDB or the codec refuses it for good, lies
in the dead-letter topic with the reason. A reading may be written twice; it is the same point (series and time) and changes
nothing. Only a reading that carries no time of its own gets that of its arrival at the bridge: published or delivered over
MQTT twice, it arrives twice and is two points (ADR 6). While InfluxDB is away or overloaded, offsets wait.
"""
