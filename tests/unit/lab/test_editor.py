"""A session with Node-RED's editor: how it ends says nothing of what was done in it."""

from __future__ import annotations

import json

import pytest

from infra.lab.editor import Editor, RefusedError, session
from infra.lab.errors import LabError


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that an editor is asked for; it lets in, and ends no session."""
    paths: list[str] = []

    def ask(_self: Editor, _method: str, path: str, *_: object) -> bytes:
        paths.append(path)
        if path == "/auth/revoke":
            raise LabError("Node-RED does not answer")
        return json.dumps({"access_token": "a-token"}).encode()

    monkeypatch.setattr(Editor, "ask", ask)
    return paths


def test_an_import_is_not_said_to_have_failed_because_its_session_could_not_be_ended(asked: list[str]) -> None:
    with session(1880, "admin", "secret") as editor:
        editor.ask("POST", "/flows")
    assert asked == ["/auth/token", "/flows", "/auth/revoke"]


def test_why_an_import_failed_is_said_and_not_that_its_session_could_not_be_ended() -> None:
    with pytest.raises(RefusedError, match="no such topic"), session(1880, "admin", "secret"):
        raise RefusedError("no such topic")
