"""What `./lab access` says of ports with TLS: the address, and the file that its clients have to trust."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra import wiring
from infra.lab import access, views
from infra.lab.paths import Paths
from infra.settings import Settings


def lab(folder: Path, *services: str, embedded: bool = True, cidr: str = "") -> Any:
    """A lab with a state folder, whose Secrets say what they are."""
    kube = SimpleNamespace(secret=lambda name: {wiring.CA_KEY: f"authority of {name}", "lab": "generated"})
    settings = Settings.parse({"iotlab:services": list(services), "iotlab:deviceCidr": cidr})
    return SimpleNamespace(kube=kube, settings=settings, embedded=embedded, paths=Paths(folder, folder))


def entries(of: Any) -> dict[str, dict[str, str]]:
    return access.with_authorities(of, access.logins(of))


@pytest.mark.parametrize(("embedded", "url"), [(True, "mqtts://127.0.0.1:31884"), (False, "mqtts://mosquitto:8883")])
def test_mqtt_by_tls_has_the_same_login_and_an_authority_in_a_file(tmp_path: Path, embedded: bool, url: str) -> None:
    found = entries(lab(tmp_path, "mosquitto", embedded=embedded))
    assert found["mosquitto-tls"] == found["mosquitto"] | {"url": url, "authority": str(tmp_path / "mqtt-authority.crt")}
    assert (tmp_path / "mqtt-authority.crt").read_text() == "authority of mosquitto-tls"
    assert json.dumps(found)


def test_each_authority_has_a_file_and_a_sentence_of_its_own(tmp_path: Path) -> None:
    found = entries(lab(tmp_path, "mosquitto", "ingress"))
    assert (tmp_path / "authority.crt").read_text() == "authority of ingress-tls"
    said = access.authority_hint(found) or ""
    assert [line for line in said.splitlines() if found["mosquitto-tls"]["authority"] in line and "MQTT" in line]
    assert [line for line in said.splitlines() if found["ingress"]["authority"] in line and wiring.INGRESS_URL in line]
    assert access.authority_hint(entries(lab(tmp_path, "kafka"))) is None


def test_a_board_is_told_both_ports_and_what_to_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(access, "device_address", lambda _: "192.168.1.4")
    chosen = lab(tmp_path, "mosquitto", cidr="192.168.1.0/24")
    views.show_access(entries(chosen), [access.board_hint(chosen, entries(chosen))])
    said = capsys.readouterr().out
    assert f"port      31883, or 31884 by TLS, trusting {tmp_path}/mqtt-authority.crt" in said
    assert "address   192.168.1.4" in said
