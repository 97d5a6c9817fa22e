"""The settings every app shares; an app's own class adds to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class AppSettings(BaseSettings):
    """Read from the environment; a wrong value ends the app before it connects anywhere."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True)

    metrics_port: int = Field(
        ge=0, le=65535, validation_alias="METRICS_PORT", description="port of /metrics, /healthz and /readyz; 0: any free one"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", validation_alias="LOG_LEVEL", description="how much is logged"
    )


Settings = TypeVar("Settings", bound=AppSettings)


def from_environment(settings: type[Settings], **chosen: Any) -> Settings:
    """Read `settings` from the environment; `chosen` comes from the command line and wins.

    Raises:
        pydantic.ValidationError: a setting is missing or wrong.
    """
    return settings(**chosen)


class ConfigurationError(Exception):
    """The configuration cannot be used; the message says what and where."""


def read_password(file: Path | None) -> str | None:
    """The password in `file` without its line end; None if there is no file configured.

    Raises:
        ConfigurationError: the file cannot be read or is empty.
    """
    if file is None:
        return None
    try:
        password = file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as broken:
        raise ConfigurationError(f"the password file {file} cannot be read: {broken}") from broken
    if not password:
        raise ConfigurationError(f"the password file {file} is empty")
    return password


def host_and_port(uri: str) -> tuple[str, int]:
    """Read `tcp://host:port`.

    Raises:
        ConfigurationError: another scheme, no host, or no port.
    """
    parts = urlsplit(uri)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme != "tcp" or not parts.hostname or not port:
        raise ConfigurationError(f"{uri!r} is not tcp://host:port")
    return parts.hostname, port
