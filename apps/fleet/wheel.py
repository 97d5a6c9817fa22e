"""A timer wheel: what is due when, for many things of which most are put off before they are due. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

NEVER = -1


class Timed(Protocol):
    """Something with one timer; the wheel alone writes `due_tick`, which is NEVER to begin with."""

    due_tick: int


T = TypeVar("T", bound=Timed)


class Wheel(Generic[T]):
    """Timers of `tick_s` each; a slot holds what is due in one tick of this turn or of a later one."""

    def __init__(self, tick_s: float, slots: int, start_s: float) -> None:
        """A turn takes `tick_s` x `slots`; longer times cost one look a turn."""
        self._tick_s = tick_s
        self._start_s = start_s
        self._slots: list[list[tuple[int, T]]] = [[] for _ in range(slots)]
        self._tick = 0  # all before and this one have been taken

    def put(self, thing: T, due_s: float) -> None:
        """Wake `thing` at `due_s`, at most one tick late, and at no other time that was set before."""
        tick = max(math.ceil((due_s - self._start_s) / self._tick_s), self._tick + 1)
        thing.due_tick = tick
        self._slots[tick % len(self._slots)].append((tick, thing))

    @staticmethod
    def forget(thing: T) -> None:
        """Do not wake `thing` any more."""
        thing.due_tick = NEVER

    def take(self, now_s: float) -> Iterator[T]:
        """What is due; a thing that is put again meanwhile is due in the next tick at the earliest."""
        until = math.floor((now_s - self._start_s) / self._tick_s)
        first, self._tick = self._tick + 1, max(until, self._tick)
        for tick in range(first, min(until + 1, first + len(self._slots))):
            yield from self._turn(tick, until)

    def _turn(self, tick: int, until: int) -> Iterator[T]:
        place = tick % len(self._slots)
        slot, self._slots[place] = self._slots[place], []
        for due_tick, thing in slot:
            if thing.due_tick != due_tick:
                continue  # put off since
            if due_tick > until:
                self._slots[place].append((due_tick, thing))
            else:
                thing.due_tick = NEVER
                yield thing
