"""`./lab bench`: the canary's counts beside their peer and their goal."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.lab.bench import GOALS_MS, Bench, bench, compared
from infra.lab.errors import LabError, UserError
from infra.lab.lab import Lab
from infra.lab.paths import ROOT
from infra.lab.testing import BENCHES, run_bench


def lane(name: str, p99_ms: float | None, lost: int = 0) -> dict[str, Any]:
    return {
        "name": name, "rate_s": 100.0, "sent": 50, "lost": lost, "twice": 0, "p50_ms": p99_ms, "p99_ms": p99_ms, "max_ms": p99_ms
    }  # fmt: skip


def stand_in(answer: str, *, canary: bool = True) -> Lab:
    """A given cluster whose canary answers so."""
    stack = SimpleNamespace(has=lambda _service: canary)
    kube = SimpleNamespace(run=lambda *_words, **_more: answer)
    return cast("Lab", SimpleNamespace(settings=stack, kube=kube, embedded=False, need_up=lambda: None))


def test_node_reds_ratio_is_to_the_bridge_in_the_same_run() -> None:
    found = {each.name: each for each in compared([lane("bridge", 20.0), lane("node-red", 50.0), lane("alert", 300.0)])}
    assert [found[name].ratio for name in ("bridge", "node-red", "alert")] == [None, 2.5, None]
    assert {name: each.goal_p99_ms for name, each in found.items()} == {"bridge": None} | GOALS_MS


@pytest.mark.parametrize("lost", [lane("node-red", 50.0, lost=1), lane("node-red", None) | {"sent": 0}])
def test_a_run_that_lost_or_sent_nothing_is_not_green(lost: dict[str, Any]) -> None:
    assert Bench(10, compared([lane("bridge", 20.0)]), None).ok
    assert not Bench(10, compared([lane("bridge", 20.0), lost]), None).ok


def test_the_canarys_answer_is_told_as_one_object() -> None:
    found = bench(stand_in(json.dumps({"lanes": [lane("bridge", 9.5)]})), 100, 5, 10)
    told = json.loads(json.dumps(found.as_json()))
    assert (told["ok"], told["memory_mb"], told["lanes"][0]["p99_ms"]) == (True, None, 9.5)


def test_what_is_no_answer_is_said_with_the_next_command() -> None:
    with pytest.raises(LabError, match=r"logs canary"):
        bench(stand_in("Killed"), 100, 5, 10)


@pytest.mark.parametrize("asked", [(0, 5, 10), (100, 5, 0), (-1, 5, 10), (5000, 5, 10), (100, 5, 200)])
def test_a_rate_or_time_beyond_reason_is_the_users_to_change(asked: tuple[float, float, float]) -> None:
    with pytest.raises(UserError, match="above 0"):
        bench(stand_in("{}"), *asked)


def test_a_stack_without_a_canary_cannot_be_measured() -> None:
    with pytest.raises(UserError, match="no canary"):
        bench(stand_in("{}", canary=False), 100, 5, 10)


def test_a_bench_that_nobody_wrote_is_the_users_to_change() -> None:
    with pytest.raises(UserError, match=r"there is no bench 'brigde'; benches are lab .* and bridge"):
        run_bench("brigde", (), as_json=False)
    assert all((ROOT / "tests/bench" / f"{name}.py").is_file() for name in BENCHES)
