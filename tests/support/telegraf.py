"""Telegraf, a peer in benches: built from the Go module proxy with the plugins that carry MQTT to Kafka and Kafka to InfluxDB.

Its module cannot be a dependency of one of ours, as what all its plugins need does not resolve; so it is built where Go
unpacked it, by its own go.mod and go.sum.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from infra import versions
from infra.lab.console import Steps
from infra.lab.errors import LabError
from infra.lab.paths import Paths
from infra.lab.toolchain import Toolchain
from infra.lab.toolchain.golang import GO_PROXY, go_env
from infra.lab.toolchain.parts import Part
from infra.lab.toolchain.store import Source
from infra.lab.toolchain.workshop import Workshop

MODULE = "github.com/influxdata/telegraf"
PLUGINS = (
    *("inputs.mqtt_consumer", "outputs.kafka", "parsers.value"),
    *("inputs.kafka_consumer", "outputs.influxdb", "parsers.json"),
    *("serializers.template", "serializers.influx", "serializers.json"),
)


@dataclass(frozen=True, slots=True)
class Telegraf:
    """The recipe."""

    def fingerprint(self) -> str:
        """The pinned module and what is built of it."""
        return repr((versions.TELEGRAF, versions.TELEGRAF_SUM, PLUGINS))

    def make(self, into: Path, work: Workshop) -> tuple[Source, ...]:
        """Build it into `into/bin`."""
        go, env = work.go(), go_env(work.paths.cache)
        fetch: list[str | Path] = [go, "mod", "download", "-json", f"{MODULE}@v{versions.TELEGRAF}"]
        log = GO_PROXY.run(work.steps, "Fetch Telegraf", fetch, cwd=into, env=env)
        told = json.loads("{" + log.read_text().partition("{")[2])  # what Go says of its downloads comes before
        if told["Sum"] != versions.TELEGRAF_SUM:
            raise LabError(f"{MODULE} {versions.TELEGRAF} has the sum {told['Sum']}, and not the one in infra/versions.py")
        tags = ",".join(("custom", *PLUGINS))
        build: list[str | Path] = [
            go,
            "build",
            "-ldflags",
            "-s -w",
            "-tags",
            tags,
            "-o",
            into / "bin" / "telegraf",
            "./cmd/telegraf",
        ]
        GO_PROXY.run(work.steps, "Build Telegraf", build, cwd=Path(told["Dir"]), env=env)
        return ()


def telegraf() -> Path:
    """The program, built into a cache of the tests: about two minutes the first time."""
    paths = Paths.from_environment()
    ours = Paths(paths.cache / "tests" / "telegraf", paths.state)
    part = Part(name="telegraf", version=versions.TELEGRAF, lane="build", disk_gb=0.3, recipes=(Telegraf(),), checks={})
    Toolchain(ours, Steps(ours), known=(part,)).ensure()
    return ours.bin / "telegraf"
