"""The canary's settings, from CANARY_* in the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt
from pydantic_settings import SettingsConfigDict
from runtime.settings import AppSettings


class CanarySettings(AppSettings):
    """Where the reading goes in, and where it must come out."""

    model_config = SettingsConfigDict(env_prefix="CANARY_")

    device: str = Field(pattern=r"^[A-Za-z0-9._-]{1,40}$", description="the reserved device")
    mqtt_uri: str = Field(description="the MQTT broker to which the readings go, tcp://host:port")
    mqtt_uris: tuple[str, ...] = Field(min_length=1, description="JSON list of all MQTT brokers, whose drops are watched")
    drops_topic: str = Field(min_length=1, description="MQTT topic on which a broker says how many messages it has dropped")
    mqtt_topic: str = Field(min_length=1, description="MQTT topic in front of /<device>")
    mqtt_user: str = Field(description="MQTT user")
    mqtt_password_file: Path = Field(description="file with the MQTT user's password")
    brokerlist: str = Field(description="Kafka's bootstrap brokers, host:port with commas between")
    kafka_topic: str = Field(min_length=1, description="Kafka topic of the canaries")
    topics: dict[str, PositiveInt] = Field(default={}, description="JSON: the topics that must be there, with their partitions")
    influx_url: str = Field(pattern=r"^https?://", description="InfluxDB, http://host:port")
    influx_user: str = Field(description="InfluxDB user")
    influx_password_file: Path = Field(description="file with the InfluxDB user's password")
    database: str = Field(min_length=1, description="InfluxDB database of the canaries")
    measurement: str = Field(min_length=1, description="InfluxDB measurement of the canaries")
    hops: tuple[Literal["node-red", "csv", "alert"], ...] = Field(default=(), description="JSON: the hops beyond InfluxDB")
    board_mqtt_topic: str = Field(default="", description="MQTT topic in front of /<device>/<kind>, for messages as of a board")
    flow_mqtt_topic: str = Field(default="", description="MQTT topic in front of /<device> that Node-RED carries")
    board_topic: str = Field(default="", description="Kafka topic of the messages as of a board")
    answer_topic: str = Field(default="", description="Kafka topic of the answers to them")
    hop_timeout_s: float = Field(default=10.0, gt=0.0, le=60.0, description="how long a hop may take")
    interval_s: float = Field(default=60.0, ge=1.0, description="time between two readings of the standing canary")
