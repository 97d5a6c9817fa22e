"""The bundle on its way to a machine: addresses are signed as S3 wants them, and only the bundle that was meant is taken."""

from __future__ import annotations

import hashlib
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path

import lab_fetch
import pytest

LENT = {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
CONTENT = bytes(range(256)) * 64
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_the_signature_is_that_of_the_example_in_amazons_documentation() -> None:
    when = datetime(2013, 5, 24, tzinfo=UTC)
    url = lab_fetch.signed("examplebucket.s3.amazonaws.com", "/test.txt", LENT, "us-east-1", when, 86_400)
    assert url == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
        "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_a_bucket_is_read_with_what_the_metadata_service_lends(monkeypatch: pytest.MonkeyPatch) -> None:
    role = "latest-role"
    answers = {
        "api/token": "of-the-session",
        "meta-data/placement/region": "eu-central-2",
        "meta-data/iam/security-credentials/": role,
        f"meta-data/iam/security-credentials/{role}": '{"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T/+="}',
    }
    asked: list[tuple[str, str]] = []

    def told(path: str, token: str = "", method: str = "GET") -> str:
        asked.append((method, token))
        return answers[path]

    monkeypatch.setattr(lab_fetch, "told", told)
    url = urllib.parse.urlsplit(lab_fetch.from_s3("s3://lab-bundles/some where/lab.tar.zst"))
    assert (url.hostname, url.path) == ("lab-bundles.s3.eu-central-2.amazonaws.com", "/some%20where/lab.tar.zst")
    assert urllib.parse.parse_qs(url.query)["X-Amz-Security-Token"] == ["T/+="]
    assert asked == [("PUT", ""), *[("GET", "of-the-session")] * 3]


def test_a_machine_without_a_role_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*_: str, **__: str) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(lab_fetch, "told", told)
    with pytest.raises(lab_fetch.NoBundleError, match="role cannot be read") as refused:
        lab_fetch.from_s3("s3://lab-bundles/lab.tar.zst")
    assert "profile" in refused.value.remedy


def test_a_bundle_on_a_stick_stays_there(tmp_path: Path) -> None:
    stick = tmp_path / "lab.tar.zst"
    stick.write_bytes(CONTENT)
    assert lab_fetch.bring(f"file://{stick}", SHA256, tmp_path / "taken") == stick
    assert not (tmp_path / "taken").exists()


def test_the_wrong_stick_and_none_are_refused(tmp_path: Path) -> None:
    stick = tmp_path / "lab.tar.zst"
    with pytest.raises(lab_fetch.NoBundleError, match="there is no ") as refused:
        lab_fetch.bring(f"file://{stick}", SHA256, tmp_path / "taken")
    assert "label IOTLAB" in refused.value.remedy
    stick.write_bytes(b"another")
    with pytest.raises(lab_fetch.NoBundleError, match="not the bundle that was meant"):
        lab_fetch.bring(f"file://{stick}", SHA256, tmp_path / "taken")


def test_a_verified_bundle_is_not_fetched_again(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_bytes(CONTENT)
    assert lab_fetch.bring("https://nowhere.invalid/lab.tar.zst", SHA256, taken) == taken
