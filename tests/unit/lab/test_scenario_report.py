"""A report says in one sentence what is wrong, and its page needs nothing else."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from infra.lab.paths import Paths
from infra.lab.scenario.plots import MOST_POINTS, WIDTH, axis, by_qos, histogram, over_time, rates, short, thinned
from infra.lab.scenario.report import Report, folder_for

BEGUN = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)
KEYS = {
    *("connected", "connects_s", "target_msg_s", "rate_msg_s", "p50_ms", "p99_ms"),
    *("sent", "acked", "received", "lost", "duplicated"),
}
BEYOND = {"kafka": {"arrived": 1234, "p50_ms": 20.0, "p99_ms": None}}
COUNTS = {"sent": 10, "acked": 10, "received": 10, "lost": 0, "duplicated": 0}


def _sample(at_s: float, sent: int) -> dict[str, Any]:
    counts = dict.fromkeys(("sent", "acked", "received"), sent)
    return {"at_s": at_s, "stage": "go", "connects": 2, "connected": 2, "p50_ms": None, "p99_ms": 4.0} | counts


def _found(**more: Any) -> dict[str, Any]:
    figures = dict.fromkeys(KEYS, 3) | COUNTS | {"p50_ms": None}
    stage = {"name": "go <b>", "begins_s": 0.0, "lasts_s": 2.0, "connected": 2, "connects_s": None, "target_msg_s": 5.0}
    return (
        figures
        | {
            "qos": {"0": COUNTS, "1": COUNTS},
            "stages": [stage | {"sent": 10, "acked": 10, "dropped": 0}],
            "histogram": [[1.0, 0], [2.0, 7], [4.0, 3]],
            "samples": [_sample(0.0, 0), _sample(1.0, 4), _sample(2.0, 10)],
            "parts": [{"name": "counter", "cpu_cores": 0.1, "memory_mb": 50.0, "samples": [(1.0, 0.1, 50.0), (2.0, 0.2, 51.0)]}],
            "lasts_s": 2.0,
            "rejected": 0,
            "ended_early": "",
        }
        | more
    )


def _report(folder: Path, **more: Any) -> Report:
    return Report(_found(**more), folder, "a <i>run</i>", "tcp://h:1", BEGUN, {"mosquitto-0": 12}, BEYOND)


def test_all_is_well_where_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    report = _report(tmp_path, qos={"0": COUNTS | {"lost": 4}, "1": COUNTS})
    assert report.ok
    assert report.sentences == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"qos": {"1": COUNTS | {"lost": 1234}}}, "1,234 messages that a broker had acknowledged at QoS 1 never came back"),
        ({"ended_early": "stopped"}, "the run ended early: stopped"),
        ({"rejected": 3}, "brokers refused 3 messages: their senders may not publish to that topic"),
    ],
)
def test_what_is_wrong_is_one_sentence_on_the_page_too(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    report = _report(tmp_path, **more)
    assert report.sentences == [said]
    assert not report.ok
    assert said[1:] in report.page()


def test_the_object_for_programs_has_every_key_and_not_every_second(tmp_path: Path) -> None:
    told = _report(tmp_path).as_json()
    assert told.keys() >= KEYS | {"ok", "qos", "stages", "parts", "folder"}
    assert not {"samples", "histogram"} & told.keys()
    assert told["parts"] == [{"name": "counter", "cpu_cores": 0.1, "memory_mb": 50.0}]
    json.dumps(told)


class _Tags(HTMLParser):
    """Counts what a page opens and does not close, and what it asks others for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.asked: list[str] = []
        self.names: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.asked += [str(value) for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta", "br", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_asks_nobody_and_shows_names_as_text(tmp_path: Path) -> None:
    page = _report(tmp_path).page()
    tags = _Tags(page)
    assert tags.open == []
    assert tags.asked == []
    assert "script" not in tags.names
    assert tags.names.count("svg") == 7
    assert not {"i", "b"} & set(re.findall(r"run</(\w)>|go <(\w)>", page))
    assert "a &lt;i&gt;run&lt;/i&gt;" in page
    assert "None lost and none twice" in page
    assert "pod mosquitto-0" in page
    assert re.search(r"<td>kafka</td>.*1,234.*20\.0.*>-<", page)


def test_both_files_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    folder = folder_for(Paths(tmp_path, tmp_path), "A Lesson: 3/4", BEGUN)
    assert folder == tmp_path / "runs/20261126T120000Z-a-lesson-3-4"
    _report(folder).write()
    assert json.loads((folder / "report.json").read_text())["samples"][1]["sent"] == 4
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


def test_two_runs_that_begin_in_the_same_second_have_a_folder_each(tmp_path: Path) -> None:
    names = [folder_for(Paths(tmp_path, tmp_path), "S", BEGUN).name for _ in range(3)]
    assert names == ["20261126T120000Z-s", "20261126T120000Z-s-2", "20261126T120000Z-s-3"]


def test_a_run_without_any_message_has_a_page(tmp_path: Path) -> None:
    empty = {"histogram": [[1.0, 0]], "samples": [], "parts": [], "qos": {}, "stages": []}
    assert "MQTT 3.1.1 has no room for that" in _report(tmp_path, **empty).page()


def test_rates_are_growth_over_time() -> None:
    assert rates([_sample(0.0, 0), _sample(2.0, 4), _sample(2.0, 5), _sample(3.0, 5)], "sent") == [(2.0, 2.0), (3.0, 0.0)]


@pytest.mark.parametrize(
    ("most", "places"), [(0.0, [0, 1]), (10.0, [0, 2.5, 5, 7.5, 10]), (9_999.0, [0, 2_500, 5_000, 7_500, 10_000])]
)
def test_axes_have_round_places_that_hold_everything(most: float, places: list[float]) -> None:
    assert axis(most) == places


def test_a_line_of_hours_has_no_more_points_than_can_be_seen() -> None:
    line = [(float(x), 1.0) for x in range(28_800)]
    drawn = thinned(line)
    assert len(drawn) <= MOST_POINTS
    assert {y for _, y in drawn} == {1.0}
    assert len(over_time("t", "", {"a": line}).lines[0].points.split()) == len(drawn)


def test_bars_fill_the_width_and_the_highest_the_height() -> None:
    bars = histogram([(1.0, 0), (2.0, 5), (4.0, 10)]).bars
    assert [round(bar.height) for bar in bars] == [0, 110, 220]
    assert bars[-1].x + bars[-1].width == pytest.approx(WIDTH, abs=1.1)
    assert [bar.title for bar in by_qos({"1": COUNTS | {"lost": 2}}).bars] == ["QoS 1 lost: 2", "QoS 1 duplicated: 0"]


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (0.25, "0.25"), (999.0, "999"), (10_000.0, "10k"), (2.5e6, "2.5M")])
def test_figures_on_axes_are_short(value: float, text: str) -> None:
    assert short(value) == text
