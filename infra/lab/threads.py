"""Work in a thread that holds up nobody's end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

Done = TypeVar("Done")


def in_a_thread(work: Callable[[], Done], expected: type[Exception]) -> Future[Done]:
    """Begin `work` in a thread of its own; an error that is not `expected` is shown there, too."""
    done: Future[Done] = Future()

    def fulfil() -> None:
        try:
            done.set_result(work())
        except expected as error:
            done.set_exception(error)
        except BaseException as error:
            done.set_exception(error)
            raise

    Thread(target=fulfil, daemon=True).start()
    return done
