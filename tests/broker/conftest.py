"""The broker tier: our apps as processes against real servers on loopback."""

from tests.support.apps import fixture_folder
from tests.support.brokers import influx, kafka, mosquitto

__all__ = ["fixture_folder", "influx", "kafka", "mosquitto"]
