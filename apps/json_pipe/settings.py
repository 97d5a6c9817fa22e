"""The settings of json_pipe, from JSON_PIPE_* in the environment."""

from __future__ import annotations

import socket

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from runtime.consuming import ConsumerSettings


class JsonPipeSettings(ConsumerSettings):
    """What is read, and where the documents go."""

    model_config = SettingsConfigDict(env_prefix="JSON_PIPE_")

    output_topic: str = Field(min_length=1, description="Kafka topic of the documents")
    instance: str = Field(
        default_factory=socket.gethostname,
        min_length=1,
        description="name of this process among its group, the same after a restart: it ends its own unfinished transaction",
    )
