"""Whether a notebook could work now: starts a kernel at the server as a browser does, lets it multiply, and ends it.

Prints one JSON object, `{"ok", "latency_ms", "why"}`: the time from asking for the kernel to its answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

WITHIN_S = 60.0
CODE, WANTED = "6 * 7", "42"


def _message(kind: str, content: Mapping[str, Any]) -> str:
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": uuid.uuid4().hex, "username": "", "version": "5.3"}
    whole = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}
    return json.dumps(whole)


async def _result(server: str, kernel: str, headers: Mapping[str, str]) -> str:
    """What the kernel makes of CODE."""
    channels = await websocket_connect(HTTPRequest(f"ws://{server}/api/kernels/{kernel}/channels", headers=dict(headers)))
    await channels.write_message(_message("execute_request", {"code": CODE, "silent": False, "store_history": False}))
    while (said := await channels.read_message()) is not None:
        message = json.loads(said)
        if message["msg_type"] == "execute_result":
            channels.close()
            return str(message["content"]["data"]["text/plain"])
    return "nothing: the connection was closed"


async def alive(server: str, token: str) -> str:
    """Why no notebook could work; empty if one could."""
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    client = AsyncHTTPClient()
    kernels = f"http://{server}/api/kernels"
    kernel = json.loads((await client.fetch(kernels, method="POST", headers=headers, body="{}")).body)["id"]
    try:
        found = await asyncio.wait_for(_result(server, kernel, headers), WITHIN_S)
    finally:
        await client.fetch(f"{kernels}/{kernel}", method="DELETE", headers=headers)
    return "" if found == WANTED else f"{CODE} gave {found}"


def main() -> None:
    """Ask the server of this pod."""
    started = time.monotonic()
    try:
        why = asyncio.run(alive(f"127.0.0.1:{os.environ['LAB_PORT']}", Path(os.environ["LAB_TOKEN_FILE"]).read_text().strip()))
    except Exception as failed:
        why = f"{type(failed).__name__}: {failed}"
    latency_ms = round(1000 * (time.monotonic() - started), 1)
    json.dump({"ok": not why, "latency_ms": None if why else latency_ms, "why": why or None}, sys.stdout)


if __name__ == "__main__":
    main()
