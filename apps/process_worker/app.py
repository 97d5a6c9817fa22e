"""The loop: take a task, do it, complete it or give it back with the reason."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from runtime.backoff import Backoff
from runtime.camunda import Camunda, RefusedError
from runtime.errors import UnavailableError
from runtime.publisher import Outgoing, Publisher
from runtime.settings import read_password
from runtime.status import Heartbeat

from process_worker.metrics import Metrics
from process_worker.settings import ProcessWorkerSettings
from process_worker.tasks import Task, TaskError, booking_number, verdict

log = logging.getLogger(__name__)

FLUSH_S = 10.0  # well within a task's lock

Variables = dict[str, dict[str, str]]


class ProcessWorker:
    """Does tasks until told to stop."""

    def __init__(self, settings: ProcessWorkerSettings, metrics: Metrics, heartbeat: Heartbeat) -> None:
        """Nothing connects before `run`."""
        self._settings = settings
        self._metrics = metrics
        self._heartbeat = heartbeat
        password = read_password(settings.camunda_password_file)
        self._camunda = Camunda(settings.camunda_url, settings.camunda_user, password)
        self._publisher = Publisher(settings.brokerlist, "process_worker", FLUSH_S)
        self._does: dict[str, Callable[[Task], Variables]] = {
            settings.invoice_task: self._book,
            settings.verdict_task: self._publish,
        }
        self._why: str | None = "Camunda has not been asked yet"

    def run(self, stop: threading.Event) -> None:
        """Take and do tasks until `stop`; one that was taken and not begun is unlocked."""
        backoff = Backoff(0.5, 10.0)
        while not stop.is_set():
            self._heartbeat.beat()
            try:
                tasks = self._fetch()
                self._why = None
                for task in tasks:
                    self._metrics.fetched.labels(task.topic).inc()
                    if stop.is_set():
                        self._camunda.post(f"/external-task/{task.id}/unlock", {})
                    else:
                        self._do(task)
            except (UnavailableError, RefusedError) as failed:  # a refusal here is about us: worker, lock, login
                log.warning("%s", failed)
                self._why = str(failed)
                self._metrics.waits.inc()
                stop.wait(backoff.next_s())
                continue
            backoff.reset()

    def _fetch(self) -> list[Task]:
        """One task: a second one would wait behind it with its lock running."""
        wait_s = 0.0 if self._why else self._settings.poll_s  # at first the question is whether it answers at all
        topics = [{"topicName": name, "lockDuration": int(self._settings.lock_s * 1000)} for name in self._does]
        body = {
            "workerId": self._settings.instance,
            "maxTasks": 1,
            "usePriority": True,
            "asyncResponseTimeout": int(wait_s * 1000),
            "topics": topics,
        }
        told: list[dict[str, Any]] = self._camunda.post("/external-task/fetchAndLock", body, wait_s=wait_s) or []
        return [Task.of(each) for each in told]

    def _do(self, task: Task) -> None:
        try:
            variables = self._does[task.topic](task)
        except TaskError as wrong:
            left = max(0, (self._settings.retries + 1 if task.retries is None else task.retries) - 1)
            self._give_back(task, str(wrong), left)
            self._metrics.failed.labels(task.topic).inc()
            return
        except UnavailableError as away:
            self._give_back(task, str(away), max(1, self._settings.retries if task.retries is None else task.retries))
            self._metrics.postponed.labels(task.topic).inc()
            return
        body = {"workerId": self._settings.instance, "variables": variables}
        self._camunda.post(f"/external-task/{task.id}/complete", body)
        self._metrics.completed.labels(task.topic).inc()
        log.info("%s of %s is done: %s", task.topic, task.business_key or task.id, variables)

    def _give_back(self, task: Task, why: str, retries: int) -> None:
        log.warning("%s of %s is given back, %d retries left: %s", task.topic, task.business_key or task.id, retries, why)
        body = {
            "workerId": self._settings.instance,
            "errorMessage": why,
            "retries": retries,
            "retryTimeout": int(self._settings.retry_s * 1000),
        }
        self._camunda.post(f"/external-task/{task.id}/failure", body)

    @staticmethod
    def _book(task: Task) -> Variables:
        return {"buchungsnr": {"value": booking_number(task), "type": "String"}}

    def _publish(self, task: Task) -> Variables:
        key, document = verdict(task, datetime.now(UTC))
        self._publisher.save([Outgoing(self._settings.verdict_topic, key, document, [])])
        return {}

    def ready(self) -> str | None:
        """None when Camunda answers. Called from the status thread."""
        return self._why
