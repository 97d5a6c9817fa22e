"""The settings of alert_process, from ALERT_PROCESS_* in the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from runtime.lane import LaneSettings


class AlertProcessSettings(LaneSettings):
    """Which alerts start which process, and what is told to it."""

    model_config = SettingsConfigDict(env_prefix="ALERT_PROCESS_")

    dead_letter_topic: str = Field(min_length=1, description="Kafka topic of the alerts that cannot be used")
    camunda_url: str = Field(pattern=r"^https?://", description="Camunda's REST, http://host:port/engine-rest")
    camunda_user: str | None = Field(default=None, description="Camunda user")
    camunda_password_file: Path | None = Field(default=None, description="file with the Camunda user's password")
    process: str = Field(min_length=1, description="key of the process that an alert starts")
    canary_process: str = Field(default="", description="key of the process that the doctor's alert starts; none if empty")
    dashboard: str = Field(default="", description="link to a device's readings, a format with {device}")
    window_s: float = Field(default=600.0, gt=0.0, le=86_400.0, description="alerts of one kind within it are one incident")
    kept_readings: int = Field(
        default=20, ge=1, le=40, description="readings told to the process; a text variable of Camunda's holds 4,000 characters"
    )
    read_back: int = Field(default=300, ge=0, le=10_000, description="records read again at the start, for the readings alone")
    first_s: float = Field(default=3600.0, ge=0.0, description="how old the alerts are that a new group begins with")
