"""`./lab watch`: every hop with its rate, its total and the last thing it saw, live in the terminal."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from rich.live import Live
from rich.table import Table

from infra import wiring
from infra.lab.access import logins
from infra.lab.errors import LabError, UserError
from infra.lab.forwarding import outside_port
from infra.lab.influx import Ask, reader
from infra.lab.probes import LOOPBACK
from infra.lab.views import out, plain

if TYPE_CHECKING:
    from infra.lab.lab import Lab
    from infra.settings import Settings

EVERY_S = 2.0
WINDOW_S = 10.0
Labels = Mapping[str, Collection[str]]  # the values that a sample's label may have
CARRIED: Labels = {"topic": [route.kafka.name for route in wiring.ROUTES if route.kafka not in wiring.LANES]}
WRITTEN: Labels = {"database": [wiring.CARS_DB, wiring.IOTKIT_DB]}
COUNTERS: tuple[tuple[str, str, str, Labels, str], ...] = (  # hop, app that counts, its counter, labels, what it means
    ("fleet → mosquitto", "fleet", "fleet_acked_total", {}, "acknowledged by the broker"),
    ("mosquitto → bridge", "bridge", "bridge_received_total", CARRIED, "received by the bridge"),
    ("bridge → kafka", "bridge", "bridge_delivered_total", CARRIED, "confirmed by Kafka"),
    ("kafka → influxdb", "timeseries", "timeseries_points_written_total", WRITTEN, "points written"),
)
LAST_POINT = "SELECT car, speed, battery_percentage FROM car ORDER BY time DESC LIMIT 1"


@dataclass
class Gauge:
    """A counter's values over the last seconds."""

    seen: deque[tuple[float, float]] = field(default_factory=deque)

    def add(self, now_s: float, total: float) -> None:
        """Note `total` and forget what is older than the window."""
        self.seen.append((now_s, total))
        while self.seen[0][0] < now_s - WINDOW_S:
            self.seen.popleft()

    @property
    def total(self) -> float:
        """The last value."""
        return self.seen[-1][1]

    @property
    def rate(self) -> float | None:
        """Per second over the window; None before there are two values."""
        (first_s, first), (last_s, last) = self.seen[0], self.seen[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else None


def samples_of(page: str, name: str) -> list[Sample]:
    """All of that name on a /metrics page."""
    return [each for family in text_string_to_metric_families(page) for each in family.samples if each.name == name]


def sum_of(samples: Iterable[Sample], labels: Labels) -> float:
    """Of those with these labels."""
    return sum(each.value for each in samples if all(each.labels.get(name) in allowed for name, allowed in labels.items()))


def counter_of(page: str, name: str, labels: Labels) -> float:
    """The sum of a counter's samples with these labels on a /metrics page.

    Raises:
        LabError: the page has no such counter.
    """
    if not (samples := samples_of(page, name)):
        raise LabError(f"the metrics have no counter {name}")
    return sum_of(samples, labels)


@contextmanager
def _last_reading(lab: Lab) -> Iterator[dict[str, str]]:
    """Keep the last reading seen on MQTT in the dictionary that is given."""
    last: dict[str, str] = {}
    login = logins(lab)["mosquitto"]
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="")
    client.username_pw_set(login["user"], login["password"])

    def connected(*_: object) -> None:
        client.subscribe(f"{wiring.CARS_MQTT}/#")

    def seen(_client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        last["text"] = _reading(message.topic, bytes(message.payload))

    client.on_connect = connected
    client.on_message = seen
    with outside_port(lab, wiring.MOSQUITTO.host) as port:
        client.connect(LOOPBACK, port)
        client.loop_start()
        try:
            yield last
        finally:
            client.disconnect()
            client.loop_stop()


def _in_the_bridge(lab: Lab) -> dict[str, str]:
    """The last reading that the bridge got and the last that Kafka has, as rows of the table."""
    try:
        seen = json.loads(lab.kube.page("bridge", wiring.METRICS_PORT, "last"))
        told = {hop: f"{_reading(one['topic'], one['payload'].encode())} → {one['to']}" for hop, one in seen.items()}
    except (LabError, ValueError, KeyError, TypeError):  # the counters' rows say why
        told = {}
    return {row: told.get(hop, "nothing yet") for row, hop in (("last in the bridge", "received"), ("last in Kafka", "saved"))}


def _reading(topic: str, payload: bytes) -> str:
    try:
        values = json.loads(payload)
        return f"{topic.rsplit('/', 1)[-1]}: {values['speed']:.1f} m/s, battery {values['battery_percentage']:.0f} %"
    except (ValueError, KeyError, TypeError):
        return f"{topic}: {payload[:60].decode(errors='replace')}"


def sample(lab: Lab, gauges: dict[str, Gauge]) -> dict[str, str]:
    """Read every counter once; returns what could not be read, by hop."""
    pages: dict[str, list[str]] = {}
    failed: dict[str, str] = {}
    for hop, app, name, labels, _ in COUNTERS:
        if hop not in gauges:
            continue
        try:
            if app not in pages:
                pages[app] = list(lab.kube.pages(app, wiring.METRICS_PORT, "metrics"))
            gauges[hop].add(time.monotonic(), sum(counter_of(page, name, labels) for page in pages[app]))
        except LabError as wrong:
            failed[hop] = str(wrong)
    return failed


def _table(gauges: dict[str, Gauge], failed: dict[str, str], last: dict[str, str]) -> Table:
    table = Table("hop", "msg/s", "total", "", box=None, pad_edge=False, min_width=80)
    meanings = {hop: meaning for hop, _, _, _, meaning in COUNTERS}
    for hop, gauge in gauges.items():
        if hop in failed or not gauge.seen:
            table.add_row(hop, "-", "-", f"[red]{plain(failed.get(hop, 'no answer'))}[/]")
        else:
            rate = "…" if gauge.rate is None else f"{gauge.rate:.1f}"
            table.add_row(hop, rate, f"{gauge.total:.0f}", meanings[hop])
    for place, reading in last.items():
        table.add_row(place, "", "", plain(reading))
    return table


def _last(lab: Lab, seen: dict[str, str] | None, ask: Ask | None) -> dict[str, str]:
    """The last value at every place that the stack has."""
    last = {} if seen is None else {"last on MQTT": seen.get("text", "nothing yet")}
    if lab.settings.has("bridge"):
        last |= _in_the_bridge(lab)
    if ask is not None:
        try:
            last["last in InfluxDB"] = _last_point(ask)
        except LabError as away:
            last["last in InfluxDB"] = str(away)
    return last


def _last_point(ask: Ask) -> str:
    rows = ask(wiring.CARS_DB, LAST_POINT)
    if not rows:
        return "nothing yet"
    row = rows[0]
    age_s = time.time() - row["time"] / 1000
    return f"{row['car']}: {row['speed']:.1f} m/s, battery {row['battery_percentage']:.0f} %, {age_s:.1f} s ago"


def watched(settings: Settings) -> dict[str, Gauge]:
    """A gauge for every hop that the stack has.

    Raises:
        UserError: it has none.
    """
    gauges = {hop: Gauge() for hop, app, *_ in COUNTERS if settings.has(app)}
    if not gauges:
        apps = ", ".join(dict.fromkeys(app for _, app, *_ in COUNTERS))
        raise UserError(
            f"nothing moves readings in this stack, so there is nothing to watch: iotlab:services has none of {apps}."
        )
    return gauges


def run_watch(lab: Lab, seconds: float) -> None:
    """Show the hops of this stack until Ctrl-C, or for `seconds` if that isn't 0.

    Raises:
        UserError: nothing in this stack moves readings.
    """
    gauges = watched(lab.settings)
    mqtt_side = _last_reading(lab) if lab.settings.has(wiring.MOSQUITTO.host) else nullcontext()
    influx_side = reader(lab) if lab.settings.has(wiring.INFLUXDB.host) else nullcontext()
    with mqtt_side as seen, influx_side as ask, Live(console=out, auto_refresh=False) as live:
        until = time.monotonic() + seconds if seconds else float("inf")
        while True:
            failed = sample(lab, gauges)
            live.update(_table(gauges, failed, _last(lab, seen, ask)), refresh=True)
            left_s = until - time.monotonic()
            if left_s <= 0:
                return
            time.sleep(min(EVERY_S, left_s))
