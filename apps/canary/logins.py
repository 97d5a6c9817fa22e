"""Who the canary is."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.settings import host_and_port, read_password

from canary.settings import CanarySettings


@dataclass(frozen=True, slots=True)
class Logins:
    """Where Mosquitto is, and the logins."""

    address: tuple[str, int]
    mqtt: tuple[str, str]
    influx: tuple[str, str]


def logins(settings: CanarySettings) -> Logins:
    """Read the password files.

    Raises:
        ConfigurationError: one of them cannot be read, or the URI is wrong.
    """
    return Logins(
        host_and_port(settings.mqtt_uri),
        (settings.mqtt_user, read_password(settings.mqtt_password_file) or ""),
        (settings.influx_user, read_password(settings.influx_password_file) or ""),
    )
