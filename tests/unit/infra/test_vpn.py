"""A class's WireGuard net by configuration: who has which address in it, what is open for it, and what is refused."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import pytest
import yaml

from infra.cloud import firewall
from infra.cloud.facts import Bundle
from infra.cloud.told import facts_of
from infra.cloud.user_data import cloud_config
from infra.settings import Settings, SettingsError
from tests.support.cloud import CLOUD, INGRESS, INSTANCE, OWNER_CIDR, machines

KEY = "q" * 42 + "A="
VPN: dict[str, Any] = {"net": 17, "gateway": "vpn.example.org", "gatewayPublicKey": KEY}
CLASS = ("modtec-02-st17a", "modtec-07-st17a", "modtec-49-st17a")


def parsed(*names: str, **vpn: object) -> Settings:
    return Settings.parse({"iotlab:cloud": CLOUD | {"vpn": VPN | vpn}, "iotlab:machines": list(names)})


def numbers(settings: Settings) -> dict[str, int | None]:
    told = {name: facts_of(settings, "s", name, Bundle("", "")).vpn for name in settings.machines}
    return {name: vpn.host if vpn else None for name, vpn in told.items()}


def test_a_machines_number_is_that_in_its_name() -> None:
    assert numbers(parsed(*CLASS)) == {"modtec-02-st17a": 2, "modtec-07-st17a": 7, "modtec-49-st17a": 49}


def test_a_machine_that_goes_moves_no_other_and_the_order_is_nothing() -> None:
    assert numbers(parsed("modtec-49-st17a", "modtec-02-st17a")) == {"modtec-49-st17a": 49, "modtec-02-st17a": 2}


def test_a_name_without_a_number_is_given_one() -> None:
    assert numbers(parsed("lab", "modtec-02-st17a", hosts={"lab": 3})) == {"lab": 3, "modtec-02-st17a": 2}


def test_a_given_number_goes_before_the_names() -> None:
    assert numbers(parsed("modtec-02-st17a", hosts={"modtec-02-st17a": 9})) == {"modtec-02-st17a": 9}


@pytest.mark.parametrize(
    ("names", "vpn", "said"),
    [
        (("lab",), {}, "iotlab:cloud.vpn: the name 'lab' has no number as modtec-07-st17a has: write hosts: {lab: 2}."),
        (("lab", "modtec-02-st17a"), {}, "write hosts: {lab: 3}."),
        (("modtec-01-st17a",), {}, "'modtec-01-st17a' would be host 1, machines are 2 to 49: see hosts."),
        (("modtec-50-st17a",), {}, "would be host 50, machines are 2 to 49"),
        (("lab", "modtec-02-st17a"), {"hosts": {"lab": 2}}, "'lab' and 'modtec-02-st17a' would both be host 2: give one another"),
        (("modtec-02-st17a",), {"hosts": {"gone": 4}}, "hosts names 'gone', which is none of iotlab:machines (modtec-02-st17a)."),
        (CLASS, {"net": 256}, "iotlab:cloud.vpn.net: 256 is too large; write 255 or less."),
        (
            CLASS,
            {"gateway": "vpn.example.org:51837"},
            "iotlab:cloud.vpn.gateway: 'vpn.example.org:51837' is no name or address of",
        ),
        (
            CLASS,
            {"gateway": "x\nPostUp = id"},
            "iotlab:cloud.vpn.gateway: 'x PostUp = id' is no name or address of a VPN gateway;",
        ),
        (CLASS, {"gatewayPublicKey": "key"}, "iotlab:cloud.vpn.gatewayPublicKey: this is no public key of WireGuard: write the"),
        (CLASS, {"privateKey": KEY}, "iotlab:cloud.vpn.privateKey is not known; keys are gateway, gatewayPublicKey, hosts, net."),
    ],
)
def test_what_has_no_place_in_the_net_is_refused_with_what_to_write(
    names: tuple[str, ...], vpn: dict[str, object], said: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        parsed(*names, **vpn)
    assert said in str(refused.value)


def test_the_nets_port_is_open_to_the_owner_with_its_reason() -> None:
    with_vpn, without = machines(*CLASS[:2], vpn=VPN).of(INGRESS), machines(*CLASS[:2]).of(INGRESS)
    assert set(with_vpn) - set(without) == {"firewall-vpn-51837"}
    rule = with_vpn["firewall-vpn-51837"].inputs
    assert (rule["ipProtocol"], rule["fromPort"], rule["toPort"], rule["cidrIpv4"]) == ("udp", 51837, 51837, OWNER_CIDR)
    assert rule["description"] == "vpn: WireGuard of 192.168.17.0/24; inside it is NFS. Login: WireGuard key of the gateway"


def test_an_embedded_cluster_has_its_vpn_beside_ssh() -> None:
    cloud = parsed(*CLASS, net=0).cloud
    assert cloud is not None
    embedded = cloud.model_copy(update={"kubernetes": "embedded"})
    assert {rule.name for rule in firewall.rules(embedded, ["mosquitto"])} == {"ssh-22", "vpn-51820"}


def test_each_machine_is_told_its_own_address_and_where_the_gateway_is() -> None:
    instances = machines(*CLASS[:2], vpn=VPN).of(INSTANCE)
    addresses = set()
    for one in instances.values():
        document = yaml.safe_load(gzip.decompress(base64.b64decode(one.inputs["userDataBase64"])))
        (env,) = [file["content"] for file in document["write_files"] if file["path"].endswith("40-vpn.env")]
        said = dict(line.split("=", 1) for line in env.splitlines())
        assert (said["PORT"], said["PEER"], said["ENDPOINT"]) == ("51837", KEY, "vpn.example.org:51837")
        addresses.add(said["ADDRESS"])
    assert addresses == {"192.168.17.2", "192.168.17.7"}


def test_a_gateway_whose_key_nobody_knows_yet_is_no_peer_yet() -> None:
    text = cloud_config(facts_of(parsed(*CLASS, gatewayPublicKey=""), "s", CLASS[0], Bundle("file:///x", "ab" * 32)))
    assert "PEER=\n" in next(
        file["content"] for file in yaml.safe_load(text)["write_files"] if file["path"].endswith("40-vpn.env")
    )


def test_without_a_vpn_nothing_of_one_is_there() -> None:
    instance = machines().of(INSTANCE)["lab"]
    document = gzip.decompress(base64.b64decode(instance.inputs["userDataBase64"])).decode()
    assert "40-vpn" not in document
    assert "wireguard" not in document
    assert not [name for name in machines().of(INGRESS) if "vpn" in name]
