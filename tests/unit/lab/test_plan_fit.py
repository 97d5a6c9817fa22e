"""`./lab plan --fit`: what a machine can carry, which limit breaks first, by which figures; bad input is one sentence."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from infra import mqtt_shards, wiring
from infra.lab import cli, costs
from infra.lab.costs import Cost, Curve
from infra.lab.errors import UserError
from infra.lab.paths import Paths
from infra.lab.plan.fit import MOST_CARS, Load, impossible, most, most_shards, needs, sizes
from infra.lab.plan.room import Room, here, named
from infra.lab.scenario import limits
from infra.scales import FLEET_SIZES, MACHINE_TYPES, SCALES
from infra.settings import SETS

ROOT = Path(__file__).resolve().parents[3]
CORE = frozenset(SETS["core"])
HUGE = Room("huge", 10_000, 10_000_000, 10_000, files=2**30, all_files=2**30, ports=2**30, tracked=2**30)
SMALL = Room("small", 2, 24_000, 200, files=20_000, all_files=2_400_000, ports=28_232, tracked=131_072)


def _at(document: object, field: str) -> object:
    for key in field.split("."):
        assert isinstance(document, dict)
        document = document[key]
    return document


@pytest.mark.parametrize("figure", [each for each in vars(costs).values() if isinstance(each, Cost) and each.field], ids=str)
def test_a_figure_with_a_file_is_the_one_in_it(figure: Cost) -> None:
    assert figure.value == _at(json.loads((ROOT / figure.source.file).read_text()), figure.field)


def test_the_chains_curves_are_those_of_the_file() -> None:
    told = json.loads((ROOT / costs.CHAIN.file).read_text())
    assert told["day"] == costs.CHAIN.day

    def measured(part: str, rate: str, **load: int) -> tuple[tuple[float, float], ...]:
        found = [each for each in told["loads"] if all(each[key] == value for key, value in load.items())]
        return tuple(sorted((each[rate], each["cores"][part]) for each in found))

    for qos in (0, 1):
        assert costs.FLEET[qos].points == measured("fleet", "msg_s", qos=qos)
        assert costs.MOSQUITTO[qos].points == measured("mosquitto", "msg_s", qos=qos)
        assert costs.BRIDGE_CORES[qos].points == measured("bridge", "msg_s", qos=qos)
    assert costs.KAFKA.points == measured("kafka", "msg_s", qos=1)
    assert costs.WRITER_ALL.points == measured("timeseries", "records_s", sample=1)
    assert costs.WRITER_SAMPLED.points == measured("timeseries", "records_s", sample=20, qos=1)
    assert costs.INFLUX.points == measured("influxdb", "points_s", sample=1)


def test_memory_at_rest_is_that_of_the_page_of_memory() -> None:
    page = (ROOT / "docs/memory.md").read_text()
    for figure, service in ((costs.MOSQUITTO_AT_REST, "mosquitto"), (costs.BRIDGE_AT_REST, "bridge")):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{service}` |")]
        assert row.split("|")[4].strip() == f"{figure.value:g}"
    adr = (ROOT / "docs/adr/0023-bridges-by-shards.md").read_text()
    assert f"{costs.BRIDGE_TOPICS.value:g} MB" in adr
    assert f"{costs.TOPICS_KNOWN:,} of them" in adr


def test_between_two_loads_a_curve_is_a_line_and_beyond_the_last_a_message_costs_what_it_did_there() -> None:
    curve = Curve("a part", ((100, 0.2), (300, 0.3)), costs.CHAIN)
    assert [curve.cores(rate) for rate in (0, 50, 100, 200, 300, 600)] == pytest.approx([0, 0.1, 0.2, 0.25, 0.3, 0.6])


@pytest.mark.parametrize(
    ("room", "first", "cars"),
    [
        (replace(HUGE, tracked=50_000), "tracked connections", 50_000),
        (replace(HUGE, tracked=0), "tracked connections", 0),
        (replace(HUGE, all_files=50_000), "open files, all together", 24_800),  # 2 a car, 100 of each of 2 processes and 2 shards
        (replace(HUGE, ports=5_000), "local ports to a shard", 30_000),  # of XL's six shards
        (replace(HUGE, files=1_100), "open files of a process", 1_000),  # of one fleet's process
    ],
)
def test_the_limit_that_breaks_first_is_named_with_the_most_cars(room: Room, first: str, cars: int) -> None:
    found = most(100.0, 1, room, CORE)
    assert (found.first.limit, found.cars) == (first, cars)
    assert found.first.used > 1


@pytest.mark.parametrize("interval_s", [1.0, 10.0, 100.0])
@pytest.mark.parametrize("qos", [0, 1])
def test_the_most_cars_fit_and_one_more_does_not(interval_s: float, qos: int) -> None:
    found = most(interval_s, qos, SMALL, CORE)
    assert 0 < found.cars < MOST_CARS
    assert found.then_cars >= found.cars

    def broken(cars: int) -> set[str]:
        load = Load(cars, interval_s, qos, CORE, SCALES[found.scale])
        return {need.limit for need in needs(load, SMALL) if need.used > 1}

    assert not broken(found.cars)
    assert found.first.limit in broken(found.cars + 1)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("room", [HUGE, replace(HUGE, ports=10_000), replace(HUGE, files=9_000)], ids=["", "ports", "files"])
def test_no_limit_that_a_few_cars_break_holds_again_with_more(scale: str, room: Room) -> None:
    broken: set[str] = set()
    for cars in range(2_000, 2_400_000, 13_000):
        now = {need.limit for need in needs(Load(cars, 100.0, 1, CORE, SCALES[scale]), room) if need.used > 1}
        assert broken <= now
        broken = now
    assert broken


def test_a_bridge_with_all_topics_is_more_than_the_small_scales_give_it() -> None:
    found = most(100.0, 0, replace(HUGE, disk_gb=33), CORE)
    assert (found.scale, found.first.limit) == ("S", "memory of a bridge")
    assert 95_000 < found.cars < 100_000


def test_more_of_what_breaks_first_carries_more() -> None:
    few = most(1.0, 1, SMALL, CORE)
    assert few.first.limit == "processor, all together"
    assert most(1.0, 1, replace(SMALL, cores=4), CORE).cars > few.cars
    assert most(1.0, 0, SMALL, CORE).cars >= few.cars
    assert most(10.0, 1, SMALL, CORE).cars > few.cars


def test_a_pods_memory_is_a_limit_of_its_own() -> None:
    load = Load(100_000, 10.0, 1, CORE, SCALES["M"])
    bridge = next(need for need in needs(load, HUGE) if need.limit == "memory of a bridge")
    assert (round(bridge.need), bridge.have) == (163, 160)
    assert bridge.used > 1


def test_a_service_more_takes_its_limit_of_the_memory() -> None:
    def memory_mb(services: frozenset[str]) -> float:
        return next(need.need for need in needs(Load(25, 5.0, 1, services, SCALES["S"]), HUGE) if "memory, all" in need.limit)

    assert memory_mb(CORE | {"jupyter"}) - memory_mb(CORE) == SCALES["S"].budgets["jupyter"].limit_mb


def test_every_size_is_looked_at_and_what_is_not_known_breaks_nothing() -> None:
    found = {size.name: size for size in sizes(named("m6i.xlarge", None), CORE)}
    assert list(found) == list(FLEET_SIZES)
    assert found["S"].fits
    unknown = {need.limit: need.used for need in found["XXL"].needs if need.have is None}
    assert {"tracked connections", "open files of a process", "disk"} <= set(unknown)
    assert set(unknown.values()) == {0}
    assert not found["XXL"].fits


def test_a_scale_that_the_services_alone_break_is_named() -> None:
    assert not impossible(HUGE, CORE)
    found = impossible(replace(HUGE, disk_gb=33), CORE)
    assert "S" not in found
    assert {need.limit for need in found.values()} == {"disk"}
    assert most(10.0, 1, replace(HUGE, disk_gb=33), CORE).scale == "S"


def test_shards_end_where_a_node_port_is_taken() -> None:
    ports = {mqtt_shards.NODE_PORT + n for n in range(1, most_shards())}
    tls = {mqtt_shards.TLS_NODE_PORT + n for n in range(1, most_shards())}
    taken = {row.node_port for row in wiring.EXPOSED}
    assert len(ports | tls | taken) == len(ports) + len(tls) + len(taken)
    assert most_shards() >= FLEET_SIZES["XXL"].mqtt_shards


def test_connections_of_a_lab_that_is_up_take_nothing_from_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net/netfilter").mkdir(parents=True)
    (tmp_path / "net/netfilter/nf_conntrack_max").write_text("131072\n")
    (tmp_path / "net/netfilter/nf_conntrack_count").write_text("100000\n")
    monkeypatch.setattr(limits, "SYSTEM", tmp_path)
    assert here(Paths(tmp_path, tmp_path)).tracked == 131_072


def test_a_machine_is_a_type_or_cores_and_memory() -> None:
    kind = MACHINE_TYPES["m6i.xlarge"]
    assert (named("m6i.xlarge", 30).cores, named("m6i.xlarge", 30).memory_mb) == (kind.vcpus, kind.memory_mb)
    assert (named("8x32", None).cores, named("8x32", None).memory_mb) == (8, 32 * 1024)
    assert "burstable" in named("t3.large", None).note
    with pytest.raises(UserError, match=r"there is no machine type 'm6i\.huge' in infra/scales\.py: take one of t3\.medium, "):
        named("m6i.huge", None)


def _run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str, str]:
    monkeypatch.setattr(sys, "argv", ["lab", "plan", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def test_json_has_machine_sizes_the_most_cars_and_each_figure_with_its_day(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = _run(monkeypatch, capsys, "--fit", "--machine", "m6i.2xlarge", "--interval", "5s", "--qos", "1", "--json")
    assert code == 0
    told = json.loads(out)
    assert (told["machine"]["cores"], told["machine"]["files"]) == (8, None)
    assert [size["size"] for size in told["sizes"]] == list(FLEET_SIZES)
    (best,) = told["most"]
    assert (best["interval_s"], best["qos"]) == (5, 1)
    assert best["first"]["remedy"]
    known = {figure["what"] for figure in told["figures"] if figure["day"] and figure["machine"] and figure["repeat"]}
    assert {name for size in told["sizes"] for limit in size["limits"] for name in limit["by"]} == known
    assert any("run this on it" in said for said in told["not_measured"])


def test_people_get_this_machine_each_size_and_what_breaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = _run(monkeypatch, capsys, "--fit", "--interval", "10s")
    assert code == 0
    assert "What this machine can carry with the services of local" in out
    assert all(f"\n{name} " in out for name in FLEET_SIZES)
    assert "Not measured: " in out
    assert "run this on it" not in out


def test_a_stack_of_machines_is_asked_about_its_own_type(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = _run(monkeypatch, capsys, "-s", "s", "--fit", "--json")
    assert code == 0
    assert json.loads(out)["machine"]["name"] == "m6i.large"
    assert json.loads(out)["machine"]["disk_gb"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--fit", "--machine", "mainframe"), "there is no machine type 'mainframe' in infra/scales.py: take one of"),
        (("--fit", "--machine", "0x8"), "or cores and GB of memory, as in 8x32"),
        (("--fit", "--interval", "soon"), "--interval: 'soon' is no duration; write a whole number with its unit"),
        (("--fit", "--interval", "0s"), "--interval: a car needs some time between two readings"),
        (("--fit", "--page", "x.html"), "--fit looks at a machine and prints its own text: leave --page"),
        (("--fit", "--diff", "local", "s"), "leave --page, --diff and --show out"),
        (("--fit", "--show", "all"), "leave --page, --diff and --show out"),
        (("--machine", "m6i.large"), "--machine, --interval and --qos belong to --fit"),
        (("--qos", "0"), "--machine, --interval and --qos belong to --fit"),
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    code, _, err = _run(monkeypatch, capsys, *words)
    assert code == 2
    assert sentence in " ".join(err.split())
