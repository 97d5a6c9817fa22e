"""What the settings say about the brokers, in the engine's terms."""

from __future__ import annotations

import ssl
from pathlib import Path

from runtime.mqtt import LEVELS, Login
from runtime.settings import ConfigurationError, host_and_port, read_password

from fleet.rules import Rules
from fleet.settings import FleetSettings
from fleet.shards import Host, ports_of
from fleet.tally import Tally
from fleet.wire import Route


def route(settings: FleetSettings) -> Route:
    """How the shards are reached.

    Raises:
        ConfigurationError: the address, the ports or the authority's file cannot be used.
    """
    host, base = host_and_port(settings.uri)
    return Route(
        Host(host),
        ports_of(base, settings.shards, settings.ports),
        tuple(str(address) for address in settings.sources),
        None if settings.tls_authority_file is None else _trusting(settings.tls_authority_file),
        settings.queued_bytes,
    )


def _trusting(authority: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as broken:
        raise ConfigurationError(f"the file of the TLS authority {authority} cannot be used: {broken}") from broken


def rules(settings: FleetSettings, tally: Tally) -> Rules:
    """What all sessions have in common; they count in `tally`.

    Raises:
        ConfigurationError: the password file or the topic of commands cannot be used.
    """
    if settings.command_topic is not None:
        try:
            settings.command_topic.format(client_id="")
        except (KeyError, IndexError, ValueError) as wrong:
            raise ConfigurationError(
                f"FLEET_COMMAND_TOPIC {settings.command_topic!r} knows no field but {{client_id}}: {wrong}"
            ) from wrong
    password = read_password(settings.password_file)
    login = Login(LEVELS[settings.mqtt], settings.user, password, settings.keepalive_s, settings.session_expiry_s)
    return Rules(login, settings.kept_readings, tally, settings.command_topic)
