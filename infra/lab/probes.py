"""One question to a server in its own protocol."""

from __future__ import annotations

import http.client
import secrets
import socket
import ssl
import threading
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus

import paho.mqtt.client as mqtt
import urllib3
from paho.mqtt.enums import CallbackAPIVersion

from infra.lab.editor import RefusedError, session
from infra.lab.errors import LabError

ANSWER_WITHIN_S = 20.0
LOOPBACK = "127.0.0.1"
TLS_1_1 = b"\3\2"


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a server let us in (None: it gave no answer), and its reason."""

    accepted: bool | None
    reason: str


def mqtt_login(port: int, user: str | None, password: str | None, authority: str = "") -> Answer:
    """Connect to MQTT on loopback with or without a login and leave again; by TLS where an authority (PEM) is to be trusted."""
    answered = threading.Event()
    reasons: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="")
    if user is not None:
        client.username_pw_set(user, password)
    if authority:
        client.tls_set_context(_trusting(authority))

    def connected(_client: object, _data: object, _flags: object, reason: object, _properties: object) -> None:
        reasons.append(str(reason))
        answered.set()

    client.on_connect = connected
    try:
        client.connect(LOOPBACK, port, keepalive=10)
    except ssl.SSLError as wrong:
        return Answer(None, f"the lab's authority does not vouch for {LOOPBACK}:{port}: {wrong.reason or wrong}")
    except OSError as refused:
        return Answer(None, f"no connection to {LOOPBACK}:{port}: {refused}")
    client.loop_start()
    try:
        if not answered.wait(ANSWER_WITHIN_S):
            return Answer(None, f"no CONNACK from {LOOPBACK}:{port} within {ANSWER_WITHIN_S:.0f} s")
    finally:
        client.disconnect()
        client.loop_stop()
    return Answer(reasons[0] == "Success", reasons[0])


def old_tls(port: int) -> Answer:
    """Offer TLS 1.1 to a port of loopback.

    The offer is spelt out: today's libraries make none, so their failure would say nothing about the server.
    """
    extensions = bytes.fromhex("000a00060004001d0017" + "000b00020100")  # curves X25519 and P-256, points as they are
    suites = bytes.fromhex("c009c00ac013c014002f0035")  # AES-128 and -256 with CBC; keys by ECDHE-ECDSA, ECDHE-RSA, RSA
    body = TLS_1_1 + secrets.token_bytes(32) + b"\0" + _counted(suites) + b"\1\0" + _counted(extensions)
    hello = b"\1\0" + _counted(body)
    try:
        with socket.create_connection((LOOPBACK, port), ANSWER_WITHIN_S) as connection:
            connection.sendall(b"\x16" + TLS_1_1 + _counted(hello))
            said = connection.recv(5)
    except OSError as refused:
        return Answer(None, f"no connection to {LOOPBACK}:{port}: {refused}")
    if said[:1] == b"\x16":
        return Answer(accepted=True, reason="it shook hands")
    return Answer(False if said[:1] == b"\x15" else None, f"{LOOPBACK}:{port} answered {said.hex() or 'nothing'}")


def _counted(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content


def _trusting(authority: str) -> ssl.SSLContext:
    trusting = ssl.create_default_context(cadata=authority)
    trusting.minimum_version = ssl.TLSVersion.TLSv1_2
    return trusting


def https(host: str, port: int, path: str, authority: str) -> Answer:
    """Ask for a page by TLS, trusting nothing but `authority` (PEM) for `host`; refused is a page that isn't there or red."""
    try:
        return _page(http.client.HTTPSConnection(host, port, timeout=ANSWER_WITHIN_S, context=_trusting(authority)), path)
    except ssl.SSLError as wrong:
        return Answer(None, f"the lab's authority does not vouch for https://{host}:{port}: {wrong.reason or wrong}")


def plain_http(host: str, port: int, path: str) -> Answer:
    """Ask for the same page without TLS; no HTTP answer at all is a refusal."""
    return _page(http.client.HTTPConnection(host, port, timeout=ANSWER_WITHIN_S), path)


def with_token(port: int, path: str, token: str) -> Answer:
    """Ask for a page of loopback with a token, or without one if it is empty."""
    headers = {"Authorization": f"token {token}"} if token else {}
    return _page(http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_WITHIN_S), path, headers)


def with_password(port: int, path: str, user: str, password: str) -> Answer:
    """Ask for a page of loopback with a login, or without one if its user is empty."""
    headers = urllib3.make_headers(basic_auth=f"{user}:{password}") if user else {}
    return _page(http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_WITHIN_S), path, headers)


def node_red_login(port: int, user: str, password: str) -> Answer:
    """Get a session of Node-RED's editor on loopback, ask for a page with it, and end it again."""
    try:
        with session(port, user, password) as editor:
            editor.ask("GET", "/settings")
    except RefusedError as refused:
        return Answer(accepted=False, reason=str(refused))
    except LabError as away:
        return Answer(None, str(away))
    return Answer(accepted=True, reason="/settings answered 200")


def _page(connection: http.client.HTTPConnection, path: str, headers: dict[str, str] | None = None) -> Answer:
    with closing(connection):
        try:
            connection.request("GET", path, headers=headers or {})
            status = connection.getresponse().status
        except ssl.SSLError:
            raise
        except http.client.HTTPException as no_page:
            return Answer(accepted=False, reason=f"{connection.host}:{connection.port} answered no HTTP: {no_page!r}")
        except OSError as refused:
            return Answer(None, f"no connection to {connection.host}:{connection.port}: {refused}")
    return Answer(status == HTTPStatus.OK, f"{path} answered {status}")
