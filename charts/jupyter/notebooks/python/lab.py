"""The lab's services for a notebook: addresses and logins come from the pod's environment and mounted files.

No password is typed, shown or kept in a notebook. A service that this lab doesn't have says so in one sentence.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from confluent_kafka import Consumer, Producer, TopicPartition
from paho.mqtt.enums import CallbackAPIVersion
from words import SentenceError, word

CONNECT_S = 10.0
ASK_S = 20.0


class NotHereError(SentenceError):
    """This lab doesn't have what the notebook wants, or it doesn't answer."""


def setting(name: str) -> str:
    """A name or address that the lab handed to its notebooks.

    Raises:
        NotHereError: this lab has none.
    """
    value = os.environ.get(name, "")
    if not value:
        service = name.split("_", maxsplit=1)[0].lower()
        raise NotHereError(word("not-here", service=service, name=name))
    return value


def _password(service: str) -> str:
    return Path(setting(f"{service}_PASSWORD_FILE")).read_text().rstrip("\r\n")


def _host_and_port(service: str) -> tuple[str, int]:
    host, port = setting(f"{service}_ADDRESS").rsplit(":", 1)
    return host, int(port)


def mqtt(on_message: Callable[[str, bytes], None] | None = None, *filters: str, tls: bool = False) -> paho.Client:
    """A connected MQTT client whose network loop runs; `on_message(topic, payload)` gets what matches `filters`.

    With `tls` nobody on the way can read or change what it says; it trusts the lab's own authority and no other.

    Raises:
        NotHereError: the broker doesn't answer.
    """
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"notebook-{uuid.uuid4().hex[:8]}")
    client.username_pw_set(setting("MOSQUITTO_USER"), _password("MOSQUITTO"))

    def connected(one: paho.Client, _data: object, _flags: object, code: Any, _properties: object) -> None:
        if filters and not code.is_failure:
            one.subscribe([(wanted, 1) for wanted in filters])

    def arrived(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if on_message:
            on_message(message.topic, bytes(message.payload))

    subscribed: list[int] = []
    client.on_connect = connected
    client.on_message = arrived
    client.on_subscribe = lambda *_: subscribed.append(1)
    host, port = _host_and_port("MOSQUITTO_TLS" if tls else "MOSQUITTO")
    if tls:
        client.tls_set(setting("MOSQUITTO_TLS_AUTHORITY_FILE"))
    try:
        client.connect(host, port)
    except OSError as failed:
        raise NotHereError(word("no-answer", service="mosquitto", why=failed)) from failed
    client.loop_start()
    if not wait(lambda: client.is_connected() and (bool(subscribed) or not filters), CONNECT_S):
        client.loop_stop()
        raise NotHereError(word("no-answer", service="mosquitto", why=word("refused")))
    return client


def wait(true: Callable[[], bool], within_s: float) -> bool:
    """Wait until it is true, at most `within_s` seconds; whether it came true."""
    until_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.1)
    return True


def topic(*levels: str) -> str:
    """An MQTT topic of the boards, as `topic("board-1", "sensor")`."""
    return "/".join((setting("IOTKIT_TOPIC"), *levels))


def producer() -> Producer:
    """A Kafka producer that counts a record as sent when it is stored."""
    return Producer({"bootstrap.servers": setting("KAFKA_ADDRESS"), "acks": "all", "log_level": 2})


def newest(count: int, within_s: float = 15.0) -> list[Any]:
    """The newest `count` records of the boards' Kafka topic, oldest first. Nobody's offsets are touched.

    Raises:
        NotHereError: Kafka doesn't answer.
    """
    consumer = Consumer({
        "bootstrap.servers": setting("KAFKA_ADDRESS"), "group.id": f"notebook-{uuid.uuid4().hex[:8]}",
        "enable.auto.commit": False, "log_level": 2,
    })  # fmt: skip
    name = setting("KAFKA_TOPIC")
    try:
        partitions = sorted(consumer.list_topics(name, timeout=within_s).topics[name].partitions)
        ends = {number: consumer.get_watermark_offsets(TopicPartition(name, number), timeout=within_s) for number in partitions}
        starts = {number: max(low, high - count) for number, (low, high) in ends.items()}
        consumer.assign([TopicPartition(name, number, start) for number, start in starts.items()])
        missing = sum(ends[number][1] - start for number, start in starts.items())
        found: list[Any] = []
        until_s = time.monotonic() + within_s
        while len(found) < missing and time.monotonic() < until_s:
            found += [record for record in consumer.consume(missing - len(found), timeout=1.0) if record.error() is None]
    except Exception as failed:
        raise NotHereError(word("no-answer", service="kafka", why=failed)) from failed
    finally:
        consumer.close()
    return sorted(found, key=lambda record: record.timestamp()[1])[-count:]


def _ask(request: urllib.request.Request, service: str) -> Any:
    try:
        with urllib.request.urlopen(request, timeout=ASK_S) as answer:
            text = answer.read()
    except urllib.error.HTTPError as refused:
        said = refused.read().decode(errors="replace")[:600]
        raise NotHereError(word("said-no", service=service, code=refused.code, why=said)) from refused
    except OSError as failed:
        raise NotHereError(word("no-answer", service=service, why=failed)) from failed
    return json.loads(text) if text else None


def _login(service: str) -> str:
    pair = f"{setting(f'{service}_USER')}:{_password(service)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def camunda(path: str, body: dict[str, Any] | None = None, method: str = "") -> Any:
    """Ask Camunda's REST interface, as `camunda("/task")`; with a `body` it is a POST.

    Raises:
        NotHereError: this lab has no Camunda, or it refuses; its own words are in the message.
    """
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": _login("CAMUNDA"), "Content-Type": "application/json"}
    url = f"{setting('CAMUNDA_URL')}/engine-rest{path}"
    return _ask(urllib.request.Request(url, data, headers, method=method or ("POST" if data else "GET")), "camunda")


def deploy(name: str, file: str, model: str) -> Any:
    """Publish a BPMN model to Camunda; one that it has already is not published again.

    Raises:
        NotHereError: this lab has no Camunda, or the model doesn't parse: line and element are in the message.
    """
    fields = {"deployment-name": name, "enable-duplicate-filtering": "true", "deploy-changed-only": "true"}
    border = uuid.uuid4().hex
    parts = [f'--{border}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
    head = f'Content-Disposition: form-data; name="data"; filename="{file}"\r\nContent-Type: text/xml'
    parts.append(f"--{border}\r\n{head}\r\n\r\n{model}\r\n--{border}--\r\n")
    headers = {"Authorization": _login("CAMUNDA"), "Content-Type": f"multipart/form-data; boundary={border}"}
    url = f"{setting('CAMUNDA_URL')}/engine-rest/deployment/create"
    return _ask(urllib.request.Request(url, "".join(parts).encode(), headers, method="POST"), "camunda")


def series(query: str, database: str = "") -> list[dict[str, Any]]:
    """The rows that InfluxDB answers to `query`, each a dict; times are seconds.

    Raises:
        NotHereError: this lab has no InfluxDB, or it refuses; its own words are in the message.
    """
    words = urllib.parse.urlencode({"db": database or setting("CARS_DATABASE"), "q": query, "epoch": "s"})
    request = urllib.request.Request(f"{setting('INFLUXDB_URL')}/query?{words}", headers={"Authorization": _login("INFLUXDB")})
    (result,) = _ask(request, "influxdb")["results"]
    if "error" in result:
        raise NotHereError(word("said-no", service="influxdb", code="", why=result["error"]))
    found = result.get("series", ())
    return [dict(zip(one["columns"], row, strict=True)) | one.get("tags", {}) for one in found for row in one["values"]]


def kubectl(command: str, stdin: str = "") -> None:
    """Run `kubectl <command>` and show what it says, a refusal included.

    The same words do the same in a terminal (File, New, Terminal).
    """
    print(f"$ kubectl {command}\n{ask(command, stdin)}")


def ask(command: str, stdin: str = "") -> str:
    """What `kubectl <command>` says."""
    words = ["kubectl", *shlex.split(command)]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    return (done.stdout + done.stderr).rstrip()


def data_rows(least: int, within_s: float = 60.0) -> list[list[str]]:
    """The rows of the shared CSV file, `sensor,temp,hum,class`; waits up to a minute for `least` of them.

    Raises:
        NotHereError: there are not so many; the sentence says what fills the file.
    """
    file = Path(setting("DATA_FILE"))
    rows: list[list[str]] = []

    def enough() -> bool:
        rows[:] = list(_rows(file))
        return len(rows) >= least

    if not wait(enough, within_s):
        raise NotHereError(word("few-rows", file=file, count=len(rows), least=least, seconds=round(within_s)))
    return rows


def _rows(file: Path) -> Iterator[list[str]]:
    cells_in_a_row = 4
    lines: Iterable[str] = file.read_text(errors="replace").splitlines() if file.exists() else ()
    for line in lines:
        cells = line.rstrip("\0 \r").split(",")
        if len(cells) == cells_in_a_row:  # the last line may be half written
            yield cells


def save(figure: Any, name: str) -> None:
    """Keep a figure as `plots/<name>.png` beside the notebook, and say where."""
    file = Path("plots") / f"{name}.png"
    file.parent.mkdir(exist_ok=True)
    figure.savefig(file, dpi=100, bbox_inches="tight")
    print(file)
