"""A connection of the fleet to an end that does not read: what waits is bounded, and what was taken arrives whole."""

from __future__ import annotations

import os
import select
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from fleet.rules import Rules
from fleet.session import Session
from fleet.shards import Host
from fleet.tally import Tally
from fleet.wire import IP_LOCAL_PORT_RANGE, Route, Wire
from runtime.mqtt import Login

from infra import wiring
from infra.lab.cluster import pki

QUEUED = 4096


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        yield listening


def _session() -> Session:
    return Session("car", 0, Rules(Login(4, None, None, 60), 20, Tally()))


def _take_all(wire: Wire, poll: select.epoll, reader: socket.socket) -> None:
    """Fill the connection while nobody reads; then all that was taken comes, in its order."""
    taken: list[bytes] = []
    while wire.send(packet := f"{len(taken):09d}".encode() * 100):
        taken.append(packet)
        assert len(taken) < 100_000
    while wire.send(b"still"):  # less than the room that a whole packet needs
        taken.append(b"still")
    assert not wire.advance()
    assert wire.send(b"urgent", always=True)
    expected, got = b"".join([*taken, b"urgent"]), bytearray()
    while len(got) < len(expected):
        poll.poll(0.0)
        wire.advance()
        got += reader.recv(65_536)
    assert bytes(got) == expected
    assert wire.send(b"again")


def test_an_end_that_does_not_read_holds_so_many_bytes_and_gets_what_was_taken(server: socket.socket) -> None:
    route = Route(Host("127.0.0.1"), (server.getsockname()[1],), queued_bytes=QUEUED)
    with closing(select.epoll()) as poll, closing(Wire(_session(), route, poll, 0)) as wire:
        reader, _ = server.accept()
        poll.poll(5.0)
        assert wire.advance()
        with reader:
            _take_all(wire, poll, reader)


def test_by_tls_it_is_the_same(server: socket.socket, tmp_path: Path) -> None:
    pair, authority = pki.sole("mosquitto", wiring.MQTT_HOSTS, 60)
    (tmp_path / "tls.pem").write_bytes(pki.key_text(pair.key) + pair.certificate.public_bytes(Encoding.PEM))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "tls.pem")
    trusting = ssl.create_default_context(cadata=authority.public_bytes(Encoding.PEM).decode())
    route = Route(Host("127.0.0.1"), (server.getsockname()[1],), (), trusting, QUEUED)
    with closing(select.epoll()) as poll, closing(Wire(_session(), route, poll, 0)) as wire, ThreadPoolExecutor() as other:
        wire.send(b"hello")
        accepted = other.submit(lambda: serving.wrap_socket(server.accept()[0], server_side=True))
        until_s = time.monotonic() + 10.0
        while not (poll.poll(0.1) and wire.advance()):
            assert time.monotonic() < until_s
        with accepted.result(10.0) as reader:
            assert reader.recv(100) == b"hello"
            _take_all(wire, poll, reader)


def test_a_port_that_nobody_listens_on_is_an_os_error(server: socket.socket) -> None:
    session = _session()
    port = server.getsockname()[1]
    server.close()
    with closing(select.epoll()) as poll, closing(Wire(session, Route(Host("127.0.0.1"), (port,)), poll, 0)) as wire:
        poll.poll(5.0)
        with pytest.raises(ConnectionRefusedError):
            wire.advance()


def test_connections_begin_at_the_addresses_that_are_named_in_turn(server: socket.socket) -> None:
    session = _session()
    route = Route(Host("127.0.0.1"), (server.getsockname()[1],), sources=("127.0.0.2", "127.0.0.3"))
    with closing(select.epoll()) as poll:
        found = []
        for number in range(4):
            with closing(Wire(session, route, poll, number)):
                accepted, (address, _) = server.accept()
                accepted.close()
                found.append(address)
    assert found == ["127.0.0.2", "127.0.0.3"] * 2


def _kernel_takes_a_range() -> bool:
    with closing(socket.socket()) as asked:
        try:
            asked.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, bytes(4))
        except OSError:
            return False
    return True


def test_local_ports_are_chosen_among_all_and_not_among_every_second_one(server: socket.socket) -> None:
    route = Route(Host("127.0.0.1"), (server.getsockname()[1],))
    with closing(select.epoll()) as poll:
        wires = [Wire(_session(), route, poll, number) for number in range(40)]
        ports = {socket.socket(fileno=os.dup(wire.file)).getsockname()[1] for wire in wires}
        for wire in wires:
            wire.close()
    assert len(ports) == len(wires)
    assert {port % 2 for port in ports} == {0, 1} or not _kernel_takes_a_range()
