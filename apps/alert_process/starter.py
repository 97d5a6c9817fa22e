"""Starts the process of an incident once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol

SLOW_S = 20.0  # a start that is still at work is waited for: asked too early whether there is one, the engine says no
MOST_KEYS = 10_000  # remembered, so that a storm of alerts doesn't ask Camunda for each


class Rest(Protocol):
    """What is needed of `runtime.camunda.Camunda`."""

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Ask."""

    def post(self, path: str, body: Mapping[str, Any], *, wait_s: float) -> Any:
        """Tell."""


class Starter:
    """One process per business key, whether this process or an earlier one started it."""

    def __init__(self, camunda: Rest, process: str) -> None:
        """`process` is the key of its definition."""
        self._camunda = camunda
        self._process = process
        self._known: OrderedDict[str, None] = OrderedDict()

    def start(self, key: str, variables: dict[str, dict[str, str]]) -> bool:
        """Start it; False if there is one already.

        Raises:
            UnavailableError: Camunda is away; whether it started is not known, and the next call asks.
            RefusedError: Camunda refuses it for good.
        """
        if key in self._known:
            return False
        started = not self.exists(key)
        if started:
            body = {"businessKey": key, "variables": variables}
            self._camunda.post(f"/process-definition/key/{self._process}/start", body, wait_s=SLOW_S)
        self._known[key] = None
        if len(self._known) > MOST_KEYS:
            self._known.popitem(last=False)
        return started

    def exists(self, key: str) -> bool:
        """Whether there is one of that name, running or finished."""
        query = {"processInstanceBusinessKey": key, "processDefinitionKey": self._process}
        told = self._camunda.get("/history/process-instance/count", query)
        return bool(told["count"])
