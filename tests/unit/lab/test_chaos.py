"""`./lab chaos`: the right process is struck, what was changed is put back, and the canary's counts make the verdict."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from infra.lab.chaos import FAULTS, FLUSH_WINDOW_S, RATE, Outcome, chaos, cut_off, process_of
from infra.lab.errors import LabError, UserError
from infra.lab.lab import Lab

LANE = {"name": "bridge", "sent": 500, "acked": 490, "lost": 12, "acked_lost": 2, "twice": 3, "disordered": 0}


class Seen:
    """A process as psutil shows it."""

    def __init__(self, *words: str, pod: str = "") -> None:
        self.words, self._pod = list(words), pod
        self.pid = os.getpid()
        self.signals: list[int] = []

    def cmdline(self) -> list[str]:
        if not self.words:
            raise psutil.NoSuchProcess(1)
        return self.words

    def environ(self) -> dict[str, str]:
        return {"HOSTNAME": self._pod}

    def send_signal(self, number: int) -> None:
        self.signals.append(number)

    def suspend(self) -> None:
        self.signals.append(signal.SIGSTOP)

    def resume(self) -> None:
        self.signals.append(signal.SIGCONT)


BRIDGE = Seen("/usr/bin/python3", "-m", "bridge")
KAFKA = Seen("/opt/java/bin/java", "-Xmx256m", "kafka.Kafka", "/etc/server.properties")
MOSQUITTO = Seen("mosquitto", "-c", "/etc/mosquitto/mosquitto.conf", pod="mosquitto-0")
OTHERS = (
    Seen("mosquitto", "-c", "/etc/mosquitto/mosquitto.conf", pod="mosquitto-1-0"),
    Seen("/bin/sh", "mosquitto-serve", "tls.crt", "mosquitto", "-c", "x"),
    Seen("python3", "-m", "timeseries"),
    Seen(""),
    Seen(),
)


def stand_in(monkeypatch: pytest.MonkeyPatch, said: str = "", *processes: Seen, up: bool = True, **more: Any) -> Lab:
    """A lab whose canary answers so, with these processes; nobody waits."""
    family = SimpleNamespace(children=lambda **_: [*(processes or (BRIDGE, KAFKA, MOSQUITTO)), *OTHERS])
    monkeypatch.setattr("infra.lab.chaos.psutil.Process", lambda _pid: family)
    monkeypatch.setattr("infra.lab.chaos.time.sleep", lambda _s: None)

    def need_up() -> None:
        if not up:
            raise UserError("the lab is not up; start it with ./lab up")

    cluster = SimpleNamespace(status=lambda: SimpleNamespace(owner=SimpleNamespace(pid=1)))
    known: dict[str, Any] = {
        "settings": SimpleNamespace(has=lambda _service: True),
        "embedded": True,
        "need_up": need_up,
        "cluster": cluster,
        "kube": SimpleNamespace(run=lambda *_words, **_more: said),
        "stack": SimpleNamespace(process_env=lambda: {"PATH": "/nowhere"}),
    }
    return cast("Lab", SimpleNamespace(**known | more))


@pytest.mark.parametrize(("service", "process"), [("bridge", BRIDGE), ("kafka", KAFKA), ("mosquitto", MOSQUITTO)])
def test_the_process_of_a_service_is_told_from_its_neighbours(
    monkeypatch: pytest.MonkeyPatch, service: str, process: Seen
) -> None:
    assert cast("object", process_of(stand_in(monkeypatch), service)) is process


def test_two_processes_of_a_service_are_no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match="2 processes of mosquitto"):
        process_of(stand_in(monkeypatch, "", MOSQUITTO, MOSQUITTO), "mosquitto")


@pytest.mark.parametrize(
    ("fault", "process", "signals"),
    [
        ("bridge-killed", BRIDGE, 3 * [signal.SIGKILL]),
        ("kafka-killed", KAFKA, [signal.SIGKILL]),
        ("kafka-stopped", KAFKA, [signal.SIGSTOP, signal.SIGCONT]),
        ("mosquitto-restarted", MOSQUITTO, [signal.SIGTERM]),
        ("mosquitto-killed", MOSQUITTO, [signal.SIGKILL]),
    ],
)
def test_each_fault_strikes_its_own_process(
    monkeypatch: pytest.MonkeyPatch, fault: str, process: Seen, signals: list[signal.Signals]
) -> None:
    for each in (BRIDGE, KAFKA, MOSQUITTO):
        each.signals.clear()
    outcome = chaos(stand_in(monkeypatch, json.dumps({"lanes": [LANE]})), fault)
    assert process.signals == signals
    assert sum(len(each.signals) for each in (BRIDGE, KAFKA, MOSQUITTO)) == len(signals)
    assert outcome.line() == (f"{fault}: 500 sent, 490 acknowledged, 488 stored, 2 lost, 3 duplicated, 0 disordered")
    assert outcome.ok is (fault == "mosquitto-killed"), "two of the flush window may be lost, and two of nothing may not"


def test_a_cut_is_made_in_the_pods_network_alone_and_undone_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(words: list[str], **_more: object) -> None:
        ran.append(words)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(KeyboardInterrupt), cut_off(stand_in(monkeypatch)):
        raise KeyboardInterrupt
    assert [words[0] for words in ran] == 4 * ["nsenter"]
    assert all(words[1].startswith("--net=/proc/self/fd/") for words in ran)
    assert [words[2:] for words in ran[2:]] == [["-D" if word == "-A" else word for word in words[2:]] for words in ran[:2]]


def test_what_cannot_be_struck_is_refused_before_anything_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    for lab, name, reason in (
        (stand_in(monkeypatch), "earthquake", "chaos list"),
        (stand_in(monkeypatch, embedded=False), "kafka-killed", "embedded cluster"),
        (stand_in(monkeypatch, settings=SimpleNamespace(has=lambda _: False)), "kafka-killed", "iotlab:services"),
        (stand_in(monkeypatch, up=False), "kafka-killed", "lab is not up"),
    ):
        with pytest.raises(UserError, match=reason):
            chaos(lab, name)


@pytest.mark.parametrize("said", ["Killed", "{}", '{"lanes": []}', json.dumps({"lanes": [{"name": "bridge"}]})])
def test_a_canary_without_figures_is_no_verdict(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    with pytest.raises(LabError, match="logs canary"):
        chaos(stand_in(monkeypatch, said), "kafka-killed")


def test_what_is_to_come_once_may_not_come_twice() -> None:
    assert {name for name, fault in FAULTS.items() if not fault.may_repeat} == {"kafka-killed"}
    assert all(("nothing twice" in fault.expect) is not fault.may_repeat for fault in FAULTS.values())
    assert not Outcome("x", 1, 1, 1, 0, 5, 0, may_repeat=False).ok
    assert Outcome("x", 1, 1, 1, 0, 0, 0, may_repeat=False).ok


def test_a_run_of_nothing_is_not_green() -> None:
    assert not Outcome("x", 0, 0, 0, 0, 0, 0).ok
    assert Outcome("x", 1, 1, 1, 0, 5, 0).ok


def test_only_a_killed_broker_may_lose_and_no_more_than_its_window() -> None:
    assert {name: fault.may_lose for name, fault in FAULTS.items() if fault.may_lose} == {
        "mosquitto-killed": RATE * FLUSH_WINDOW_S
    }
    assert all(fault.expect and fault.what for fault in FAULTS.values())
