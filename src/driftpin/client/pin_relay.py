"""Carries the messages of an MCP client, line by line, to a server that serves a pin, and back.

The server answers each message by itself and on any replica, so there is nothing to lose here: a
request that finds no server gets an error as its answer, and the next one is tried again. In the
older era of the protocol a stream beside the requests tells of moves of the pin; it is held across
lost connections, and goes on behind what was told last.
"""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from driftpin import limits
from driftpin.client.streams import EventParser, watch
from driftpin.client.transport import JSON_MEDIA_TYPE, Transport
from driftpin.errors import DriftpinError

INTERNAL_ERROR: Final = -32603
PARSE_ERROR: Final = -32700
SESSION: Final = "mcp-session-id"
VERSION: Final = "mcp-protocol-version"
# In the newer era a message carries its version itself, and the headers repeat what it says.
VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
NAMES: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
LISTEN: Final = "subscriptions/listen"
ACCEPT: Final = {"Accept": f"{JSON_MEDIA_TYPE}, text/event-stream"}
PLAIN: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")

Message = dict[str, Any]
Key = tuple[str, str]


@dataclass(slots=True)
class PinRelay:
    """One client's exchange with one pin: `write` gets each line of an answer.

    `complain` is told, in words, why the client will hear of no more moves.
    """

    transport: Transport
    path: str
    write: Callable[[str], None]
    complain: Callable[[str], None]
    _learnt: dict[str, str] = field(default_factory=dict)
    _asked: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _others: set[asyncio.Task[None]] = field(default_factory=set)
    _listening: asyncio.Task[None] | None = None

    async def run(self, lines: AsyncIterator[bytes]) -> None:
        """Carry messages until there are no more lines; what is under way gets a moment."""
        try:
            async for line in lines:
                if line.strip():
                    self._take(line)
            await self._drain()
        finally:
            await self._stop()

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self._fail(None, PARSE_ERROR, "This line is no message of JSON-RPC.", "bad_json")
        elif "method" in message and "id" in message:
            self._ask(message, line)
        elif message.get("method") == "notifications/cancelled" and self._leave(message):
            return
        elif "method" in message:
            self._keep(asyncio.create_task(self._notify(message, line)))
            if message["method"] == "notifications/initialized" and self._listening is None:
                self._listening = asyncio.create_task(self._listen())

    def _ask(self, message: Message, line: bytes) -> None:
        key = json.dumps(message["id"])
        task = asyncio.create_task(self._answer(message, line))
        self._asked[key] = task
        self._keep(task)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._others.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._others.discard(task)
        for key in [key for key, asked in self._asked.items() if asked is task]:
            del self._asked[key]

    def _leave(self, message: Message) -> bool:
        """Take a request back whose era says so by hanging up; False for any other."""
        named = json.dumps(_object(message.get("params")).get("requestId"))
        task = self._asked.get(named)
        if SESSION in self._learnt or task is None:
            return False
        task.cancel()
        return True

    async def _answer(self, message: Message, line: bytes) -> None:
        """Have a request answered; whatever happens, exactly one answer is written."""
        try:
            is_answered = await self._exchange(message, line)
        except DriftpinError as refusal:
            self._fail(message["id"], INTERNAL_ERROR, refusal.message, refusal.code)
        else:
            if not is_answered:
                text = "The server ended before it had answered; what became of it is not known."
                self._fail(message["id"], INTERNAL_ERROR, text, "answer_lost")

    async def _notify(self, message: Message, line: bytes) -> None:
        try:
            await self._exchange(message, line)
        except DriftpinError as refusal:
            self.complain(refusal.message)

    async def _exchange(self, message: Message, line: bytes) -> bool:
        """Send a message and write what comes back; return whether its answer was among it."""
        headers = self._headers_of(message)
        async with self.transport.exchange(self.path, line, headers=headers) as (told, chunks):
            if SESSION in told:
                self._learnt[SESSION] = told[SESSION]
            if told.get("Content-Type", "").startswith(JSON_MEDIA_TYPE):
                content = b"".join([chunk async for chunk in chunks])
                return self._pass_on(message, content.decode("utf-8", "replace"))
            is_answered, parser = False, EventParser()
            async for chunk in chunks:
                for event in parser.feed(chunk):
                    is_answered |= self._pass_on(message, event.text)
            return is_answered

    def _pass_on(self, message: Message, text: str) -> bool:
        """Write a message of the server; return whether it answers the client's."""
        try:
            told = json.loads(text)
        except ValueError:
            return False
        if not isinstance(told, dict):
            return False
        is_answer = "method" not in told
        if is_answer:
            # What was refused before it was read does not know whom it answers.
            told["id"] = message.get("id")
            self._learn_version(message, told)
        if not is_answer or "id" in message:
            self._write(told)
        return is_answer

    def _learn_version(self, message: Message, told: Message) -> None:
        result = told.get("result")
        if message.get("method") == "initialize" and isinstance(result, dict):
            self._learnt[VERSION] = str(result.get("protocolVersion"))

    def _headers_of(self, message: Message) -> Mapping[str, str]:
        parameters = _object(message.get("params"))
        version = _object(parameters.get("_meta")).get(VERSION_KEY)
        if version is None:
            return ACCEPT if message["method"] == "initialize" else {**ACCEPT, **self._learnt}
        headers = {**ACCEPT, VERSION: _plain(version), "Mcp-Method": _plain(message["method"])}
        name = parameters.get(NAMES.get(str(message["method"]), ""))
        return headers if name is None else {**headers, "Mcp-Name": _plain(name)}

    async def _listen(self) -> None:
        try:
            async with watch(self.transport, self.path) as streamed:
                async for event in streamed:
                    self._write(json.loads(event.text))
        except DriftpinError as refusal:
            self.complain(f"No more word of changes: {refusal.message}")

    def _fail(self, number: Any, code: int, text: str, reason: str) -> None:
        error = {"code": code, "message": text, "data": {"code": reason}}
        self._write({"jsonrpc": "2.0", "id": number, "error": error})

    def _write(self, message: Message) -> None:
        self.write(json.dumps(message, separators=(",", ":")))

    async def _drain(self) -> None:
        waiting = self._others
        if waiting:
            await asyncio.wait(waiting, timeout=limits.GATEWAY_DRAIN_S)

    async def _stop(self) -> None:
        tasks = [*self._others, *([self._listening] if self._listening else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _object(value: Any) -> Message:
    """Return a value as the object that it should be; an empty one for any other."""
    return value if isinstance(value, dict) else {}


def _plain(value: object) -> str:
    """Return a value as a header carries it: what is no plain text stands in base64."""
    text = str(value)
    if PLAIN.fullmatch(text) and not text.startswith("=?base64?"):
        return text
    encoded = base64.b64encode(text.encode(errors="replace")).decode("ascii")
    return f"=?base64?{encoded}?="


__all__ = ["PinRelay"]
