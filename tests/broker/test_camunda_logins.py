"""Who gets into the process engine, and what each login may do."""

from __future__ import annotations

import json
from http.client import HTTPConnection

import pytest
import urllib3

from infra import wiring
from tests.support.camunda import MODELS, START, Camunda, camunda

__all__ = ["camunda"]
INVOICE = f"/process-definition/key/{wiring.INVOICE_PROCESS}/start"
CLOSED = (
    "/engine-rest",
    "/engine-rest/",
    "/engine-rest/version",
    "/engine-rest/engine",
    "/engine-rest/engine/default/task",
    "/engine-rest/engine/default/process-definition",
    "/engine-rest/process-definition",
    "/engine-rest/deployment",
    "/engine-rest/task",
    "/engine-rest/external-task",
    "/engine-rest/history/process-instance",
    "/engine-rest/identity/groups",
    "/engine-rest/identity/password-policy",
    "/engine-rest/user",
    "/engine-rest/authorization",
    "/engine-rest/metrics",
    "/engine-rest/openapi.json",
    "/engine-rest/healthz",
    "/engine-rest/%2e%2e/engine-rest/task",
    "/engine-rest;a=b/task",
    "//engine-rest/task",
    "/camunda/../engine-rest/task",
    "/camunda/app/../../engine-rest/task",
    "/camunda/api/engine/engine",
    "/camunda/api/engine/engine/default/task",
    "/camunda/api/engine/engine/default/process-definition",
    "/camunda/api/engine/engine/default/identity/password-policy",
    "/camunda/api/cockpit/plugin/base/default/process-definition",
    "/camunda/api/admin/plugin/adminPlugins/default/authorizations",
    "/camunda/app/../api/engine/engine/default/task",
    "/h2-console",
    "/actuator",
    "/error",
)


@pytest.mark.parametrize("path", CLOSED)
def test_nobody_gets_in_without_a_login(camunda: Camunda, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        connection = HTTPConnection("127.0.0.1", camunda.port, timeout=30)  # it sends a path as it is written
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.status in {400, 401}, f"{method} {path}: {answer.status} {answer.read()!r}"
        connection.close()


def test_the_login_page_learns_the_engines_name_and_nothing_else(camunda: Camunda) -> None:
    path = "/camunda/api/engine/engine/"
    assert json.loads(camunda.ask("GET", path).data) == [{"name": "default"}]
    assert {camunda.ask(method, path).status for method in ("POST", "PUT", "DELETE")} == {401}


@pytest.mark.parametrize("login", ["admin:admin", "demo:demo", "worker:", "worker:x", ":", "nobody:worker-secret"])
def test_a_wrong_password_is_refused_everywhere(camunda: Camunda, login: str) -> None:
    answer = camunda.ask("GET", "/engine-rest/version", login)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert camunda.ask("POST", "/engine-rest" + INVOICE, login, json.loads(START)).status == 401


def test_many_wrong_passwords_lock_nobody_out(camunda: Camunda) -> None:
    for _ in range(15):
        assert camunda.ask("GET", "/engine-rest/version", "worker:the-one-of-yesterday").status == 401
    assert camunda.rest("GET", "/version")["version"]


def test_the_page_that_makes_the_first_user_serves_nobody(camunda: Camunda) -> None:
    first = {"profile": {"id": "eve", "firstName": "e", "lastName": "e", "email": ""}, "credentials": {"password": "x"}}
    for path in ("/camunda/api/admin/setup/default/user/create", "/camunda/app/admin/default/setup/"):
        assert camunda.ask("POST", path, body=first).status == 404
    assert [user["id"] for user in camunda.rest("GET", "/user", user="admin")] == ["admin", "deployer", "worker"]


def test_a_browser_gets_the_pages_and_after_its_login_the_data(camunda: Camunda) -> None:
    page = camunda.ask("GET", "/camunda/app/cockpit/default/")
    assert page.status == 200
    cookies = {name: value for name, _, value in (cookie.partition("=") for cookie in _cookies(page))}
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), "X-XSRF-TOKEN": cookies["XSRF-TOKEN"]}
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    login = f"{camunda.url}/camunda/api/admin/auth/user/default/login/cockpit"
    assert urllib3.request("POST", login, body="username=admin&password=admin", headers=headers).status == 401
    done = urllib3.request("POST", login, body=f"username=admin&password={camunda.password('admin')}", headers=headers)
    assert done.status == 200, done.data
    headers["Cookie"] = "; ".join([*_cookies(done), headers["Cookie"]])
    found = urllib3.request("GET", f"{camunda.url}/camunda/api/engine/engine/default/process-definition", headers=headers)
    assert {definition["key"] for definition in json.loads(found.data)} >= {"RechnungStep3", "Maintenance"}


def _cookies(answer: urllib3.BaseHTTPResponse) -> list[str]:
    return [cookie.partition(";")[0] for cookie in answer.headers.getlist("Set-Cookie")]


def test_an_app_may_start_and_answer_but_not_deploy_nor_make_users(camunda: Camunda) -> None:
    answer = urllib3.request(
        "POST",
        f"{camunda.url}/engine-rest/deployment/create",
        fields={"deployment-name": "x", "data": ("a.bpmn", (MODELS / "Maintenance.bpmn").read_bytes())},
        headers=urllib3.make_headers(basic_auth=f"worker:{camunda.password('worker')}"),
    )
    assert answer.status == 403, answer.data
    user = {"profile": {"id": "eve", "firstName": "e", "lastName": "e", "email": ""}, "credentials": {"password": "x"}}
    camunda.rest("POST", "/user/create", user, status=403)
    camunda.rest("POST", INVOICE, json.loads(START), user="deployer", status=403)
