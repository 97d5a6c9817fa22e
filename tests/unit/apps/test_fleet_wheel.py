from __future__ import annotations

from fleet.gate import MOST_OPEN, Gate
from fleet.rules import Rules
from fleet.session import Session
from fleet.tally import Tally
from fleet.wheel import NEVER, Wheel
from hypothesis import given
from hypothesis import strategies as st
from runtime.mqtt import Login


class _Thing:
    def __init__(self, name: int = 0) -> None:
        self.due_tick = NEVER
        self.name = name


@given(st.lists(st.floats(0.0, 50.0), max_size=40), st.lists(st.floats(0.01, 20.0), min_size=1, max_size=40))
def test_everything_is_due_once_and_at_most_a_tick_late_however_seldom_one_looks(times: list[float], steps: list[float]) -> None:
    wheel: Wheel[_Thing] = Wheel(0.1, 16, 0.0)
    things = [_Thing(number) for number in range(len(times))]
    for thing, due_s in zip(things, times, strict=True):
        wheel.put(thing, due_s)
    taken: dict[int, float] = {}
    now_s, before_s = 0.0, 0.0
    for step in [*steps, 60.0]:
        before_s, now_s = now_s, now_s + step
        for thing in wheel.take(now_s):
            assert thing.name not in taken
            taken[thing.name] = now_s
            assert times[thing.name] <= now_s
            assert times[thing.name] > before_s - 0.2
    assert len(taken) == len(times)


def test_what_is_put_off_is_not_due_when_it_was_first_due() -> None:
    wheel: Wheel[_Thing] = Wheel(0.1, 8, 0.0)
    thing = _Thing()
    for due_s in (1.0, 5.0, 3.0):
        wheel.put(thing, due_s)
    assert list(wheel.take(2.9)) == []
    assert list(wheel.take(3.1)) == [thing]
    assert list(wheel.take(60.0)) == []


def test_what_is_put_again_while_the_wheel_turns_is_not_taken_in_the_same_turn() -> None:
    wheel: Wheel[_Thing] = Wheel(0.1, 8, 0.0)
    wheel.put(_Thing(), 0.05)
    for thing in wheel.take(10.0):
        wheel.put(thing, 0.0)
    assert len(list(wheel.take(10.2))) == 1


def _sessions(count: int, shard: int) -> list[Session]:
    rules = Rules(Login(4, None, None, 60), 20, Tally())
    return [Session(f"car-{shard}-{number}", shard, rules) for number in range(count)]


def test_no_shard_has_more_than_48_connects_open_and_another_one_goes_on() -> None:
    gate = Gate(2, 1e6, 0.0)
    first, second = _sessions(100, 0), _sessions(10, 1)
    for session in [*first, *second]:
        gate.ask(session)
    through = list(gate.take(1.0))
    assert [session for session in through if session.shard == 0] == first[:MOST_OPEN]
    assert [session for session in through if session.shard == 1] == second
    gate.settle(first[0])
    assert list(gate.take(2.0)) == [first[MOST_OPEN]]


def test_so_many_connect_in_a_second_and_unused_time_is_not_caught_up_on() -> None:
    gate = Gate(1, 100.0, 0.0)
    for session in _sessions(1000, 0):
        gate.ask(session)
    assert len(list(gate.take(60.0))) == 5
    counted = 0
    for tick in range(1, 1001):
        for session in gate.take(60.0 + tick / 1000):
            gate.settle(session)
            counted += 1
    assert 95 <= counted <= 100
