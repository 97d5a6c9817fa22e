"""The settings of process_worker, from PROCESS_WORKER_* in the environment."""

from __future__ import annotations

import socket
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from runtime.settings import AppSettings


class ProcessWorkerSettings(AppSettings):
    """Which tasks are done, for which Camunda, and where verdicts go."""

    model_config = SettingsConfigDict(env_prefix="PROCESS_WORKER_")

    camunda_url: str = Field(pattern=r"^https?://", description="Camunda's REST, http://host:port/engine-rest")
    camunda_user: str | None = Field(default=None, description="Camunda user")
    camunda_password_file: Path | None = Field(default=None, description="file with the Camunda user's password")
    brokerlist: str = Field(description="Kafka's bootstrap brokers, host:port with commas between")
    verdict_topic: str = Field(min_length=1, description="Kafka topic of the verdicts")
    invoice_task: str = Field(min_length=1, description="Camunda's topic of invoices to be booked")
    verdict_task: str = Field(min_length=1, description="Camunda's topic of verdicts to be published")
    instance: str = Field(default_factory=socket.gethostname, min_length=1, description="name under which it locks tasks")
    poll_s: float = Field(default=8.0, gt=0.0, le=60.0, description="how long Camunda may keep a question open for new tasks")
    lock_s: float = Field(default=60.0, ge=5.0, description="how long a task is ours; after that another worker may have it")
    retries: int = Field(default=3, ge=0, description="how often a task that fails is tried again before it is an incident")
    retry_s: float = Field(default=10.0, ge=0.0, description="wait before a failed task is tried again")
