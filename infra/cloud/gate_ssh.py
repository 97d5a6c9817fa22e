"""One SSH connection to a machine whose host key is known: nobody else is ever talked to.

By paramiko rather than by the program ssh: a client need not be installed, no file of a person's is read or written, and a
wrong host key is an answer rather than a text to be searched.
"""

from __future__ import annotations

import base64
import hashlib
import io
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import paramiko

from infra.cloud.gate_errors import CommandError, LostError, RefusedError, UnreachableError, WrongHostKeyError, last_lines

PATIENCE_S = 15.0  # for one step of getting in
BRIEF_S = 60.0  # for a question to the machine itself
KEEP_ALIVE_S = 10
LOOK_EVERY_S = 0.02  # whether a command has said something
BLOCK = 65_536
SILENT = "Authentication timeout"  # paramiko's own words
SHOWN = 60  # characters of a command, in a sentence
SIGNED_BY = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}  # key type -> signatures, where they are called otherwise


@dataclass(frozen=True, slots=True)
class Door:
    """How a machine is reached."""

    address: str
    port: int
    user: str
    host_key: str  # "ssh-ed25519 AAAA…"
    private_key: str = field(repr=False)  # OpenSSH PEM

    @property
    def where(self) -> str:
        """For sentences."""
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


def fingerprint(key: str) -> str:
    """A public key's SHA256 fingerprint, as ssh-keygen -l shows it."""
    return f"SHA256:{base64.b64encode(hashlib.sha256(base64.b64decode(key.split()[1])).digest()).decode().rstrip('=')}"


class Session:
    """One connection: commands, and forwards to what listens on the machine's loopback alone."""

    def __init__(self, door: Door, transport: paramiko.Transport) -> None:
        """Made by `session`."""
        self.door = door
        self._transport = transport

    def run(self, command: str, *, within_s: float, input: bytes = b"") -> Said:
        """Run a command of a shell and wait for its end.

        Raises:
            LostError: the connection broke off; whether the command went on is not known.
            CommandError: it took too long; it is ended by the end of its channel.
        """
        try:
            with closing(self._transport.open_session(timeout=within_s)) as channel:
                channel.settimeout(within_s)
                channel.exec_command(command)
                if input:
                    channel.sendall(input)
                channel.shutdown_write()
                return self._heard(channel, command, within_s)
        except (paramiko.SSHException, OSError, EOFError) as broken:
            raise self._lost(command) from broken

    def _heard(self, channel: paramiko.Channel, command: str, within_s: float) -> Said:
        out, err, until = bytearray(), bytearray(), time.monotonic() + within_s
        while True:
            ended = channel.closed or (channel.exit_status_ready() and channel.eof_received)
            while channel.recv_ready():
                out += channel.recv(BLOCK)
            while channel.recv_stderr_ready():
                err += channel.recv_stderr(BLOCK)
            if ended:
                break
            if not self._transport.is_active():
                raise self._lost(command)
            if time.monotonic() > until:
                raise CommandError(f"'{_short(command)}' at {self.door.where} has not ended within {within_s:.0f} s.")
            time.sleep(LOOK_EVERY_S)
        if not channel.exit_status_ready() or (code := channel.recv_exit_status()) < 0:
            raise self._lost(command)
        return Said(code, out.decode(errors="replace"), err.decode(errors="replace"))

    def _lost(self, command: str) -> LostError:
        return LostError(
            f"the connection to {self.door.where} broke off during '{_short(command)}'; ./lab up goes on from there."
        )


def _short(command: str) -> str:
    line = " ".join(command.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"


def _opened(door: Door, patience_s: float) -> paramiko.Transport:
    """A transport on which nothing has been said yet."""
    try:
        reached = socket.create_connection((door.address, door.port), timeout=patience_s)
    except OSError as away:
        raise UnreachableError(
            f"nothing answers at {door.where} ({away.strerror or away}): see that the machine runs, that ownerCidr is where you "
            "come from, and that your network lets SSH out."
        ) from away
    transport = paramiko.Transport(reached)
    transport.banner_timeout = transport.auth_timeout = transport.handshake_timeout = patience_s
    first = SIGNED_BY.get(door.host_key.split()[0], (door.host_key.split()[0],))
    options = transport.get_security_options()
    options.key_types = (*(t for t in options.key_types if t in first), *(t for t in options.key_types if t not in first))
    return transport


def _is_the_right_one(door: Door, transport: paramiko.Transport) -> None:
    shown = transport.get_remote_server_key()
    seen = f"{shown.get_name()} {shown.get_base64()}"
    if seen.split() != door.host_key.split()[:2]:
        raise WrongHostKeyError(
            f"at {door.where} answers another machine than ours, and nothing was sent: its host key is {fingerprint(seen)}, ours "
            f"{fingerprint(door.host_key)}; if you know that it has a new one, write it under iotlab:cloud.hostKeys, else "
            "somebody stands in between."
        )


@contextmanager
def session(door: Door, *, patience_s: float = PATIENCE_S) -> Iterator[Session]:
    """A connection for the time of the body; `patience_s` for each step of getting in.

    Raises:
        UnreachableError: nothing answers, or no SSH server, or it broke off.
        WrongHostKeyError: somebody else answers.
        RefusedError: the key is not let in.
    """
    with closing(_opened(door, patience_s)) as transport:
        try:
            transport.start_client(timeout=patience_s)
            _is_the_right_one(door, transport)
            transport.auth_publickey(door.user, paramiko.Ed25519Key.from_private_key(io.StringIO(door.private_key)))
        except paramiko.AuthenticationException as refused:
            if not transport.is_active() or SILENT in f"{refused}":  # paramiko calls a lost connection and silence the same
                raise UnreachableError(f"{door.where} broke off while it looked at our key ({refused}).") from refused
            raise RefusedError(
                f"the machine at {door.where} does not let {door.user} in by the stack's own key: /etc/iotlab/authorized_keys "
                "lacks it; log in with a key of your own and write it there (pulumi stack export, SshKey), or put sshd's "
                "settings right."
            ) from refused
        except (paramiko.SSHException, OSError, EOFError) as broken:
            why = f"{broken}" or type(broken).__name__
            raise UnreachableError(f"{door.where} takes connections but does not speak SSH to its end ({why}).") from broken
        transport.set_keepalive(KEEP_ALIVE_S)
        yield Session(door, transport)


def well(session: Session, command: str, *, within_s: float = BRIEF_S, given: bytes = b"") -> Said:
    """Run what has to succeed.

    Raises:
        LostError: the connection broke off.
        CommandError: it did not.
    """
    said = session.run(command, within_s=within_s, input=given)
    if said.code:
        raise CommandError(
            f"'{_short(command)}' failed at {session.door.where} with code {said.code}, {last_lines(said.err.splitlines())}; "
            "log in and see why, then ./lab up again."
        )
    return said
