"""Simulated cars: each with an MQTT session of its own, its own course of the day, and now and then a failure."""
