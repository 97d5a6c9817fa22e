"""Mosquitto, Kafka and InfluxDB as real processes on loopback, set up as the charts set them up."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra import accounts, wiring
from tests.support import tools
from tests.support.processes import Process, free_port, wait_until

PASSWORDS = {user.name: f"{user.name}-secret" for user in (*accounts.MQTT_USERS, *accounts.INFLUX_USERS)}


def password_file(folder: Path, user: str) -> Path:
    """A file with `user`'s password, as a mounted Secret would be."""
    file = folder / f"password-{user}"
    file.write_text(PASSWORDS[user])
    return file


class Mosquitto(Process):
    """One Mosquitto with the lab's users and ACL; its folder keeps sessions and queues."""

    def __init__(self, folder: Path, **other: str | int) -> None:
        """Its files are made here, with `other` settings than the lab's; nothing runs before `start`."""
        self.port = free_port()
        self.uri = f"tcp://127.0.0.1:{self.port}"
        self._passwords = dict(PASSWORDS)
        self._write_passwords(folder / "passwords")
        (folder / "acl").write_text(self._acl())
        settings = {
            "allow_anonymous": "false",
            "password_file": folder / "passwords",
            "acl_file": folder / "acl",
            "listener": f"{self.port} 127.0.0.1",
            "persistence": "true",
            "persistence_location": f"{folder}/",
            "autosave_interval": 300,
            "max_inflight_messages": 20_000,
            "max_queued_messages": 60_000,
            "max_packet_size": 262_144,
            "max_keepalive": 300,
            "set_tcp_nodelay": "true",
            "user": "root",
        } | other
        (folder / "mosquitto.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        super().__init__("mosquitto", [tools.program("mosquitto"), "-c", folder / "mosquitto.conf"], folder)

    def set_password(self, user: str, password: str) -> None:
        """Give `user` another one, as a restart with a renewed Secret does."""
        self._passwords[user] = password
        self._write_passwords(self.log.parent / "passwords")
        self.terminate()
        self.start()

    def _write_passwords(self, file: Path) -> None:
        file.write_text("".join(f"{user.name}:{self._passwords[user.name]}\n" for user in accounts.MQTT_USERS))
        file.chmod(0o600)
        subprocess.run([tools.program("mosquitto_passwd"), "-U", file], check=True)

    @staticmethod
    def _acl() -> str:
        users = [[f"user {user.name}", *(f"topic {line}" for line in user.access)] for user in accounts.MQTT_USERS]
        patterns = [f"pattern {line}" for line in accounts.MQTT_PATTERNS]
        return "\n".join([*(line for user in users for line in user), *patterns]) + "\n"

    def start(self) -> None:
        """Start and wait until it listens."""
        super().start()
        self.wait_for_port(self.port)


class Kafka(Process):
    """One combined node (broker and controller); its folder keeps the data."""

    def __init__(self, folder: Path) -> None:
        """Formats its folder; nothing runs before `start`."""
        self.port, self.behind, self.detour, controller = free_port(), free_port(), free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.by_detour = f"127.0.0.1:{self.detour}"  # clients are sent to this port, where a test's proxy leads to `behind`
        settings = {
            "process.roles": "broker,controller",
            "node.id": 0,
            "listeners": f"PLAINTEXT://{self.address},DETOUR://127.0.0.1:{self.behind},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address},DETOUR://{self.by_detour}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,DETOUR:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.quorum.voters": f"0@127.0.0.1:{controller}",
            "log.dirs": folder / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            "broker.session.timeout.ms": 6000,  # a killed broker may register again only after it; a starved one is fenced
            "broker.heartbeat.interval.ms": 500,
        }
        file = folder / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        jars = f"{tools.jars_of('kafka')}/*"  # first: it installs a JDK where there is none
        log = f"-Dlog4j2.configurationFile={tools.KAFKA_LOG}"
        jvm = [tools.java(), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", log, "-cp", jars]
        cluster = ["--cluster-id", "bG9vcGJhY2stdGVzdHMtMA", "--config", str(file)]
        subprocess.run([*jvm, "kafka.tools.StorageTool", "format", *cluster], check=True, capture_output=True)
        super().__init__("kafka", [*jvm, "kafka.Kafka", file], folder)
        self.admin = AdminClient({"bootstrap.servers": self.address})

    def start(self) -> None:
        """Start and wait until it serves."""
        super().start()
        self.wait_for_port(self.port, 60.0)
        wait_until("Kafka tells its topics", self._serves, 60.0)

    def _serves(self) -> bool:
        try:
            return bool(self.admin.list_topics(timeout=2.0).brokers)
        except KafkaException:
            return False

    def topic(self, name: str, partitions: int = 3, *, settings: dict[str, str] | None = None) -> str:
        """Make a topic that no other test has; returns its name."""
        own = f"{name}-{uuid.uuid4().hex[:8]}"
        wanted = NewTopic(own, partitions, 1, config=settings or {})
        wait_until("Kafka makes a topic", lambda: self._made(wanted))
        return own

    def _made(self, wanted: NewTopic) -> bool:
        try:
            self.admin.create_topics([wanted])[wanted.topic].result(30.0)
        except KafkaException as failed:
            if (
                failed.args[0].code() != KafkaError.INVALID_REPLICATION_FACTOR
            ):  # on a busy machine the node is late to tell it lives
                raise
            return False
        return True

    def anew(self, topic: str, partitions: int) -> None:
        """Delete a topic and make one of the same name."""
        self.admin.delete_topics([topic])[topic].result(30.0)
        wait_until("the topic is gone", lambda: topic not in self.admin.list_topics(timeout=5.0).topics)
        self.admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30.0)


class Influx(Process):
    """One InfluxDB with the lab's users and login switched on; its folder keeps the data."""

    def __init__(self, folder: Path) -> None:
        """Nothing runs before `start`."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        env = {
            "INFLUXDB_META_DIR": str(folder / "meta"),
            "INFLUXDB_DATA_DIR": str(folder / "data"),
            "INFLUXDB_DATA_WAL_DIR": str(folder / "wal"),
            "INFLUXDB_DATA_INDEX_VERSION": "tsi1",
            "INFLUXDB_DATA_QUERY_LOG_ENABLED": "false",
            "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{free_port()}",
            "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{self.port}",
            "INFLUXDB_HTTP_AUTH_ENABLED": "true",
            "INFLUXDB_HTTP_LOG_ENABLED": "false",
            "INFLUXDB_MONITOR_STORE_ENABLED": "false",
            "INFLUXDB_REPORTING_DISABLED": "true",
            "HOME": str(folder),
        }
        super().__init__("influxdb", [tools.influxd()], folder, env)
        self._pool = urllib3.PoolManager(retries=False, timeout=10.0)
        self._headers = urllib3.make_headers(basic_auth="admin:admin-secret")

    def start(self) -> None:
        """Start and wait until it listens."""
        super().start()
        self.wait_for_port(self.port)

    def ask(self, query: str, database: str = "") -> list[list[object]]:
        """Rows of the first series of the answer, as the administrator."""
        fields = {"q": query, "db": database, "epoch": "ms"}
        answer = self._pool.request("POST", f"{self.url}/query", fields=fields, headers=self._headers)
        assert answer.status == 200, answer.data
        result = json.loads(answer.data)["results"][0]
        assert "error" not in result, result
        rows: list[list[object]] = result["series"][0]["values"] if result.get("series") else []
        return rows

    def rows(self, database: str, measurement: str, car: str) -> list[list[object]]:
        """The points of one car, oldest first: time in ms, speed."""
        return self.ask(" ".join(['SELECT "speed" FROM', f'"{measurement}"', 'WHERE "car" =', f"'{car}'"]), database)

    def bootstrap(self) -> None:
        """Users, databases and grants, as the chart's bootstrap makes them."""
        self.ask(f"CREATE USER {accounts.INFLUX_ADMIN} WITH PASSWORD 'admin-secret' WITH ALL PRIVILEGES")
        for name in {series.database for series in wiring.SERIES}:
            self.ask(f'CREATE DATABASE "{name}"')
        for user in accounts.INFLUX_USERS:
            self.ask(f"CREATE USER \"{user.name}\" WITH PASSWORD '{PASSWORDS[user.name]}'")
            for right, databases in (("WRITE", user.write), ("READ", user.read)):
                for name in databases:
                    self.ask(f'GRANT {right} ON "{name}" TO "{user.name}"')


def _ended(process: Process) -> Iterator[None]:
    try:
        process.start()
        yield
    finally:
        process.close()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    server = Mosquitto(folder)
    for _ in _ended(server):
        yield server


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    server = Kafka(tmp_path_factory.mktemp("kafka"))
    for _ in _ended(server):
        yield server


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    server = Influx(tmp_path_factory.mktemp("influx"))
    for _ in _ended(server):
        server.bootstrap()
        yield server
