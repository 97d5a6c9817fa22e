"""The fleet's settings, from FLEET_* in the environment."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from runtime.settings import AppSettings
from telemetry.truth import FailureMode

from fleet.wear import USUAL_FAILURES_PER_HOUR


class FleetSettings(AppSettings):
    """How many devices of each kind publish how often, where and as whom."""

    model_config = SettingsConfigDict(env_prefix="FLEET_")

    uri: str = Field(description="the MQTT broker, or the first of its shards, tcp://host:port")
    topic: str = Field(min_length=1, description="MQTT topic in front of a car's /<client id>")
    truth_topic: str = Field(default="", description="MQTT topic in front of a car's /<client id> for its truth; none if empty")
    client_id: str = Field(pattern=r"\{number", description="client id of a car, a format with {number}")
    cars: int = Field(ge=0, le=17_000, description="cars; a process has 20,000 files to open at most")
    interval_s: float = Field(gt=0.0, le=3600.0, description="time between two readings of a car")
    first: int = Field(default=1, ge=0, description="number of the first car")
    iotkit: int = Field(default=0, ge=0, le=1000, description="IoTKit boards")
    iotkit_topic: str = Field(min_length=1, description="MQTT topic in front of a board's /<client id>/<kind>")
    iotkit_client_id: str = Field(pattern=r"\{low", description="client id of a board, a format with {high} and {low} byte")
    iotkit_interval_s: float = Field(default=1.5, gt=0.0, le=3600.0, description="time between two readings of a board")
    abnormal_per_hour: float = Field(default=1.0, ge=0.0, le=60.0, description="times a board's machine runs hot in an hour")
    fans: int = Field(default=0, ge=0, le=1000, description="fans")
    fan_topic: str = Field(min_length=1, description="MQTT topic that all fans share")
    fan_client_id: str = Field(pattern=r"\{number", description="client id of a fan, a format with {number}")
    fan_interval_s: float = Field(default=2.0, gt=0.0, le=3600.0, description="time between two readings of a fan")
    qos: int = Field(default=1, ge=0, le=1, description="MQTT quality of service of cars; boards and fans have 0")
    user: str | None = Field(default=None, description="MQTT user")
    password_file: Path | None = Field(default=None, description="file with the MQTT user's password")
    seed: int = Field(default=1, description="the same seed makes the same devices")
    failures_per_hour: float = Field(
        default=USUAL_FAILURES_PER_HOUR, ge=0.0, le=60.0, description="failures of one car in an hour of driving"
    )
    failure_rates: dict[FailureMode, Annotated[float, Field(ge=0.0, le=60.0)]] = Field(
        default_factory=dict, description="the same for single modes, instead of their share of all"
    )
    mqtt: Literal["3.1.1", "5"] = Field(default="3.1.1", description="version of MQTT")
    keepalive_s: int = Field(default=60, ge=5, le=65535, description="MQTT keepalive")
    session_expiry_s: int = Field(
        default=0,
        ge=0,
        le=2**32 - 1,
        description="how long a broker keeps a session; 0: not (3.1.1: any other, for good)",
    )
    shards: int = Field(default=1, ge=1, le=1000, description="brokers behind the host name, each with a port of its own")
    ports: list[int] = Field(default=[], description="port of each shard; none given: one after the other from that of the uri")
    sources: list[IPv4Address | IPv6Address] = Field(
        default=[], description="addresses of this machine to connect from; each has some 28,000 ports for one shard"
    )
    tls_authority_file: Path | None = Field(default=None, description="file with the authority that vouches for the broker: TLS")
    command_topic: str | None = Field(default=None, description="topic of a device's commands, a format with {client_id}")
    queued_bytes: int = Field(
        default=65_536, ge=1024, le=2**24, description="bytes that may wait in a connection while the broker does not read"
    )
    kept_readings: int = Field(default=20, ge=1, le=10_000, description="readings a car keeps while it has no connection")
    connects_per_s: float = Field(default=500.0, gt=0.0, description="most connections opened in a second")
