"""A TCP proxy on loopback that can let every byte vanish, as a network does that has lost its way."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

TURN_S: Final = 0.02
CHUNK_BYTES: Final = 65_536


class Proxy:
    """Leads from one port to another. What passes while it is cut is swallowed, and a connection that lost bytes stays dead."""

    def __init__(self, port: int, leads_to: int) -> None:
        """Listens at once."""
        self._server = socket.create_server(("127.0.0.1", port), backlog=64)
        self._leads_to = leads_to
        self._cut = threading.Event()
        self._ended = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._peers: dict[socket.socket, socket.socket] = {}
        self._dead: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._selector.register(self._server, selectors.EVENT_READ)
        self._thread.start()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """No byte passes while the body runs, and nobody is told."""
        self._cut.set()
        try:
            yield
        finally:
            self._cut.clear()

    def _work(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(TURN_S):
                if key.fileobj is self._server:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._peers:
                    self._pass(key.fileobj)

    def _accept(self) -> None:
        near, _ = self._server.accept()
        far = socket.create_connection(("127.0.0.1", self._leads_to), 5.0)
        for one, other in ((near, far), (far, near)):
            self._peers[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _pass(self, one: socket.socket) -> None:
        other = self._peers[one]
        try:
            chunk = one.recv(CHUNK_BYTES)
            if not chunk:
                raise ConnectionError
            if self._cut.is_set():
                self._dead |= {one, other}
            if one not in self._dead:
                other.sendall(chunk)
        except OSError:
            self._close(one, other)

    def _close(self, *both: socket.socket) -> None:
        for each in both:
            self._selector.unregister(each)
            del self._peers[each]
            self._dead.discard(each)
            each.close()

    def close(self) -> None:
        """End it and its connections."""
        self._ended.set()
        self._thread.join(10.0)
        for each in (*self._peers, self._server):
            with suppress(OSError):
                each.close()
        self._selector.close()
