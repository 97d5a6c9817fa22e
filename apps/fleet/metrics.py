"""What the fleet counts, as Prometheus reads it: collected when asked, so that a message costs no lock."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from fleet.tally import A_DECADE, Latencies, Tally

COUNTERS: Final = {
    "sent": "readings handed over by the devices: acknowledged + dropped + kept or on the way",
    "acked": "readings the broker acknowledged (QoS 0: handed to the connection)",
    "dropped": "readings thrown away: no connection or a full socket, and no room",
    "resent": "readings of QoS 1 sent again, flagged DUP, after a lost connection",
    "rejected": "readings the broker acknowledged with a refusal (MQTT 5); they count as dropped",
    "missed": "turns of devices that passed without a reading, because the fleet was late by a whole interval",
    "sent_bytes": "bytes of MQTT written",
    "received_bytes": "bytes of MQTT read",
    "connects": "accepted connections; all but the first of each device are reconnects",
    "lost": "connections that ended and were not ended by the fleet",
    "commands": "commands that came to devices",
}
NAMES: Final = {"lost": "fleet_lost_connections", "missed": "fleet_missed_turns"}
COARSE: Final = A_DECADE // 4  # every so many buckets make one of Prometheus'
QUANTILES: Final = (0.5, 0.99)


def _histogram(latencies: Latencies) -> HistogramMetricFamily:
    sums = list(accumulate(latencies.counts))
    buckets = [(f"{latencies.bound_s(place):.6g}", float(sums[place])) for place in range(0, len(sums) - 1, COARSE)]
    found = HistogramMetricFamily("fleet_puback_seconds", "from publishing with QoS 1 to the broker's acknowledgement")
    found.add_metric([], [*buckets, ("+Inf", float(sums[-1]))], sum_value=latencies.sum_s)
    return found


class Metrics(Collector):
    """Reads a tally."""

    def __init__(self, tally: Tally) -> None:
        """Register it with a registry."""
        self._tally = tally

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        """All families."""
        tally = self._tally
        for name, meaning in COUNTERS.items():
            yield CounterMetricFamily(NAMES.get(name, f"fleet_{name}"), meaning, value=getattr(tally, name))
        refused = CounterMetricFamily("fleet_refused_connects", "connections that failed or were refused", labels=["reason"])
        for reason, count in list(tally.refused.items()):
            refused.add_metric([reason], count)
        yield refused
        yield GaugeMetricFamily("fleet_connected", "devices that are connected", value=tally.connected)
        devices = GaugeMetricFamily("fleet_devices", "devices of this fleet", labels=["kind"])
        for kind, count in tally.devices.items():
            devices.add_metric([kind], count)
        yield devices
        yield _histogram(tally.latencies)
        recent = GaugeMetricFamily("fleet_puback_recent_seconds", "the same, of the last 10 s", labels=["quantile"])
        for share, value_s in zip(QUANTILES, tally.latencies.quantiles_s(QUANTILES, time.monotonic()), strict=True):
            recent.add_metric([str(share)], value_s)
        yield recent

    def last(self) -> Mapping[str, Mapping[str, str]]:
        """For `/last`: how long acknowledgements took in the last 10 s, and each device's last command."""
        p50_s, p99_s = self._tally.latencies.quantiles_s(QUANTILES, time.monotonic())
        took = {"p50_ms": _ms(p50_s), "p99_ms": _ms(p99_s)}
        commands = {name: payload.decode(errors="replace") for name, payload in list(self._tally.last_commands.items())}
        return {"puback": took, "commands": commands}


def _ms(value_s: float) -> str:
    return "" if math.isnan(value_s) else f"{value_s * 1000:.1f}"
