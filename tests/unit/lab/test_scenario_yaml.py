"""A scenario as YAML: what is right is read, what is wrong is refused with its line, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import wiring
from infra.failures import UserError
from infra.lab.scenario.model import Scenario
from infra.lab.scenario.presets import preset
from infra.lab.scenario.source import MOST_BYTES
from infra.lab.scenario.units import Pattern
from infra.lab.scenario.yaml_file import read_yaml

ROOT = Path(__file__).resolve().parents[3]
S = """\
name: S
clientGroups:
  cars:
    count: 25
stages:
  - name: connect
    lifeCycles:
      - clients: cars
        rampUp: 5s
        connect: true
  - name: publish
    lifeCycles:
      - clients: cars
        rampUp: 20s
        publish:
          qos: 1
          count: 40
          rate: 1/5s
        disconnect: true
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "scenario.yaml"


def read(file: Path, text: str) -> Scenario:
    file.write_text(text)
    return read_yaml(file).scenario()


def refused(file: Path, text: str) -> str:
    """What is said of the text, without the path of the test's folder."""
    with pytest.raises(UserError) as found:
        read(file, text)
    assert "\n" not in str(found.value)
    return str(found.value).removeprefix(f"{file.parent}/")


def test_a_preset_can_be_written_as_a_file(file: Path) -> None:
    assert read(file, S) == preset("S")


def test_cars_and_fans_have_the_names_and_topics_of_the_contract(file: Path) -> None:
    cars = read(file, S)
    names, topic = cars.client_groups["cars"].names, cars.topic_of(cars.stages[1].life_cycles[0])
    assert names
    assert topic
    assert names.name(6) == wiring.CAR_CLIENT_ID.format(number=7)
    assert topic.name(6) == f"{wiring.CARS_MQTT}/{wiring.CAR_CLIENT_ID.format(number=7)}"
    fans = read(file, S.replace("count: 25", "{count: 25, kind: fan}").replace("cars:\n    {", "cars: {"))
    names, topic = fans.client_groups["cars"].names, fans.topic_of(fans.stages[1].life_cycles[0])
    assert names
    assert names.name(6) == wiring.FAN_CLIENT_ID.format(number=7)
    assert topic == Pattern(wiring.FAN_MQTT)


def test_plain_clients_publish_a_message_for_a_time_and_read_a_share(file: Path) -> None:
    scenario = read(
        file,
        """\
name: plain
seed: 7
clientGroups:
  probes: {kind: plain, count: 3, clientIds: "probe-[0-9]{1}", mqtt: 3.1.1, keepAlive: 30s}
stages:
  - name: all
    lifeCycles:
      - clients: probes
        connect: true
        subscribe: {filter: $share/probes/hall/#, qos: 1}
        publish: {qos: 0, rate: 3/1m, duration: 90s, topic: "hall/[0-9]{2}", message: here}
        disconnect: true
""",
    )
    group, cycle = scenario.client_groups["probes"], scenario.stages[0].life_cycles[0]
    assert (scenario.seed, group.mqtt, group.keep_alive_ms) == (7, "3.1.1", 30_000)
    assert cycle.publish
    assert (cycle.publish.messages_each, cycle.publish.message) == (4, "here")
    assert cycle.subscribe
    assert str(cycle.subscribe.filter) == "$share/probes/hall/#"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("name: S", "nmae: S", 1, "the key 'name' is missing"),
        (
            "count: 25",
            "count: 25\n    colour: red",
            5,
            "the key 'colour' is not known here; keys are clientIds, count, keepAlive",
        ),
        ("rampUp: 5s", "ramp_up: 5s", 9, "the key 'ramp_up' is not known here; keys are clients, connect"),
        ("qos: 1", "quality: 1", 15, "the key 'qos' is missing"),
        ("count: 25", "count: 0", 4, "count: input should be greater than or equal to 1, not 0"),
        ("count: 25", "count: '25'", 4, "count: input should be a valid integer, not '25'"),
        ("count: 25", "count: 99999999999", 4, "count: input should be less than or equal to 10000000"),
        ("count: 25", "count: 25\n    kind: boat", 5, "kind: input should be 'car', 'iotkit', 'fan' or 'plain', not 'boat'"),
        ("count: 25", "count: 25\n    mqtt: 4", 5, "mqtt: input should be '3.1.1' or '5', not '4'"),
        ("count: 25", "count: 25\n    keepAlive: 1s", 5, "keepAlive: it is 5s to 65535s"),
        ("count: 25", "count: 25\n    clientIds: x", 5, "25 clients cannot all be 'x'; put a range in it"),
        ("count: 25", "count: 25\n    kind: plain", 3, "clients of the kind plain need clientIds"),
        ("count: 25", "count: 70000\n    kind: iotkit", 4, "70000 boards are more than the 65536"),
        ("count: 25", "count: 5\n    kind: iotkit\n    clientIds: b-[0-9]{1}", 6, "boards have addresses for client ids"),
        ("rampUp: 5s", "rampUp: 5", 9, "rampUp: '5' is no duration; write a whole number with its unit"),
        ("rate: 1/5s", "rate: 0/5s", 18, "rate: '0/5s' is no rate above 0"),
        ("rate: 1/5s", "rate: -1/5s", 18, "rate: '-1/5s' is no rate above 0"),
        ("rate: 1/5s", "rate: 3201/1s", 18, "3201/1s is 3,201 messages a second, and one client sends up to 3,200; take more"),
        ("rate: 1/5s", "rate: 1/8785h", 18, "rate: '8785h' is longer than a year; make it shorter"),
        ("rampUp: 5s", "rampUp: 999999999h", 9, "rampUp: '999999999h' is longer than a year"),
        ("count: 40", "count: 1000000000", 15, "1,000,000,000 messages at 1/5s take longer than a year; send fewer, or faster"),
        ("qos: 1", "qos: 2", 16, "qos: 2 cannot be; the fleet speaks 0 and 1"),
        ("qos: 1", "qos: true", 16, "qos: True cannot be"),
        ("count: 40", "duration: 4s", 17, "at 1/5s nothing is sent in that duration"),
        ("count: 40", "count: 40\n          duration: 60s", 15, "publish: it needs an end: either count"),
        ("          count: 40\n", "", 15, "publish: it needs an end: either count"),
        ("qos: 1", "topic: a/+\n          qos: 1", 16, "topic: 'a/+': a topic has no + and no #"),
        ("qos: 1", "message: hi\n          qos: 1", 16, "clients of the kind car send their own readings"),
        ("disconnect: true", "subscribe: {filter: a#, qos: 0}", 19, "filter: 'a#': + and # stand for whole levels"),
        ("connect: true", "connect: 'yes'", 10, "connect: input should be a valid boolean, not 'yes'"),
        ("        connect: true\n", "", 8, "the life cycle does nothing"),
        ("connect: true", "disconnect: true", 8, "the group 'cars' is not connected here"),
        ("disconnect: true", "connect: true", 19, "the group 'cars' is connected already"),
        ("- clients: cars", "- clients: vans", 8, "there is no client group 'vans'; groups are cars"),
        ("stages:", "  vans: {count: 1}\nstages:", 5, "no stage uses the client group 'vans'; remove it"),
        ("name: publish", "name: connect", 11, "two stages are called 'connect'"),
        (
            "        connect: true",
            "        connect: true\n      - clients: cars\n        connect: true",
            11,
            "the group 'cars' has two",
        ),
        ("count: 25", "count: 25\n    count: 26", 5, "the key 'count' stands here for the second time"),
        ("cars:\n", "cars: &all\n", 3, "anchors and aliases are not read here"),
        ("count: 25", "count: [25", 5, "this is no YAML"),
        ("count: 25", "when: 2026-13-45", 4, "nothing in a scenario is a date"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(file: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in S
    assert refused(file, S.replace(old, new, 1)).startswith(f"scenario.yaml:{line}: {said}")


def test_boards_and_plain_clients_need_their_own(file: Path) -> None:
    boards = S.replace("count: 25", "count: 25\n    kind: iotkit").replace("qos: 1", "topic: a\n          qos: 1")
    assert "scenario.yaml:17: boards have topics of their own" in refused(file, boards)
    plain = S.replace("count: 25", "count: 25\n    kind: plain\n    clientIds: x-[0-9]{2}")
    assert "scenario.yaml:17: clients of the kind plain need a topic" in refused(file, plain)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "scenario.yaml:1: the scenario: keys belong here, each on a line of its own, not nothing"),
        ("- a\n", "scenario.yaml:1: the scenario: keys belong here, each on a line of its own, not a list"),
        (
            S.partition("stages:")[0] + "stages:\n",
            "scenario.yaml:5: stages: a list belongs here, each entry behind a -, not nothing",
        ),
        (S.replace("name: S", "name: 3"), "scenario.yaml:1: name: a text belongs here, in quotes where it is a number"),
        (S.partition("stages:")[0] + "stages: []\n", "scenario.yaml:5: the key 'stages' is empty"),
        ("name: a\nseed: \x01\n", "scenario.yaml:2: this is no YAML"),
        ("[" * 2000, "scenario.yaml:1: this is no YAML"),
        ("name: a\n? [b]\n: c\n", "scenario.yaml:2: a key is a word"),
        ("1: a\n", "scenario.yaml:1: "),
        ("name: a\n---\nname: b\n", "scenario.yaml:2: this is no YAML (but found another document)"),
        ("name: !!python/name:os.system x\n", "scenario.yaml:1: this is no YAML"),
        ("seed: !!int x", "scenario.yaml:1: this is no YAML"),
    ],
)
def test_what_is_no_scenario_at_all_is_refused(file: Path, text: str, said: str) -> None:
    assert refused(file, text).startswith(said)


def test_a_file_that_is_no_text_or_too_large_is_refused(file: Path) -> None:
    file.write_bytes(b"name: \xff")
    with pytest.raises(UserError, match="is no text in UTF-8"):
        read_yaml(file)
    file.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(UserError, match="and a scenario at most 1000000; is it another file"):
        read_yaml(file)
