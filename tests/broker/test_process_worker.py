"""process_worker between a stand-in for Camunda and a real Kafka: a task is completed after its effect, or given back."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.apps import process_worker, running
from tests.support.brokers import Kafka
from tests.support.fake_camunda import FakeCamunda, serving
from tests.support.load import contents
from tests.support.processes import free_port, wait_until

VERDICT = {"device": "hall-3", "edge": "bridge-0", "severity": "critical", "verdict": "confirmed", "cause": "bearing"}


def test_an_invoice_is_booked_and_a_verdict_is_published(kafka: Kafka, fixture_folder: Path) -> None:
    topic = kafka.topic("verdicts", 1)
    with serving(FakeCamunda()) as camunda, running(process_worker(fixture_folder, kafka.address, topic, camunda)) as app:
        first = camunda.add("book-invoice", "", rnr="123", rbetrag="200.00")
        again = camunda.add("book-invoice", "", rnr="123", rbetrag="200.00")
        told = camunda.add("publish-verdict", "hall-3/hall/2026", **VERDICT)
        wait_until("all are done", lambda: all(task.done is not None for task in (first, again, told)))
        assert app.metric("process_worker_completed_total") == 3
        assert app.terminate() == 0
    assert first.done == again.done
    assert (first.done or {})["buchungsnr"]["value"].startswith("B-")
    ((key, value, _),) = contents(kafka, topic)
    document = json.loads(value)
    assert key == document["incident"] == "hall-3/hall/2026"
    assert {name: document[name] for name in VERDICT} == VERDICT


def test_a_task_that_cannot_be_done_is_given_back_until_its_retries_are_used(kafka: Kafka, fixture_folder: Path) -> None:
    topic = kafka.topic("verdicts", 1)
    with serving(FakeCamunda()) as camunda:
        more = {"PROCESS_WORKER_RETRY_S": "0.1", "PROCESS_WORKER_RETRIES": "2"}
        with running(process_worker(fixture_folder, kafka.address, topic, camunda, **more)) as app:
            wrong = camunda.add("publish-verdict", "a", **VERDICT | {"verdict": "maybe"})
            good = camunda.add("publish-verdict", "b", **VERDICT)
            wait_until("the other one is done", lambda: good.done is not None)
            wait_until("no retry is left", lambda: wrong.retries == 0)
            assert app.metric("process_worker_failed_total") == 3
    assert "none of confirmed" in wrong.message
    assert [key for key, _, _ in contents(kafka, topic)] == ["b"]


def test_while_kafka_is_away_a_verdict_keeps_its_retries_and_is_not_completed(kafka: Kafka, fixture_folder: Path) -> None:
    topic, nowhere = kafka.topic("verdicts", 1), f"127.0.0.1:{free_port()}"
    with serving(FakeCamunda()) as camunda:
        told = camunda.add("publish-verdict", "a", **VERDICT)
        with running(process_worker(fixture_folder, nowhere, topic, camunda, PROCESS_WORKER_RETRY_S="0.1")) as app:
            wait_until("it is given back", lambda: app.metric("process_worker_postponed_total") >= 1, 60.0)
            assert told.retries == 3
            assert told.done is None
            app.kill()
        with running(process_worker(fixture_folder, kafka.address, topic, camunda)):
            wait_until("it is done", lambda: told.done is not None, 60.0)
    assert [key for key, _, _ in contents(kafka, topic)] == ["a"]


def test_while_camunda_is_away_the_worker_waits_and_goes_on(kafka: Kafka, fixture_folder: Path) -> None:
    topic, camunda = kafka.topic("verdicts", 1), FakeCamunda()
    app = process_worker(fixture_folder, kafka.address, topic, camunda)
    with running(app, ready=False):
        wait_until("it waits", lambda: app.metric("process_worker_waits_total") >= 2)
        assert "Camunda" in (app.why_not_ready() or "")
        task = camunda.add("book-invoice", "", rnr="1")
        with serving(camunda):
            wait_until("it is done", lambda: task.done is not None)
            app.wait_until_ready()
