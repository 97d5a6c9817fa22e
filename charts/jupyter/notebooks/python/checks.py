"""Checks of the exercises. Each takes what a student wrote, and says what is missing or that it is right.

They need nothing but the value itself, so they work without a lab, too. What they say stands in words.<language>.yaml.
"""

from __future__ import annotations

import math
import os
import random
import re
from collections.abc import Callable, Iterable
from typing import Any

import yaml
from paho.mqtt.client import topic_matches_sub
from words import SentenceError, word

Case = tuple[tuple[Any, ...], Any]
FAN_FOUND = 0.88  # of the faulty fans, by four limits: 0.907 of uniform values
FAN_ROWS = 4_000


class NotYetError(SentenceError):
    """The exercise isn't solved; the message says what is missing."""

    def __init__(self, name: str, /, **values: object) -> None:
        """`name` is a sentence of words.<language>.yaml."""
        super().__init__(word("not-yet", why=word(name, **values)))


def _passed(name: str, /, **values: object) -> None:
    print(word("passed", what=word(name, **values)))


def _called(function: Callable[..., Any], given: tuple[Any, ...]) -> Any:
    try:
        return function(*given)
    except Exception as broken:
        raise NotYetError("fails", error=repr(broken), given=", ".join(map(repr, given))) from broken


def _same(got: Any, wanted: Any) -> bool:
    if isinstance(wanted, float):
        return isinstance(got, int | float) and not isinstance(got, bool) and math.isclose(got, wanted, abs_tol=1e-6)
    if isinstance(wanted, list | tuple):
        return isinstance(got, list | tuple) and len(got) == len(wanted) and all(map(_same, got, wanted))
    return bool(got == wanted)


def _cases(function: Callable[..., Any], cases: Iterable[Case]) -> None:
    for given, wanted in cases:
        got = _called(function, given)
        if not _same(got, wanted):
            raise NotYetError("gives", given=", ".join(map(repr, given)), got=got, wanted=wanted)


def topic_filter(written: str) -> None:
    """01-1: a filter for the sensor readings of every board, and of nothing else."""
    for topic in ("iotkit/board-1/sensor", "iotkit/02-00-5e-00-00-07/sensor"):
        if not topic_matches_sub(str(written), topic):
            raise NotYetError("filter-misses", filter=written, topic=topic)
    for topic in ("iotkit/board-1/alert", "iotkit/actors/servo2", "vehicles/board-1/sensor", "iotkit/a/b/sensor"):
        if topic_matches_sub(str(written), topic):
            raise NotYetError("filter-takes", filter=written, topic=topic)
    _passed("filter-good")


def payload(read: Callable[[bytes], Any]) -> None:
    """01-1: temperature, humidity and class of a sensor line."""
    _cases(
        read,
        [
            ((b"0xBC,21.00,51.4,low",), (21.0, 51.4, "low")),
            ((b"0xC2,33.90,40.0,high",), (33.9, 40.0, "high")),
            ((b"0xBC,26.10,44.4,middle\0",), (26.1, 44.4, "middle")),  # old boards end with a NUL byte
        ],
    )
    _passed("payload-good")


def counted(count: Callable[[list[str]], Any]) -> None:
    """01-2: readings by device."""
    keys = ["iotkit/a/sensor", "iotkit/b/sensor", "iotkit/a/sensor", "iotkit/a/alert", "iotkit/sensor"]
    _cases(count, [((keys,), {"a": 2, "b": 1, "": 1}), (([],), {}), ((["iotkit/c/alert"],), {})])
    _passed("count-good")


def servo(position: Callable[[float], Any]) -> None:
    """01-3: 20 °C is 0, 34 °C is 1, in between a straight line."""
    _cases(position, [((20.0,), 0.0), ((34.0,), 1.0), ((27.0,), 0.5), ((-5.0,), 0.0), ((60.0,), 1.0), ((23.5,), 0.25)])
    _passed("servo-good")


def pod(written: str) -> None:
    """01-4: a pod by hand that a restricted namespace admits."""
    try:
        found = yaml.safe_load(written) or {}
    except yaml.YAMLError as broken:
        raise NotYetError("no-yaml", why=" ".join(str(broken).split())) from broken
    found = found if isinstance(found, dict) else {}
    if (found.get("kind"), found.get("apiVersion")) != ("Pod", "v1"):
        raise NotYetError("pod-kind", kind=found.get("kind"), version=found.get("apiVersion"))
    namespace = os.environ.get("LESSON_NAMESPACE", "lessons")
    metadata = found.get("metadata") or {}
    if (metadata.get("name"), metadata.get("namespace")) != ("by-hand", namespace):
        raise NotYetError("pod-name", namespace=namespace)
    spec = found.get("spec") or {}
    first: dict[str, Any] = next(iter(spec.get("containers") or ()), {})
    if first.get("image") != os.environ.get("LESSON_IMAGE", ""):
        raise NotYetError("pod-image", image=first.get("image"))
    _restricted(spec, first)
    _passed("pod-good")


def _restricted(spec: dict[str, Any], container: dict[str, Any]) -> None:
    """What the level `restricted` of Pod Security wants; the pod's own settings count for its containers."""
    of_pod, of_container = spec.get("securityContext") or {}, container.get("securityContext") or {}
    both = of_pod | of_container
    wanted = {
        "runAsNonRoot: true": both.get("runAsNonRoot") is True,
        "seccompProfile: {type: RuntimeDefault}": (both.get("seccompProfile") or {}).get("type") == "RuntimeDefault",
        "allowPrivilegeEscalation: false": of_container.get("allowPrivilegeEscalation") is False,
        "capabilities: {drop: [ALL]}": "ALL" in ((of_container.get("capabilities") or {}).get("drop") or ()),
    }
    for what, there in wanted.items():
        if not there:
            raise NotYetError("pod-forbidden", what=what)


def fans(is_faulty: Callable[[float, float, float, float], Any]) -> None:
    """02-1: limits that find most faulty fans and never blame a healthy one."""
    chance = random.Random(4)
    healthy = ((500, 700), (35, 45), (100, 200), (45, 52))
    faulty = ((400, 650), (35, 55), (100, 250), (45, 60))
    names = ("rotation", "temperature", "vibration", "sound")
    found = 0
    for _ in range(FAN_ROWS):
        good = tuple(round(chance.uniform(*limits), 1) for limits in healthy)
        if _called(is_faulty, good):
            raise NotYetError("fan-false-alarm", **dict(zip(names, good, strict=True)))
        found += bool(_called(is_faulty, tuple(round(chance.uniform(*limits), 1) for limits in faulty)))
    if found < FAN_FOUND * FAN_ROWS:
        raise NotYetError("fan-misses", share=found / FAN_ROWS)
    _passed("fan-good", share=found / FAN_ROWS)


def condition(told: Callable[[float], Any]) -> None:
    """02-2: two limits; the temperatures are those that boards were seen to send."""
    seen = {"low": (20.4, 22.0, 24.4), "middle": (25.4, 26.6, 27.8), "high": (30.4, 32.0, 33.9)}
    _cases(told, [((temperature,), name) for name, temperatures in seen.items() for temperature in temperatures])
    _passed("limits-good")


def gaps(filled: Callable[[list[float | None]], Any]) -> None:
    """02-3: a missing value takes the last known one, at most two times in a row."""
    _cases(
        filled,
        [
            (([1.0, None, 2.0],), [1.0, 1.0, 2.0]),
            (([None, 3.0],), [None, 3.0]),
            (([4.0, None, None, None, 5.0, None],), [4.0, 4.0, 4.0, None, 5.0, 5.0]),
            (([],), []),
        ],
    )
    _passed("gaps-good")


def start(body: Any) -> None:
    """Microservices-BPMN: what starts RechnungStep3."""
    variables = body.get("variables") if isinstance(body, dict) else None
    variables = variables if isinstance(variables, dict) else {}
    for name, wanted in (("rnr", "long"), ("rbetrag", "String")):
        one = variables.get(name)
        if not isinstance(one, dict) or not {"value", "type"} <= set(one):
            raise NotYetError("start-missing", name=name)
        if one["type"] != wanted:
            raise NotYetError("start-type", name=name, wanted=wanted, got=one["type"])
    if not re.fullmatch(r"\d+", str(variables["rnr"]["value"])):
        raise NotYetError("start-number")
    if not re.fullmatch(r"\d+\.\d\d", str(variables["rbetrag"]["value"])):
        raise NotYetError("start-amount")
    _passed("start-good")
