"""What of the gate needs no machine: files laid down, addresses from outside, keys told apart. The rest is tests/cloud."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.cloud import gate_files, gate_stages
from infra.cloud.gate import Door, LostError, StageFailedError, address_outside, fingerprint, from_outside
from infra.cloud.gate_stages import Room, minutes

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def entry(path: str, content: str, permissions: str = "0644") -> dict[str, str]:
    return {"path": path, "content": content, "permissions": permissions}


def asked(*files: dict[str, str], look: bool = False) -> dict[str, Any]:
    return {"files": list(files), "look": look}


def test_only_what_differs_is_replaced(tmp_path: Path) -> None:
    one, other = entry("/etc/iotlab/one", "x"), entry("/etc/iotlab/other", "y", "0600")
    assert gate_files.bring(tmp_path, asked(one, other)) == {"changed": ["/etc/iotlab/one", "/etc/iotlab/other"], "full": ""}
    place = tmp_path / "etc/iotlab/other"
    before = place.stat()
    assert before.st_mode & 0o777 == 0o600
    assert gate_files.bring(tmp_path, asked(entry("/etc/iotlab/one", "z"), other))["changed"] == ["/etc/iotlab/one"]
    assert place.stat() == before
    place.chmod(0o644)
    assert gate_files.bring(tmp_path, asked(entry("/etc/iotlab/one", "z"), other))["changed"] == ["/etc/iotlab/other"]
    assert [file.name for file in (tmp_path / "etc/iotlab").iterdir() if file.name.startswith(".")] == []


def test_who_only_looks_changes_nothing(tmp_path: Path) -> None:
    assert gate_files.bring(tmp_path, asked(entry("/a", "x"), look=True))["changed"] == ["/a"]
    assert list(tmp_path.iterdir()) == []


def test_a_stage_that_the_machine_shall_not_have_any_more_goes_and_nothing_else(tmp_path: Path) -> None:
    stage, settings = "usr/local/lib/iotlab/stages/75-knative.sh", "etc/iotlab/stages/75-knative.env"
    for name in (stage, settings, "etc/iotlab/expires", "usr/local/lib/iotlab/lib.sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert gate_files.bring(tmp_path, asked())["changed"] == [f"/{stage}", f"/{settings}"]
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["etc/iotlab/expires", "usr/local/lib/iotlab/lib.sh"]


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x")
    (tmp_path / "file").symlink_to("elsewhere")
    gate_files.bring(tmp_path, asked(entry("/file", "y")))
    assert (tmp_path / "elsewhere").read_text() == "x"
    assert (tmp_path / "file").read_text() == "y"


def test_microk8s_is_reached_at_the_machines_address_under_a_name_of_its_certificate() -> None:
    given = {"clusters": [{"name": "microk8s-cluster", "cluster": {"server": "https://127.0.0.1:16443"}}]}
    (cluster,) = yaml.safe_load(from_outside(yaml.safe_dump(given), "198.51.100.1"))["clusters"]
    assert cluster["cluster"] == {"server": "https://198.51.100.1:16443", "tls-server-name": "kubernetes"}


def test_an_embedded_cluster_is_reached_through_a_forward_so_its_kubeconfig_stays() -> None:
    given = {"clusters": [{"name": "iotlab", "cluster": {"server": "https://127.0.0.1:6443"}}]}
    assert yaml.safe_load(from_outside(yaml.safe_dump(given), "198.51.100.1")) == given


@pytest.mark.parametrize(
    ("url", "outside"),
    [
        ("http://127.0.0.1:32088/lab", "http://198.51.100.1:32088/lab"),
        ("mqtt://mosquitto:1883", "mqtt://198.51.100.1:31883"),
        ("http://127.0.0.1:30880/camunda/", "http://127.0.0.1:30880/camunda/"),
        ("http://influxdb:8181", "http://influxdb:8181"),
        ("http://localhost:30500", "http://localhost:30500"),
    ],
)
def test_a_service_is_at_the_machines_address_if_its_port_is_open(url: str, outside: str) -> None:
    assert address_outside(url, "198.51.100.1", (22, 31883, 32088)) == outside


def test_a_fingerprint_is_the_one_that_ssh_keygen_shows() -> None:
    digest = base64.b64encode(hashlib.sha256(base64.b64decode(KEY)).digest()).decode().rstrip("=")
    assert fingerprint(f"ssh-ed25519 {KEY} somebody") == f"SHA256:{digest}"


def test_a_sentence_holds_the_end_of_a_log_and_the_remedy() -> None:
    said = str(StageFailedError("lab (198.51.100.1)", "bundle", [f"line {n}" for n in range(9)], "df -h says why."))
    assert said == (
        "the stage bundle of the machine lab (198.51.100.1) failed, its last lines: "
        "«line 4 / line 5 / line 6 / line 7 / line 8»; "
        "what to do there: df -h says why; the next ./lab up goes on with this stage."
    )


def test_times_and_disks_are_told_as_people_say_them() -> None:
    assert (minutes(90), minutes(3600)) == ("90 s", "60 min")
    assert (Room(38912, 50).told, Room(38912, 50).full, Room(38912, 500).full) == ("50 MB of 38 GB are left", True, False)


def test_a_machine_that_breaks_off_each_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    @contextmanager
    def session(door: Door, *, patience_s: float) -> Iterator[Door]:
        assert patience_s > 0
        yield door

    def dies(_: object) -> None:
        tries.append(1)
        raise LostError("the connection to lab broke off.")

    monkeypatch.setattr(gate_stages, "session", session)
    monkeypatch.setattr(gate_stages, "_pause", lambda pause_s: pause_s)
    with pytest.raises(LostError, match=r"^the connection to lab broke off; 30 connections were lost one after the other\.$"):
        gate_stages.steadily(Door("198.51.100.1", 22, "ubuntu", "key", "private"), 60.0, lambda _: None, dies)
    assert len(tries) == gate_stages.MOST_LOST
