"""A person's kubeconfig is copied, never changed, and what is wrong with it is said in a sentence."""

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import wiring
from infra.lab.errors import LabError, UserError
from infra.lab.given import GivenCluster
from infra.lab.kube import Kube

CONFIG: dict[str, Any] = {
    "current-context": "one",
    "contexts": [
        {"name": "one", "context": {"cluster": "one", "user": "me", "namespace": "default"}},
        {"name": "two", "context": {"cluster": "two", "user": "me"}},
        {"name": "lost", "context": {"cluster": "gone", "user": "me"}},
    ],
    "clusters": [
        {"name": "one", "cluster": {"server": "https://one", "certificate-authority": "pki/ca.crt"}},
        {"name": "two", "cluster": {"server": "https://two", "certificate-authority-data": "QQ=="}},
    ],
    "users": [{"name": "me", "user": {"client-key": "/keys/me.key", "exec": {"command": "./token", "args": ["me"]}}}],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "home/config"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(CONFIG))
    return path


def given(file: Path, context: str = "") -> GivenCluster:
    state = file.parents[1] / "state"
    return GivenCluster(str(file), context, state / "kind.kubeconfig", state / "kind.cluster")


def test_the_copy_holds_one_context_with_the_labs_namespace_and_no_relative_path(file: Path) -> None:
    before = file.read_text()
    copy = given(file).copied()
    config = yaml.safe_load(copy.read_text())
    assert config["current-context"] == "one"
    assert config["contexts"] == [{"name": "one", "context": {"cluster": "one", "user": "me", "namespace": wiring.NAMESPACE}}]
    assert [entry["name"] for entry in config["clusters"]] == ["one"]
    assert config["clusters"][0]["cluster"]["certificate-authority"] == str(file.parent / "pki/ca.crt")
    user = config["users"][0]["user"]
    assert user["client-key"] == "/keys/me.key"
    assert user["exec"] == {"command": str(file.parent / "token"), "args": ["me"]}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert file.read_text() == before


def test_another_context_than_the_current_one_can_be_chosen(file: Path) -> None:
    assert yaml.safe_load(given(file, "two").copied().read_text())["clusters"][0]["cluster"]["server"] == "https://two"


def test_the_copy_is_written_only_when_it_changes(file: Path) -> None:
    first = given(file).copied().stat().st_mtime_ns
    assert given(file).copied().stat().st_mtime_ns == first


def test_a_home_folder_may_be_written_as_a_tilde(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(file.parent))
    state = file.parent / "state"
    assert GivenCluster("~/config", "", state / "own", state / "marker").file == file


@pytest.mark.parametrize(
    ("text", "context", "sentence"),
    [
        (None, "", "there is no kubeconfig .*config: iotlab:kubeconfig must name one"),
        ("a: [", "", "cannot be read: "),
        ("just text", "", "is no kubeconfig: it has no contexts"),
        (yaml.safe_dump(CONFIG), "three", "has no context 'three', it has one, two, lost: set iotlab:context to one of them"),
        (yaml.safe_dump(CONFIG), "lost", "has no cluster 'gone', it has one, two: its context names it: repair the file"),
        (
            yaml.safe_dump(CONFIG | {"current-context": ""}),
            "",
            "has no current context: set iotlab:context to one of one, two, lost",
        ),
    ],
)
def test_a_kubeconfig_that_cannot_serve_is_refused_with_one_sentence(
    file: Path, text: str | None, context: str, sentence: str
) -> None:
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(UserError, match=sentence) as refused:
        given(file, context).copied()
    assert "\n" not in str(refused.value)


class FakeKube(Kube):
    """A cluster with one id, or a silent one."""

    def __init__(self, identity: str | None) -> None:
        super().__init__({})
        self.identity = identity

    def run(self, *_words: str, timeout_s: float = 60, stdin: str | None = None) -> str:
        del timeout_s, stdin
        if self.identity is None:
            raise LabError("no route to host")
        return self.identity


def filled(file: Path, identity: str) -> GivenCluster:
    cluster = given(file)
    cluster.marker.parent.mkdir()
    cluster.marker.write_text(identity)
    return cluster


def test_a_cluster_that_is_only_asleep_is_never_taken_for_gone(file: Path) -> None:
    cluster = filled(file, "first")
    with pytest.raises(UserError, match=r"gives no answer .*may only be asleep"):
        cluster.left(lambda: FakeKube(None))
    assert cluster.marker.exists()


def test_a_cluster_is_gone_when_another_answers_in_its_place(file: Path) -> None:
    cluster = filled(file, "first")
    assert not cluster.left(lambda: FakeKube("first"))
    assert cluster.left(lambda: FakeKube("second"))


def test_a_stack_that_filled_nothing_has_left_nothing_and_asks_nobody(file: Path) -> None:
    assert not given(file).left(lambda: pytest.fail("it asked"))
