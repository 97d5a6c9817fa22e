"""MQTT by TLS: the chart's own configuration and the image's own scripts with a real Mosquitto on loopback (S5, S6)."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
import psutil
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from paho.mqtt.enums import CallbackAPIVersion

from infra import accounts, wiring
from infra.lab import probes
from infra.lab.cluster import pki
from tests.support import tools
from tests.support.brokers import PASSWORDS
from tests.support.charts import CHARTS, rendered
from tests.support.processes import Process, free_port, wait_until

SCRIPTS = CHARTS / "mosquitto/image"
HOST = "127.0.0.1"
STALLED = 200
BOARD = f"{wiring.IOTKIT_MQTT}/sensor"


class Server(Process):
    """Mosquitto as its pod runs it; `folder` is what that has mounted, `authority` what its clients trust."""

    def __init__(self, folder: Path, *, weak: bool = False) -> None:
        """`weak` lets TLS 1.1 in, to show that somebody would see it."""
        self.plain, self.tls = free_port(), free_port()
        self.mounted = folder
        self.authority = self.renew()
        places = {
            "/run/secrets/tls": folder,
            "/run/mosquitto": folder,
            "/etc/mosquitto": folder,
            "/data/": f"{folder}/",
            "listener 1883": f"listener {self.plain} {HOST}",
            "listener 8883": f"listener {self.tls} {HOST}",
        } | ({"tls_version tlsv1.2": "tls_version tlsv1.1", "ciphers ECDHE": "ciphers DEFAULT:@SECLEVEL=0:ECDHE"} if weak else {})
        (config,) = [found["data"] for found in rendered("mosquitto-S") if found["kind"] == "ConfigMap"]
        conf = f"{config['mosquitto.conf']}\nuser root\n"
        for old, new in places.items():
            assert old in conf, old
            conf = conf.replace(old, str(new))
        (folder / "mosquitto.conf").write_text(conf)
        (folder / "acl").write_text(config["acl"])
        self._passwords()
        serve, broker = SCRIPTS / "mosquitto-serve", tools.program("mosquitto")
        command = [serve, folder / "tls.crt", broker, "-c", folder / "mosquitto.conf"]
        super().__init__("mosquitto", [str(word) for word in command], folder, {"LOOK_EVERY_S": "0.2"})

    def renew(self) -> str:
        """Lay a new certificate there in one swap, as kubelet does; returns its authority."""
        pair, authority = pki.sole("mosquitto", wiring.MQTT_HOSTS, 60)
        fresh = self.mounted / f"..{time.monotonic_ns()}"
        fresh.mkdir()
        (fresh / "tls.crt").write_bytes(pair.certificate.public_bytes(Encoding.PEM))
        (fresh / "tls.key").write_bytes(pki.key_text(pair.key))
        (self.mounted / "..new").symlink_to(fresh.name)
        (self.mounted / "..new").replace(self.mounted / "..data")
        for name in ("tls.crt", "tls.key"):
            if not (self.mounted / name).is_symlink():
                (self.mounted / name).symlink_to(f"..data/{name}")
        return authority.public_bytes(Encoding.PEM).decode()

    def _passwords(self) -> None:
        users = self.mounted / "users"
        users.mkdir()
        for user in accounts.MQTT_USERS:
            (users / user.name).write_text(PASSWORDS[user.name])
        path = f"{tools.program('mosquitto_passwd').parent}:/usr/bin:/bin"
        subprocess.run([SCRIPTS / "mosquitto-passwords", users, self.mounted], check=True, env={"PATH": path})

    def start(self) -> None:
        super().start()
        self.wait_for_port(self.tls)
        self.wait_for_port(self.plain)


@dataclass(frozen=True, slots=True)
class Client:
    """A client of paho's that trusts one authority."""

    client: mqtt.Client
    got: list[tuple[str, bytes | bytearray]]
    lost: list[str]


def trusting(authority: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority)


def shake_hands(server: Server, context: ssl.SSLContext, name: str = HOST) -> str:
    """The cipher that a client and the server agree on."""
    with socket.create_connection((HOST, server.tls), 10) as raw, context.wrap_socket(raw, server_hostname=name) as spoken:
        agreed = spoken.cipher()
    assert agreed is not None
    return agreed[0]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def connected(server: Server, stack: ExitStack, authority: str = "", name: str = "") -> Client:
    """A client of the login of people, by TLS."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
    client.username_pw_set("lab", PASSWORDS["lab"])
    client.tls_set_context(trusting(authority or server.authority))
    made = Client(client, [], [])
    client.on_message = lambda _client, _data, message: made.got.append((message.topic, message.payload))
    client.on_disconnect = lambda _client, _data, _flags, reason, _properties: made.lost.append(str(reason))
    client.connect(HOST, server.tls, keepalive=10)
    client.loop_start()
    stack.callback(client.loop_stop)
    stack.callback(client.disconnect)
    wait_until("the broker lets the client in", client.is_connected, 10.0)
    return made


def subscribe(client: Client, topic: str) -> None:
    done = threading.Event()
    client.client.on_subscribe = lambda *_: done.set()
    client.client.subscribe(topic, qos=1)
    assert done.wait(10.0)


def publish(client: Client, topic: str, payload: bytes) -> None:
    client.client.publish(topic, payload, qos=1).wait_for_publish(10.0)


def test_what_is_published_by_tls_arrives_by_tls_and_without(server: Server, stack: ExitStack) -> None:
    reader, writer = connected(server, stack), connected(server, stack)
    subscribe(reader, f"{wiring.IOTKIT_MQTT}/#")
    publish(writer, BOARD, b"0xBC,21.00,51.4,low")
    wait_until("it arrives", lambda: reader.got == [(BOARD, b"0xBC,21.00,51.4,low")], 10.0)
    assert probes.mqtt_login(server.plain, "lab", PASSWORDS["lab"]).accepted is True


@pytest.mark.parametrize("name", wiring.MQTT_HOSTS)
def test_the_authority_vouches_for_each_name_and_for_no_other(server: Server, name: str) -> None:
    shake_hands(server, trusting(server.authority), name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server, trusting(server.authority), f"not-{name}")


def test_a_client_with_another_authority_refuses_the_server(server: Server, stack: ExitStack) -> None:
    _, stranger = pki.sole("mosquitto", wiring.MQTT_HOSTS, 60)
    other = stranger.public_bytes(Encoding.PEM).decode()
    with pytest.raises(ssl.SSLCertVerificationError):
        connected(server, stack, other)
    said = probes.mqtt_login(server.tls, "lab", PASSWORDS["lab"], other)
    assert said.accepted is None
    assert "does not vouch for" in said.reason


@pytest.mark.parametrize(("user", "password"), [(None, None), ("lab", "wrong"), ("nobody", "wrong"), ("lab", "")])
def test_a_login_is_asked_for_as_without_tls(server: Server, user: str | None, password: str | None) -> None:
    assert probes.mqtt_login(server.tls, user, password, server.authority).accepted is False
    assert probes.mqtt_login(server.plain, user, password).accepted is False


def test_a_topic_of_others_stays_closed(server: Server, stack: ExitStack) -> None:
    reader, writer = connected(server, stack), connected(server, stack)
    subscribe(reader, "#")
    subscribe(reader, "$SYS/#")
    car = f"{wiring.CARS_MQTT}/{wiring.CAR_CLIENT_ID.format(number=7)}"
    publish(writer, car, b"another car's")
    publish(writer, "$SYS/broker/uptime", b"mine")
    publish(writer, BOARD, b"allowed")
    wait_until("what is allowed arrives", lambda: (BOARD, b"allowed") in reader.got, 10.0)
    assert reader.got == [(BOARD, b"allowed")]


def test_tls_1_1_is_refused_and_a_server_that_takes_it_would_be_seen(server: Server, tmp_path: Path) -> None:
    assert probes.old_tls(server.tls) == probes.Answer(accepted=False, reason=f"{HOST}:{server.tls} answered 1503020002")
    (tmp_path / "weak").mkdir()
    weak = Server(tmp_path / "weak", weak=True)
    try:
        weak.start()
        assert probes.old_tls(weak.tls).accepted is True
    finally:
        weak.close()
    assert probes.old_tls(server.plain).accepted is None
    assert probes.old_tls(weak.tls).accepted is None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_from_1_2_on_is_spoken_with_a_key_that_is_never_used_again(server: Server, version: ssl.TLSVersion) -> None:
    context = trusting(server.authority)
    context.minimum_version = context.maximum_version = version
    cipher = shake_hands(server, context)
    assert cipher.startswith(("ECDHE-", "TLS_"))
    assert "GCM" in cipher or "CHACHA20" in cipher


def test_a_weak_cipher_is_refused(server: Server) -> None:
    context = trusting(server.authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA:AES128-SHA")
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        shake_hands(server, context)


def test_clients_that_stall_in_the_handshake_keep_nobody_waiting(server: Server, stack: ExitStack) -> None:
    def took() -> float:
        started = time.monotonic()
        assert probes.mqtt_login(server.tls, "lab", PASSWORDS["lab"], server.authority).accepted is True
        return time.monotonic() - started

    hello = bytes.fromhex("160301020001")  # the first six bytes of a longer offer
    for number in range(STALLED):
        stalled = stack.enter_context(socket.create_connection((HOST, server.tls), 10))
        stalled.sendall(hello[: number % 7])
    assert max(took() for _ in range(10)) < 1.0
    reader, writer = connected(server, stack), connected(server, stack)
    subscribe(reader, BOARD)
    publish(writer, BOARD, b"x")
    wait_until("it arrives", lambda: bool(reader.got), 5.0)


def test_a_renewed_certificate_is_taken_and_nobody_is_disconnected(server: Server, stack: ExitStack) -> None:
    old = server.authority
    reader, writer = connected(server, stack), connected(server, stack)
    subscribe(reader, BOARD)
    fresh = server.renew()

    def vouched(authority: str) -> bool:
        return probes.mqtt_login(server.tls, "lab", PASSWORDS["lab"], authority).accepted is True

    wait_until("the new certificate is served", lambda: vouched(fresh), 10.0)
    assert not vouched(old)
    publish(writer, BOARD, b"still there")
    wait_until("it arrives", lambda: reader.got == [(BOARD, b"still there")], 10.0)
    assert reader.lost == writer.lost == []
    assert probes.mqtt_login(server.plain, None, None).accepted is False


def test_what_looks_for_a_renewal_ends_with_the_broker(server: Server) -> None:
    pid = server.pid
    (looks,) = psutil.Process(pid).children()
    assert psutil.Process(pid).name() == "mosquitto"
    assert server.terminate() == 0
    wait_until("it has ended", lambda: not looks.is_running() or looks.status() == psutil.STATUS_ZOMBIE, 5.0)
