from __future__ import annotations

import math
import resource
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fleet.limits import check_files, check_ports, few_tracked, local_ports, raise_files
from fleet.shards import Host, ports_of, shard_of
from fleet.tally import MOST_COMMANDS, Latencies, Tally
from hypothesis import given
from hypothesis import strategies as st
from runtime.settings import ConfigurationError

from infra import wiring


def test_a_shard_is_the_crc32_of_the_client_id_and_all_get_about_the_same_number() -> None:
    names = [wiring.CAR_CLIENT_ID.format(number=number) for number in range(1, 100_001)]
    assert shard_of("123456789", 1000) == 0xCBF43926 % 1000  # the check value that the CRC's catalogues give
    sizes = Counter(shard_of(name, 6) for name in names)
    assert set(sizes) == set(range(6))
    assert max(sizes.values()) < 1.05 * min(sizes.values())


def test_ports_follow_the_first_one_unless_they_are_listed() -> None:
    assert ports_of(31_883, 3, []) == (31_883, 31_884, 31_885)
    assert ports_of(31_883, 2, [1883, 2883]) == (1883, 2883)
    for base, shards, listed in ((1883, 2, [1883]), (1883, 2, [1, 1]), (65_530, 10, [])):
        with pytest.raises(ConfigurationError, match=f"{shards} shards need {shards} different ports"):
            ports_of(base, shards, listed)


def test_a_host_is_looked_up_once_and_each_attempt_takes_its_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def look_up(name: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(name)
        return [(socket.AF_INET6, 1, 6, "", ("::1", 0, 0, 0)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    host = Host("broker")
    assert [host.address(attempt)[1] for attempt in range(3)] == ["::1", "127.0.0.1", "::1"]
    assert asked == ["broker"]


def test_an_unknown_host_is_not_asked_for_at_each_attempt_and_old_addresses_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    now_s = [1000.0]
    known = [False]

    def look_up(name: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(name)
        if not known[0]:
            raise socket.gaierror
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr("fleet.shards.time.monotonic", lambda: now_s[0])
    host = Host("broker")
    for _ in range(100):
        with pytest.raises(socket.gaierror, match="the host name broker is unknown"):
            host.address(0)
    assert len(asked) == 1
    known[0] = True
    now_s[0] += 5.0
    assert host.address(0)[1] == "127.0.0.1"
    known[0] = False
    now_s[0] += 60.0
    assert host.address(0)[1] == "127.0.0.1"
    assert len(asked) == 3


def test_more_devices_than_files_are_refused_after_the_limit_was_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    check_files(19_900, 20_000)
    with pytest.raises(ConfigurationError, match=r"^19901 devices need 20001 open files and a process may have 20000 here"):
        check_files(19_901, 20_000)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 500))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    with pytest.raises(ConfigurationError, match=r"^1000 devices need 1100 open files and a process may have 500 here"):
        raise_files(1000)
    assert asked == [(500, 500)]


def test_more_devices_than_local_ports_are_refused_with_the_remedy() -> None:
    check_ports([0] * 10 + [1] * 10, 0, 10)
    check_ports([0] * 20, 2, 10)
    with pytest.raises(ConfigurationError, match=r"^11 devices belong to shard 1 and there are 10 local ports .* FLEET_SOURCES"):
        check_ports([0] * 10 + [1] * 11, 1, 10)
    assert local_ports() > 1000


def test_too_little_connection_tracking_is_a_warning_and_none_at_all_is_well(tmp_path: Path) -> None:
    used, most = tmp_path / "count", tmp_path / "max"
    assert few_tracked(100, used, most) is None
    used.write_text("31000\n")
    most.write_text("131072\n")
    assert few_tracked(100_072, used, most) is None
    assert "31000 of 131072 are taken" in (few_tracked(100_073, used, most) or "")


@given(st.lists(st.floats(0.0002, 20.0), min_size=1, max_size=200))
def test_a_quantile_is_right_within_a_bucket(latencies: list[float]) -> None:
    measured = Latencies()
    for latency_s in latencies:
        measured.add(latency_s, 1000.0)
    for share, told_s in zip((0.5, 0.99, 1.0), measured.quantiles_s((0.5, 0.99, 1.0), 1005.0), strict=True):
        exact_s = sorted(latencies)[max(0, math.ceil(share * len(latencies) - 1e-9) - 1)]
        assert exact_s * 0.999 <= told_s <= exact_s * 1.13
    assert sum(measured.counts) == len(latencies)


def test_a_quantile_forgets_after_ten_seconds() -> None:
    measured = Latencies()
    measured.add(5.0, 1000.0)
    measured.add(0.001, 1008.0)
    assert measured.quantiles_s((1.0,), 1009.0)[0] > 5.0
    measured.add(0.001, 1010.5)
    assert measured.quantiles_s((1.0,), 1010.9)[0] < 0.002
    assert math.isnan(measured.quantiles_s((0.5,), 1030.0)[0])


def test_the_last_commands_are_those_of_the_devices_that_got_one_last() -> None:
    tally = Tally()
    for number in range(MOST_COMMANDS + 5):
        tally.command(f"car-{number}", b"x")
    tally.command("car-6", b"y")
    assert tally.commands == MOST_COMMANDS + 6
    assert len(tally.last_commands) == MOST_COMMANDS
    assert "car-4" not in tally.last_commands
    assert list(tally.last_commands.items())[-1] == ("car-6", b"y")
