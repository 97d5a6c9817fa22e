"""What the standing canary knows and a single flight cannot: asked from beside it, in its own pod."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError


def services(port: int) -> dict[str, str]:
    """By service a sentence, empty where all is well; `port` is where the standing canary serves its status."""
    pool = urllib3.PoolManager(retries=False, timeout=5.0)
    try:
        answer = pool.request("GET", f"http://127.0.0.1:{port}/last")
        if answer.status == HTTPStatus.OK:
            told: dict[str, Any] = answer.json()
            return dict(told["services"])
        said = f"it answers {answer.status}"
    except (HTTPError, ValueError, KeyError) as failed:
        said = type(failed).__name__
    return {"canary": f"it does not tell what it watches ({said}); look at ./lab logs canary"}
