"""Carries connections from this machine's ports to the node's: loopback for people, one private network for boards."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

CHUNK_BYTES = 64 * 1024
CONNECT_LIMIT_S = 10.0
MOST_CONNECTIONS = 8_000  # two descriptors each, below the 20,000 a process may have here


@dataclass(frozen=True, slots=True)
class Forward:
    """One listening port. `allow` is the network whose peers may come in; nobody else is answered."""

    listen: str
    port: int
    target: str
    allow: str = "127.0.0.0/8"


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction until its end and pass that end on, so that a half-closed connection still works the other way."""
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _both_ways(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter], two: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    directions = [asyncio.create_task(_carry(one[0], two[1])), asyncio.create_task(_carry(two[0], one[1]))]
    try:
        await asyncio.gather(*directions)
    except OSError:  # one side broke off: so does the other
        for writer in (one[1], two[1]):
            writer.transport.abort()
    finally:
        for task in directions:
            task.cancel()


class Forwarder:
    """All forwards of a running cluster; `use` replaces them without touching those that stay."""

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._servers: dict[Forward, asyncio.Server] = {}
        self._open = 0

    async def use(self, forwards: Sequence[Forward]) -> None:
        """Listen on exactly these ports."""
        for gone in set(self._servers) - set(forwards):
            self._servers.pop(gone).close()
        for new in sorted(set(forwards) - set(self._servers), key=lambda forward: (forward.listen, forward.port)):
            self._servers[new] = await self._listen(new)

    async def _listen(self, forward: Forward) -> asyncio.Server:
        allowed = ipaddress.ip_network(forward.allow)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = ipaddress.ip_address(writer.get_extra_info("peername")[0])
            if peer not in allowed or self._open >= MOST_CONNECTIONS:
                writer.transport.abort()
                return
            self._open += 1
            try:
                await self._serve(forward, reader, writer)
            finally:
                self._open -= 1

        return await asyncio.start_server(serve, forward.listen, forward.port, backlog=1024, reuse_address=True)

    @staticmethod
    async def _serve(forward: Forward, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                node = await asyncio.open_connection(forward.target, forward.port)
        except (OSError, TimeoutError):  # nothing serves that port at the moment
            writer.transport.abort()
            return
        for stream in (writer, node[1]):
            stream.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await _both_ways((reader, writer), node)
        finally:
            for stream in (writer, node[1]):
                stream.close()
            for stream in (writer, node[1]):
                with contextlib.suppress(OSError):
                    await stream.wait_closed()
