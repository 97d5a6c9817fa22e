"""One reading sent through every hop, and what is wrong where it does not arrive.

Canaries have lanes of their own (MQTT topic, Kafka topic, database), so that they leave no trace in data or counts; each
reading has a name of its own, so that no canary mistakes another's reading for its own.
"""
