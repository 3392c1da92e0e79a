"""Calls into an application that also work where an answer has no end: streams and sockets.

Everything is compared as it goes out: status, raw headers in their order, body. Of a stream the
caller takes the first words and leaves.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI

WAIT_S = 5.0
SWITCHING = 101
# What differs between any two answers: of the request, not of what was asked for.
OF_THE_MOMENT = frozenset({b"date"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; a socket that was accepted counts as 101."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


async def ask(
    app: FastAPI,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str],
    content: bytes | None = None,
) -> Answer:
    """Send one request, or with the method `WS` open a socket; leave when the answer began."""
    call = _SocketCall(b"") if method == "WS" else _Call(content or b"")
    async with asyncio.timeout(WAIT_S):
        await app(_scope(method, target, headers, content), call.receive, call.send)
    return call.answer()


def _scope(
    method: str, target: str, headers: Mapping[str, str], content: bytes | None
) -> dict[str, Any]:
    parts = urlsplit(target)
    sent = {"host": "driftpin.test", **{name.lower(): text for name, text in headers.items()}}
    if content is not None:
        sent["content-length"] = str(len(content))
    is_socket = method == "WS"
    return {
        "type": "websocket" if is_socket else "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws" if is_socket else "http",
        "server": ("driftpin.test", 80),
        "client": ("127.0.0.1", 40_000),
        "root_path": "",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [(name.encode(), text.encode()) for name, text in sent.items()],
        "extensions": {"websocket.http.response": {}} if is_socket else {},
        **({} if is_socket else {"method": method}),
    }


class _Call:
    def __init__(self, content: bytes) -> None:
        self._content: bytes | None = content
        self._leaving = asyncio.Event()
        self._sent: list[dict[str, Any]] = []
        self._is_socket_begun = False

    async def receive(self) -> dict[str, Any]:
        if self._content is not None:
            body, self._content = self._content, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._leaving.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self._sent.append(dict(message))
        if message["type"] == "http.response.body":
            self._leaving.set()

    def answer(self) -> Answer:
        started = next(each for each in self._sent if each["type"].endswith(".start"))
        body = [each["body"] for each in self._sent if each["type"].endswith(".body")]
        kept = tuple((name, text) for name, text in started["headers"] if name not in OF_THE_MOMENT)
        return Answer(started["status"], kept, b"".join(body))


class _SocketCall(_Call):
    async def receive(self) -> dict[str, Any]:
        if not self._is_socket_begun:
            self._is_socket_begun = True
            return {"type": "websocket.connect"}
        await self._leaving.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(self, message: Any) -> None:
        self._sent.append(dict(message))
        if message["type"] == "websocket.accept":
            self._leaving.set()

    def answer(self) -> Answer:
        if any(each["type"] == "websocket.accept" for each in self._sent):
            return Answer(SWITCHING)
        return super().answer()


__all__ = ["SWITCHING", "Answer", "ask"]
