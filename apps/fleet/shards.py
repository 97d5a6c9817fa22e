"""Which broker a device belongs to: one host name and a port for each shard, found by the hash of the client id."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from zlib import crc32

from runtime.settings import ConfigurationError

HIGHEST_PORT: Final = 65_535
LOOK_UP_EVERY_S: Final = 30.0
UNKNOWN_S: Final = 2.0


def shard_of(client_id: str, shards: int) -> int:
    """The shard of a client, as everybody computes it."""
    return crc32(client_id.encode()) % shards


def ports_of(base: int, shards: int, listed: Sequence[int]) -> tuple[int, ...]:
    """The port of each shard: those that are `listed`, else one after the other from `base`.

    Raises:
        ConfigurationError: as many ports as shards are needed, none twice.
    """
    ports = tuple(listed) or tuple(range(base, base + shards))
    if len(ports) != shards or len(set(ports)) != shards or max(ports) > HIGHEST_PORT:
        raise ConfigurationError(f"{shards} shards need {shards} different ports up to 65535, not {', '.join(map(str, ports))}")
    return ports


class Host:
    """A host name and what it stands for; looked up again now and then, because a broker's address may change.

    Looking up holds up all sessions: a name that is unknown is not asked for again at each connect.
    """

    def __init__(self, name: str) -> None:
        """Nothing is looked up before it is needed."""
        self.name = name
        self._until_s = 0.0
        self._found: list[tuple[socket.AddressFamily, str]] = []

    def address(self, attempt: int) -> tuple[socket.AddressFamily, str]:
        """One of its addresses, another one at the next attempt; the old ones while the name is unknown.

        Raises:
            socket.gaierror: the name has been unknown so far.
        """
        if time.monotonic() > self._until_s:
            with suppress(socket.gaierror):
                told = socket.getaddrinfo(self.name, None, type=socket.SOCK_STREAM)
                self._found = [(family, str(address[0])) for family, _, _, _, address in told]
            self._until_s = time.monotonic() + (LOOK_UP_EVERY_S if self._found else UNKNOWN_S)
        if not self._found:
            raise socket.gaierror(socket.EAI_NONAME, f"the host name {self.name} is unknown")
        return self._found[attempt % len(self._found)]
