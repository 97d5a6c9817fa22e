#!/usr/bin/env python3
"""lab-fetch FILE: brings the bundle of $BUNDLE_URL to FILE if its SHA-256 is $BUNDLE_SHA256, and prints where it lies.

`lab-fetch --checkout FILE FOLDER` lays the checkout that stands near a bundle's begin into FOLDER, without reading on.

The address comes by the environment because an expiring one opens the bundle to who sees it, and every user of a machine sees
arguments. s3://bucket/key is read with the rights of the machine's own role, whose keys the cloud's metadata service lends for
hours; https://… as it is; file:///… stays where it is, on a stick with the label IOTLAB. A transfer that broke off goes on where
it stopped. Python's own library only: nothing else is on the machine yet.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

BLOCK = 1 << 20
PATIENCE_S = 30
TRIES = 6
STICK = Path("/run/iotlab/stick")
METADATA = os.environ.get("IOTLAB_METADATA") or "http://169.254.169.254"
ZSTD = b"\x28\xb5\x2f\xfd"
RANGE_IS_BEYOND = 416
ELSEWHERE = (
    "an expired address: put a new one into /etc/iotlab/stages/60-bundle.env; else check the network; then sudo lab-stage run"
)
IN_THE_STORE = (  # S3 says 403, too, of what is not there, to who may not list
    "just after ./lab up: AWS needs minutes to know a new right, so sudo lab-stage run; 403 later: the store has no such "
    "bundle, so name its file in iotlab:cloud.bundle; then run ./lab up; else check the network"
)


class NoBundleError(Exception):
    """One sentence, and what to do."""

    def __init__(self, sentence: str, remedy: str) -> None:
        """`remedy` is for lab-stage."""
        super().__init__(sentence)
        self.remedy = remedy


def signed(host: str, path: str, keys: Mapping[str, str], region: str, when: datetime, seconds: int = 3600) -> str:
    """An https address of S3 that opens `path` for `seconds`: AWS Signature Version 4, as query."""
    stamp, day = when.strftime("%Y%m%dT%H%M%SZ"), when.strftime("%Y%m%d")
    scope = f"{day}/{region}/s3/aws4_request"
    said = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{keys['AccessKeyId']}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    } | ({"X-Amz-Security-Token": keys["Token"]} if keys.get("Token") else {})
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in sorted(said.items()))
    request = f"GET\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys['SecretAccessKey']}".encode()
    for word in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return f"https://{host}{path}?{query}&X-Amz-Signature={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"


def told(path: str, token: str = "", method: str = "GET") -> str:
    """What the metadata service says (IMDSv2: nothing without a token)."""
    headers = {"X-aws-ec2-metadata-token": token} if token else {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
    request = urllib.request.Request(f"{METADATA}/latest/{path}", headers=headers, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())


def from_s3(url: str) -> str:
    """The expiring https address of s3://bucket/key, made with the role of this machine."""
    try:
        token = told("api/token", method="PUT")
        region = told("meta-data/placement/region", token)
        role = told("meta-data/iam/security-credentials/", token).split()[0]
        keys = json.loads(told(f"meta-data/iam/security-credentials/{role}", token))
    except (OSError, ValueError, IndexError) as failed:
        raise ConnectionError(f"the machine has no role ({failed})") from failed
    if "AccessKeyId" not in keys:
        raise ConnectionError(f"the machine has no role ({keys.get('Code')})")
    place = urlsplit(url)
    return signed(f"{place.hostname}.s3.{region}.amazonaws.com", quote(place.path), keys, region, datetime.now(UTC))


def transfer(url: str, file: Path) -> None:
    """Read the rest of `url` that `file` lacks."""
    have = file.stat().st_size if file.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            goes_on = answer.status == http.client.PARTIAL_CONTENT
            left = int(answer.headers.get("Content-Length") or 0)
            with file.open("ab" if goes_on else "wb") as target:
                while block := answer.read(BLOCK):
                    left -= target.write(block)
        if left > 0:  # Python says nothing of an answer that ends too early, if it is read in blocks
            raise ConnectionError(f"{left} bytes are missing")
    except urllib.error.HTTPError as refused:
        if refused.code != RANGE_IS_BEYOND:
            raise


def is_final(url: str, failed: Exception) -> bool:
    """Whether another try would get the same answer. S3 refuses with 403 until a new right is known everywhere in AWS."""
    if not isinstance(failed, urllib.error.HTTPError) or failed.code >= http.client.INTERNAL_SERVER_ERROR:
        return False
    return not (url.startswith("s3:") and failed.code == http.client.FORBIDDEN)


def fetch(url: str, shown: str, file: Path) -> None:
    """Bring `url` to `file`; what breaks off is tried again, longer and longer apart, and S3's address is signed anew."""
    for attempt in range(1, TRIES + 1):
        try:
            transfer(from_s3(url) if url.startswith("s3:") else url, file)
        except (OSError, http.client.HTTPException) as failed:
            if is_final(url, failed) or attempt == TRIES:
                remedy = IN_THE_STORE if url.startswith("s3:") else ELSEWHERE
                raise NoBundleError(f"{shown} cannot be fetched: {failed}", remedy) from failed
            sys.stderr.write(f"{shown} broke off ({failed}): tried again\n")
            time.sleep(2**attempt)
        else:
            return


def on_the_stick(url: str) -> Path:
    """The file of a file:///… address, from a stick with the label IOTLAB if there is one."""
    label, file = Path("/dev/disk/by-label/IOTLAB"), Path(urlsplit(url).path)
    if label.exists() and not file.exists() and not STICK.is_mount():
        STICK.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-o", "ro", label, STICK], check=False)
    if not file.is_file():
        raise NoBundleError(f"there is no {file}", f"attach the stick with the label IOTLAB, or copy the bundle to {file}")
    return file


def sha256_of(file: Path) -> str:
    """The file's hash."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def bring(url: str, wanted: str, file: Path) -> Path:
    """The verified bundle: `file`, or where it lies on the stick."""
    shown = url.partition("?")[0]
    if url.startswith("file:"):
        file = part = on_the_stick(url)
    elif file.is_file() and sha256_of(file) == wanted:
        return file
    else:
        part = file.with_name(f".{wanted[:16]}.part")
        fetch(url, shown, part)
    if (found := sha256_of(part)) == wanted:
        return file if part == file else part.replace(file)
    remedy = "take the right stick"
    if part != file:
        part.unlink()
        remedy = "export and upload it again"
    raise NoBundleError(f"{shown} is not the bundle that was meant: its SHA-256 is {found}", remedy)


def lay_checkout(bundle: Path, folder: Path) -> None:
    """What stands under checkout/ in the bundle. tar would read to its end: 2 s, and 80 on an emulated machine (2026-11)."""
    with bundle.open("rb") as file:
        words = ["zstd", "-qdc"] if file.read(len(ZSTD)) == ZSTD else ["gzip", "-dc"]
    found = False
    with subprocess.Popen([*words, bundle], stdout=subprocess.PIPE) as unpacking:
        with tarfile.open(fileobj=unpacking.stdout, mode="r|") as tar:
            for member in tar:
                inside = member.name.startswith("checkout/")
                if found and not inside:
                    break
                if inside and ".." not in Path(member.name).parts:
                    found = True
                    member.name = member.name.removeprefix("checkout/")
                    tar.extract(member, folder)
        unpacking.kill()
    if not found:
        raise NoBundleError("the bundle has no checkout", "make it anew with this version's ./lab bundle export")


def main() -> int:
    """Run the command; its exit code."""
    try:
        if sys.argv[1] == "--checkout":
            lay_checkout(Path(sys.argv[2]), Path(sys.argv[3]))
            return 0
        file = bring(os.environ["BUNDLE_URL"], os.environ["BUNDLE_SHA256"], Path(sys.argv[1]))
    except (NoBundleError, OSError, tarfile.TarError, EOFError) as failed:
        sys.stderr.write(f"lab-fetch: {failed}\n")
        if isinstance(failed, NoBundleError):
            sys.stderr.write(f"remedy: {failed.remedy}\n")
        return 1
    sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
