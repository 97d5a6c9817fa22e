from __future__ import annotations

import threading
from collections.abc import Callable
from unittest.mock import Mock

import pytest
from confluent_kafka import KafkaError, KafkaException
from json_pipe import transactions
from json_pipe.transactions import Transactions
from runtime.errors import UnavailableError


def committing(monkeypatch: pytest.MonkeyPatch, commit: Callable[[float], object]) -> Callable[[], None]:
    """A transaction of nothing, by a client library whose commit is `commit`."""
    monkeypatch.setattr(transactions, "Producer", Mock(return_value=Mock(commit_transaction=commit)))
    return lambda: Transactions("nowhere:1", "t").commit([], [], Mock())


@pytest.mark.parametrize("failure", [ValueError("a bug"), SystemExit(3)])
def test_a_commit_that_fails_otherwise_than_by_kafka_is_no_success(
    monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    commit = committing(monkeypatch, Mock(side_effect=failure))
    with pytest.raises(type(failure)):
        commit()


def test_a_commit_that_does_not_come_back_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "STUCK_S", 0.05)
    over = threading.Event()
    commit = committing(monkeypatch, lambda _: over.wait(10.0))
    try:
        with pytest.raises(UnavailableError, match="no answer"):
            commit()
    finally:
        over.set()


def test_a_commit_whose_answer_is_late_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    late = Mock(side_effect=[KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT, retriable=True)), None])
    committing(monkeypatch, late)()
    assert late.call_count == 2
