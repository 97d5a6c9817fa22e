"""What a person sees: each page in a real browser, its login, one action, and a picture that is kept in artefacts/pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from infra.lab.lab import Lab
from tests.support.browser import Page, browser
from tests.support.lab import lab_json

pytestmark = pytest.mark.usefixtures("running")

A_PICTURE_BYTES = 10_000  # a white page has some 5,000


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A browser that has never been anywhere."""
    with browser(tmp_path / "profile") as opened:
        yield opened


def login(service: str) -> dict[str, str]:
    """What `./lab access` prints for it."""
    if not Lab().settings.has(service):
        pytest.skip(f"the stack `local` has no {service}: add it to its services")
    entry: dict[str, str] = lab_json("access")[service]
    return entry


def test_the_cockpit_shows_the_diagrams_of_the_deployed_processes(page: Page) -> None:
    entry = login("camunda")
    page.open(f"{entry['url']}app/cockpit/default/#/processes")
    page.type("input[name=username], input[ng-model='username']", entry["user"])
    page.type("input[type=password]", entry["password"])
    page.click("button[type=submit]")
    page.see("a", "RechnungStep3")
    page.click("a", "Maintenance")
    page.see(".djs-container svg [data-element-id=inspect]")
    assert page.keep("camunda").stat().st_size > A_PICTURE_BYTES


def test_the_editor_of_flows_shows_what_boards_publish(page: Page) -> None:
    entry = login("node-red")
    page.open(entry["url"])
    page.type("#node-dialog-login-username", entry["user"])
    page.type("#node-dialog-login-password", entry["password"])
    page.click("#node-dialog-login-submit")
    page.see("#red-ui-workspace-chart")
    page.see(".red-ui-debug-msg", "iotkit/")
    assert page.keep("node-red").stat().st_size > A_PICTURE_BYTES


def test_a_notebook_opens_and_runs_a_cell(page: Page, ours: bool) -> None:
    if not ours:
        pytest.skip("a person's notebook is not the tests' to run: stop this lab (./lab down) to have it tried in their own")
    entry = login("jupyter")
    page.open(f"{entry['url']}/tree/01-1-MQTT.ipynb")
    page.type("#password_input", entry["password"])
    page.click("#login_submit")
    page.see('.jp-Notebook-ExecutionIndicator[data-status="idle"]')  # JupyterLab forgets a cell that is run before
    page.chord(".jp-Notebook .jp-CodeCell .cm-content", Keys.SHIFT, Keys.ENTER)
    page.see(".jp-Notebook .jp-CodeCell .jp-InputPrompt", "[1]:")
    assert page.keep("jupyter").stat().st_size > A_PICTURE_BYTES
