"""The lab's certificate under the real engine."""

from __future__ import annotations

import datetime as dt
import json

from tests.support.engine import Stack

PROGRAM = """
from infra.services._certificate import Certificate
made = Certificate("page", hosts={hosts}, rotation={rotation})
pulumi.export("certificate", made.certificate)
pulumi.export("key", made.key)
"""


def outputs(stack: Stack) -> dict[str, str]:
    shown: dict[str, str] = json.loads(stack.ok("stack", "output", "--show-secrets", "--json"))
    return shown


def end_soon(stack: Stack) -> None:
    """Let the state say that the certificate ends tomorrow."""
    state = json.loads(stack.ok("stack", "export"))
    (page,) = [one for one in state["deployment"]["resources"] if one["urn"].endswith("::page")]
    page["outputs"]["notAfter"] = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat()
    file = stack.folder / "edited.json"
    file.write_text(json.dumps(state))
    stack.ok("stack", "import", "--file", str(file))


def test_a_certificate_stays_until_its_end_is_near_or_an_input_changes_and_its_key_is_never_in_clear(stack: Stack) -> None:
    stack.program(PROGRAM.format(hosts=["localhost", "127.0.0.1"], rotation=0))
    assert stack.planned()["page"] == "create"
    said = stack.up()
    first = outputs(stack)
    assert "PRIVATE KEY" in first["key"]
    assert "PRIVATE KEY" not in said
    assert "PRIVATE KEY" not in stack.ok("stack", "export")
    assert stack.planned() == {}
    stack.ok("refresh", "--yes", "--skip-preview")
    stack.up()
    assert outputs(stack) == first

    end_soon(stack)
    assert stack.planned() == {"page": "update"}
    stack.up()
    assert stack.planned() == {}
    second = outputs(stack)
    assert second["certificate"] != first["certificate"]
    assert second["key"] != first["key"]

    for change in ({"hosts": ["lab.localhost"], "rotation": 0}, {"hosts": ["localhost", "127.0.0.1"], "rotation": 1}):
        stack.program(PROGRAM.format(**change))
        assert stack.planned() == {"page": "update"}


def test_hosts_that_cannot_be_are_refused_in_the_preview(stack: Stack) -> None:
    stack.program(PROGRAM.format(hosts=[], rotation=0))
    assert "hosts must be a list of host names and addresses in small letters, at least one, not []." in stack.fails("preview")
