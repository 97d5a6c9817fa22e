"""What became of a run: a verdict, a file for programs and a page for people, in a folder of the lab's state."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import jinja2
import psutil

from infra.lab.paths import Paths
from infra.lab.scenario.plots import HEIGHT, WIDTH, Plot, by_qos, histogram, line_plots

TEMPLATE = "page.html.j2"
PLOTTED = frozenset({"samples", "histogram"})  # of the file alone
MESSAGES = 4  # plots over time that are about connections and messages
AT_LEAST_ONCE = "1"


@dataclass(frozen=True, slots=True)
class Report:
    """One run: what apps/fleet/scenario found, when and where it was, and what was beside it."""

    found: Mapping[str, Any]
    folder: Path
    name: str
    brokers: str
    begun: datetime
    pods_mb: Mapping[str, int]
    beyond: Mapping[str, Mapping[str, Any]]  # what arrived behind the brokers, by hop
    read_back_every: int = 1  # of one client in so many the messages are read back

    @property
    def sentences(self) -> list[str]:
        """What is wrong with it; nothing if all is well."""
        found: list[str] = []
        lost = self.found["qos"].get(AT_LEAST_ONCE, {}).get("lost", 0)
        if lost:
            found.append(f"{lost:,} messages that a broker had acknowledged at QoS 1 never came back")
        if self.found["ended_early"]:
            found.append(f"the run ended early: {self.found['ended_early']}")
        if self.found["rejected"]:
            found.append(f"brokers refused {self.found['rejected']:,} messages: their senders may not publish to that topic")
        return found

    @property
    def ok(self) -> bool:
        """Whether it went through and nothing acknowledged is lost."""
        return not self.sentences

    def as_json(self) -> dict[str, Any]:
        """One object; without what only plots need."""
        told = {name: value for name, value in self.found.items() if name not in PLOTTED | {"parts"}}
        parts = [{name: value for name, value in part.items() if name != "samples"} for part in self.found["parts"]]
        return {"ok": self.ok} | told | self._about() | {"parts": parts}

    def _about(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "brokers": self.brokers,
            "begun": self.begun.isoformat(timespec="seconds"),
            "pods_mb": dict(self.pods_mb),
            "beyond": dict(self.beyond),
            "read_back_every": self.read_back_every,
            "machine": {
                "system": platform.platform(),
                "cores": os.cpu_count(),
                "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
            },
            "folder": str(self.folder),
        }

    def plots(self) -> list[Plot]:
        """In the order of the page."""
        targets = {stage["name"]: stage["target_msg_s"] for stage in self.found["stages"]}
        lines = line_plots(self.found["samples"], self.found["parts"], targets)
        return [*lines[:MESSAGES], histogram(self.found["histogram"]), by_qos(self.found["qos"]), *lines[MESSAGES:]]

    def write(self) -> None:
        """Lay both files there."""
        whole = {"ok": self.ok} | dict(self.found) | self._about()
        (self.folder / "report.json").write_text(json.dumps(whole, indent=1) + "\n")
        (self.folder / "report.html").write_text(self.page())

    def page(self) -> str:
        """The page."""
        templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent),
            undefined=jinja2.StrictUndefined,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return templates.get_template(TEMPLATE).render(
            report=self, told=self.as_json(), plots=self.plots(), shown=shown, width=WIDTH, height=HEIGHT
        )


def shown(value: float | None) -> str:
    """A figure as people read it."""
    return "-" if value is None else f"{value:,}"


def folder_for(paths: Paths, name: str, begun: datetime) -> Path:
    """A new folder of the lab's state for one run."""
    word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "run"
    folder = paths.state / "runs" / f"{begun:%Y%m%dT%H%M%SZ}-{word}"
    for further in count(2):
        with suppress(FileExistsError):
            folder.mkdir(parents=True, mode=0o700)
            break
        folder = folder.with_name(f"{begun:%Y%m%dT%H%M%SZ}-{word}-{further}")
    return folder


def now() -> datetime:
    """In UTC."""
    return datetime.now(UTC)
