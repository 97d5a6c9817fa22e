"""User data: put together purely, small enough for a cloud, without a secret, and refused where it can't work."""

from __future__ import annotations

import base64
import gzip
import hashlib
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from infra.cloud import user_data
from infra.cloud.facts import Bundle, Course, MachineFacts, Vpn
from infra.settings import Settings, SettingsError
from tests.support.machines import FULL, KEY, PLAIN

NOISE = random.Random(1)  # keys and signatures are noise to gzip


def noise(length: int) -> str:
    return base64.b64encode(NOISE.randbytes(length))[:length].decode()


EXPIRING = "https://lab-bundles.s3.eu-central-2.amazonaws.com/lab.tar.zst?" + "&".join(
    f"{name}={noise(length)}"
    for name, length in (("X-Amz-Credential", 64), ("X-Amz-Security-Token", 1_000), ("X-Amz-Signature", 64))
)


def document(facts: MachineFacts) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(user_data.cloud_config(facts))
    return loaded


def files(facts: MachineFacts) -> dict[str, str]:
    return {file["path"]: file["content"] for file in document(facts)["write_files"]}


def settings_of(facts: MachineFacts, label: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in files(facts)[f"/etc/iotlab/stages/{label}.env"].splitlines())


def labels(facts: MachineFacts) -> list[str]:
    return [path.split("/")[-1].removesuffix(".sh") for path in files(facts) if path.startswith("/usr/local/lib/iotlab/stages/")]


@pytest.mark.parametrize("facts", [FULL, PLAIN], ids=["full", "plain"])
def test_the_same_facts_give_the_same_bytes(facts: MachineFacts) -> None:
    assert user_data.packed(user_data.cloud_config(facts)) == user_data.packed(user_data.cloud_config(facts))
    assert gzip.decompress(user_data.packed(user_data.cloud_config(facts))).decode() == user_data.cloud_config(facts)


ED25519, RSA_3072 = ("ssh-ed25519", 68), ("ssh-rsa", 544)  # characters in base64


@pytest.mark.parametrize(
    ("kinds", "bundle"),  # with the stack's own key, which is an ed25519
    [
        ((*(ED25519,) * 4, RSA_3072), Bundle(EXPIRING, "ab" * 32)),
        ((ED25519,) * 25, FULL.bundle),
        ((ED25519, *(RSA_3072,) * 3), FULL.bundle),
    ],
    ids=["five keys and an address that expires", "25 keys", "the stack's key and three of RSA"],
)
def test_a_full_machine_with_as_many_keys_as_the_docs_promise_fits_into_a_clouds_user_data(
    kinds: tuple[tuple[str, int], ...], bundle: Bundle
) -> None:
    keys = tuple(f"{kind} {noise(length)} person{n}@example.org" for n, (kind, length) in enumerate(kinds))
    facts = replace(FULL, ssh_keys=keys, bundle=bundle)
    size = len(user_data.packed(user_data.cloud_config(facts)))
    print(f"user data: {len(user_data.packed(user_data.cloud_config(FULL)))} bytes packed, with these keys {size} of 16384")
    assert size <= 16_384


def test_what_is_too_large_is_refused_with_its_size() -> None:
    with pytest.raises(SettingsError, match=r"the user data has \d{5} bytes as gzip, clouds take 16384"):
        user_data.packed(noise(30_000))


def test_parts_come_in_the_order_of_their_numbers_and_what_a_machine_lacks_is_left_out() -> None:
    every = ["20-packages", "30-data", "40-vpn", "50-microk8s", "55-addons", "60-bundle", "65-course", "75-knative", "80-tools"]
    assert labels(FULL) == [*every, "90-lab"]
    assert labels(PLAIN) == ["20-packages", "30-data", "60-bundle", "80-tools", "90-lab"]


def test_every_part_belongs_to_some_machine_and_every_script_to_some_part() -> None:
    names = {file.name.removesuffix(".yaml.j2") for file in user_data.PARTS.glob("*.yaml.j2")}
    assert set(user_data.parts(FULL)) == names
    assert set(user_data.WHERE) <= names
    written = set(files(FULL).values())
    scripts = [file for file in (user_data.PARTS / "scripts").iterdir() if file.is_file()]
    assert [file.name for file in scripts if file.read_text() not in written] == []


def test_every_program_has_its_hash_beside_it() -> None:
    entries = document(FULL)["write_files"]
    lines = [line.split("  ") for line in files(FULL)["/usr/local/lib/iotlab/SHA256SUMS"].splitlines()]
    programs = [(file["content"].encode(), file["path"]) for file in entries if file["permissions"] == "0755"]
    assert lines == [[hashlib.sha256(content).hexdigest(), path] for content, path in programs]
    assert len({file["path"] for file in entries}) == len(entries)


@pytest.mark.parametrize("facts", [FULL, PLAIN], ids=["full", "plain"])
def test_nothing_is_secret_and_nothing_is_run_from_the_network(facts: MachineFacts) -> None:
    text = user_data.cloud_config(facts)
    assert not re.search(r"PRIVATE KEY|PrivateKey|passwd:(?! true)|chpasswd|plain_text|hashed_passwd|AKIA[A-Z0-9]{16}", text)
    assert not re.search(r"(curl|wget)[^\n]*\|", text)
    assert "lock_passwd: true" in text


def test_two_parts_that_say_the_same_key_are_a_fault_of_ours_and_lists_are_put_together() -> None:
    assert user_data.merged({"a": "runcmd: [x]", "b": "runcmd: [y]"}) == {"runcmd": ["x", "y"]}
    with pytest.raises(ValueError, match=r"b\.yaml\.j2 says hostname again"):
        user_data.merged({"a": "hostname: x", "b": "hostname: y"})


def test_a_part_that_names_a_value_which_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "00-one.yaml.j2").write_text("hostname: {{ facts.nickname }}\n")
    monkeypatch.setattr(user_data, "PARTS", tmp_path)
    monkeypatch.setattr(user_data, "_values", lambda facts: {"facts": facts})
    with pytest.raises(jinja2.UndefinedError, match="nickname"):
        user_data.parts(FULL)


def test_the_machines_own_stack_file_is_one_that_the_program_takes() -> None:
    for facts in (FULL, PLAIN):
        config = yaml.safe_load(files(facts)["/etc/iotlab/Pulumi.vm.yaml"])["config"]
        settings = Settings.parse(config)
        settings.refuse_illegal_pairs()
        assert bool(settings.kubeconfig) is (facts.kubernetes == "microk8s")
        assert settings.services == facts.services


def test_a_change_of_bundle_or_services_is_one_of_what_the_lab_is_made_from() -> None:
    before = settings_of(FULL, "90-lab")
    assert settings_of(replace(FULL, bundle=Bundle(FULL.bundle.url, "cd" * 32)), "90-lab") != before
    assert settings_of(replace(FULL, services=("core",)), "90-lab") != before
    assert settings_of(replace(FULL, expires="2098-01-01"), "90-lab") == before


def test_nfs_is_exported_to_the_vpn_and_to_nobody_without_one() -> None:
    assert settings_of(FULL, "30-data")["NET"] == "192.168.17.0/24"
    assert settings_of(PLAIN, "30-data")["NET"] == ""
    assert settings_of(FULL, "40-vpn") == {
        "ADDRESS": "192.168.17.7",
        "PORT": "51837",
        "NET": "192.168.17.0/24",
        "PEER": "A" * 43 + "=",
        "ENDPOINT": "vpn.example.org:51837",
    }


def test_only_root_reads_where_the_bundle_is() -> None:
    entry = next(file for file in document(FULL)["write_files"] if file["path"].endswith("60-bundle.env"))
    assert entry["permissions"] == "0600"


def test_only_a_machine_with_a_stick_stays_off_the_network() -> None:
    assert "IOTLAB_SEALED=1" in files(PLAIN)["/etc/iotlab/lab.env"]
    assert "IOTLAB_SEALED" not in files(FULL)["/etc/iotlab/lab.env"]


def test_keys_and_owners_with_odd_characters_stay_what_they_are() -> None:
    facts = replace(FULL, owner="mailto:ada@example.org", ssh_keys=(f"{KEY} '\"{{{{ x }}}} & <b>",))
    user = document(facts)["users"][0]
    assert user["gecos"] == "Lab", "useradd refuses a colon, and the user would not be made"
    assert files(facts)["/etc/iotlab/authorized_keys"].splitlines() == list(facts.ssh_keys)


def test_keys_lie_in_the_one_file_that_sshd_is_told_so_that_one_that_is_taken_out_is_gone() -> None:
    assert "ssh_authorized_keys" not in document(FULL)["users"][0]
    read = "AuthorizedKeysFile .ssh/authorized_keys /etc/iotlab/authorized_keys\n"
    assert read in files(FULL)["/etc/ssh/sshd_config.d/10-iotlab.conf"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "Lab_1"}, "'Lab_1' is no host name"),
        ({"ssh_keys": ()}, "nobody could log in"),
        ({"ssh_keys": ("-----BEGIN OPENSSH PRIVATE KEY-----\nabc",)}, "is no public ssh key"),
        ({"bundle": Bundle("ftp://x/y", "ab" * 32)}, "no address of a bundle"),
        ({"bundle": Bundle("https://user:word@x/y", "ab" * 32)}, "no address of a bundle"),
        ({"bundle": Bundle("file:///x", "abc")}, "64 hexadecimal digits"),
        ({"expires": "soon"}, "Pulumi.s.yaml, machine modtec-07-st17a: iotlab:cloud.expires: 'soon' is no day; write it as in"),
        ({"microk8s_channel": "latest"}, "no channel of MicroK8s"),
        ({"kubernetes": "embedded"}, "knative is an add-on of microk8s"),
        ({"course": Course("https://me:word@example.org/x.git", "cd" * 20)}, "no https address without a login"),
        ({"course": Course("https://example.org/x.git", "main")}, "no whole commit"),
        ({"vpn": Vpn(300, 7, "x", "")}, "no VPN net 192.168.300.0/24"),
        ({"vpn": Vpn(17, 50, "x", "")}, "host number 50 is no machine's"),
        ({"vpn": Vpn(17, 7, "x", "key")}, "no WireGuard key"),
        ({"vpn": Vpn(17, 7, "", "A" * 43 + "=")}, "'' is no name or address of a VPN gateway"),
        ({"vpn": Vpn(17, 7, "x\nPostUp = id", "")}, "one line of plain text"),
    ],
)
def test_what_cannot_become_a_machine_is_refused_with_a_sentence(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        user_data.cloud_config(replace(FULL, **change))
