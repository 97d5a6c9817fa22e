"""The bundle on its way to a machine: addresses are signed as S3 wants them, and only the bundle that was meant is taken."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.message import Message
from http.client import OK, PARTIAL_CONTENT
from pathlib import Path
from unittest import mock

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
    with pytest.raises(lab_fetch.NoBundleError, match="not the bundle that was meant") as refused:
        lab_fetch.bring(f"file://{stick}", SHA256, tmp_path / "taken")
    assert refused.value.remedy == "take the right stick"
    assert stick.read_bytes() == b"another", "it is somebody's stick"


def test_a_verified_bundle_is_not_fetched_again(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_bytes(CONTENT)
    assert lab_fetch.bring("https://nowhere.invalid/lab.tar.zst", SHA256, taken) == taken


class Answer(io.BytesIO):
    """What a server gives: some of what it announces."""

    def __init__(self, status: int, announced: bytes, given: int | None = None) -> None:
        super().__init__(announced[:given])
        self.status = status
        self.headers = {"Content-Length": str(len(announced))}


def refusal(code: int) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("https://store", code, "No", Message(), None)


@pytest.fixture
def served() -> Iterator[mock.Mock]:
    """The server's answers one after the other, without waiting between them."""
    with mock.patch.object(urllib.request, "urlopen") as opened, mock.patch("time.sleep") as slept:
        opened.slept = slept
        yield opened


@pytest.fixture
def signing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses that can be told from one another."""
    numbers = iter(range(9))
    monkeypatch.setattr(lab_fetch, "from_s3", lambda _: f"https://store/{next(numbers)}")


def asked(served: mock.Mock) -> list[tuple[str, str | None]]:
    """Each request's address and range."""
    requests = [call.args[0] for call in served.call_args_list]
    return [(request.full_url, request.get_header("Range")) for request in requests]


def test_what_broke_off_goes_on_where_it_stopped(tmp_path: Path, served: mock.Mock) -> None:
    parts = [Answer(OK, CONTENT, 1000), Answer(PARTIAL_CONTENT, CONTENT[1000:], 500), Answer(PARTIAL_CONTENT, CONTENT[1500:])]
    served.side_effect = [*parts[:2], TimeoutError("silent"), parts[2]]
    file = lab_fetch.bring("https://store/x", SHA256, tmp_path / "taken")
    assert file.read_bytes() == CONTENT
    assert [part for _, part in asked(served)] == [None, "bytes=1000-", "bytes=1500-", "bytes=1500-"]
    assert [call.args[0] for call in served.slept.call_args_list] == [2, 4, 8], "longer and longer apart"


def test_a_server_that_knows_no_parts_gives_all_of_it_again(tmp_path: Path, served: mock.Mock) -> None:
    served.side_effect = [Answer(OK, CONTENT, 1000), Answer(OK, CONTENT)]
    assert lab_fetch.bring("https://store/x", SHA256, tmp_path / "taken").read_bytes() == CONTENT


def test_what_was_whole_already_is_only_compared(tmp_path: Path, served: mock.Mock) -> None:
    (tmp_path / f".{SHA256[:16]}.part").write_bytes(CONTENT)
    served.side_effect = refusal(416)
    assert lab_fetch.bring("https://store/x", SHA256, tmp_path / "taken").read_bytes() == CONTENT


@pytest.mark.usefixtures("signing")
def test_a_right_that_s3_does_not_know_yet_is_waited_for_and_signed_anew(tmp_path: Path, served: mock.Mock) -> None:
    served.side_effect = [refusal(403), refusal(503), Answer(OK, CONTENT)]
    assert lab_fetch.bring("s3://store/x", SHA256, tmp_path / "taken").read_bytes() == CONTENT
    assert [url for url, _ in asked(served)] == ["https://store/0", "https://store/1", "https://store/2"]


NOT_YET = {"HTTP Error 404": None, "AssumeRoleUnauthorizedAccess": '{"Code": "AssumeRoleUnauthorizedAccess"}'}


def pretend_metadata(monkeypatch: pytest.MonkeyPatch, attempts: Iterable[str | None]) -> None:
    """A metadata service that lends this to one attempt after the other; None: it knows no role yet."""
    turns, lent = iter(attempts), [""]

    def told(path: str, _: str = "", method: str = "GET") -> str:
        if path.endswith("/security-credentials/"):
            if (turn := next(turns)) is None:
                raise refusal(404)
            lent[0] = turn
        return lent[0] if "/security-credentials/" in path and not path.endswith("/") else method

    monkeypatch.setattr(lab_fetch, "told", told)


@pytest.mark.parametrize("early", NOT_YET.values(), ids=NOT_YET)
def test_a_role_that_iam_has_not_handed_out_yet_is_waited_for(
    tmp_path: Path, served: mock.Mock, monkeypatch: pytest.MonkeyPatch, early: str | None
) -> None:
    pretend_metadata(monkeypatch, [early, early, json.dumps(LENT)])
    served.side_effect = [Answer(OK, CONTENT)]
    assert lab_fetch.bring("s3://store/x", SHA256, tmp_path / "taken").read_bytes() == CONTENT
    assert [call.args[0] for call in served.slept.call_args_list] == [2, 4]


@pytest.mark.parametrize(("why", "early"), NOT_YET.items(), ids=NOT_YET)
def test_a_machine_that_gets_no_role_is_told_so_with_its_remedy(
    served: mock.Mock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], why: str, early: str | None
) -> None:
    pretend_metadata(monkeypatch, itertools.repeat(early, 6))
    monkeypatch.setenv("BUNDLE_URL", "s3://store/x")
    monkeypatch.setenv("BUNDLE_SHA256", SHA256)
    monkeypatch.setattr(sys, "argv", ["lab-fetch", "/nowhere/taken"])
    assert lab_fetch.main() == 1
    sentence, remedy = capsys.readouterr().err.splitlines()[-2:]
    assert sentence.startswith(f"lab-fetch: s3://store/x cannot be fetched: the machine has no role ({why}")
    assert remedy.startswith("remedy: just after ./lab up: AWS needs minutes to know a new right")
    assert served.call_count == 0


def test_a_bundle_that_was_not_meant_is_hashed_once(tmp_path: Path, served: mock.Mock) -> None:
    served.side_effect = [Answer(OK, b"another")]
    hashed = mock.Mock(wraps=lab_fetch.sha256_of)
    with mock.patch.object(lab_fetch, "sha256_of", hashed), pytest.raises(lab_fetch.NoBundleError, match="not the bundle"):
        lab_fetch.bring("https://store/x", SHA256, tmp_path / "taken")
    assert hashed.call_count == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("signing")
@pytest.mark.parametrize(
    ("url", "code", "tries", "remedy"),
    [
        ("s3://store/x", 403, 6, "AWS needs minutes to know a new right"),
        ("s3://store/x", 404, 1, "name its file in iotlab:cloud.bundle"),
        ("https://store/x?signature=word", 403, 1, "an expired address"),
        ("https://store/x?signature=word", 502, 6, "check the network"),
    ],
)
def test_a_server_that_goes_on_refusing_is_one_sentence_with_its_remedy(
    tmp_path: Path, served: mock.Mock, url: str, code: int, tries: int, remedy: str
) -> None:
    served.side_effect = [refusal(code) for _ in range(9)]
    with pytest.raises(lab_fetch.NoBundleError, match=f"store/x cannot be fetched: HTTP Error {code}") as refused:
        lab_fetch.bring(url, SHA256, tmp_path / "taken")
    assert served.call_count == tries
    assert remedy in refused.value.remedy
    assert "word" not in f"{refused.value}{refused.value.remedy}"
