"""The stack's files: the checkout is read, never written; bad ones are the user's fault."""

import os
import stat
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml
from pulumi import automation

from infra.lab import stack as module
from infra.lab.errors import LabError, UserError
from infra.lab.paths import Paths
from infra.lab.stack import Stack, config_of, settings_of
from infra.settings import Settings


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "Pulumi.local.yaml").write_text("config:\n  iotlab:scale: S\n")
    return tmp_path


def test_an_unknown_stack_names_the_known_ones(checkout: Path) -> None:
    assert (checkout / "Pulumi.local.yaml").exists()
    with pytest.raises(UserError, match=r"there is no stack 'locl'.*stacks are local"):
        config_of("locl")


@pytest.mark.parametrize("text", ["config: [", "nothing: here", ""])
def test_a_stack_file_that_is_not_one_is_refused(checkout: Path, text: str) -> None:
    (checkout / "Pulumi.local.yaml").write_text(text)
    with pytest.raises(UserError, match=r"Pulumi\.local\.yaml"):
        config_of("local")


def test_a_day_without_quotes_stays_the_text_that_it_is(checkout: Path) -> None:
    (checkout / "Pulumi.local.yaml").write_text("config: {iotlab:cloud: {expires: 2030-01-31, diskGb: 40}}")
    assert config_of("local") == {"iotlab:cloud": {"expires": "2030-01-31", "diskGb": 40}}


def test_a_bad_value_names_the_file(checkout: Path) -> None:
    (checkout / "Pulumi.local.yaml").write_text("config: {iotlab:scale: Q}")
    with pytest.raises(UserError, match=r"Pulumi\.local\.yaml: iotlab:scale: there is no scale 'Q'"):
        settings_of("local")


def test_the_private_copy_carries_salt_images_and_kubeconfig_and_the_passphrase_is_the_owners(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del checkout
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    stack = Stack("local", paths, {"PATH": ""}, tmp_path / "kubeconfig")
    monkeypatch.setattr(stack, "_init", lambda: stack.private_file.write_text("encryptionsalt: v1:salt\n"))
    stack.prepare({"kafka": "localhost/iotlab/kafka@sha256:0"})
    first = (paths.pulumi / "passphrase").read_text()
    stack.prepare({"kafka": "localhost/iotlab/kafka@sha256:1"})
    copy = yaml.safe_load(stack.private_file.read_text())
    assert copy["encryptionsalt"] == "v1:salt"
    assert copy["config"] == {
        "iotlab:scale": "S",
        "iotlab:kubeconfig": str(tmp_path / "kubeconfig"),
        "iotlab:images": {"kafka": "localhost/iotlab/kafka@sha256:1"},
    }
    assert (paths.pulumi / "passphrase").read_text() == first
    assert stat.S_IMODE((paths.pulumi / "passphrase").stat().st_mode) == 0o600


def test_the_private_copy_says_where_boards_come_in_and_remembers_it_on_the_way(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "Pulumi.local.yaml").write_text("config: {iotlab:deviceCidr: 192.168.1.0/24}")
    made = Stack("local", Paths(tmp_path / "cache", tmp_path / "state"), {"PATH": ""}, tmp_path / "kubeconfig")
    monkeypatch.setattr(made, "_init", lambda: made.private_file.write_text("encryptionsalt: v1:salt\n"))
    away = UserError("this machine has no address there")
    monkeypatch.setattr(module, "device_address", Mock(side_effect=[away, "192.168.1.4", away]))
    for said in ("", "192.168.1.4", "192.168.1.4"):
        made.prepare({})
        config = yaml.safe_load(made.private_file.read_text())["config"]
        assert config["iotlab:deviceAddress"] == said
    assert Settings.parse(config).mqtt_hosts == ("192.168.1.4",)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack of the embedded cluster, whose kubeconfig is there."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    paths.cluster.mkdir(parents=True)
    paths.kubeconfig.write_text("clusters: [{name: iotlab, cluster: {server: 'https://10.213.0.2:6443'}}]")
    return Stack("local", paths, {"PATH": ""}, paths.kubeconfig)


def test_a_proxy_in_the_shell_gets_neither_pulumis_own_traffic_nor_the_labs_api(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "intranet.example, 127.0.0.1")
    for env in (stack.env(), stack.process_env()):
        assert env["NO_PROXY"] == env["no_proxy"] == "intranet.example,127.0.0.1,localhost,10.213.0.2"


def test_a_given_cluster_is_asked_through_the_proxy_that_the_shell_names(stack: Stack, tmp_path: Path) -> None:
    given = Stack("kind", stack.paths, {"PATH": ""}, tmp_path / "kind.kubeconfig")
    given.kubeconfig.write_text(stack.kubeconfig.read_text())
    assert given.env()["NO_PROXY"] == "127.0.0.1,localhost"


def test_a_persons_own_passphrase_does_not_reach_pulumi(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another")
    assert "PULUMI_CONFIG_PASSPHRASE" not in stack.process_env()
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setattr(module, "PatientCommand", Mock())
    monkeypatch.setattr(automation, "select_stack", Mock(side_effect=LabError("opened")))
    with pytest.raises(LabError, match="opened"):
        stack.up(print)
    assert "PULUMI_CONFIG_PASSPHRASE" not in os.environ


def test_an_empty_passphrase_file_is_a_missing_one(stack: Stack, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del checkout
    monkeypatch.setattr(stack, "_init", lambda: stack.private_file.write_text("encryptionsalt: v1:salt\n"))
    stack.paths.pulumi.mkdir()
    file = stack.paths.pulumi / "passphrase"
    file.touch()
    stack.prepare({})
    assert len(file.read_text()) == 43
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_stack_file_that_is_no_text_is_refused(checkout: Path) -> None:
    (checkout / "Pulumi.local.yaml").write_bytes(b"config: {\xff}")
    with pytest.raises(UserError, match=r"Pulumi\.local\.yaml is not valid YAML"):
        config_of("local")


def test_a_folder_in_place_of_a_stack_file_is_refused(checkout: Path) -> None:
    (checkout / "Pulumi.other.yaml").mkdir()
    with pytest.raises(UserError, match=r"Pulumi\.other\.yaml cannot be read: Is a directory"):
        config_of("other")


def test_forgetting_a_stack_leaves_the_others_state(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    kept = paths.pulumi / "backend/.pulumi"
    names = ("stacks/iotlab/{0}.json", "stacks/iotlab/{0}.json.bak", "history/iotlab/{0}/1", "locks/organization/iotlab/{0}/1")
    for stack in ("local", "kind"):
        for name in names:
            file = kept / name.format(stack)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    Stack("local", paths, {"PATH": ""}, tmp_path / "kubeconfig").forget()
    left = sorted(str(file.relative_to(kept)) for file in kept.rglob("*") if file.is_file())
    assert left == sorted(name.format("kind") for name in names)


def test_what_pulumi_refuses_before_it_starts_is_a_sentence_too(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setattr(module, "PatientCommand", Mock())
    said = automation.CommandResult(stdout="", stderr="error: no stack named 'local' found", code=255)
    monkeypatch.setattr(automation, "select_stack", Mock(side_effect=automation.CommandError(said)))
    with pytest.raises(LabError, match=r"pulumi: .*no stack named 'local' found"):
        stack.up(print)
