"""What the user data promise of a machine, before its own lab is up."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import paramiko
import pytest

from infra import wiring
from infra.cloud import gate, user_data
from tests.support.vm import Vm, new_key

CLIENT = wiring.vpn_address(17, 50)  # of a person in the machine's VPN
# A neighbour's network on a cable of its own, and in it a client of the VPN: namespaces of the machine itself.
NEIGHBOUR = """
set -eu
ip netns add neighbour
ip link add cable type veth peer name cable netns neighbour
ip address add 10.99.0.1/24 dev cable
ip link set cable up
ip -n neighbour address add 10.99.0.2/24 dev cable
ip -n neighbour link set cable up
ip -n neighbour link set lo up
umask 077
wg genkey > /run/neighbour.key
wg set wg0 peer "$(wg pubkey < /run/neighbour.key)" allowed-ips {client}/32
ip -n neighbour link add tunnel type wireguard
ip netns exec neighbour wg set tunnel private-key /run/neighbour.key peer "$(wg show wg0 public-key)" \
  allowed-ips {net} endpoint 10.99.0.1:{port}
ip -n neighbour address add {client}/24 dev tunnel
ip -n neighbour link set tunnel up
mkdir -p /run/neighbour
"""
BEFORE = ("packages", "data", "vpn")  # the stages before the bundle
ALONE = "ip netns exec neighbour"


@pytest.fixture(scope="module", autouse=True)
def _laid_down(machine: Vm, say: Callable[[str], None]) -> None:
    """The stages before the bundle are done, and nothing runs any more."""

    def past_vpn() -> bool:
        with gate.session(machine.door, patience_s=60) as here:
            now = gate.stages(here)
        if now.current is None or now.current.name in BEFORE:
            if now.state == "failed":
                machine.give_up(now.told)
            return False
        return now.current.state == "failed"  # the bundle, as there is none: from here on the machine rests

    machine.wait_until("the stages packages, data and vpn are done", past_vpn, 600)
    say(f"{machine.age_s:.0f} s after power-on the stages up to vpn are done")


@pytest.fixture
def neighbour(machine: Vm, host: Any) -> Iterator[Any]:
    """Who reaches the machine from beside it, and by its VPN."""
    vpn = machine.facts.vpn
    assert vpn
    told = NEIGHBOUR.format(client=CLIENT, net=wiring.vpn_net(vpn.net), port=wiring.vpn_port(vpn.net))
    done = host.run(told)
    assert done.succeeded, done.stderr
    yield host
    host.run("ip netns delete neighbour; rm -f /run/neighbour.key")


def test_cloud_init_is_done_without_a_complaint(host: Any) -> None:
    said = json.loads(host.run("cloud-init status --wait --format json").stdout)
    assert (said["status"], said["errors"]) == ("done", [])
    programs = host.run("sha256sum --check --strict --quiet /usr/local/lib/iotlab/SHA256SUMS")
    assert programs.succeeded, programs.stdout


def test_systemd_and_cgroups_of_version_2_as_on_a_real_machine(host: Any) -> None:
    assert host.run("stat --file-system --format %T /sys/fs/cgroup").stdout.strip() == "cgroup2fs"
    assert host.run("ps --no-headers -o comm 1").stdout.strip() == "systemd"
    failed = host.run("systemctl list-units --failed --plain --no-legend").stdout.splitlines()
    assert [line for line in failed if not line.startswith("iotlab-stages.service")] == [], "the stages, as there is no bundle"


def test_ubuntu_comes_in_by_key_and_nobody_by_password(machine: Vm, host: Any) -> None:
    ubuntu = host.user(user_data.LOGIN)
    assert {"adm", "sudo"} <= set(ubuntu.groups)
    for name in (user_data.LOGIN, "root"):
        assert host.run(f"passwd --status {name}").stdout.split()[1] == "L", "nobody has a password to be guessed"
    said = set(host.run("sshd -T").stdout.lower().splitlines())
    assert {"passwordauthentication no", "kbdinteractiveauthentication no", "permitrootlogin no", "x11forwarding no"} <= said
    with pytest.raises(gate.RefusedError), gate.session(replace(machine.door, private_key=new_key()[0]), patience_s=60):
        pass
    with paramiko.Transport(("127.0.0.1", machine.port)) as asking:
        asking.start_client(timeout=60)
        with pytest.raises(paramiko.BadAuthenticationType) as offered:
            asking.auth_none(user_data.LOGIN)
    assert offered.value.allowed_types == ["publickey"]


def test_another_machine_in_its_place_is_not_talked_to(machine: Vm) -> None:
    with pytest.raises(gate.WrongHostKeyError), gate.session(replace(machine.door, host_key=new_key()[1]), patience_s=60):
        pass


def test_the_packages_are_there(machine: Vm, host: Any) -> None:
    assert [name for name in user_data.packages(machine.facts) if not host.package(name).is_installed] == []


def test_the_vpns_interface_is_up_with_a_key_that_was_made_here(machine: Vm, host: Any) -> None:
    assert machine.facts.vpn
    assert wiring.vpn_address(17, 7) in host.interface("wg0").addresses
    assert host.run("wg show wg0 listen-port").stdout.strip() == str(wiring.vpn_port(17))
    public = host.run("wg show wg0 public-key").stdout
    assert host.file("/var/lib/iotlab/vpn-public-key").content_string == public
    assert host.file("/etc/wireguard/iotlab.key").mode == 0o600


def test_data_is_the_vpns_alone(neighbour: Any) -> None:
    exported = neighbour.run("exportfs -s").stdout.split()
    assert exported[0] == "/data"
    assert exported[1].startswith(f"{wiring.vpn_net(17)}(")
    assert len(exported) == 2
    listening = neighbour.run("ss -Htuln '( sport = 111 )'").stdout
    assert listening == "", "nobody needs a portmapper for NFS 4"
    reach = f"{ALONE} timeout 10 bash -c 'exec 3<>/dev/tcp/10.99.0.1/%d'"
    assert neighbour.run(reach % 22).succeeded
    assert neighbour.run(reach % wiring.NFS_PORT).rc == 124, "dropped: not even refused"
    address = wiring.vpn_address(17, 7)
    write = f"timeout 60 mount -t nfs4 {address}:/data /run/neighbour && echo hello > /run/neighbour/from-the-vpn"
    written = neighbour.run(f"{ALONE} sh -c '{write}'")  # what is mounted there ends with it
    assert written.succeeded, written.stderr
    file = neighbour.file("/data/from-the-vpn")
    assert (file.content_string, file.uid) == ("hello\n", int(user_data.POD_USER))


def test_it_asks_whether_it_has_expired(machine: Vm, host: Any) -> None:
    assert host.file("/etc/iotlab/expires").content_string.strip() == machine.facts.expires
    timer = host.service("iotlab-expiry.timer")
    assert timer.is_enabled
    assert timer.is_running
    assert host.run("systemctl start iotlab-expiry.service").succeeded
    assert host.run("systemctl is-system-running").stdout.strip() != "stopping"


def test_nothing_secret_stands_in_the_user_data(machine: Vm, host: Any) -> None:
    told = gzip.decompress(machine.user_data).decode()
    assert "PRIVATE KEY" not in told
    assert host.file("/etc/wireguard/iotlab.key").content_string.strip() not in told
    assert host.file("/etc/iotlab/stages/60-bundle.env").mode == 0o600


def test_another_key_and_another_day_reach_the_machine_through_the_gate(machine: Vm) -> None:
    """Last: until it is told the first key again, the machine lets only another one in."""
    private, public = new_key()
    later = user_data.packed(user_data.cloud_config(replace(machine.facts, ssh_keys=(public,), expires="2098-12-31")))
    others = replace(machine.door, private_key=private)
    with gate.session(machine.door, patience_s=60) as here:
        assert gate.differing(here, machine.user_data) == [], "cloud-init laid down what the gate would"
        changed = {"/etc/iotlab/authorized_keys", "/etc/iotlab/expires"}
        assert set(gate.differing(here, later)) == changed
        assert set(gate.lay_down(here, later)) == changed
    with gate.session(others, patience_s=60) as here:
        assert gate.differing(here, later) == []
        assert here.run("cat /etc/iotlab/expires", within_s=60).out == "2098-12-31\n"
        with pytest.raises(gate.RefusedError), gate.session(machine.door, patience_s=60):
            pass
        assert set(gate.lay_down(here, machine.user_data)) == changed
    with gate.session(machine.door, patience_s=60) as here:
        assert gate.differing(here, machine.user_data) == []
