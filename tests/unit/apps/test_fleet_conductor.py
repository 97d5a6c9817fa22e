"""The process that leads a run: what it hears of those that it started."""

from __future__ import annotations

import queue
import sys
from pathlib import Path
from typing import Any

import pytest
from fleet.scenario.conductor import Player


def test_of_a_process_killed_in_the_middle_of_a_word_its_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last line, which may be long, has no end then; the run failed only two minutes later, and named another process."""
    killed = tmp_path / "killed"
    killed.write_text("""#!/bin/sh\nprintf '{"kind": "ready"}\\n{"kind": "ended", "sen'\nkill -KILL $$\n""")
    killed.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(killed))
    told: queue.SimpleQueue[tuple[str, dict[str, Any]]] = queue.SimpleQueue()
    player = Player("clients 3", [], told)
    try:
        assert told.get(timeout=30.0) == ("clients 3", {"kind": "ready"})
        assert told.get(timeout=30.0) == ("clients 3", {"kind": "gone", "code": -9})
    finally:
        player.close()
