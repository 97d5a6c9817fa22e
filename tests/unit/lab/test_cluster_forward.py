"""Forwarded ports carry both ways to the end, and answer nobody they shouldn't."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_socket

from infra import wiring
from infra.lab.cluster import exposure
from infra.lab.cluster.forward import Forward, Forwarder
from infra.lab.errors import UserError

LISTEN, NODE = "127.0.0.1", "127.0.0.2"  # the node's stand-in on the same port of another loopback address


@pytest.fixture(autouse=True)
def _loopback(_sealed: None) -> Iterator[None]:
    """Only here: sockets on loopback."""
    pytest_socket.enable_socket()
    pytest_socket.socket_allow_hosts([LISTEN, NODE], allow_unix_socket=True)
    yield
    pytest_socket.disable_socket(allow_unix_socket=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LISTEN, 0))
        port: int = probe.getsockname()[1]
        return port


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer only after the client has said that nothing more comes."""
    whole = await reader.read()
    writer.write(whole.upper())
    await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def forwarded(allow: str = "127.0.0.0/8", *, serving: bool = True) -> AsyncIterator[int]:
    port = free_port()
    server = await asyncio.start_server(shout, NODE, port) if serving else None
    forwarder = Forwarder()
    await forwarder.use([Forward(LISTEN, port, NODE, allow)])
    try:
        yield port
    finally:
        await forwarder.use([])
        if server:
            server.close()


async def ask(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(LISTEN, port)
    writer.write(text)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b"reset"
    finally:
        writer.close()


def test_an_answer_comes_after_the_client_has_closed_its_half() -> None:
    async def run() -> bytes:
        async with forwarded() as port:
            return await ask(port, b"x" * 300_000)

    assert asyncio.run(run()) == b"X" * 300_000


def test_two_hundred_at_once_are_carried() -> None:
    async def run() -> list[bytes]:
        async with forwarded() as port:
            return await asyncio.gather(*(ask(port, f"car {number}".encode()) for number in range(200)))

    assert asyncio.run(run()) == [f"CAR {number}".encode() for number in range(200)]


def test_a_peer_from_another_network_gets_nothing() -> None:
    async def run() -> bytes:
        async with forwarded("10.1.2.0/24") as port:
            return await ask(port, b"hello")

    assert asyncio.run(run()) in {b"", b"reset"}


def test_a_port_that_nothing_serves_is_closed_at_once() -> None:
    async def run() -> bytes:
        async with forwarded(serving=False) as port:
            return await ask(port, b"hello")

    assert asyncio.run(run()) in {b"", b"reset"}


def test_ports_that_stay_are_not_interrupted_when_others_change() -> None:
    async def run() -> bytes:
        async with forwarded() as port:
            forwarder = Forwarder()
            other = Forward(LISTEN, free_port(), NODE)
            await forwarder.use([other])
            reader, writer = await asyncio.open_connection(LISTEN, port)
            await forwarder.use([])
            writer.write(b"still here")
            writer.write_eof()
            return await reader.read()

    assert asyncio.run(run()) == b"STILL HERE"


def test_everything_exposed_is_on_loopback_and_nothing_else_without_a_device_network() -> None:
    assert {forward.listen for forward in exposure.forwards("10.213.0.2", None)} == {"127.0.0.1"}


def test_a_device_network_is_let_in_to_mqtt_with_and_without_tls_and_to_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposure, "device_address", lambda _: "192.168.1.4")
    opened = [forward for forward in exposure.forwards("10.213.0.2", "192.168.1.0/24") if forward.listen != "127.0.0.1"]
    assert {(forward.listen, forward.port, forward.allow) for forward in opened} == {
        ("192.168.1.4", wiring.node_port("mosquitto", endpoint.port), "192.168.1.0/24")
        for endpoint in (wiring.MOSQUITTO, wiring.MOSQUITTO_TLS)
    }


@pytest.mark.parametrize(
    ("cidr", "said"),
    [
        ("8.8.8.0/24", "no private network"),
        ("0.0.0.0/0", "no private network"),
        ("192.168.1.7/24", "is no network"),
        ("wlan", "is no network"),
    ],
)
def test_a_device_network_that_is_none_is_refused_in_one_sentence(cidr: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        exposure.device_address(cidr)


def test_a_device_network_without_this_machine_is_refused() -> None:
    with pytest.raises(UserError, match="no address in deviceCidr"):
        exposure.device_address("192.168.253.248/30")
