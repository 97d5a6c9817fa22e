"""A connection of the fleet to an end that does not read: what waits is bounded, and what was taken arrives whole."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from fleet.packets import Login
from fleet.session import Rules, Session
from fleet.shards import Host
from fleet.tally import Tally
from fleet.wire import Route, Wire

QUEUED = 4096


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        yield listening


def test_an_end_that_does_not_read_holds_so_many_bytes_and_gets_what_was_taken(server: socket.socket) -> None:
    session = Session("car", 0, Rules(Login(4, None, None, 60), 20, Tally()))
    route = Route(Host("127.0.0.1"), (server.getsockname()[1],), queued_bytes=QUEUED)
    with closing(select.epoll()) as poll, closing(Wire(session, route, poll, 0)) as wire:
        reader, _ = server.accept()
        poll.poll(5.0)
        assert wire.advance()
        taken: list[bytes] = []
        while wire.send(packet := f"{len(taken):09d}".encode() * 100):
            taken.append(packet)
            assert len(taken) < 100_000
        while wire.send(b"still"):  # less than the room that a whole packet needs
            taken.append(b"still")
        assert not wire.advance()
        assert wire.send(b"urgent", always=True)
        taken.append(b"urgent")
        expected, got = b"".join(taken), bytearray()
        with reader:
            while len(got) < len(expected):
                wire.advance()
                got += reader.recv(65_536)
        assert bytes(got) == expected
        assert wire.send(b"again")


def test_a_port_that_nobody_listens_on_is_an_os_error(server: socket.socket) -> None:
    session = Session("car", 0, Rules(Login(4, None, None, 60), 20, Tally()))
    port = server.getsockname()[1]
    server.close()
    with closing(select.epoll()) as poll, closing(Wire(session, Route(Host("127.0.0.1"), (port,)), poll, 0)) as wire:
        poll.poll(5.0)
        with pytest.raises(ConnectionRefusedError):
            wire.advance()


def test_connections_begin_at_the_addresses_that_are_named_in_turn(server: socket.socket) -> None:
    session = Session("car", 0, Rules(Login(4, None, None, 60), 20, Tally()))
    route = Route(Host("127.0.0.1"), (server.getsockname()[1],), sources=("127.0.0.2", "127.0.0.3"))
    with closing(select.epoll()) as poll:
        found = []
        for number in range(4):
            with closing(Wire(session, route, poll, number)):
                accepted, (address, _) = server.accept()
                accepted.close()
                found.append(address)
    assert found == ["127.0.0.2", "127.0.0.3"] * 2
