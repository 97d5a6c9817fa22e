from __future__ import annotations

import logging
from pathlib import Path

import pytest
from alert_process.settings import AlertProcessSettings
from bridge.settings import BridgeSettings
from canary.settings import CanarySettings
from csv_sink.settings import CsvSinkSettings
from fleet.settings import FleetSettings
from json_pipe.settings import JsonPipeSettings
from process_worker.settings import ProcessWorkerSettings
from runtime.backoff import Backoff
from runtime.process import exit_code_of
from runtime.seldom import Seldom
from runtime.settings import AppSettings, ConfigurationError, from_environment, read_password
from runtime.status import Heartbeat
from timeseries.settings import TimeseriesSettings

APPS = [
    BridgeSettings,
    FleetSettings,
    TimeseriesSettings,
    CanarySettings,
    CsvSinkSettings,
    JsonPipeSettings,
    AlertProcessSettings,
    ProcessWorkerSettings,
]


@pytest.mark.parametrize("settings", APPS)
def test_every_setting_is_described(settings: type[AppSettings]) -> None:
    for name, field in settings.model_fields.items():
        assert field.description, f"{settings.__name__}.{name}"


def test_a_missing_setting_is_told_in_one_sentence_with_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METRICS_PORT", "0")

    def main() -> None:
        from_environment(FleetSettings)

    assert exit_code_of(main) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "FleetSettings" in told
    assert "uri" in told


def test_a_password_is_read_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" s3 cret\n")
    assert read_password(file) == " s3 cret"
    assert read_password(None) is None


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_password_file_that_says_nothing_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match="password file"):
        read_password(file)


def test_waits_grow_to_a_limit_with_jitter_and_begin_anew() -> None:
    backoff = Backoff(1.0, 8.0)
    waits = [backoff.next_s() for _ in range(6)]
    for wait_s, limit_s in zip(waits, (1, 2, 4, 8, 8, 8), strict=True):
        assert limit_s / 2 <= wait_s <= limit_s
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_a_loop_that_stands_still_is_unhealthy() -> None:
    heartbeat = Heartbeat(limit_s=0.0)
    assert "main loop" in (heartbeat.check() or "")
    assert Heartbeat(limit_s=60.0).check() is None


def test_the_same_sentence_is_logged_seldom(caplog: pytest.LogCaptureFixture) -> None:
    seldom = Seldom(logging.getLogger("test"))
    for _ in range(100):
        seldom.warning("Kafka is away")
    seldom.warning("another")
    assert [record.message for record in caplog.records] == ["Kafka is away", "another"]
