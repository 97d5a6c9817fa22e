"""The bridge's settings, from BRIDGE_* in the environment; command line options override them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict
from runtime.settings import AppSettings

from bridge.routes import Route


class BridgeSettings(AppSettings):
    """What one bridge carries from where to where."""

    model_config = SettingsConfigDict(env_prefix="BRIDGE_")

    id: str = Field(min_length=1, max_length=64, description="MQTT client id and name of the edge; its session is kept under it")
    uri: str | None = Field(default=None, description="the MQTT broker, tcp://host:port")
    uris: tuple[str, ...] = Field(
        default=(), validate_default=True, description="in place of uri: JSON list of brokers, all of which are read"
    )
    brokerlist: str = Field(description="Kafka's bootstrap brokers, host:port with commas between")
    routes: tuple[Route, ...] = Field(min_length=1, description="JSON list of {mqtt, kafka, key}; the first that matches carries")
    unsubscribe: tuple[str, ...] = Field(
        default=(), description="JSON list of MQTT filters that another carries now; the kept session would go on with them"
    )
    dead_letter_topic: str = Field(description="Kafka topic of the messages that Kafka refuses for good")
    user: str | None = Field(default=None, description="MQTT user")
    password_file: Path | None = Field(default=None, description="file with the MQTT user's password")
    window: int = Field(default=20_000, ge=1, le=60_000, description="messages in flight; MQTT's packet ids end at 65,535")
    window_bytes: int = Field(default=32 << 20, ge=1 << 16, description="bytes in flight, so that large messages fit the memory")
    keepalive_s: int = Field(default=240, ge=10, le=65535, description="MQTT keepalive; TCP finds a dead broker much sooner")
    linger_ms: int = Field(default=5, ge=0, le=1000, description="how long Kafka's producer waits to fill a batch")
    max_message_bytes: int = Field(default=1_000_000, ge=1000, description="largest record offered to Kafka")
    stop_s: float = Field(default=10.0, ge=0.0, description="how long a stop waits for what is in flight")

    @field_validator("uris")
    @classmethod
    def _one_of_both(cls, uris: tuple[str, ...], told: ValidationInfo) -> tuple[str, ...]:
        if bool(uris) == bool(told.data.get("uri")):
            raise ValueError("uri names the MQTT broker or uris names several; exactly one of both is needed")
        return uris

    @property
    def brokers(self) -> tuple[str, ...]:
        """The MQTT brokers to read."""
        return self.uris or (self.uri or "",)
