"""The settings of csv_sink, from CSV_SINK_* in the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from runtime.lane import LaneSettings


class CsvSinkSettings(LaneSettings):
    """What is read, and the file that is appended to."""

    model_config = SettingsConfigDict(env_prefix="CSV_SINK_")

    file: Path = Field(description="CSV file; its journal and its lock lie beside it")
    canary_file: Path | None = Field(default=None, description="file that holds the doctor's last row, and nothing else")
