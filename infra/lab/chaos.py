"""`./lab chaos`: break one part of the running lab, and look what became of every message sent meanwhile.

The canary sends and counts, in its own lane, so nobody's data show it. Faults are signals to a service's process, or rules in
the network namespace of its pod; both are in reach only where the lab runs its own cluster.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from infra import wiring
from infra.lab.bench import BRIDGE, CANARY
from infra.lab.errors import LabError, UserError

if TYPE_CHECKING:
    from infra.lab.lab import Lab

RATE = 100.0  # messages a second
CALM_S = 10.0  # before the fault, and after it has ended
LATE_S = 90  # a killed pod may wait 20 s for its restart, and Kafka takes as long to serve
START_S = 60
FLUSH_WINDOW_S = 7.0  # docs/faults.md: what a killed Mosquitto may lose
KILLS, BETWEEN_S = 3, 5.0
AWAY_S = 30.0
COUNTED = ("acked_lost", "twice", "disordered")  # by the canary
MARKS = {  # how its command line begins, a word of it, and its pod where there are several: the canary sends to shard 0
    "bridge": ("python", "bridge", ""),
    "kafka": ("java", "kafka.Kafka", ""),
    "mosquitto": ("mosquitto", "-c", "mosquitto-0"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break the lab: what is done, what to expect and for how long, what may be lost, and if it may come twice."""

    what: str
    expect: str
    seconds: float
    strike: Callable[[Lab], None]
    may_lose: int = 0
    may_repeat: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the messages of a run; `lost` are those acknowledged and not in Kafka."""

    fault: str
    sent: int
    acknowledged: int
    stored: int
    lost: int
    duplicated: int
    disordered: int
    may_lose: int = 0
    may_repeat: bool = True

    @property
    def ok(self) -> bool:
        """Whether all came through that the fault leaves, and once where it leaves no reason to come twice."""
        return self.acknowledged > 0 and self.lost <= self.may_lose and (self.may_repeat or not self.duplicated)

    def line(self) -> str:
        """As the fault tests print it."""
        names = ("sent", "acknowledged", "stored", "lost", "duplicated", "disordered")
        return f"{self.fault}: {', '.join(f'{getattr(self, name)} {name}' for name in names)}"


def process_of(lab: Lab, service: str) -> psutil.Process:
    """The process of a service, among those of the lab's cluster.

    Raises:
        LabError: there is none, or more than one.
    """
    owner = lab.cluster.status().owner
    family = psutil.Process(owner.pid).children(recursive=True) if owner else []
    found = [process for process in family if _is(process, MARKS[service])]
    if len(found) != 1:
        raise LabError(f"{len(found)} processes of {service} run in the lab, and one was looked for; ./lab status says more.")
    return found[0]


def _is(process: psutil.Process, mark: tuple[str, str, str]) -> bool:
    program, word, pod = mark
    try:
        words = process.cmdline()
        found = bool(words) and Path(words[0]).name.startswith(program) and word in words
        return found and (not pod or process.environ().get("HOSTNAME") == pod)
    except psutil.Error:  # it has just ended
        return False


def _kill(service: str, times: int = 1) -> Callable[[Lab], None]:
    def strike(lab: Lab) -> None:
        for number in range(times):
            time.sleep(BETWEEN_S if number else 0.0)
            _again(lab, service)
            process_of(lab, service).send_signal(signal.SIGKILL)

    return strike


def _again(lab: Lab, service: str) -> None:
    """Wait until the service's process is there; kubelet starts it anew."""
    until_s = time.monotonic() + START_S
    while True:
        try:
            process_of(lab, service)
        except LabError:
            if time.monotonic() > until_s:
                raise
            time.sleep(1.0)
        else:
            return


def _terminate(lab: Lab) -> None:
    process_of(lab, "mosquitto").send_signal(signal.SIGTERM)


def _stand_still(lab: Lab) -> None:
    kafka = process_of(lab, "kafka")
    kafka.suspend()
    try:
        time.sleep(AWAY_S)
    finally:
        kafka.resume()


def rules(change: str) -> list[list[str]]:
    """Words of iptables that let what the pod sends to Kafka, and what Kafka answers, vanish (`-A`), or not any more (`-D`)."""
    port = str(wiring.KAFKA.port)
    return [
        ["iptables", "-w", change, chain, "-p", "tcp", side, port, "-j", "DROP"]
        for chain, side in (("OUTPUT", "--dport"), ("INPUT", "--sport"))
    ]


@contextmanager
def cut_off(lab: Lab) -> Iterator[None]:
    """No packet passes between the bridge and Kafka while the body runs."""
    with Path(f"/proc/{process_of(lab, 'bridge').pid}/ns/net").open("rb") as net:  # kept, should the process end meanwhile
        try:
            _iptables(lab, net.fileno(), "-A")
            yield
        finally:
            _iptables(lab, net.fileno(), "-D")


def _iptables(lab: Lab, net: int, change: str) -> None:
    for words in rules(change):
        entered = ["nsenter", f"--net=/proc/self/fd/{net}", *words]
        subprocess.run(entered, env=lab.stack.process_env(), pass_fds=(net,), check=change == "-A", capture_output=True)


def _cut(lab: Lab) -> None:
    with cut_off(lab):
        time.sleep(AWAY_S)


FAULTS = {
    "bridge-killed": Fault(
        f"kill -9 the bridge {KILLS} times", "nothing lost; what was in flight comes twice", 60.0, _kill("bridge", KILLS)
    ),
    "kafka-killed": Fault(
        "kill -9 Kafka", "nothing lost, nothing twice; readings wait in the bridge", 60.0, _kill("kafka"), may_repeat=False
    ),
    "kafka-stopped": Fault(
        f"SIGSTOP Kafka for {AWAY_S:g} s", "nothing lost; the bridge acknowledges nothing meanwhile", 60.0, _stand_still
    ),
    "mosquitto-restarted": Fault("SIGTERM Mosquitto", "nothing lost; its sessions are on its volume", 45.0, _terminate),
    "mosquitto-killed": Fault(
        "kill -9 Mosquitto",
        f"lost at most what was acknowledged in the last {FLUSH_WINDOW_S:g} s; a few or none where the bridge keeps up",
        45.0,
        _kill("mosquitto"),
        may_lose=int(RATE * FLUSH_WINDOW_S),
    ),
    "bridge-cut-off": Fault(
        f"no packet between bridge and Kafka for {AWAY_S:g} s", "nothing lost; back within 10 s after it", 75.0, _cut
    ),
}


def chaos(lab: Lab, name: str) -> Outcome:
    """Have the canary send, break the lab meanwhile, and count.

    Raises:
        UserError: there is no such fault, the lab is not up, or its cluster is not ours.
        LabError: the canary gave no answer.
    """
    if name not in FAULTS:
        raise UserError(f"there is no fault '{name}'; ./lab chaos list says which there are.")
    if not lab.embedded:
        raise UserError("faults are struck at processes of the embedded cluster, and this stack fills one that you have.")
    for service in (*MARKS, CANARY):
        if not lab.settings.has(service):
            raise UserError(f"this stack has no {service}, and a fault needs it; add it to iotlab:services and run ./lab up.")
    lab.need_up()
    fault = FAULTS[name]
    for service in MARKS:
        process_of(lab, service)
    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(_count, lab, 2 * CALM_S + fault.seconds)
        time.sleep(CALM_S)
        fault.strike(lab)
        return _outcome(name, counting.result(), fault)


def _count(lab: Lab, seconds: float) -> str:
    words = ("python", "-m", CANARY, "load", f"--rate={RATE:g}", f"--seconds={seconds:g}", f"--late={LATE_S}", "--only=bridge")
    return lab.kube.run("exec", f"deployment/{CANARY}", "--", *words, timeout_s=seconds + LATE_S + START_S)


def _outcome(name: str, said: str, fault: Fault) -> Outcome:
    try:
        lane: dict[str, Any] = next(each for each in json.loads(said)["lanes"] if each["name"] == BRIDGE)
        stored = lane["sent"] - lane["lost"]
        lost, twice, disordered = (lane[key] for key in COUNTED)
        return Outcome(name, lane["sent"], lane["acked"], stored, lost, twice, disordered, fault.may_lose, fault.may_repeat)
    except (ValueError, KeyError, StopIteration) as failed:
        raise LabError(f"the canary gave no figures ({said.strip()[:200]}); look at ./lab logs canary") from failed
