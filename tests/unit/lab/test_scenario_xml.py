"""Scenarios of the original's load generator: taken over exactly, or refused at the line that is not supported."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.failures import UserError
from infra.lab.scenario.choose import choose
from infra.lab.scenario.presets import preset
from infra.lab.scenario.xml_import import CARS, Importer

SCENARIOS = Path(__file__).resolve().parents[2] / "support/scenarios"
S = (SCENARIOS / "S.xml").read_text()
EVERY = (SCENARIOS / "every-element.xml").read_text()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.xml"


def refused(file: Path, text: str) -> str:
    """What is said of the text, without the path of the test's folder."""
    file.write_text(text)
    with pytest.raises(UserError) as found:
        Importer(file).source().scenario()
    assert "\n" not in str(found.value)
    return str(found.value).removeprefix(f"{file.parent}/")


@pytest.mark.parametrize("name", ["S", "XL"])
def test_the_contracts_runs_come_out_equal_to_the_presets(name: str) -> None:
    choice = choose(str(SCENARIOS / f"{name}.xml"))
    assert choice.scenario == preset(name)
    assert not choice.ours


def test_brokers_of_the_file_and_groups_that_do_nothing_are_told(file: Path) -> None:
    file.write_text(S)
    brokers, readers = choose(str(file)).notes
    assert "run.xml names brokers of its own; this lab's are used instead" in brokers
    assert "uses readers; left out" in readers


def test_every_element_has_its_meaning() -> None:
    scenario = choose(str(SCENARIOS / "every-element.xml")).scenario
    probes, readers = (scenario.client_groups[name] for name in ("probes", "readers"))
    assert (probes.kind, str(probes.names), probes.count, probes.mqtt) == ("plain", "probe-[0-9]{3}", 120, "3.1.1")
    assert (readers.mqtt, readers.keep_alive_ms, probes.keep_alive_ms) == ("5", 30_000, 60_000)
    come, work, leave = scenario.stages
    readers_come, probes_come = come.life_cycles
    assert readers_come.subscribe
    assert (str(readers_come.subscribe.filter), readers_come.subscribe.qos) == ("$share/readers/hall/#", 1)
    assert probes_come.subscribe
    assert (str(probes_come.subscribe.filter), probes_come.ramp_up_ms) == ("hall/+/state", 500)
    (probes_work,) = work.life_cycles
    assert probes_work.subscribe
    assert str(probes_work.subscribe.filter) == "hall/probe-[0-9]{3}/state"
    assert probes_work.publish
    assert (probes_work.publish.count, str(probes_work.publish.rate), probes_work.publish.message) == (9, "3/1m", "ready & well")
    assert str(probes_work.publish.topic) == "hall/probe-[0-9]{3}/state"
    probes_leave, readers_leave = leave.life_cycles
    assert probes_leave.publish
    assert str(probes_leave.publish.topic) == "hall/news"
    assert (probes_leave.disconnect, readers_leave.disconnect) == (True, True)
    assert [stage.name for stage in scenario.stages] == ["come", "work", "leave"]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        (
            "<disconnect/>",
            "<unsubscribe/>",
            44,
            "<unsubscribe> is not supported in <lifeCycle>; elements there are rampUp, connect",
        ),
        ("<port>1883</port>", "<tls/>", 6, "<tls> is not supported in <broker>; elements there are address, port"),
        ("<count>25</count>", "<count><b/></count>", 12, "<b> is not supported in <count>; there are no elements there"),
        (
            "<connect/>",
            '<connect cleanStart="true"/>',
            36,
            "the attribute cleanStart of <connect> is not supported; attributes there are",
        ),
        (
            "<count>25</count>",
            '<count of="1">25</count>',
            12,
            "the attribute of of <count> is not supported; there are no attributes",
        ),
        ("<connect/>", "<connect/><connect/>", 36, "<connect> stands in <lifeCycle> for the second time"),
        ("<connect/>", "<connect/>now", 36, "<lifeCycle> holds the text 'now', which is not supported"),
        (CARS, "com.example.Boat", 42, f"payloadGeneratorType com.example.Boat is not supported; there is {CARS}"),
        ('roundRobin="false"', 'roundRobin="true"', 42, "roundRobin is not supported but for false"),
        ('qos="1"', 'qos="2"', 42, "qos: 2 cannot be; the fleet speaks 0 and 1"),
        ('qos="1"', 'qos="one"', 42, "qos is 'one', not a whole number"),
        ('count="40"', 'count="0"', 42, "count: input should be greater than or equal to 1, not 0"),
        ('count="40"', "", 42, "<publish> needs the attribute count"),
        ('message=""', 'message="hi"', 42, "clients of the kind car send their own readings"),
        ('rate="1/5s"', 'rate="0/5s"', 42, "rate: '0/5s' is no rate above 0"),
        ('rate="1/5s"', 'rate="5"', 42, "rate: '5' is no rate above 0"),
        ('<rampUp duration="5s"/>', '<rampUp duration="5"/>', 35, "rampUp: '5' is no duration"),
        ('<rampUp duration="5s"/>', "<rampUp/>", 35, "<rampUp> needs the attribute duration"),
        ("<connect/>", '<connect keepAlive="1s"/>', 36, "keepAlive: it is 5s to 65535s"),
        (
            "<connect/>",
            '<connect broker="other"/>',
            36,
            "<connect> names 'other', and there is none with that id; there are only",
        ),
        (
            'topicGroup="of-cars"',
            'topicGroup="tg"',
            42,
            "<publish> names 'tg', and there is none with that id; there are of-cars",
        ),
        (
            'clientGroup="cars"',
            'clientGroup="c"',
            34,
            "<lifeCycle> names 'c', and there is none with that id; there are cars, readers",
        ),
        ("<mqttVersion>5<", "<mqttVersion>4<", 13, "<mqttVersion> 4 is not supported; there are 3, 3.1.1, 5"),
        ("<mqttVersion>5<", "<mqttVersion><", 13, "<clientGroup> needs <mqttVersion> with a text"),
        ("<count>25</count>", "<count>-1</count>", 12, "<count> is '-1', not a whole number"),
        (
            "<count>25</count>",
            "<count>0</count>",
            22,
            "'vehicles/sensor/data/electric-vehicle-[0-9]{5}' has 25 topics for 0 clients of 'cars'; supported is as many",
        ),
        (
            "electric-vehicle-[0-9]{5}<",
            "car-[a-z]+<",
            11,
            "the pattern 'car-[a-z]+' has [ ]; it may be literal text with one range",
        ),
        ("reader-[0-9]{1}", "reader-(a|b)", 16, "the pattern 'reader-(a|b)' has ( ) |; it may be literal text"),
        (
            "<count>6</count>",
            f"<count>{'9' * 5000}</count>",
            17,
            f"<count> is '{'9' * 40}', not a whole number of up to 18 digits",
        ),
        ("<topicFilter>$share", "<topicFilter> <", 29, "this is no XML"),
        ("<connect/>", "<publish/>", 36, "<publish> needs the attribute qos"),
    ],
)
def test_what_is_not_supported_is_refused_with_its_line(file: Path, old: str, new: str, line: int, said: str) -> None:
    text = S.replace(old, new, 1)
    assert old in S
    assert refused(file, text).startswith(f"run.xml:{line}: {said}")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('id="readers"', 'id="probes"', 20, "there is another <clientGroup> with the id probes"),
        ("<wildCard>true<", "<wildCard>yes<", 39, "<wildCard> is 'yes', not true or false"),
        ("<topicFilter>$share/readers/hall/#</topicFilter>", "", 45, "<subscription> needs either <topicFilter> or <topicGroup>"),
        ("$share/readers/hall/#", "$share/readers", 45, "filter: '$share/readers': a shared subscription is"),
        (
            "<count>1</count>",
            "<count>2</count>",
            31,
            "'hall/news' has 2 topics for 1 clients of 'probes'; supported is one topic",
        ),
        ('to="split" qos="1"', 'to="split" qos="2"', 53, "qos: 2 cannot be"),
        (
            '<rampUp duration="500ms"/>',
            '<connect/><disconnect/></lifeCycle><lifeCycle clientGroup="probes">',
            56,
            "the group 'probes' has two life cycles at once",
        ),
        ("hall/news", "hall/#", 31, "topic: 'hall/#': a topic has no + and no #"),
        ('duration="1m"', 'duration="1 m"', 63, "rampUp: '1 m' is no duration"),
        ('id="leave"', 'id="work"', 68, "two stages are called 'work'"),
        (
            'message="bye"',
            f'payloadGeneratorType="{CARS}"',
            70,
            "'probes' publishes with another payloadGeneratorType before; a group sends one kind of message",
        ),
        (
            '<subscribe to="everybody" qos="0"/>',
            '<rampUp duration="1s"/>',
            58,
            "<rampUp> stands in <lifeCycle> for the second time",
        ),
        ('<rampUp duration="1m"/>', "<disconnect/>", 62, "the life cycle has disconnect, subscribe, publish in this order"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_its_line(file: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in EVERY
    assert refused(file, EVERY.replace(old, new, 1)).startswith(f"run.xml:{line}: {said}")


@pytest.mark.parametrize(
    "dtd",
    [
        '<!DOCTYPE scenario SYSTEM "http://192.0.2.1/scenario.dtd">',
        '<!DOCTYPE scenario [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>',
        '<!DOCTYPE scenario [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_a_dtd_is_refused_before_anything_of_it_is_read(file: Path, dtd: str) -> None:
    told = refused(file, S.replace("<scenario", f"{dtd}\n<scenario", 1))
    assert told.startswith("run.xml:2: a DTD (<!DOCTYPE …>) is not supported, and entities are never expanded")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "run.xml:1: this is no XML (no element found)"),
        ("<scenario>\n<brokers>\n</scenario>", "run.xml:3: this is no XML (mismatched tag)"),
        ("<scenario>\n&all;</scenario>", "run.xml:2: this is no XML (undefined entity)"),
        ("<plan/>", "run.xml:1: <plan> is not supported as the root; elements there are scenario"),
        ("<scenario/>", "run.xml:1: the key 'clientGroups' is empty"),
    ],
)
def test_what_is_no_scenario_at_all_is_refused(file: Path, text: str, said: str) -> None:
    assert refused(file, text).startswith(said)


def test_a_group_has_one_keep_alive(file: Path) -> None:
    again = '<disconnect/></lifeCycle></stage><stage id="again"><lifeCycle clientGroup="cars"><connect keepAlive="30s"/>'
    told = refused(file, S.replace("<disconnect/>", again, 1))
    assert told.startswith("run.xml:44: 'cars' connected with keepAlive 60s before; a group has one")
