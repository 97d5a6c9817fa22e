from __future__ import annotations

import json
import resource
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition
from csv_sink.places import placed
from csv_sink.rows import OTHER, kind_of, row
from csv_sink.table import Table
from hypothesis import given
from hypothesis import strategies as st
from runtime.consuming import tell
from runtime.errors import UnavailableError
from telemetry.errors import PayloadError
from telemetry.record import Record, arrival_headers

OLD = "0xBC,20.50,50.0,low\n"
ROWS = ["0xBC,21.00,51.4,low", "0xBC,31.25,40.1,high"]
NEW = "".join(f"{each}\n" for each in ROWS)


def record(value: bytes, topic: str = "iotkit/sensor", offset: int = 0) -> Record:
    return Record("b", 0, offset, topic, value, arrival_headers(topic, "edge-1", "edge-1", 1_600_000_000_000), 0)


def bare(value: bytes) -> Record:
    """As from kafka-console-producer: no key, no headers."""
    return Record("b", 0, 0, "", value, [], 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "ml-data.csv"
    found.write_text(OLD)
    return found


def journal(file: Path, size: int, rows: str = NEW) -> None:
    """As a writer leaves it that was killed after it said what it would append."""
    told = {"offsets": {"t/0": 7}, "pending": {"size": size, "rows": rows, "offsets": {"t/0": 9}}}
    file.with_name(f"{file.name}.journal").write_text(json.dumps(told))


def opened(file: Path) -> Table:
    found = Table(file)
    found.open()
    return found


@pytest.mark.parametrize(
    ("value", "cells"),
    [
        (b"0xBC,21.00,51.4,low", "0xBC,21.00,51.4,low"),
        (b"0xBC,21.00,51.4,low\0", "0xBC,21.00,51.4,low"),
        (b" 0xBC , 21.00,\n51.4,low", "0xBC,21.00,51.4,low"),
        (b"0xC2,36.6,87,middle\r\n", "0xC2,36.6,87,middle"),
    ],
)
def test_a_row_has_the_cells_as_published_on_one_line(value: bytes, cells: str) -> None:
    assert row(record(value)) == cells


@pytest.mark.parametrize(
    "value", [b"", b"0xBC,21.00,51.4", b"0xBC,2_1,51.4,low", "0xBC,\u0662\u0661,51.4,low".encode(), b"\xff\xfe,1,2,low"]
)
def test_what_no_reader_of_csv_would_take_is_refused(value: bytes) -> None:
    with pytest.raises(PayloadError):
        row(record(value))


@given(st.binary(max_size=80))
def test_any_bytes_are_a_row_of_four_cells_or_refused(value: bytes) -> None:
    try:
        made = row(record(value))
    except PayloadError:
        return
    assert len(made.split(",")) == 4
    assert made.splitlines() == [made]


def test_other_kinds_are_skipped_under_few_names_and_a_value_without_a_topic_is_known_by_its_shape() -> None:
    kinds = ("alert", "button", "actors/servo2", "hall-3/lamp")
    assert [kind_of(record(b"x", f"iotkit/{kind}")) for kind in kinds] == ["alert", "button", "command", OTHER]
    assert [kind_of(bare(value)) for value in (b"0xBC,21.00,51.4,low", b"alert: hall")] == ["sensor", "alert"]
    with pytest.raises(PayloadError, match="neither"):
        kind_of(bare(b"\x00\xff"))


@pytest.mark.parametrize("kind", ["button", "rfid", "encoder"])
def test_a_binary_payload_of_a_kind_that_becomes_no_row_is_refused(kind: str) -> None:
    with pytest.raises(PayloadError):
        kind_of(record(b"\xff\xfe", f"iotkit/x/{kind}"))
    assert kind_of(record(b"\xff\xfe", "iotkit/x/lamp")) == OTHER


def test_rows_are_appended_and_the_next_start_knows_where(file: Path) -> None:
    first = opened(file)
    first.append(ROWS, {"t/0": 9})
    assert file.read_text() == OLD + NEW
    first.close()
    again = opened(file)
    assert again.next_of("t/0") == 9
    assert again.next_of("t/1") is None


@pytest.mark.parametrize("written", range(len(NEW) + 1))
def test_whatever_part_of_a_batch_was_written_when_it_was_killed_the_rest_follows(file: Path, written: int) -> None:
    journal(file, len(OLD))
    file.write_text(OLD + NEW[:written])
    assert opened(file).next_of("t/0") == 9
    assert file.read_text() == OLD + NEW


def test_a_finished_batch_is_not_written_again_after_somebody_appended_to_it(file: Path) -> None:
    journal(file, len(OLD))
    file.write_text(OLD + NEW + "mine\n")
    opened(file)
    assert file.read_text() == OLD + NEW + "mine\n"


@pytest.mark.parametrize("content", ["", "header\n", "header", OLD[:5]])
def test_a_file_that_somebody_shortened_or_wrote_anew_is_gone_on_with(file: Path, content: str) -> None:
    table = opened(file)
    table.append(ROWS, {"t/0": 9})
    file.write_text(content)
    table.append(ROWS, {"t/0": 11})
    assert file.read_text() == content + ("" if content.endswith("\n") or not content else "\n") + NEW


@pytest.mark.parametrize("content", ["", "header", "mine\n" * 20])
def test_a_file_that_somebody_changed_at_the_moment_of_a_crash_gets_the_rows_at_its_end(file: Path, content: str) -> None:
    journal(file, len(OLD))
    file.write_text(content)
    assert opened(file).next_of("t/0") == 9
    assert file.read_text() == content + ("" if content.endswith("\n") or not content else "\n") + NEW


def test_rows_that_stand_elsewhere_after_such_a_change_are_not_doubled(file: Path) -> None:
    journal(file, len(OLD))
    file.write_text("header of mine, longer than the rows before\n" + OLD + NEW)
    opened(file)
    assert file.read_text().count(NEW) == 1


def test_what_was_read_without_a_row_is_journaled_and_leaves_the_file_alone(file: Path) -> None:
    file.write_text("somebody's line without its end")
    table = opened(file)
    assert not table.topics
    table.append([], {"t/0": 9})
    table.close()
    again = opened(file)
    assert again.topics == {"t"}
    assert again.next_of("t/0") == 9
    assert file.read_text() == "somebody's line without its end"


@dataclass
class Group:
    """Stands for the client: what it answers for the partitions 0, 1, …; its own class cannot be made with an error."""

    offsets: list[int]
    error: KafkaError | None = None

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[Any]:
        assert timeout > 0
        asked = [(each.partition, self.offsets[each.partition]) for each in partitions]
        return [SimpleNamespace(topic="b", partition=number, offset=offset, error=self.error) for number, offset in asked]


def begins(table: Table, topic_id: str, group: Any) -> list[int]:
    partitions = [TopicPartition("b", number) for number in range(len(group.offsets))]
    return [place.offset for place in placed(table, topic_id, group, partitions)]


def test_a_lost_journal_goes_on_where_the_group_is_also_at_the_start_after_the_next(file: Path) -> None:
    group, table = Group([700, 500, -1001]), opened(file)
    assert begins(table, "t", group) == [700, 500, 0]
    table.append(ROWS, {"t/0": 701})
    table.close()
    assert begins(opened(file), "t", group) == [701, 500, 0]


def test_a_topic_made_anew_begins_at_0_wherever_the_group_is_also_at_the_start_after_the_next(file: Path) -> None:
    group, table = Group([700, 500]), opened(file)
    table.append(ROWS, {"old/0": 700, "old/1": 500})
    assert begins(table, "new", group) == [0, 0]
    table.append(ROWS, {"new/0": 9})
    table.close()
    assert begins(opened(file), "new", group) == [9, 0]


def test_a_partition_that_is_added_begins_at_0(file: Path) -> None:
    table = opened(file)
    table.append(ROWS, {"t/0": 9})
    assert begins(table, "t", Group([3, -1001])) == [9, 0]


def test_an_offset_that_kafka_does_not_tell_is_asked_again_and_not_journaled(file: Path) -> None:
    table = opened(file)
    with pytest.raises(UnavailableError, match="b/0"):
        begins(table, "t", Group([-1001], KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT)))
    assert not table.topics


def test_a_removed_file_is_made_anew(file: Path) -> None:
    table = opened(file)
    file.unlink()
    table.append(ROWS, {"t/0": 9})
    assert file.read_text() == NEW


def test_a_full_volume_loses_nothing_and_doubles_nothing(file: Path) -> None:
    file.write_text(OLD * 100)
    table = opened(file)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(OLD) * 100 + 10, unlimited[1]))  # ten bytes of the rows still fit
        for _ in range(2):
            with pytest.raises(UnavailableError, match="File too large"):
                table.append(ROWS, {"t/0": 9})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    table.append(ROWS, {"t/0": 9})
    assert file.read_text() == OLD * 100 + NEW


def test_a_second_writer_waits(file: Path) -> None:
    first = opened(file)
    with pytest.raises(UnavailableError, match="one writer"):
        Table(file).open()
    first.append(ROWS, {"t/0": 9})


def test_a_journal_that_cannot_be_read_is_left_for_the_groups_offsets(file: Path) -> None:
    file.with_name(f"{file.name}.journal").write_text('{"offsets": 3')
    table = opened(file)
    assert table.next_of("t/0") is None
    table.append(ROWS, {"t/0": 9})
    assert file.read_text() == OLD + NEW


def test_the_line_of_log_is_the_one_that_lessons_know_and_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell(record(b"0xBC,21.00,51.4,low\0", offset=114))
    tell(record(b"a\nb\x1b[31m\xff" * 100, offset=115))
    first, second = capsys.readouterr().out.splitlines()
    assert first == "offset = 114, value = 0xBC,21.00,51.4,low"
    assert second.startswith("offset = 115, value = a?b?[31m")
