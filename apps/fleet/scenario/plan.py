"""The plan of a run, as `./lab fleet run` writes it: plain JSON, in which everything is decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from runtime.mqtt import MQTT_5, Login
from runtime.settings import ConfigurationError, read_password

AnyPlan = TypeVar("AnyPlan")

KEPT_S: Final = 60.0  # a client keeps what it sends in so long while its broker is away
FEWEST_KEPT, MOST_KEPT = 20, 10_000
READER_EXPIRY_S: Final = 120  # a broker keeps the counter's session so long, should the run be killed

Seconds = Annotated[float, msgspec.Meta(ge=0.0)]
Quality = Annotated[int, msgspec.Meta(ge=0, le=1)]


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all of it is."""


class User(Told, frozen=True):
    """A login; without a name, none."""

    name: str | None = None
    password_file: str | None = None

    def login(self, level: int, keepalive_s: int, session_expiry_s: int = 0) -> Login:
        """For a session.

        Raises:
            ConfigurationError: the password file cannot be read.
        """
        password = read_password(Path(self.password_file) if self.password_file else None)
        return Login(level, self.name, password, keepalive_s, session_expiry_s)


class Group(Told, frozen=True):
    """Clients that are alike. `names` is a format with {number}, {high} and {low} (its two bytes); numbers go from `first` on."""

    name: str
    kind: Literal["car", "iotkit", "fan", "plain"]
    count: Annotated[int, msgspec.Meta(ge=1)]
    names: str
    first: Annotated[int, msgspec.Meta(ge=0)] = 1
    level: Literal[4, 5] = 5
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=65_535)] = 60
    reads: bool = False  # with the readers' login

    def client_id(self, index: int) -> str:
        """Of client `index`, from 0."""
        return filled(self.names, self.first + index)


class Subscribe(Told, frozen=True):
    """What each client of a group reads; `filter` is a format as a group's names."""

    filter: str
    qos: Quality


class Publish(Told, frozen=True):
    """What each client sends; `topic` is a format as a group's names, and has {name} for its client id."""

    qos: Quality
    interval_s: Annotated[float, msgspec.Meta(gt=0.0)]
    count: Annotated[int, msgspec.Meta(ge=1)]
    topic: str
    message: str = ""  # of plain clients

    @property
    def lasts_s(self) -> float:
        """Of one client; an interval passes after each message."""
        return self.interval_s * self.count

    @property
    def kept(self) -> int:
        """Messages that a client keeps while they are not acknowledged."""
        return min(max(FEWEST_KEPT, round(KEPT_S / self.interval_s)), MOST_KEPT)


class Cycle(Told, frozen=True):
    """What the clients of a group do in a stage, each in this order; `group` is the place of the group in the plan."""

    group: Annotated[int, msgspec.Meta(ge=0)]
    ramp_s: Seconds = 0.0
    connect: bool = False
    subscribe: Subscribe | None = None
    publish: Publish | None = None
    disconnect: bool = False

    @property
    def lasts_s(self) -> float:
        """From the first client's begin to the last one's end, if nothing is late."""
        return self.ramp_s + (self.publish.lasts_s if self.publish else 0.0)


class Stage(Told, frozen=True):
    """Cycles that run at the same time."""

    name: str
    msg_s: Seconds
    cycles: list[Cycle]


class Lane(msgspec.Struct, frozen=True):
    """The messages of one publishing cycle of a run: flow `base` + i is what its client i sends, numbered from 0 on."""

    run: str
    base: int
    group: Group
    publish: Publish

    @property
    def marked(self) -> bool:
        """Whether the messages carry which they are."""
        return self.group.level == MQTT_5

    def topic(self, index: int) -> str:
        """Of client `index`."""
        return filled(self.publish.topic, self.group.first + index, self.group.client_id(index))


class Plan(Told, frozen=True):
    """The whole. `run` tells its messages from others; `filters` are what the counter reads, of one client in `every`."""

    run: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}$")]
    name: str
    seed: int
    host: str
    ports: Annotated[list[int], msgspec.Meta(min_length=1)]
    devices: User
    readers: User
    processes: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    groups: list[Group]
    stages: list[Stage]
    filters: list[str]
    every: Annotated[int, msgspec.Meta(ge=1)] = 1

    def lanes(self) -> list[list[Lane | None]]:
        """By stage and cycle."""
        found: list[list[Lane | None]] = []
        base = 0
        for stage in self.stages:
            found.append([])
            for cycle in stage.cycles:
                group = self.groups[cycle.group]
                found[-1].append(Lane(self.run, base, group, cycle.publish) if cycle.publish else None)
                base += group.count if cycle.publish else 0
        return found

    def read_back(self, lane: Lane) -> range:
        """Whose messages the counter reads."""
        return range(0, lane.group.count, self.every)

    def kept(self, group: int) -> int:
        """Messages that a client of that group keeps at most."""
        return max((c.publish.kept for s in self.stages for c in s.cycles if c.publish and c.group == group), default=FEWEST_KEPT)

    @property
    def clients(self) -> int:
        """All of them."""
        return sum(group.count for group in self.groups)


def filled(format_: str, number: int, name: str = "") -> str:
    """A client's own text of a format."""
    return format_.format(number=number, high=number >> 8, low=number & 255, name=name)


def share(count: int, process: int, processes: int) -> range:
    """Which of `count` clients are those of process number `process`."""
    return range(count * process // processes, count * (process + 1) // processes)


def read_plan(file: Path, kind: type[AnyPlan]) -> AnyPlan:
    """Read a plan of that kind.

    Raises:
        ConfigurationError: it is no plan.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as broken:
        raise ConfigurationError(f"the plan {file} cannot be used: {broken}") from broken
