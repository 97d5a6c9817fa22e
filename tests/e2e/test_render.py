"""`./lab render` of the running lab: plain files that its own API server takes as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.lab import kubectl, lab_json, lab_ok

pytestmark = pytest.mark.usefixtures("running")


def test_every_file_would_be_taken_and_no_password_is_in_any(tmp_path: Path) -> None:
    lab_ok("render", str(tmp_path / "yaml"))
    files = sorted((tmp_path / "yaml").glob("*.yaml"))
    assert {"kafka.yaml", "mosquitto.yaml", "lab.yaml", "secrets.yaml"} <= {file.name for file in files}
    text = "".join(file.read_text() for file in files)
    assert not [service for service, entry in lab_json("access").items() if entry["password"] and entry["password"] in text]
    for file in files:
        if file.name != "secrets.yaml":  # comments alone
            kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", str(file))
