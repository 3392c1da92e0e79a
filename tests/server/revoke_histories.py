"""Random histories in which access ends while streams or a link are open (spec/trust.md T8).

Messages are sent one behind the other while readers listen; somewhere in between access ends, while
another message is under way. What was begun after that was acknowledged must never reach a reader,
and a stream or link whose caller lost access must end within five seconds. Readers hold one plain
connection each: nothing connects anew.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from driftpin import limits
from driftpin.client import Client
from driftpin.errors import DriftpinError
from driftpin.identity import UserId, user_actor
from driftpin.wire.api import (
    CreateAgentRequest,
    CreateTokenRequest,
    CreateUserRequest,
    ShareRequest,
)
from driftpin.wire.link import CLOSE_GONE, CLOSE_REVOKED
from driftpin.wire.signing_in import SetPasswordRequest
from driftpin.wire.turns import SendMessageRequest
from outcome import Outcome
from served import Site

MESSAGES_MAX: Final = 8
YOUNGER: Final = 3
OPEN_S: Final = limits.REVOKED_STREAM_OPEN_MAX_S


@dataclass(slots=True)
class Reader:
    """One open stream: the turns that it told of, and whether it must end with the access."""

    name: str
    must_end: bool
    told: set[int] = field(default_factory=set)
    is_open: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, http: httpx2.AsyncClient, path: str, headers: Mapping[str, str]) -> None:
        """Read until the server ends the stream."""
        async with http.stream("GET", path, headers=dict(headers), timeout=60) as response:
            assert response.status_code == 200, await response.aread()
            async for line in response.aiter_lines():
                self.is_open.set()
                if line.startswith("data: "):
                    self._note(json.loads(line.removeprefix("data: ")))

    def _note(self, event: dict[str, Any]) -> None:
        turn = event.get("turn", (event.get("payload") or {}).get("turn"))
        if turn is not None:
            self.told.add(int(turn))


@dataclass(slots=True)
class History:
    """One reader's chat, how its access ends, and what is sent meanwhile."""

    site: Site
    chance: random.Random
    outcome: Outcome
    number: int
    chat_id: str = ""
    user_id: str = ""
    is_acknowledged: bool = False
    younger: set[int] = field(default_factory=set)

    async def run(self) -> None:
        """Play it, and note what broke."""
        way = self.chance.choice(sorted(WAYS))
        is_session = way in ("sign_out", "password") or self.chance.random() < 0.5
        async with (
            AsyncExitStack() as stack,
            httpx2.AsyncClient(base_url=self.site.url, trust_env=False) as http,
        ):
            headers = await self._prepare(stack, http, is_session=is_session)
            readers = self._readers(way)
            reading = {
                asyncio.create_task(each.read(http, path, headers)): each
                for each, path in zip(readers, self._paths(), strict=True)
            }
            await asyncio.gather(*(each.is_open.wait() for each in readers))
            await self._write_and_end(way, headers)
            await self._check(way, reading)

    async def _prepare(
        self, stack: AsyncExitStack, http: httpx2.AsyncClient, *, is_session: bool
    ) -> dict[str, str]:
        client = self.site.client
        self.chat_id = (await self.site.chat()).id
        user = await client.create_user(CreateUserRequest(name=f"reader {self.number}"))
        self.user_id = user.id
        await client.share_chat(self.chat_id, ShareRequest(user_id=user.id, access="read"))
        token = (await client.create_token(CreateTokenRequest(user_id=user.id))).token
        if not is_session:
            return {"Authorization": f"Bearer {token}"}
        self.outcome.seen["sessions"] += 1
        own = await stack.enter_async_context(Client(self.site.url, token))
        path = (await own.create_login_link()).path
        signed_in = await http.post(path, headers={"Origin": self.site.url})
        http.cookies.clear()
        cookie = signed_in.headers["set-cookie"].partition(";")[0]
        return {"Cookie": cookie, "Sec-Fetch-Site": "same-origin", "Origin": self.site.url}

    def _readers(self, way: str) -> list[Reader]:
        # Whoever merely lost a chat still listens to everything else.
        loses_all = way not in ("unshare", "delete")
        return [Reader("events", loses_all), Reader("events of a chat", True), Reader("chat", True)]

    def _paths(self) -> tuple[str, str, str]:
        chat = self.chat_id
        return ("/api/v1/events", f"/api/v1/events?chat={chat}", f"/api/v1/chats/{chat}/stream")

    async def _write_and_end(self, way: str, headers: Mapping[str, str]) -> None:
        moment = self.chance.randrange(1, MESSAGES_MAX)
        wanted = 0 if self.chance.random() < 0.1 else YOUNGER
        ending: asyncio.Task[None] | None = None
        sent = 0
        while ending is None or not ending.done() or len(self.younger) < wanted:
            if sent == moment:
                ending = asyncio.create_task(self._end(way, headers))
            sent += 1
            is_younger = self.is_acknowledged
            try:
                message = SendMessageRequest(text=f"{sent}")
                told = await self.site.client.send_message(self.chat_id, message)
            except DriftpinError:
                # The chat is gone, and with it whatever could be told.
                break
            if is_younger:
                self.younger.add(told.turn.number)
        assert ending is not None
        await ending
        self.outcome.seen["messages"] += sent
        self.outcome.seen["younger_messages"] += len(self.younger)

    async def _end(self, way: str, headers: Mapping[str, str]) -> None:
        await WAYS[way](self, headers)
        self.is_acknowledged = True
        self.outcome.seen[f"ended_by_{way}"] += 1

    async def _check(self, way: str, reading: Mapping[asyncio.Task[None], Reader]) -> None:
        must_end = {task for task, reader in reading.items() if reader.must_end}
        _, open_still = await asyncio.wait(must_end, timeout=OPEN_S)
        for task, reader in reading.items():
            where = f"history {self.number}, {way}, {reader.name}"
            if task in open_still:
                self.outcome.broken.append(f"{where}: open {OPEN_S} s after its access ended")
            if reader.told & self.younger:
                self.outcome.broken.append(f"{where}: told of {reader.told & self.younger}")
            self.outcome.seen["told"] += len(reader.told)
            task.cancel()
        results = await asyncio.gather(*reading, return_exceptions=True)
        self.outcome.broken += [
            f"history {self.number}, {way}: {failure!r}"
            for failure in results
            if isinstance(failure, Exception)
        ]

    async def revoke_token(self, _headers: Mapping[str, str]) -> None:
        """Revoke everything that the reader signed in by."""
        reader = user_actor(UserId(self.user_id))
        for row in await self.site.server.services.store.list_tokens(reader):
            await self.site.client.revoke_token(row.id)

    async def unshare(self, _headers: Mapping[str, str]) -> None:
        """Take the chat back."""
        await self.site.client.unshare_chat(self.chat_id, self.user_id)

    async def delete(self, _headers: Mapping[str, str]) -> None:
        """Delete the chat."""
        await self.site.client.delete_chat(self.chat_id)

    async def sign_out(self, headers: Mapping[str, str]) -> None:
        """End the reader's session."""
        async with httpx2.AsyncClient(base_url=self.site.url, trust_env=False) as http:
            ended = await http.post("/api/v1/sign-out", headers=dict(headers))
        assert ended.status_code == 204, ended.text

    async def password(self, _headers: Mapping[str, str]) -> None:
        """Give the reader another password, which ends its sessions."""
        request = SetPasswordRequest(password="battery staple")
        await self.site.client.set_password(self.user_id, request)


WAYS: Final[Mapping[str, Callable[[History, Mapping[str, str]], Awaitable[None]]]] = {
    "revoke_token": History.revoke_token,
    "unshare": History.unshare,
    "delete": History.delete,
    "sign_out": History.sign_out,
    "password": History.password,
}


async def play_streams(site: Site, count: int, seed: int) -> Outcome:
    """Return what `count` histories over the three streams came to."""
    outcome = Outcome()
    chance = random.Random(seed)
    for number in range(count):
        history = History(site, random.Random(chance.random()), outcome, number)
        await history.run()
    outcome.require("messages", "younger_messages", "told", "sessions")
    return outcome


async def play_links(site: Site, count: int, seed: int) -> Outcome:
    """Return what `count` histories over links came to."""
    outcome = Outcome()
    chance = random.Random(seed)
    for number in range(count):
        await _play_link(site, random.Random(chance.random()), outcome, number)
    outcome.require("calls", "younger_calls", "answered")
    return outcome


async def _play_link(site: Site, chance: random.Random, outcome: Outcome, number: int) -> None:
    agent = await site.client.enrol_agent(site.workspace_id, CreateAgentRequest(name=f"a{number}"))
    url = site.url.replace("http", "ws", 1) + "/api/v1/agent/link"
    headers = {"Authorization": f"Bearer {agent.token}"}
    async with connect(url, additional_headers=headers, compression=None, proxy=None) as socket:
        answering = asyncio.create_task(_answer(socket))
        async with asyncio.timeout(OPEN_S):
            while not (await site.client.get_agent(agent.id)).is_connected:
                outcome.seen["not_yet_connected"] += 1
        for _ in range(chance.randrange(1, 4)):
            await site.client.resync_agent(agent.id)
            outcome.seen["calls"] += 1
        if chance.random() < 0.5:
            ids = [each.id for each in await site.client.list_tokens() if each.kind == "agent"]
            await site.client.revoke_token(max(ids))
        else:
            await site.client.delete_agent(agent.id)
        for _ in range(chance.randrange(3)):
            outcome.seen["younger_calls"] += 1
            try:
                await site.client.resync_agent(agent.id)
            except DriftpinError:
                continue
            outcome.broken.append(f"link {number}: a younger call was answered")
        try:
            async with asyncio.timeout(OPEN_S):
                await socket.wait_closed()
        except TimeoutError:
            outcome.broken.append(f"link {number}: open {OPEN_S} s after its access ended")
        if socket.close_code not in (CLOSE_REVOKED, CLOSE_GONE):
            outcome.broken.append(f"link {number}: closed with {socket.close_code}")
        outcome.seen["answered"] += await answering


async def _answer(socket: ClientConnection) -> int:
    answered = 0
    try:
        while True:
            call = msgspec.msgpack.decode(await socket.recv(decode=False))
            reply = {"jsonrpc": "2.0", "id": call["id"], "result": {}}
            await socket.send(msgspec.msgpack.encode(reply))
            answered += 1
    except ConnectionClosed:
        return answered


__all__ = ["play_links", "play_streams"]
