"""The cluster's certificates are made once, renewed in time, and readable by nobody else."""

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from infra.lab.cluster import pki

LEAVES = pki.wanted("iotlab", "10.213.0.2", "10.213.16.1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pki.ensure(tmp_path, LEAVES)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def test_every_file_is_the_owners_alone(folder: Path) -> None:
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_every_leaf_is_signed_by_its_authority_and_lasts_a_year(folder: Path) -> None:
    for leaf in LEAVES:
        found = certificate(folder, leaf.name)
        found.verify_directly_issued_by(certificate(folder, leaf.issuer))
        assert 364 <= (found.not_valid_after_utc - dt.datetime.now(dt.UTC)).days <= 365


def test_nothing_changes_the_second_time(folder: Path) -> None:
    before = contents(folder)
    pki.ensure(folder, LEAVES)
    assert contents(folder) == before


def test_near_the_end_leaves_are_renewed_and_the_authority_stays(folder: Path) -> None:
    before = contents(folder)
    pki.ensure(folder, LEAVES, dt.datetime.now(dt.UTC) + dt.timedelta(days=320))
    changed = {name for name, content in contents(folder).items() if before[name] != content}
    assert changed == {f"{leaf.name}.{end}" for leaf in LEAVES for end in ("key", "crt")}


def test_other_addresses_renew_only_the_servers_certificates(folder: Path) -> None:
    before = contents(folder)
    pki.ensure(folder, pki.wanted("iotlab", "10.229.0.2", "10.229.16.1"))
    changed = {name.rsplit(".", 1)[0] for name, content in contents(folder).items() if before[name] != content}
    assert changed == {"apiserver", "kubelet-serving"}


def test_a_half_written_key_is_made_anew(folder: Path) -> None:
    (folder / "admin.key").write_text("half")
    pki.ensure(folder, LEAVES)
    certificate(folder, "admin").verify_directly_issued_by(certificate(folder, "ca"))
    assert (folder / "admin.key").read_text() != "half"


def test_a_lost_authority_renews_everything_it_signed(folder: Path) -> None:
    (folder / "ca.key").unlink()
    pki.ensure(folder, LEAVES)
    for leaf in LEAVES:
        certificate(folder, leaf.name).verify_directly_issued_by(certificate(folder, leaf.issuer))


def test_kubelet_is_a_node_and_only_the_administrator_is_master(folder: Path) -> None:
    kubelet = certificate(folder, "kubelet").subject
    assert kubelet.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:iotlab"
    assert kubelet.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"
    assert [leaf.name for leaf in LEAVES if leaf.organization == "system:masters"] == ["admin"]
