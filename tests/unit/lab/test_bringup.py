"""Bringing up: what the engine cannot see, because its job is done for good, is looked at afterwards."""

import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.lab import bringup, kubernetes_plugin, preflight
from infra.lab.errors import UserError
from infra.lab.paths import Paths
from infra.settings import PROJECT, Settings


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


def embedded(tmp_path: Path, stack: str) -> Any:
    """A lab with a cluster of its own that only keeps folders."""
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    paths.cluster.mkdir(parents=True, exist_ok=True)
    paths.pulumi.mkdir(exist_ok=True)
    return SimpleNamespace(
        embedded=True,
        paths=paths,
        stack_name=stack,
        settings=Settings.parse({}),
        runs_here=False,
        kubeconfig=paths.kubeconfig,
        toolchain=SimpleNamespace(missing=list, ensure=lambda: None),
        bundle=SimpleNamespace(check=lambda: None, ensure=lambda: SimpleNamespace(archive=None)),
        cluster=SimpleNamespace(
            check=lambda: None,
            start=lambda: None,
            load_images=lambda _: None,
            stop=lambda: None,
            purge=lambda: shutil.rmtree(paths.cluster),
        ),
    )


def test_a_second_stack_may_not_fill_the_labs_own_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "check_machine", lambda *_, **__: None)
    monkeypatch.setattr(bringup, "fill", lambda *_: {})
    bringup.up(embedded(tmp_path, "local"))
    bringup.up(embedded(tmp_path, "local"))
    with pytest.raises(UserError, match=r"filled by the stack 'local', and 'small' would overwrite it: .*\./lab down --purge"):
        bringup.up(embedded(tmp_path, "small"))
    bringup.down(embedded(tmp_path, "small"), purge=True)
    bringup.up(embedded(tmp_path, "small"))


def test_purging_forgets_the_stack_that_filled_the_cluster_whichever_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "check_machine", lambda *_, **__: None)
    monkeypatch.setattr(bringup, "fill", lambda *_: {})
    lab = embedded(tmp_path, "local")
    bringup.up(lab)
    state = lab.paths.pulumi / f"backend/.pulumi/stacks/{PROJECT}/local.json"
    state.parent.mkdir(parents=True)
    state.touch()
    bringup.down(embedded(tmp_path, "small"), purge=True)
    assert not state.exists()
