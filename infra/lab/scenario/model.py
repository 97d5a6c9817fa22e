"""A scenario of a fleet: who connects, publishes, subscribes and leaves, in stages that follow each other.

Keys are those of the YAML; durations, rates and patterns are texts (infra/lab/scenario/units.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator
from pydantic.alias_generators import to_camel

from infra import wiring
from infra.lab.scenario.units import YEAR_MS, Pattern, Rate, duration_ms, filter_fault, topic_fault

MOST_CLIENTS = 10_000_000
MOST_BOARDS = 65_536  # two bytes of an address tell them apart
KEEP_ALIVE_MS = (5_000, 65_535_000)  # as apps/fleet takes it; MQTT has two bytes for the seconds
QUALITIES = (0, 1)
CLIENTS_MSG_S = 3_200  # as apps/fleet/scenario/stage.py sends where processes are few: 32 in a tick of 10 ms
Kind = Literal["car", "iotkit", "fan", "plain"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Where = tuple[int | str, ...]


class MisfitError(ValueError):
    """Two parts of a scenario do not fit each other; `where` is the path to the one that has to change."""

    def __init__(self, where: Where, what: str) -> None:
        """`what` becomes the message."""
        super().__init__(what)
        self.where = where


def _keep_alive(milliseconds: int) -> int:
    least, most = KEEP_ALIVE_MS
    if not least <= milliseconds <= most or milliseconds % 1_000:
        raise ValueError(f"it is {least // 1_000}s to {most // 1_000}s, in whole seconds")
    return milliseconds


def _quality(told: object) -> int:
    if type(told) is not int or told not in QUALITIES:
        raise ValueError(f"{told} cannot be; the fleet speaks 0 and 1")
    return told


def _sound(fault_of: Callable[[str], str]) -> AfterValidator:
    def checked(pattern: Pattern) -> Pattern:
        if fault := fault_of(pattern.name(0)):
            raise ValueError(f"'{pattern}': {fault}")
        return pattern

    return AfterValidator(checked)


DurationMs = Annotated[int, PlainValidator(duration_ms)]
Names = Annotated[Pattern, PlainValidator(Pattern.parse)]
Topic = Annotated[Pattern, PlainValidator(Pattern.parse), _sound(topic_fault)]
Filter = Annotated[Pattern, PlainValidator(Pattern.parse), _sound(filter_fault)]
Quality = Annotated[int, PlainValidator(_quality)]
Label = Annotated[str, Field(min_length=1, max_length=80)]


def kinds_names(kind: Kind) -> Pattern | None:
    """The client ids of a kind, as its contract has them; None where they are no pattern of digits."""
    return {
        "car": Pattern.parse(wiring.CAR_CLIENT_ID.replace("{number:05d}", "[0-9]{5}")),
        "fan": Pattern.parse(wiring.FAN_CLIENT_ID.replace("{number}", "[0-9]{1}")),
    }.get(kind)


def kinds_topic(kind: Kind) -> Pattern | None:
    """The topic of a kind; None where it has several, or none."""
    return {
        "car": Pattern.parse(f"{wiring.CARS_MQTT}/{kinds_names('car')}"),
        "fan": Pattern.parse(wiring.FAN_MQTT),
    }.get(kind)


class Part(BaseModel):
    """What every part is: frozen, and closed to keys that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class ClientGroup(Part):
    """Clients that are alike: their names, how many, and how they speak MQTT."""

    kind: Kind = "car"
    client_ids: Names | None = None  # those of the kind
    count: Annotated[int, Field(strict=True, ge=1, le=MOST_CLIENTS)]
    mqtt: Annotated[Literal["3.1.1", "5"], BeforeValidator(str)] = "5"
    keep_alive_ms: Annotated[DurationMs, AfterValidator(_keep_alive), Field(alias="keepAlive")] = 60_000

    @property
    def names(self) -> Pattern | None:
        """The client ids; None for boards, which have addresses."""
        return self.client_ids or kinds_names(self.kind)

    @model_validator(mode="after")
    def _names_differ(self) -> ClientGroup:
        if self.kind == "iotkit":
            if self.client_ids:
                raise MisfitError(
                    ("clientIds",), "boards have addresses for client ids; leave clientIds out, or take the kind plain"
                )
            if self.count > MOST_BOARDS:
                raise MisfitError(("count",), f"{self.count} boards are more than the {MOST_BOARDS} that have an address")
        elif not self.names:
            raise MisfitError((), "clients of the kind plain need clientIds, as in probe-[0-9]{3}")
        elif self.count > 1 and not self.names.digits:
            raise MisfitError(("clientIds",), f"{self.count} clients cannot all be '{self.names}'; put a range in it, [0-9]{{n}}")
        return self


class Subscribe(Part):
    """What each client of a group reads; a filter may be shared ($share/…), or hold the client's own number."""

    filter: Filter
    qos: Quality


class Publish(Part):
    """What each client of a group sends: so many messages, or as many as the rate makes in a time."""

    qos: Quality
    rate: Annotated[Rate, PlainValidator(Rate.parse)]
    count: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)] | None = None
    duration_ms: Annotated[DurationMs | None, Field(alias="duration")] = None
    topic: Topic | None = None  # that of the kind
    message: Annotated[str, Field(max_length=65_536)] = ""  # of plain clients; the others send readings

    @property
    def messages_each(self) -> int:
        """Messages of one client."""
        return self.count if self.count is not None else self.rate.within(self.duration_ms or 0)

    @model_validator(mode="after")
    def _ends(self) -> Publish:
        if (self.count is None) == (self.duration_ms is None):
            raise ValueError("it needs an end: either count (messages of each client) or duration, not both")
        if not self.messages_each:
            raise MisfitError(("duration",), f"at {self.rate} nothing is sent in that duration; make it longer than one interval")
        if (msg_s := self.rate.msg_s) > CLIENTS_MSG_S:
            said = (
                f"{self.rate} is {msg_s:,.0f} messages a second, and one client sends up to {CLIENTS_MSG_S:,}; take more clients"
            )
            raise MisfitError(("rate",), said)
        if self.rate.time_ms(self.messages_each) > YEAR_MS:
            raise MisfitError(
                (), f"{self.messages_each:,} messages at {self.rate} take longer than a year; send fewer, or faster"
            )
        return self


class LifeCycle(Part):
    """What the clients of one group do, each in this order; the ramp spreads their beginnings evenly."""

    clients: Label
    ramp_up_ms: Annotated[DurationMs, Field(alias="rampUp")] = 0
    connect: Annotated[bool, Field(strict=True)] = False
    subscribe: Subscribe | None = None
    publish: Publish | None = None
    disconnect: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _does_something(self) -> LifeCycle:
        if not (self.connect or self.subscribe or self.publish or self.disconnect):
            raise ValueError("the life cycle does nothing; give it connect, subscribe, publish or disconnect")
        return self


class Stage(Part):
    """Life cycles that run at the same time, each for another group; the next stage begins when all of them have ended."""

    name: Label
    life_cycles: Annotated[tuple[LifeCycle, ...], Field(min_length=1)]


class Scenario(Part):
    """The whole."""

    name: Label
    seed: Annotated[int, Field(strict=True, ge=0)] = 1
    client_groups: Annotated[dict[Label, ClientGroup], Field(min_length=1)]
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]

    def life_cycles(self) -> Iterator[tuple[Where, LifeCycle]]:
        """All of them in order, each with its path."""
        for number, stage in enumerate(self.stages):
            for place, cycle in enumerate(stage.life_cycles):
                yield ("stages", number, "lifeCycles", place), cycle

    def topic_of(self, cycle: LifeCycle) -> Pattern | None:
        """Where the clients of a life cycle publish; None where they do not, or as boards do."""
        if not cycle.publish:
            return None
        return cycle.publish.topic or kinds_topic(self.client_groups[cycle.clients].kind)

    @model_validator(mode="after")
    def _groups_fit(self) -> Scenario:
        used = set()
        for where, cycle in self.life_cycles():
            if cycle.clients not in self.client_groups:
                known = ", ".join(self.client_groups)
                raise MisfitError((*where, "clients"), f"there is no client group '{cycle.clients}'; groups are {known}")
            used.add(cycle.clients)
            if cycle.publish:
                _check_publish((*where, "publish"), cycle.publish, self.client_groups[cycle.clients].kind)
        if idle := [name for name in self.client_groups if name not in used]:
            raise MisfitError(("clientGroups", idle[0]), f"no stage uses the client group '{idle[0]}'; remove it")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Scenario:
        for (name, group), (other, further) in combinations(self.client_groups.items(), 2):
            if shared := _shared_name(group, further):
                raise MisfitError(
                    ("clientGroups", other),
                    f"the groups '{name}' and '{other}' have the same client ids, as {shared}; a broker lets each in once",
                )
        return self

    @model_validator(mode="after")
    def _order_fits(self) -> Scenario:
        names = [stage.name for stage in self.stages]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise MisfitError(("stages", number, "name"), f"two stages are called '{name}'; figures are shown by that name")
        for number, stage in enumerate(self.stages):
            groups = [cycle.clients for cycle in stage.life_cycles]
            for place, name in enumerate(groups):
                if name in groups[:place]:
                    where: Where = ("stages", number, "lifeCycles", place)
                    raise MisfitError(where, f"the group '{name}' has two life cycles at once; give it one, or another stage")
        self._check_connections()
        return self

    def _check_connections(self) -> None:
        connected: set[str] = set()
        for where, cycle in self.life_cycles():
            if cycle.connect and cycle.clients in connected:
                raise MisfitError(
                    (*where, "connect"), f"the group '{cycle.clients}' is connected already; let it disconnect before"
                )
            if cycle.connect:
                connected.add(cycle.clients)
            elif cycle.clients not in connected:
                raise MisfitError(where, f"the group '{cycle.clients}' is not connected here; give it connect: true first")
            if cycle.disconnect:
                connected.remove(cycle.clients)


def _shared_name(one: ClientGroup, other: ClientGroup) -> str:
    """A client id that both groups have; empty if there is none."""
    if one.names is None or other.names is None:
        return "addresses of boards" if one.names is other.names else ""
    few, many = sorted((one, other), key=lambda group: group.count)
    names, others = few.names, many.names
    if names is None or others is None or not names.may_meet(others):
        return ""
    return next((name for name in map(names.name, range(few.count)) if others.has(name, many.count)), "")


def _check_publish(where: Where, publish: Publish, kind: Kind) -> None:
    if kind == "plain" and not publish.topic:
        raise MisfitError(where, "clients of the kind plain need a topic")
    if kind == "iotkit" and publish.topic:
        raise MisfitError((*where, "topic"), "boards have topics of their own; leave topic out")
    if kind != "plain" and publish.message:
        raise MisfitError((*where, "message"), f"clients of the kind {kind} send their own readings; leave message out")
