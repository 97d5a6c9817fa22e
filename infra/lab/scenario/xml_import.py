"""Scenarios of the load generator that the original runs were written for, taken over element by element.

What this lab's fleet cannot do is refused at its line, never left out; what means nothing here is told in `notes`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from infra.lab.scenario.model import Where, kinds_names, kinds_topic
from infra.lab.scenario.source import Source, refused
from infra.lab.scenario.units import Pattern
from infra.lab.scenario.xml_file import Element, read_elements

CARS = "com.hivemq.CarDataPayloadGenerator"  # makes the readings that this lab's cars send, too
VERSIONS = {"3": "3.1.1", "3.1.1": "3.1.1", "5": "5"}
DEFAULT_KEEP_ALIVE = "60s"
WHOLE = re.compile(r"[0-9]{1,18}")
ORDER = ("rampUp", "connect", "subscribe", "publish", "disconnect")


class Importer:
    """One file on its way to a scenario's plain data."""

    def __init__(self, file: Path) -> None:
        """Read it.

        Raises:
            UserError: it is no such XML.
        """
        self._file = file
        self._root = read_elements(file)
        self._lines: dict[Where, int] = {(): self._root.line}
        self._groups = self._known("clientGroups", "clientGroup")
        self._topics = self._known("topicGroups", "topicGroup")
        self._subscriptions = self._known("subscriptions", "subscription")
        self._brokers = self._known("brokers", "broker")
        self._keep_alive: dict[str, str] = {}
        self._kinds: dict[str, str] = {}
        self._used: list[str] = []
        self.notes: list[str] = []

    def source(self) -> Source:
        """The scenario as plain data.

        Raises:
            UserError: something is missing or not supported; with its line.
        """
        self._check_declared()
        found = self._root.child("stages")
        stages = tuple(self._stage(number, stage) for number, stage in enumerate(found.each("stage"))) if found else ()
        groups = {name: self._group(name) for name in self._used}
        if self._brokers:
            self.notes.append(f"{self._file} names brokers of its own; this lab's are used instead.")
        if idle := [name for name in self._groups if name not in groups]:
            self.notes.append(f"no stage of {self._file} uses {', '.join(idle)}; left out.")
        return Source(self._file, {"name": self._file.stem, "clientGroups": groups, "stages": stages}, self._lines)

    def _check_declared(self) -> None:
        """What no stage uses has to be right, too: nobody should find a fault only when they begin to use it."""
        for topics in self._topics.values():
            self._pattern(topics, "topicNamePattern")
            self._count(topics)
        for subscription in self._subscriptions.values():
            self._filter(subscription)
        for group in self._groups.values():
            self._pattern(group, "clientIdPattern")
            self._count(group)

    def _refuse(self, element: Element, said: str) -> NoReturn:
        raise refused(self._file, element.line, said)

    def _known(self, room: str, name: str) -> Mapping[str, Element]:
        found: dict[str, Element] = {}
        for element in (self._root.child(room) or self._root).each(name):
            if (own := self._attribute(element, "id")) in found:
                self._refuse(element, f"there is another <{name}> with the id {own}; give each its own")
            found[own] = element
        return found

    def _attribute(self, element: Element, name: str) -> str:
        if not (value := element.attributes.get(name, "")):
            self._refuse(element, f"<{element.name}> needs the attribute {name}")
        return value

    def _text(self, element: Element, name: str) -> str:
        child = element.child(name)
        if child is None or not child.text.strip():
            self._refuse(child or element, f"<{element.name}> needs <{name}> with a text")
        return child.text.strip()

    def _number(self, element: Element, what: str, text: str) -> int:
        if not WHOLE.fullmatch(text):
            self._refuse(element, f"{what} is '{text[:40]}', not a whole number of up to 18 digits")
        return int(text)

    def _count(self, element: Element) -> int:
        text = self._text(element, "count")
        return self._number(element.child("count") or element, "<count>", text)

    def _pattern(self, element: Element, name: str) -> Pattern:
        text = self._text(element, name)
        try:
            return Pattern.parse(text)
        except ValueError as wrong:
            self._refuse(element.child(name) or element, str(wrong))

    def _of(self, found: Mapping[str, Element], element: Element, named: str) -> Element:
        if named not in found:
            self._refuse(element, f"<{element.name}> names '{named}', and there is none with that id; there are {_listed(found)}")
        return found[named]

    def _stage(self, number: int, stage: Element) -> dict[str, object]:
        where: Where = ("stages", number)
        self._lines |= dict.fromkeys((where, (*where, "name")), stage.line)
        cycles = tuple(self._cycle((*where, "lifeCycles", place), cycle) for place, cycle in enumerate(stage.children))
        return {"name": self._attribute(stage, "id"), "lifeCycles": cycles}

    def _cycle(self, where: Where, cycle: Element) -> dict[str, object]:
        group = self._attribute(cycle, "clientGroup")
        self._of(self._groups, cycle, group)
        self._used += [] if group in self._used else [group]
        self._lines[where] = cycle.line
        made: dict[str, object] = {"clients": group}
        names = [command.name for command in cycle.children]
        if names != sorted(names, key=ORDER.index):
            self._refuse(cycle, f"the life cycle has {', '.join(names)} in this order; supported is {', '.join(ORDER)}")
        for command in cycle.children:
            self._lines[*where, command.name] = command.line
            match command.name:
                case "rampUp":
                    made["rampUp"] = self._attribute(command, "duration")
                case "subscribe":
                    made["subscribe"] = self._subscribe((*where, "subscribe"), command)
                case "publish":
                    made["publish"] = self._publish((*where, "publish"), command, group)
                case name:
                    made[name] = True
            if command.name == "connect":
                self._connect(command, group)
        return made

    def _connect(self, connect: Element, group: str) -> None:
        for broker in connect.attributes.get("broker", "").split():
            self._of(self._brokers, connect, broker)
        told = connect.attributes.get("keepAlive", DEFAULT_KEEP_ALIVE)
        if self._keep_alive.setdefault(group, told) != told:
            self._refuse(connect, f"'{group}' connected with keepAlive {self._keep_alive[group]} before; a group has one")
        self._lines["clientGroups", group, "keepAlive"] = connect.line

    def _subscribe(self, where: Where, subscribe: Element) -> dict[str, object]:
        subscription = self._of(self._subscriptions, subscribe, self._attribute(subscribe, "to"))
        self._lines[*where, "filter"] = subscription.line
        qos = self._number(subscribe, "qos", subscribe.attributes.get("qos", "0"))
        return {"filter": self._filter(subscription), "qos": qos}

    def _filter(self, subscription: Element) -> str:
        direct, group = subscription.child("topicFilter"), subscription.child("topicGroup")
        if (direct is None) == (group is None):
            self._refuse(subscription, "<subscription> needs either <topicFilter> or <topicGroup>")
        if direct:
            return self._text(subscription, "topicFilter")
        every = subscription.child("wildCard")
        if every and every.text.strip() not in {"true", "false"}:
            self._refuse(every, f"<wildCard> is '{every.text.strip()}', not true or false")
        topics = self._of(self._topics, subscription, self._text(subscription, "topicGroup"))
        pattern = self._pattern(topics, "topicNamePattern")
        return pattern.any_level() if every and every.text.strip() == "true" else str(pattern)

    def _publish(self, where: Where, publish: Element, group: str) -> dict[str, object]:
        self._check_fixed(publish)
        made: dict[str, object] = {
            "qos": self._number(publish, "qos", self._attribute(publish, "qos")),
            "count": self._number(publish, "count", self._attribute(publish, "count")),
            "rate": self._attribute(publish, "rate"),
            "message": publish.attributes.get("message", ""),
        }
        kind = "car" if publish.attributes.get("payloadGeneratorType") else "plain"
        if self._kinds.setdefault(group, kind) != kind:
            self._refuse(
                publish, f"'{group}' publishes with another payloadGeneratorType before; a group sends one kind of message"
            )
        topic = self._topic(publish, group)
        if kind != "car" or topic != kinds_topic("car"):
            made["topic"] = str(topic)
            self._lines[*where, "topic"] = self._topics[publish.attributes["topicGroup"]].line
        return made

    def _check_fixed(self, publish: Element) -> None:
        """Refuse what has one value here."""
        if publish.attributes.get("payloadGeneratorType", CARS) not in {CARS, ""}:
            told = publish.attributes["payloadGeneratorType"]
            self._refuse(
                publish, f"payloadGeneratorType {told} is not supported; there is {CARS}, or leave it out and give message"
            )
        if publish.attributes.get("roundRobin", "false") != "false":
            self._refuse(publish, "roundRobin is not supported but for false; a client publishes to its own topic")

    def _topic(self, publish: Element, group: str) -> Pattern:
        topics = self._of(self._topics, publish, self._attribute(publish, "topicGroup"))
        pattern = self._pattern(topics, "topicNamePattern")
        have, need = self._count(topics), self._count(self._groups[group]) if pattern.digits else 1
        if have != need:
            of = "as many topics as clients" if pattern.digits else "one topic for all"
            self._refuse(topics, f"'{pattern}' has {have} topics for {need} clients of '{group}'; supported is {of}")
        return pattern

    def _group(self, name: str) -> dict[str, object]:
        group = self._groups[name]
        where: Where = ("clientGroups", name)
        parts = {"clientIds": "clientIdPattern", "count": "count", "mqtt": "mqttVersion"}
        self._lines |= {(*where, key): child.line for key, tag in parts.items() if (child := group.child(tag))}
        self._lines[where] = group.line
        version = self._text(group, "mqttVersion")
        if version not in VERSIONS:
            self._refuse(
                group.child("mqttVersion") or group, f"<mqttVersion> {version} is not supported; there are {', '.join(VERSIONS)}"
            )
        kind = self._kinds.get(name, "plain")
        made: dict[str, object] = {
            "kind": kind,
            "count": self._count(group),
            "mqtt": VERSIONS[version],
            "keepAlive": self._keep_alive.get(name, DEFAULT_KEEP_ALIVE),
        }
        pattern = self._pattern(group, "clientIdPattern")
        if kind != "car" or pattern != kinds_names("car"):
            made["clientIds"] = str(pattern)
        return made


def _listed(known: Mapping[str, Element]) -> str:
    return ", ".join(known) or "none"
