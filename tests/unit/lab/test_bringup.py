"""Bringing up: what the engine cannot see, because its job is done for good, is looked at afterwards."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from infra.lab import bringup, kubernetes_plugin


class Recorder:
    """A lab whose stack and cluster write down what they are asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        steps = SimpleNamespace(step=lambda _name: nullcontext(), say=lambda *_: None)
        self.lab: Any = SimpleNamespace(
            references=lambda _manifest: {},
            stack=SimpleNamespace(prepare=lambda _references: None, up=self._up),
            kube=SimpleNamespace(run=self._run),
            steps=steps,
            stack_name="local",
            standin=False,
            paths=None,
        )

    def _up(self, _report: object) -> dict[str, int]:
        self.asked.append("up")
        return {"same": 40} if len(self.asked) == 1 else {"same": 39, "create": 1}

    def _run(self, *words: str, timeout_s: float) -> str:
        assert timeout_s > 0
        self.asked.append(" ".join(words))
        return ""


@pytest.fixture(autouse=True)
def _no_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringup, "_choose_plugin", lambda _lab: None)
    monkeypatch.setattr(kubernetes_plugin, "remember", lambda *_, **__: None)


def fill(monkeypatch: pytest.MonkeyPatch, *, lacking: bool) -> tuple[dict[str, int], list[str]]:
    recorder = Recorder()
    monkeypatch.setattr(bringup, "topics_lacking", lambda _lab: lacking)
    manifest: Any = SimpleNamespace()
    return bringup.fill(recorder.lab, manifest), recorder.asked


def test_a_missing_topic_lets_the_finished_job_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    changes, asked = fill(monkeypatch, lacking=True)
    assert asked == ["up", "delete jobs -l app.kubernetes.io/name=kafka", "up"]
    assert changes == {"same": 39, "create": 1}


def test_topics_that_are_there_cost_no_second_round(monkeypatch: pytest.MonkeyPatch) -> None:
    changes, asked = fill(monkeypatch, lacking=False)
    assert asked == ["up"]
    assert changes == {"same": 40}
