"""Sensor readings of boards as JSON documents on a Kafka topic of their own, keyed by device.

The promise: one reading is one document, across restarts and kill -9: documents and the offsets that they stand for are
committed in one Kafka transaction, so a reader that takes committed records only (librdkafka's clients do so by themselves)
sees each once. What is no reading goes to the dead-letter topic in the same transaction; other messages are counted.

A transaction that is aborted is done again; one of which Kafka doesn't say what became of it ends the process, and the next
goes on from the last that Kafka took.
"""
