"""The settings of timeseries, from TIMESERIES_* in the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from runtime.settings import AppSettings

from timeseries.points import Series


class TimeseriesSettings(AppSettings):
    """What is written from where to where."""

    model_config = SettingsConfigDict(env_prefix="TIMESERIES_")

    brokerlist: str = Field(description="Kafka's bootstrap brokers, host:port with commas between")
    group: str = Field(min_length=1, description="Kafka consumer group")
    series: tuple[Series, ...] = Field(min_length=1, description="JSON list of {topic, codec, database, measurement}")
    influx_url: str = Field(pattern=r"^https?://", description="InfluxDB, http://host:port")
    influx_user: str | None = Field(default=None, description="InfluxDB user")
    influx_password_file: Path | None = Field(default=None, description="file with the InfluxDB user's password")
    dead_letter_topic: str = Field(description="Kafka topic of the readings that cannot be used")
    batch_points: int = Field(default=5000, ge=1, le=50_000, description="most points in one write; InfluxDB likes 5,000")
    batch_wait_s: float = Field(default=0.2, gt=0.0, le=60.0, description="how long a batch waits to be filled")
    timeout_s: float = Field(default=10.0, gt=0.0, description="how long InfluxDB may take for one write")
    gzip: bool = Field(default=False, description="compress what is written; worth it over a network only")
