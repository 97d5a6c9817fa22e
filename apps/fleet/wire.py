"""One connection: a non-blocking socket, TLS if wanted, and what waits for the kernel to take it."""

from __future__ import annotations

import os
import select
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Final

from fleet.limits import port_range
from fleet.session import Session
from fleet.shards import Host

READ_BYTES: Final = 8192
IP_BIND_ADDRESS_NO_PORT: Final = 24  # from Linux' in.h: the port is chosen when the other end is known, so ports are shared
IP_LOCAL_PORT_RANGE: Final = 51  # the same, since Linux 6.3: the first and the last port that the kernel may choose
LATER: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
READ: Final = select.EPOLLIN
READ_WRITE: Final = select.EPOLLIN | select.EPOLLOUT


@cache
def _every_port() -> bytes:
    """The kernel's own range, said for one connection.

    Unasked, it tries every second port first: when 14,116 of 28,232 are taken it goes through all of them for each further
    connection, which then takes 1.4 ms instead of 0.02. Asked for a range it tries every port (Linux 6.18, 2026-11-27).
    """
    first, last = port_range()
    return struct.pack("=I", last << 16 | first)


@dataclass(frozen=True, slots=True)
class Route:
    """How the shards are reached; `queued_bytes` may wait for the kernel in each connection."""

    host: Host
    ports: tuple[int, ...]
    sources: tuple[str, ...] = ()
    tls: ssl.SSLContext | None = None
    queued_bytes: int = 65_536


class Wire:
    """A session's connection. Everything raises OSError when the connection is no more; then `close`."""

    __slots__ = ("_established", "_poll", "_queue", "_ready", "_route", "_socket", "file", "session")

    def __init__(self, session: Session, route: Route, poll: select.epoll, number: int) -> None:
        """Begin to connect; `number` chooses among the addresses of this machine.

        Raises:
            OSError: no address, no file, no port, or nobody listens.
        """
        family, address = route.host.address(session.attempts)
        self.session = session
        self._route = route
        self._poll = poll
        self._established = self._ready = False
        self._queue: bytearray | None = None
        self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(OSError):  # older kernels
                self._socket.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, _every_port())
            if route.sources:
                self._socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                self._socket.bind((route.sources[number % len(route.sources)], 0))
            with suppress(BlockingIOError):  # it is under way
                self._socket.connect((address, route.ports[session.shard]))
            self.file = self._socket.fileno()
            poll.register(self.file, READ_WRITE)
        except OSError:
            self._socket.close()
            raise

    def send(self, packet: bytes, *, always: bool = False) -> bool:
        """As `Link.send`; a connection that breaks here is noticed by the next `advance` or `read`."""
        if self._queue is not None or not self._ready:
            queue = self._queue = self._queue or bytearray()
            if not always and len(queue) + len(packet) > self._route.queued_bytes:
                return False
            queue += packet
            return True
        try:
            sent = self._socket.send(packet)
        except LATER:
            sent = 0
        except OSError:
            return False
        if sent < len(packet):
            self._queue = bytearray(packet[sent:])
            self._poll.modify(self.file, READ_WRITE)
        return True

    def advance(self) -> bool:
        """Go on connecting, shaking hands, writing; True if everything was written."""
        if not self._established:
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
            self._established = True
            if self._route.tls is not None:
                host = self._route.host.name
                self._socket = self._route.tls.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
        return (self._ready or self._shake()) and self._flush()

    def _shake(self) -> bool:
        if isinstance(self._socket, ssl.SSLSocket):
            try:
                self._socket.do_handshake()
            except ssl.SSLWantReadError:
                self._poll.modify(self.file, READ)
                return False
            except ssl.SSLWantWriteError:
                self._poll.modify(self.file, READ_WRITE)
                return False
        self._ready = True
        return True

    def _flush(self) -> bool:
        queue = self._queue
        if queue:
            with suppress(*LATER):
                del queue[: self._socket.send(queue)]
            if queue:
                self._poll.modify(self.file, READ_WRITE)
                return False
        self._queue = None
        self._poll.modify(self.file, READ)
        return True

    def read(self) -> bytes | None:
        """What came, b"" at the end, None if there is nothing yet."""
        if not self._ready:
            self.advance()
            return None
        try:
            data = self._socket.recv(READ_BYTES)
            if isinstance(self._socket, ssl.SSLSocket):
                while data and self._socket.pending():  # decrypted already: epoll does not see it
                    data += self._socket.recv(READ_BYTES)
        except LATER:
            return None
        return data

    def close(self) -> None:
        """Give the file back; epoll forgets it by itself."""
        self._socket.close()
