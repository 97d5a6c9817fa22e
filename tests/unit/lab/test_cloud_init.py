"""`./lab cloud-init render`: one file with everything, or one sentence."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.lab import cli, cloud_init
from infra.settings import Settings
from tests.support.machines import KEY

SHA256 = "ab" * 32
STICK = f"file:///run/iotlab/stick/lab.tar.zst#sha256={SHA256}"
CLOUD = {"owner": "teacher", "expires": "2099-12-31", "sshKeys": [KEY]}


def run(monkeypatch: pytest.MonkeyPatch, cloud: dict[str, Any] | None, *words: str) -> int:
    raw: dict[str, object] = {"iotlab:machines": ["lab", "modtec-02-st17a"]}
    if cloud is not None:
        raw["iotlab:cloud"] = cloud
    monkeypatch.setattr(cloud_init, "settings_of", lambda _: Settings.parse(raw))
    monkeypatch.setattr(sys, "argv", ["lab", "cloud-init", "render", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def _bundle_part(capsys: pytest.CaptureFixture[str]) -> str:
    document = yaml.safe_load(capsys.readouterr().out)
    return next(str(file["content"]) for file in document["write_files"] if file["path"].endswith("60-bundle.env"))


def test_the_file_is_whole_and_only_its_owner_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "user-data"
    assert run(monkeypatch, CLOUD, "--bundle-url", STICK, "--machine", "modtec-02-st17a", "--out", str(out)) == 0
    document = yaml.safe_load(out.read_text())
    assert out.read_text().startswith("#cloud-config\n")
    assert document["hostname"] == "modtec-02-st17a"
    assert "of the 16384 that clouds take" in capsys.readouterr().err
    assert out.stat().st_mode & 0o777 == 0o600


def test_the_file_is_private_before_anything_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Path, "chmod")
    out = tmp_path / "user-data"
    out.write_text("older, and open to all")
    assert run(monkeypatch, CLOUD, "--bundle-url", STICK, "--out", str(out)) == 0
    assert out.stat().st_mode & 0o777 == 0o600


def test_an_address_that_opens_the_bundle_comes_by_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"https://example.org/lab.tar.zst?sig=1#sha256={SHA256}\n"))
    assert run(monkeypatch, CLOUD, "--bundle-url", "-") == 0
    assert "BUNDLE_URL=https://example.org/lab.tar.zst?sig=1\n" in _bundle_part(capsys)
    assert run(monkeypatch, CLOUD, "--bundle-url", "-") == 2
    assert "no address of a bundle came by standard input: ./lab bundle address -s s | ./lab" in capsys.readouterr().err


def test_a_machines_place_in_the_vpn_is_in_its_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    vpn = {"net": 17, "gateway": "vpn.example.org", "hosts": {"lab": 9}}
    for machine, address in (("lab", "192.168.17.9"), ("modtec-02-st17a", "192.168.17.2")):
        assert run(monkeypatch, CLOUD | {"vpn": vpn}, "--bundle-url", STICK, "--machine", machine) == 0
        document = yaml.safe_load(capsys.readouterr().out)
        (said,) = [file["content"] for file in document["write_files"] if file["path"].endswith("40-vpn.env")]
        assert f"ADDRESS={address}\n" in said


def test_without_a_file_it_is_printed_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "https://example.org/lab.tar.zst?sig=1"
    assert run(monkeypatch, CLOUD, "--bundle-url", f"{url}#sha256={SHA256}") == 0
    assert _bundle_part(capsys).splitlines()[:2] == [f"BUNDLE_URL={url}", f"BUNDLE_SHA256={SHA256}"]


@pytest.mark.parametrize(
    ("cloud", "words", "said"),
    [
        (None, ["--bundle-url", STICK], "makes no machines"),
        (
            CLOUD,
            ["--bundle-url", "https://example.org/x?secret=1"],
            "lab: https://example.org/x needs the bundle's hash behind it",
        ),
        (CLOUD, ["--bundle-url", STICK, "--machine", "other"], "has no machine 'other': it has lab, modtec-02-st17a"),
        (CLOUD | {"owner": "", "sshKeys": []}, ["--bundle-url", STICK], "fill in under iotlab:cloud of Pulumi.s.yaml: owner: "),
        (CLOUD | {"knative": True, "kubernetes": "embedded"}, ["--bundle-url", STICK], "knative is an add-on of microk8s"),
        (
            CLOUD,
            ["--bundle-url", STICK, "--out", "/proc/none/user-data"],
            "there is no folder /proc/none to write user-data into",
        ),
        (CLOUD, ["--bundle-url", STICK, "--out", "/proc"], "lab: /proc is a folder; name a file in it, as in /proc/lab.out."),
        (CLOUD, ["--bundle-url", STICK, "--out", "/dev/null"], "lab: /dev/null is no file but a device or a pipe; name a file."),
    ],
)
def test_what_cannot_be_rendered_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cloud: dict[str, Any] | None, words: list[str], said: str
) -> None:
    assert run(monkeypatch, cloud, *words) == 2
    assert said in capsys.readouterr().err


def test_a_stack_that_has_expired_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    assert run(monkeypatch, CLOUD | {"expires": yesterday}, "--bundle-url", STICK) == 2
    assert f"{yesterday} has come" in capsys.readouterr().err
