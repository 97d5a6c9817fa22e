"""Which brokers a run goes to, and with which logins: the running lab's, or any that a person names."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra import accounts, mqtt_shards
from infra.lab.errors import UserError
from infra.lab.forwarding import forwarded
from infra.lab.lab import Lab, lab_here
from infra.lab.probes import LOOPBACK
from infra.lab.scenario.plan import Login, Target, first_name, first_topic

DEVICES, READERS = "fleet", "lab"  # logins of Mosquitto: the one may write as a device, the other reads what devices write
SECRET = next(login.secret for login in accounts.LOGINS if login.service == "mosquitto")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run goes to: the brokers that were named, with their logins, or the lab of a stack."""

    stack: str
    named: Target | None = None

    @property
    def shards(self) -> int:
        """How many brokers that are."""
        return len(self.named.ports) if self.named else Lab(self.stack).settings.scale.mqtt_shards

    def __str__(self) -> str:
        """For people."""
        if self.named:
            return ", ".join(f"tcp://{self.named.host}:{port}" for port in self.named.ports)
        return f"the lab of the stack {self.stack}, {self.shards} shards"

    @contextmanager
    def target(self, verb: str) -> Iterator[tuple[Target, Lab | None]]:
        """The brokers while the body runs, and the lab if they are a lab's; `verb` is what a person asked for.

        Raises:
            UserError: nobody knows the named brokers' host, or the lab is not up.
        """
        if self.named:
            _look_up(self.named.host)
            yield self.named, None
            return
        lab = lab_here(self.stack, verb)
        with tempfile.TemporaryDirectory() as private, of_lab(lab, Path(private)) as found:
            yield found, lab


def place_of(stack: str, brokers: Sequence[str], logins: Sequence[str]) -> Place:
    """What the command line says.

    Raises:
        UserError: a broker or a login that is none, or a login for the lab, which has its own.
    """
    if logins and not brokers:
        raise UserError("--login is for --broker; the lab has its own logins.")
    if len(logins) > len((DEVICES, READERS)):
        raise UserError("--login is given once or twice: the devices' login, then the readers'.")
    found = [_login(told) for told in logins] or [Login()]
    return Place(stack, given(brokers, found[0], found[-1]) if brokers else None)


def _look_up(host: str) -> None:
    try:
        socket.getaddrinfo(host, None)
    except OSError as failed:
        raise UserError(
            f"--broker: the host {host} cannot be found ({failed.strerror}); name one that this machine knows."
        ) from failed


def _login(told: str) -> Login:
    user, _, file = told.partition(":")
    if not user or not Path(file).is_file():
        raise UserError(f"--login is USER:FILE with the password in the file, not '{told}'.")
    return Login(user, Path(file).absolute())


def given(brokers: Sequence[str], devices: Login, readers: Login) -> Target:
    """The brokers of `--broker`, one a shard.

    Raises:
        UserError: one of them is no tcp://host:port, or they are at several hosts.
    """
    places = [_place(broker) for broker in brokers]
    hosts = {host for host, _ in places}
    if len(hosts) > 1:
        raise UserError(f"the brokers are shards at one host, each with a port of its own, not at {', '.join(sorted(hosts))}.")
    return Target(hosts.pop(), tuple(port for _, port in places), devices, readers)


def _place(broker: str) -> tuple[str, int]:
    parts = urlsplit(broker)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme != "tcp" or not parts.hostname or not port or parts.username or parts.path:
        raise UserError(f"--broker is tcp://host:port, not '{broker}'.")
    return parts.hostname, port


@contextmanager
def of_lab(lab: Lab, folder: Path) -> Iterator[Target]:
    """The running lab's shards while the body runs; the passwords are laid into `folder`.

    The embedded node is reached at its own address: what carries loopback's ports to it has not the files for a fleet.

    Raises:
        UserError: the lab is not up.
    """
    lab.need_up()
    shards = lab.settings.scale.mqtt_shards
    passwords = lab.kube.secret(SECRET)
    with ExitStack() as opened:
        host, ports = LOOPBACK, mqtt_shards.node_ports(shards)
        if lab.embedded:
            host = lab.node
        else:
            ports = [opened.enter_context(forwarded(lab, each)) for each in mqtt_shards.endpoints(shards)]
        devices, readers = (login_of(user, passwords[user], folder) for user in (DEVICES, READERS))
        yield Target(host, tuple(ports), devices, readers, lab.settings.fleet)


def login_of(user: str, password: str, folder: Path) -> Login:
    """With the password in a file that nobody else can read."""
    file = folder / f"password-{user}"
    file.touch(mode=0o600)
    file.write_text(password)
    return Login(user, file)


def check_topics(plan: dict[str, Any]) -> None:
    """Refuse what the lab's brokers would throw away: each device is bound to its own topics.

    Raises:
        UserError: with the first such topic.
    """
    for cycle in (cycle for stage in plan["stages"] for cycle in stage["cycles"] if "publish" in cycle):
        group = plan["groups"][cycle["group"]]
        name, topic = first_name(group), first_topic(group, cycle["publish"])
        if not accounts.may_publish(DEVICES, name, topic):
            raise UserError(
                f"the lab's broker would not take {name}'s messages to {topic} ('{group['name']}'): it lets a device publish to "
                f"{', '.join(line.split()[-1] for line in accounts.MQTT_PATTERNS)} alone, where %c is its client id; "
                "change the topic, or name another broker with --broker."
            )
