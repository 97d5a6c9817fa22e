"""The command line options of the original bridge, kept: each overrides its BRIDGE_* variable."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from typing import Any

from runtime.settings import ConfigurationError, from_environment

from bridge.routes import Route, matches, unshared
from bridge.settings import BridgeSettings


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(prog="bridge", description="Carries MQTT messages to Kafka and loses none.")
    options.add_argument("--id", help="MQTT client id, name of this edge [BRIDGE_ID]")
    options.add_argument("--topics", help="MQTT filters with commas between, each alone or as filter=kafka-topic [BRIDGE_ROUTES]")
    options.add_argument("--uri", help="MQTT broker, tcp://host:1883 [BRIDGE_URI, or several: BRIDGE_URIS]")
    options.add_argument("--brokerlist", "-b", help="Kafka brokers, host:9092 with commas between [BRIDGE_BROKERLIST]")
    return options


def _route(text: str, known: Sequence[Route]) -> dict[str, str]:
    mqtt, _, kafka = text.strip().partition("=")
    topics = unshared(mqtt)
    for route in known:
        if unshared(route.mqtt) == topics or matches(route.mqtt, topics):
            return {"mqtt": mqtt, "kafka": kafka or route.kafka, "key": route.key}
    if not kafka:
        raise ConfigurationError(f"--topics: no route says where {mqtt!r} goes; write {mqtt}=<kafka topic>")
    return {"mqtt": mqtt, "kafka": kafka, "key": "topic"}


def _known_routes() -> list[Route]:
    try:
        return [Route(**route) for route in json.loads(os.environ.get("BRIDGE_ROUTES", "[]"))]
    except (ValueError, TypeError) as wrong:
        raise ConfigurationError(f"BRIDGE_ROUTES is no JSON list of mqtt, kafka, key: {wrong}") from wrong


def load(arguments: Sequence[str]) -> BridgeSettings:
    """Settings from the environment, overridden by `arguments`.

    Raises:
        ConfigurationError: `--topics` or BRIDGE_ROUTES cannot be read.
        pydantic.ValidationError: a setting is missing or wrong.
    """
    chosen: dict[str, Any] = {name: value for name, value in vars(parser().parse_args(arguments)).items() if value}
    if "uri" in chosen:
        chosen["uris"] = ()
    if "topics" in chosen:
        known = _known_routes()
        chosen["routes"] = [_route(text, known) for text in chosen.pop("topics").split(",")]
    return from_environment(BridgeSettings, **chosen)
