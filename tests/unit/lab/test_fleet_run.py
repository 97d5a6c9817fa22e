"""`./lab fleet run`: a dry run prints what would happen; what cannot be is one sentence and exit code 2, and nothing starts."""

from __future__ import annotations

import json
import re
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from infra.lab import cli, fleet_verbs
from infra.lab.scenario.limits import Machine
from infra.lab.scenario.yaml_file import read_yaml

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/howto/a-fleet.md"
SCENARIOS = ROOT / "tests/support/scenarios"
KEYS = {
    *("cars", "qos", "interval_s", "messages_each", "messages", "msg_s", "connects_s", "files", "memory_mb"),
    *("name", "clients", "processes", "shards", "stages", "refused"),
}
ROOMY = Machine(cores=2, memory_mb=24_000, files=20_000, all_files=2_400_000, ports=28_232, tracked=131_072)


@pytest.fixture(autouse=True)
def _roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "here", lambda: ROOMY)


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str, str]:
    """Exit code, standard output, standard error."""
    monkeypatch.setattr(sys, "argv", ["lab", "fleet", "run", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def example(page: Path) -> str:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return str(block)


def test_a_dry_run_is_one_json_object_with_every_key(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(monkeypatch, capsys, str(SCENARIOS / "XL.xml"), "--dry-run", "--json")
    assert code == 0
    found = json.loads(out)
    assert set(found) == KEYS
    assert (found["cars"], found["msg_s"], found["qos"], found["refused"]) == (100_000, 10_000, 0, "")


def test_people_get_a_line_a_stage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(monkeypatch, capsys, "S", "--dry-run")
    assert code == 0
    assert re.search(r"^publish +0:00:05 +0:03:40 +25 +- +5 *$", out, re.MULTILINE)
    assert "25 clients publish at QoS 1, each 40 messages, one every 5 s: 1,000 messages" in out


def test_scale_and_duration_change_the_forecast(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(monkeypatch, capsys, "S", "--scale", "M", "--duration", "60", "--dry-run", "--json")
    found = json.loads(out)
    assert (found["cars"], found["messages_each"], found["messages"]) == (1_000, 12, 12_000)


def test_a_preset_for_a_larger_machine_has_a_plan_that_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(monkeypatch, capsys, "XXL", "--dry-run", "--json")
    assert code == 0
    assert "1,000,000 connections" in json.loads(out)["refused"]
    assert "Not on this machine: its 1,000,000 connections" in err


def test_a_file_that_asks_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "large.yaml"
    file.write_text(example(PAGE).replace("count: 500", "count: 5000000"))
    code, _, err = run(monkeypatch, capsys, str(file), "--dry-run")
    assert code == 2
    assert "cannot run on this machine: its 5,000,100 clients need as many open files" in err


def test_too_little_memory_is_refused_before_a_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Machine, "here", lambda: replace(ROOMY, memory_mb=10))
    code, _, err = run(monkeypatch, capsys, "S")
    assert code == 2
    assert "10 MB are available" in err


def test_a_run_needs_a_lab_that_is_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("IOTLAB_STATE", str(tmp_path))
    code, out, err = run(monkeypatch, capsys, "S")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "the lab is not up; start it with ./lab up" in err
    assert not (tmp_path / "runs").exists()


def test_one_broker_is_asked_for_no_more_than_one_can(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(monkeypatch, capsys, "XL", "--broker", "tcp://127.0.0.1:1")
    assert code == 2
    assert "each of 1 brokers needs 100,100 open files" in err


def test_a_dry_run_reckons_with_the_brokers_that_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [word for port in (1, 2, 3) for word in ("--broker", f"tcp://elsewhere.invalid:{port}")]
    code, out, _ = run(monkeypatch, capsys, "S", "--dry-run", "--json", *named)
    assert (code, json.loads(out)["shards"], json.loads(out)["files"]) == (0, 3, 2 * 25 + 100 * 4)


@pytest.mark.parametrize("words", [("run", "S"), ("play", "README.md", "--rate", "1")])
def test_a_host_that_nobody_knows_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("IOTLAB_STATE", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr(sys, "argv", ["lab", "fleet", *words, "--broker", "tcp://elsewhere.invalid:1883"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "--broker: the host elsewhere.invalid cannot be found (Name or service not known)" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("s",), "there is no file s and no preset of that name; presets are S, M, L, XL, XXL."),
        (("README.md",), "README.md is no scenario by its name; that ends with .yaml, or with .xml"),
        (("S", "--scale", "XS"), "there is no size 'XS'; sizes are S, M, L, XL, XXL."),
        ((str(SCENARIOS / "every-element.xml"), "--scale", "M"), "has 0 groups of the kind car, not one"),
        (("S", "--duration", "4"), "in 4 s 'cars' sends nothing at 1/5s; give --duration at least one interval"),
        (("S", "--duration", "nan"), "Invalid value for '--duration'"),
        (("S", "--duration", "inf"), "--duration is seconds, not inf"),
        (("S", "--duration", "0"), "Invalid value for '--duration'"),
        (("S", "--broker", "mqtt://h:1"), "--broker is tcp://host:port, not 'mqtt://h:1'"),
        (("S", "--login", "fleet:README.md"), "--login is for --broker; the lab has its own logins"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(ROOT)
    code, out, err = run(monkeypatch, capsys, *words, "--dry-run")
    assert (code, out) == (2, "")
    assert said in err


def test_the_example_of_the_page_is_a_scenario(tmp_path: Path) -> None:
    file = tmp_path / "lesson.yaml"
    file.write_text(example(PAGE))
    scenario = read_yaml(file).scenario()
    assert sum(group.count for group in scenario.client_groups.values()) == 600


def test_the_list_of_devices_can_be_piped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("IOTLAB_STATE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["lab", "fleet", "list"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.split() == ["car", "25", "iotkit", "3", "fan", "0"]


def test_fleet_verbs_are_all_there() -> None:
    assert [command.name for command in fleet_verbs.fleet_app.registered_commands] == ["list", "add", "remove", "run", "play"]
