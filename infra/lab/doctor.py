"""The doctor: a reading followed through every hop, and every service asked in its own protocol.

The canary runs inside the cluster (`kafka:9092` means nothing outside of it); what a person uses from outside, MQTT on
the lab's address, is tried from here with the generated login, without one, and with a wrong one; the ingress with and
without TLS. Only what the stack has chosen is asked: without a canary there are pods and what is open to the outside.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from infra import wiring
from infra.lab import upstream
from infra.lab.errors import LabError
from infra.lab.kept import IN_JUPYTER
from infra.lab.kube import Pod
from infra.lab.outside import Check, from_outside

if TYPE_CHECKING:
    from infra.lab.lab import Lab

CANARY = wiring.CANARY_STATUS.host
NO_CANARY = "This stack has no canary: only pods and what is open to the outside were looked at."
KERNEL_ALIVE = "/opt/iotlab/kernel_alive.py"
SETTLE_S = 90  # the first reading may wait for a consumer group to form
LEAST_LOOKS = 3  # on a slow machine one look takes longer than that
AGAIN_AFTER_S = 3
CANARY_WITHIN_S = 240  # the hops and five refusals at their own limits, and Python's start on a slow machine


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop of the canary; `why` says the likely cause and the next command to run."""

    name: str
    origin: str
    to: str
    latency_ms: float | None
    ok: bool
    why: str | None

    def as_json(self) -> dict[str, object]:
        """The contract's keys: `from` is a Python keyword, so it can't be a field."""
        return {("from" if key == "origin" else key): value for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor found."""

    hops: tuple[Hop, ...]
    services: tuple[Check, ...]
    note: str | None = None  # what could not be looked at in this stack
    code: int = 1  # of the command, where something is red
    left_out: dict[str, str] = field(default_factory=dict)  # services that can't run here, each with its sentence

    @property
    def ok(self) -> bool:
        """Whether everything is green; a lab without hops is not, unless its stack has none."""
        return bool(self.hops or self.note) and all(hop.ok for hop in self.hops) and all(check.ok for check in self.services)

    @property
    def red(self) -> list[str]:
        """The names of the hops and services that are red."""
        return [hop.name for hop in self.hops if not hop.ok] + [check.name for check in self.services if not check.ok]

    def as_json(self) -> dict[str, object]:
        """`{"ok", "hops", "services", "left_out"}`."""
        return {
            "ok": self.ok,
            "hops": [hop.as_json() for hop in self.hops],
            "services": [asdict(check) for check in self.services],
            "left_out": self.left_out,
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Diagnosis:
        """Another lab's, as its own doctor said it."""
        hops = tuple(Hop(hop["name"], hop["from"], hop["to"], hop["latency_ms"], hop["ok"], hop["why"]) for hop in said["hops"])
        services = tuple(Check(check["name"], check["ok"], check["why"]) for check in said["services"])
        return cls(hops, services, left_out=dict(said.get("left_out") or {}))


def examine(lab: Lab) -> Diagnosis:
    """Ask every hop and every service of a running lab."""
    pods = lab.kube.pods()
    services = [_pods_ready(name, pods, lab.settings.scale.pods_of(name)) for name in sorted(lab.settings.chosen)]
    ready = {check.name for check in services if check.ok}
    hops: list[Hop] = []
    if CANARY in ready:
        hops, services = _canary(lab, services)
    if wiring.JUPYTER.host in ready:
        hops.append(_notebook(lab))
    services.extend(from_outside(lab, ready))
    note = None if lab.settings.has(CANARY) else NO_CANARY
    return Diagnosis(tuple(hops), tuple(services), note, left_out=upstream.left_out(lab.settings))


def diagnose(lab: Lab) -> Diagnosis:
    """Examine a lab, also one that cannot be asked: then that is what was found.

    Raises:
        UserError: the stack's file is wrong, so there is no saying what to look for.
    """
    _ = lab.settings
    try:
        lab.need_up()
        return examine(lab)
    except LabError as away:
        return Diagnosis((), (Check("lab", ok=False, why=str(away)),), code=away.exit_code)


def topics_lacking(lab: Lab) -> bool:
    """Whether the canary finds that Kafka lacks topics or partitions; why a canary can't say is `examine`'s to tell."""
    if not lab.settings.has(CANARY):
        return False
    try:
        said = _ask_canary(lab, "topics")
    except (LabError, ValueError):
        return False
    return any(check["name"] == "topics" and not check["ok"] for check in said["checks"])


def _ask_canary(lab: Lab, mode: str) -> dict[str, Any]:
    command = ("exec", f"deployment/{CANARY}", "--", "python", "-m", "canary", mode, "--json")
    said: dict[str, Any] = json.loads(lab.kube.run(*command, timeout_s=CANARY_WITHIN_S))
    return said


def _pods_ready(service: str, pods: list[Pod], wanted: int) -> Check:
    mine = [pod for pod in pods if pod.service == service]
    if len(mine) < wanted:
        missing = f"it has {len(mine)} of {wanted} pods" if mine else "it has no pod"
        return Check(service, ok=False, why=f"{missing}; run ./lab up")
    for pod in mine:
        if not pod.ready:
            return Check(service, ok=False, why=f"{pod.name} is not ready: {pod.why}; look at ./lab logs {service}")
    return Check(service, ok=True, why=None)


def _canary(lab: Lab, services: list[Check]) -> tuple[list[Hop], list[Check]]:
    """The hops; the services, some of them red by what the standing canary knows, and the canary's own checks."""
    try:
        said = _ask_canary(lab, "once")
    except (LabError, ValueError) as failed:
        unheard = Check(CANARY, ok=False, why=f"the canary gave no answer ({failed}); look at ./lab logs canary")
        return [], [*services, unheard]
    heard = Diagnosis.from_json(said | {"services": said.get("checks", ())})
    known = said.get("services", {})
    services = [replace(one, ok=False, why=known[one.name]) if one.ok and known.get(one.name) else one for one in services]
    return list(heard.hops), [*services, *heard.services]


def _notebook(lab: Lab) -> Hop:
    """A kernel started at the notebook server as a browser does it: its time to the first answer."""
    try:
        said = json.loads(lab.kube.run(*IN_JUPYTER, KERNEL_ALIVE, timeout_s=CANARY_WITHIN_S))
    except (LabError, ValueError) as failed:
        said = {"ok": False, "latency_ms": None, "why": f"the notebook server gave no answer ({failed})"}
    why = None if said["ok"] else f"{said['why']}; look at ./lab logs jupyter"
    return Hop("notebook", wiring.JUPYTER.host, "kernel", said["latency_ms"], said["ok"], why)


def settle(lab: Lab) -> Diagnosis:
    """Examine until green, for SETTLE_S and LEAST_LOOKS at most: pods that are ready still have to find each other."""
    until = time.monotonic() + SETTLE_S
    for look in itertools.count(1):
        diagnosis = examine(lab)
        if diagnosis.ok or (look >= LEAST_LOOKS and time.monotonic() > until):
            break
        time.sleep(AGAIN_AFTER_S)
    return diagnosis
