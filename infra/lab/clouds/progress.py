"""What a person sees while machines are made: a line when something long begins, the rest on the terminal's own line."""

from __future__ import annotations

import re

from infra.lab.clouds.made import INSTANCE, LAB, OBJECT
from infra.lab.console import console
from infra.lab.engine_events import Report
from infra.lab.views import plain

SECONDS = re.compile(r",? \d+ (s|min)\b.*$")  # how long something goes on is no news
TOLD = {
    (OBJECT, "create"): "the bundle goes up",
    (OBJECT, "create done"): "the bundle is in the store",
    (INSTANCE, "create done"): "AWS has started the machine",
    (INSTANCE, "delete done"): "the machine is ended",
    (LAB, "create"): "waiting for the machine",
    (LAB, "create done"): "its lab is there",
    (LAB, "update"): "brought to what the checkout says",
    (LAB, "update done"): "its lab is there",
}

STEPS = frozenset(
    {"create", "update", "delete", "replace", "create-replacement", "delete-replaced", "discard", "remove-pending-replace"}
)


NO_NEWS = "lab: 0 files laid down"


class Progress:
    """Hears of every resource; tells of machines and of the bundle."""

    def __init__(self, report: Report) -> None:
        """`report` shows what is passing."""
        self.report = report
        self._last: dict[str, str] = {}

    def told(self, kind: str, name: str, line: str) -> None:
        """One resource's step, or what its plugin says."""
        said = TOLD.get((kind, line), "" if line.split(" ", 1)[0] in STEPS else line)
        if not said or said.endswith(NO_NEWS):
            return
        self.report(f"{name}: {said}")
        news = SECONDS.sub("", said.removeprefix("lab: "))
        if self._last.get(name) != news:
            self._last[name] = news
            console.print(f"  {plain(name)}: {plain(news)}", soft_wrap=True)
