"""The XML of a scenario as elements with their lines; nothing in it is fetched or expanded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from infra.lab.scenario.source import refused, text_of


@dataclass(slots=True)
class Element:
    """One element, where it begins, and what is in it."""

    name: str
    line: int
    attributes: dict[str, str]
    text_only: bool = False
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def child(self, name: str) -> Element | None:
        """The one of that name, where there is one."""
        return next(self.each(name), None)

    def each(self, name: str) -> Iterator[Element]:
        """All of that name, in order."""
        return (child for child in self.children if child.name == name)


CHILDREN: dict[str, tuple[str, ...]] = {  # what may stand in each element
    "": ("scenario",),
    "scenario": ("brokers", "clientGroups", "topicGroups", "subscriptions", "stages"),
    "brokers": ("broker",),
    "broker": ("address", "port"),
    "clientGroups": ("clientGroup",),
    "clientGroup": ("clientIdPattern", "count", "mqttVersion"),
    "topicGroups": ("topicGroup",),
    "topicGroup": ("topicNamePattern", "count"),
    "subscriptions": ("subscription",),
    "subscription": ("topicGroup", "wildCard", "topicFilter"),
    "stages": ("stage",),
    "stage": ("lifeCycle",),
    "lifeCycle": ("rampUp", "connect", "subscribe", "publish", "disconnect"),
}
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "scenario": ("xmlns", "xmlns:xsi", "xsi:noNamespaceSchemaLocation", "xsi:schemaLocation"),  # of a schema; not looked at
    "broker": ("id",),
    "clientGroup": ("id",),
    "topicGroup": ("id",),
    "subscription": ("id",),
    "stage": ("id",),
    "lifeCycle": ("id", "clientGroup"),
    "rampUp": ("duration",),
    "connect": ("keepAlive", "broker"),
    "subscribe": ("to", "qos"),
    "publish": ("topicGroup", "qos", "count", "message", "payloadGeneratorType", "rate", "roundRobin"),
}
SEVERAL = frozenset({"broker", "clientGroup", "topicGroup", "subscription", "stage", "lifeCycle"})
IN_SUBSCRIPTION = ("subscription", "topicGroup")  # a name there, and elsewhere what has it
TEXTS = frozenset({"address", "port", "clientIdPattern", "count", "mqttVersion", "topicNamePattern", "wildCard", "topicFilter"})


class _Reader:
    """Builds the elements while the parser tells of them; refuses what is not in the tables above, with its line."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._parser = expat.ParserCreate()
        self._top = Element("", 1, {})
        self._open = [self._top]
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._say
        self._parser.StartDoctypeDeclHandler = self._no_dtd

    def read(self, text: str) -> Element:
        final = True
        try:
            self._parser.Parse(text, final)
        except expat.ExpatError as broken:
            raise refused(self._file, broken.lineno, f"this is no XML ({expat.ErrorString(broken.code)})") from broken
        return self._top.children[0]

    def _refuse(self, said: str) -> NoReturn:
        raise refused(self._file, self._parser.CurrentLineNumber, said)

    def _no_dtd(self, *_: object) -> None:
        self._refuse("a DTD (<!DOCTYPE …>) is not supported, and entities are never expanded; remove it")

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        parent = self._open[-1]
        where = f"in <{parent.name}>" if parent.name else "as the root"
        known = () if parent.text_only else CHILDREN.get(parent.name, ())
        if name not in known:
            self._refuse(f"<{name}> is not supported {where}; {_listed('elements', known)}")
        text_only = name in TEXTS or (parent.name, name) == IN_SUBSCRIPTION
        if (text_only or name not in SEVERAL) and parent.child(name):
            self._refuse(f"<{name}> stands {where} for the second time; it may stand there once")
        known = () if text_only else ATTRIBUTES.get(name, ())
        for attribute in attributes:
            if attribute not in known:
                self._refuse(f"the attribute {attribute} of <{name}> is not supported; {_listed('attributes', known)}")
        element = Element(name, self._parser.CurrentLineNumber, attributes, text_only)
        parent.children.append(element)
        self._open.append(element)

    def _say(self, text: str) -> None:
        element = self._open[-1]
        if text.strip() and not element.text_only:
            self._refuse(f"<{element.name}> holds the text '{text.strip()[:40]}', which is not supported; remove it")
        element.text += text

    def _end(self, _: str) -> None:
        self._open.pop()


def _listed(what: str, known: tuple[str, ...]) -> str:
    return f"{what} there are {', '.join(known)}" if known else f"there are no {what} there"


def read_elements(file: Path) -> Element:
    """Read the element <scenario> of a file.

    Raises:
        UserError: it is no XML, has a DTD, or an element, attribute or text that is not supported; with the line.
    """
    return _Reader(file).read(text_of(file))
