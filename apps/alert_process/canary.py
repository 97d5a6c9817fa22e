"""The doctor's alert: an instance of a process of its own, which ends at once."""

from __future__ import annotations

from runtime.errors import UnavailableError
from telemetry.record import Record

from alert_process.incidents import incident, is_alert
from alert_process.starter import Rest, Starter


class CanaryProcess:
    """Starts the instance as that of any alert is started, and looks whether it is there."""

    def __init__(self, camunda: Rest, process: str, window_s: float) -> None:
        """`process` is the key of its definition."""
        self._starter = Starter(camunda, process)
        self._window_s = window_s

    def start(self, record: Record) -> bool:
        """Bring an alert to Camunda and see its instance there; False for what is no alert.

        Raises:
            PayloadError: it looks like an alert, but cannot be read.
            UnavailableError: Camunda is away, cannot do it now, or does not show the instance.
            RefusedError: Camunda refuses it for good.
        """
        if not is_alert(record):
            return False
        key = incident(record, self._window_s).key
        self._starter.start(key, {})
        if not self._starter.exists(key):
            raise UnavailableError("Camunda does not show the instance that it started")
        return True
