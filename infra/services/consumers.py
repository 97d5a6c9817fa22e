"""What acts on the readings of boards: three consumers of Kafka, and the worker of Camunda's processes.

iot-kafka-consumer writes rows for notebooks, iot-kafka-pipe documents to Kafka, iot-kafka-alert starts a process for an
alert; process-worker does what processes ask for and brings verdicts back to Kafka. What survives a restart is in Kafka's
offsets, in Camunda, and on the shared volume.
"""

from __future__ import annotations

from collections.abc import Collection

import pulumi

from infra import wiring
from infra.services._access import Access
from infra.services.apps import App, AppArgs
from infra.services.shared_data import Volume

# Three services read what boards publish and would each find the same message malformed. The first of these that a stack has
# buries it, the others count it: one record, one dead letter (ADR 6). An alert is iot-kafka-alert's alone.
BURIES = ("timeseries", "iot-kafka-consumer", "iot-kafka-pipe")


def _reading(kafka: Access, group: str, *, buries: bool = True) -> dict[str, str]:
    return {
        "BROKERLIST": kafka.endpoint.address,
        "GROUP": group,
        "TOPIC": wiring.BROKER_MESSAGE.name,
        "DEAD_LETTER_TOPIC": wiring.DEAD_LETTER.name if buries else "",
    }


def _serving_the_doctor() -> dict[str, str]:
    return {"CANARY_TOPIC": wiring.BOARD_CANARY.name, "ANSWER_TOPIC": wiring.CANARY_DONE.name}


def _asking(camunda: Access) -> dict[str, str]:
    return {
        "CAMUNDA_URL": wiring.CAMUNDA_REST,
        "CAMUNDA_USER": camunda.user,
        "CAMUNDA_PASSWORD_FILE": camunda.password_file,
    }


class CsvSink(App):
    """Readings as rows of a file; a second one would wait for the first one's lock, so it is recreated."""

    strategy = "Recreate"

    def __init__(
        self, name: str, args: AppArgs, *, reads: Access, writes: Volume, buries: bool, opts: pulumi.ResourceOptions
    ) -> None:
        """`reads` is Kafka, `writes` the shared volume; whether it `buries` what cannot be read, or another one does."""
        self.volumes = (writes,)
        files = {"FILE": wiring.CSV_FILE, "CANARY_FILE": wiring.CANARY_FILE}
        reading = _reading(reads, wiring.CSV_GROUP, buries=buries)
        super().__init__(name, args, reading | _serving_the_doctor() | files, [reads], opts)


class JsonPipe(App):
    """Readings as documents; each of several has a transaction of its own."""

    def __init__(self, name: str, args: AppArgs, *, kafka: Access, buries: bool, opts: pulumi.ResourceOptions) -> None:
        """It reads from `kafka` and writes to it; whether it `buries` what cannot be read, or another one does."""
        reading = _reading(kafka, wiring.PIPE_GROUP, buries=buries)
        super().__init__(name, args, reading | {"OUTPUT_TOPIC": wiring.IOT.name}, [kafka], opts)


class AlertProcess(App):
    """Alerts as processes; two at a time could each start one for the same incident, so it is recreated."""

    strategy = "Recreate"

    def __init__(
        self, name: str, args: AppArgs, *, reads: Access, starts: Access, shows: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`reads` is Kafka, `starts` is Camunda, `shows` the address of a device's dashboard, empty where there is none."""
        told = {"PROCESS": wiring.MAINTENANCE_PROCESS, "DASHBOARD": shows, "CANARY_PROCESS": wiring.CANARY_PROCESS}
        env = _reading(reads, wiring.ALERT_GROUP) | _serving_the_doctor() | _asking(starts) | told
        super().__init__(name, args, env, [reads, starts], opts)


class ProcessWorker(App):
    """What processes ask for; Camunda locks each task for one of several."""

    def __init__(
        self, name: str, args: AppArgs, *, serves: Access, writes: Access, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`serves` is Camunda, `writes` is Kafka."""
        env = _asking(serves) | {
            "BROKERLIST": writes.endpoint.address,
            "VERDICT_TOPIC": wiring.VERDICTS.name,
            "INVOICE_TASK": wiring.BOOK_INVOICE,
            "VERDICT_TASK": wiring.PUBLISH_VERDICT,
        }
        super().__init__(name, args, env, [serves, writes], opts)


def consumers(
    chosen: Collection[str],
    args: AppArgs,
    *,
    kafka: Access,
    data: Volume | None,
    camunda: Access | None,
    opts: pulumi.ResourceOptions,
) -> None:
    """Those that a stack has chosen; whoever is chosen has what it needs, which the settings have checked."""
    buries = next((service for service in BURIES if service in chosen), "")
    if (name := "iot-kafka-consumer") in chosen and data is not None:
        CsvSink(name, args, reads=kafka, writes=data, buries=buries == name, opts=opts)
    if (name := "iot-kafka-pipe") in chosen:
        JsonPipe(name, args, kafka=kafka, buries=buries == name, opts=opts)
    if "iot-kafka-alert" in chosen and camunda is not None:
        shows = wiring.dashboard_url(chosen)
        AlertProcess("iot-kafka-alert", args, reads=kafka, starts=camunda, shows=shows, opts=opts)
    if "process-worker" in chosen and camunda is not None:
        ProcessWorker("process-worker", args, serves=camunda, writes=kafka, opts=opts)
