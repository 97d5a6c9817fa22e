"""The figures of a run while it goes on: what all processes have told last, by stage, and in time."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fleet.scenario.plan import Cycle, Plan, Stage
from fleet.scenario.verdict import Counts
from fleet.tally import Latencies

SUMS: Final = ("connected", "connects", "sent", "acked", "dropped", "rejected", "resent", "lost_connections", "heard")
COUNTED: Final = ("received", "duplicated", "missing")
COUNTER: Final = "counter"


@dataclass(slots=True)
class StageFigures:
    """One stage: its times from the begin of the run, and what was done in it."""

    name: str
    target_msg_s: float
    begins_s: float
    ends_s: float = math.nan
    connects_s: list[float] = field(default_factory=list)  # first and last, Unix time
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)

    def rates(self) -> dict[str, Any]:
        """As the report has it."""
        done = {name: self.after[name] - self.before[name] for name in ("connects", "sent", "acked", "dropped")}
        took_s = self.connects_s[1] - self.connects_s[0] if self.connects_s else 0.0
        connects_s = done["connects"] / took_s if took_s > 0.0 else None
        return {
            "name": self.name,
            "begins_s": round(self.begins_s, 2),
            "lasts_s": round(self.ends_s - self.begins_s, 2),
            "connected": self.after["connected"],
            "target_msg_s": self.target_msg_s,
            "connects_s": None if connects_s is None else round(connects_s, 1),
        } | done


class Figures:
    """Of one run."""

    def __init__(self, plan: Plan) -> None:
        """It begins with its first stage."""
        self._plan = plan
        self._begin_s = time.monotonic()
        self._last: dict[str, Mapping[str, Any]] = {}
        self._stages: list[StageFigures] = []
        self._samples: list[dict[str, Any]] = []
        self._changed_s = self._begin_s
        self._most_connected = 0
        self._moving: tuple[int, ...] = ()

    @property
    def begun(self) -> bool:
        """Whether a stage has."""
        return bool(self._stages)

    @property
    def refused(self) -> Counter[str]:
        """Reasons of refused connections."""
        found: Counter[str] = Counter()
        for told in self._last.values():
            found.update(told["refused"])
        return found

    @property
    def still_s(self) -> float:
        """Since anything changed."""
        return time.monotonic() - self._changed_s

    def take(self, name: str, told: Mapping[str, Any]) -> None:
        """What a process has told."""
        self._last[name] = told
        sums = self._sums()
        self._most_connected = max(self._most_connected, sums["connected"])
        moving = (sums["connects"], sums["sent"], sums["acked"], self._counter.get("received", 0))
        if moving != self._moving:
            self._moving, self._changed_s = moving, time.monotonic()

    @property
    def _counter(self) -> Mapping[str, Any]:
        return self._last.get(COUNTER, {})

    def _sums(self) -> dict[str, int]:
        clients = [told for name, told in self._last.items() if name != COUNTER]
        return {name: sum(told[name] for told in clients) for name in SUMS}

    def state(self) -> str:
        """In words."""
        sums = self._sums()
        reasons = "".join(f"; {reason}" for reason in sorted(self.refused))
        connected = f"{sums['connected']} of {self._plan.clients} clients connected"
        return f"{connected}, {sums['acked']} of {sums['sent']} messages acknowledged{reasons}"

    def sample(self) -> dict[str, Any]:
        """Now: what is shown while it runs, and what the plots are made of."""
        counter = self._counter
        found: dict[str, Any] = {"at_s": round(time.monotonic() - self._begin_s, 2), "stage": self._stage_name}
        found |= self._sums() | {name: counter.get(name, 0) for name in COUNTED}
        found |= {f"{name}_ms": _ms(counter.get(f"{name}_s")) for name in ("p50", "p99")}
        self._samples.append(found)
        return found

    @property
    def _stage_name(self) -> str:
        return self._stages[-1].name if self._stages and math.isnan(self._stages[-1].ends_s) else ""

    def begin(self, stage: Stage) -> None:
        """This stage begins."""
        if not self.begun:
            self._begin_s = time.monotonic()
        begins_s = time.monotonic() - self._begin_s
        self._stages.append(StageFigures(stage.name, stage.msg_s, begins_s, before=self._sums()))
        self._changed_s = time.monotonic()

    def connected(self, connects_s: list[float]) -> None:
        """A process has told its first and last connect of the stage."""
        both = [*self._stages[-1].connects_s, *connects_s]
        self._stages[-1].connects_s = [min(both), max(both)] if both else []

    def end(self) -> None:
        """The stage has ended."""
        self._stages[-1].ends_s = time.monotonic() - self._begin_s

    def result(self, by_qos: Mapping[int, Counts]) -> dict[str, Any]:
        """The whole, at the end."""
        self.sample()
        begins = [stage.before for stage in self._stages[1:]]
        for stage, after in zip(self._stages, [*begins, self._sums()], strict=False):
            stage.after = after
            stage.ends_s = self._samples[-1]["at_s"] if math.isnan(stage.ends_s) else stage.ends_s
        all_, sums, stages = Counts(), self._sums(), [stage.rates() for stage in self._stages]
        for counts in by_qos.values():
            all_.add(counts)
        histogram, puback = self._histogram("latencies"), self._histogram("puback")
        return {
            "connected": self._most_connected,
            "connects_s": max((stage["connects_s"] or 0.0 for stage in stages), default=0.0),
            "target_msg_s": max((stage.msg_s for stage in self._plan.stages), default=0.0),
            **all_.as_json(),
            "rate_msg_s": self._rate_msg_s(),
            "p50_ms": _quantile_ms(histogram, 0.5),
            "p99_ms": _quantile_ms(histogram, 0.99),
            "puback_p50_ms": _quantile_ms(puback, 0.5),
            "puback_p99_ms": _quantile_ms(puback, 0.99),
            **{name: sums[name] for name in ("dropped", "rejected", "resent", "lost_connections")},
            "lasts_s": self._samples[-1]["at_s"],
            "refused": dict(self.refused),
            "qos": {str(qos): counts.as_json() for qos, counts in sorted(by_qos.items())},
            "stages": stages,
            "histogram": [[Latencies.bound_s(place) * 1e3, count] for place, count in enumerate(histogram)],
            "samples": self._samples,
        }

    def _histogram(self, name: str) -> list[int]:
        told = [each[name] for each in self._last.values() if name in each]
        return [sum(column) for column in zip(*told, strict=True)]

    def _rate_msg_s(self) -> float | None:
        """Messages a second that were sent at the height of the busiest stage, when most clients publish at once."""
        if not self._stages:
            return None
        place = max(range(len(self._stages)), key=lambda each: self._plan.stages[each].msg_s)
        if (busy := self.height_of(self._plan.stages[place])) is None:
            return None
        stage, (first_s, last_s) = self._stages[place], busy
        short_s = max(0.0, 1.0 - (last_s - first_s)) / 2.0  # a sample is taken once a second
        begin_s = min(stage.begins_s + max(0.0, first_s - short_s), stage.ends_s)
        end_s = min(stage.begins_s + last_s + short_s, stage.ends_s)
        count = self._sent_until(end_s) - self._sent_until(begin_s)
        return round(count / (end_s - begin_s), 1) if end_s > begin_s else None

    def height_of(self, stage: Stage) -> tuple[float, float] | None:
        """From when to when its busiest cycle is at its height; None if nobody publishes."""

        def msg_s(cycle: Cycle) -> float:
            return self._plan.groups[cycle.group].count / cycle.publish.interval_s if cycle.publish else 0.0

        return height(max(stage.cycles, key=msg_s)) if any(cycle.publish for cycle in stage.cycles) else None

    def _sent_until(self, at_s: float) -> float:
        """Between two samples in a straight line."""
        before: dict[str, Any] = {"at_s": 0.0, "sent": 0}
        for sample in self._samples:
            if sample["at_s"] >= at_s:
                share = (at_s - before["at_s"]) / max(sample["at_s"] - before["at_s"], 1e-9)
                return float(before["sent"] + share * (sample["sent"] - before["sent"]))
            before = sample
        return float(before["sent"])


def height(cycle: Cycle) -> tuple[float, float]:
    """From when to when, after the begin of its stage, as many of its clients publish at once as ever do."""
    lasts_s = cycle.publish.lasts_s if cycle.publish else 0.0
    return min(cycle.ramp_s, lasts_s), max(cycle.ramp_s, lasts_s)


def _ms(value_s: float | None) -> float | None:
    return None if value_s is None or math.isnan(value_s) else round(value_s * 1e3, 1)


def _quantile_ms(counts: list[int], share: float) -> float | None:
    """The upper bound of the bucket that the quantile falls into."""
    total, seen = sum(counts), 0
    for place, count in enumerate(counts):
        seen += count
        if count and seen >= share * total:
            return _ms(Latencies.bound_s(place))
    return None
