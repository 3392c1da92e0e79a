"""Who listens for moves: on any replica, as long as it may, and never longer than the server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from driftpin.client import Client
from driftpin.client.streams import EventParser, Streamed
from driftpin.errors import Unauthenticated
from driftpin.identity import WORKER, Actor, ChatId, UserId, user_actor
from driftpin.operations.create_user_token import create_user_token
from driftpin.server.pin_moves import PinMoves
from driftpin.wire.api import RefreshRequest
from fleet.pair import open_other, open_pair
from gateway.visiting import MODERN, WAIT_S, open_visit, over_http, read, text_in, uris_by_name
from served import Site, open_site

BOTH = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
LISTEN = "subscriptions/listen"
SUBSCRIPTION = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": LISTEN,
    "params": {
        "notifications": {"toolsListChanged": True},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    },
}
EVERY_LIST = [f"notifications/{each}/list_changed" for each in ("resources", "prompts", "tools")]


Listen = Callable[[str, str, str], AbstractAsyncContextManager["Listening"]]


class Listening:
    """A stream that is open."""

    def __init__(self, response: httpx2.Response) -> None:
        self._parser = EventParser()
        self._chunks = response.aiter_bytes()

    @property
    def cursor(self) -> str | None:
        return self._parser.cursor

    async def begin(self) -> None:
        """Return when the first word has come."""
        async with asyncio.timeout(WAIT_S):
            self._parser.feed(await anext(self._chunks))

    async def methods(self, count: int) -> list[str]:
        found: list[Streamed] = []
        async with asyncio.timeout(WAIT_S):
            while len(found) < count:
                found += self._parser.feed(await anext(self._chunks))
        return [json.loads(each.text)["method"] for each in found]

    async def rest(self) -> list[Streamed]:
        """Return what comes until the stream has ended."""
        found: list[Streamed] = []
        async with asyncio.timeout(WAIT_S):
            with suppress(httpx2.RemoteProtocolError):
                async for chunk in self._chunks:
                    found += self._parser.feed(chunk)
        return found


@asynccontextmanager
async def listening(
    url: str, token: str, chat_id: str, cursor: str | None = None
) -> AsyncIterator[Listening]:
    """Listen as clients of the older era do."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    if cursor is not None:
        headers["Last-Event-ID"] = cursor
    async with (
        httpx2.AsyncClient(timeout=WAIT_S, trust_env=False) as http,
        http.stream("GET", f"{url}/mcp/chats/{chat_id}", headers=headers) as response,
    ):
        assert response.status_code == 200, await response.aread()
        yield Listening(response)


@asynccontextmanager
async def subscribed(url: str, token: str, chat_id: str) -> AsyncIterator[Listening]:
    """Listen as clients of the newer era do."""
    headers = {"Authorization": f"Bearer {token}", "MCP-Protocol-Version": MODERN, **BOTH}
    async with (
        httpx2.AsyncClient(timeout=WAIT_S, trust_env=False) as http,
        http.stream(
            "POST",
            f"{url}/mcp/chats/{chat_id}",
            headers={**headers, "Mcp-Method": LISTEN},
            content=json.dumps(SUBSCRIPTION),
        ) as response,
    ):
        assert response.status_code == 200, await response.aread()
        yield Listening(response)


async def pinned_chat(site: Site) -> str:
    """Return a chat with a pin that can be moved."""
    await site.hello()
    await site.push(AGENTS="first")
    chat = await site.chat()
    await site.push(AGENTS="second")
    return chat.id


async def move(client: Client, chat_id: str) -> None:
    await client.refresh_context(chat_id, RefreshRequest())


async def test_a_listener_goes_on_behind_what_it_heard_on_another_replica(
    postgresql_url: str,
) -> None:
    async with open_pair(postgresql_url) as pair:
        site, other, token = pair.first, pair.second, pair.first.token
        chat_id = await pinned_chat(site)
        async with listening(site.url, token, chat_id) as first:
            await first.begin()
            await move(other.client, chat_id)
            assert await first.methods(3) == EVERY_LIST
            cursor = first.cursor
        await site.push(AGENTS="third")
        await move(site.client, chat_id)
        async with listening(other.url, token, chat_id, cursor) as second:
            assert await second.methods(3) == EVERY_LIST


@pytest.mark.parametrize("listen", [listening, subscribed])
async def test_g11_a_listener_is_sent_away_when_its_token_is_revoked(
    listen: Listen, sqlite_url: str
) -> None:
    async with open_site(sqlite_url) as site:
        store = site.server.services.store
        me = (await site.client.get_me()).user
        row, token = await create_user_token(store, WORKER, UserId(me.id), "spare")
        chat_id = await pinned_chat(site)
        async with listen(site.url, token, chat_id) as listener:
            await listener.begin()
            await site.client.revoke_token(row.id)
            await move(site.client, chat_id)
            told = [each.text for each in await listener.rest()]
        assert [text for text in told if "list_changed" in text] == []


async def test_a_move_behind_the_end_of_access_is_not_told(sqlite_url: str) -> None:
    async with open_site(sqlite_url) as site:
        store = site.server.services.store
        me = (await site.client.get_me()).user
        actor = user_actor(UserId(me.id), is_administrator=False)
        chat_id = ChatId(await pinned_chat(site))
        checks = 0

        async def recheck() -> Actor:
            # The caller's access ends behind the first check, and then the pin moves.
            nonlocal checks
            checks += 1
            if checks > 1:
                raise Unauthenticated
            await move(site.client, chat_id)
            return actor

        moves = PinMoves(site.server.services, actor, recheck, chat_id)
        tag = moves.tag_of(await store.get_chat(actor, chat_id))
        assert [told async for told in moves.since(tag)] == []
        assert checks == 2


async def test_listeners_of_both_eras_do_not_hold_up_a_server_that_stops(
    sqlite_url: str,
) -> None:
    async with open_site(sqlite_url) as site:
        chat_id = await pinned_chat(site)
        async with (
            listening(site.url, site.token, chat_id) as older,
            subscribed(site.url, site.token, chat_id) as newer,
        ):
            await older.begin()
            await newer.begin()
            site.serving.cancel()
            assert [each.kind for each in await older.rest()] == ["closing"]
            # The end of a subscription is its answer.
            assert '"id":1' in (await newer.rest())[-1].text


async def test_nothing_is_left_of_requests_and_of_listeners_that_went(sqlite_url: str) -> None:
    async with open_site(sqlite_url) as site:
        chat_id = await pinned_chat(site)

        async def visit() -> None:
            async with over_http(f"{site.url}/mcp/chats/{chat_id}", site.token) as client:
                await client.list_tools()
            async with subscribed(site.url, site.token, chat_id) as newer:
                await newer.begin()

        await visit()
        before = len(asyncio.all_tasks())
        for _ in range(5):
            await visit()
        async with asyncio.timeout(WAIT_S):
            # Whoever left is noticed a little later.
            while len(asyncio.all_tasks()) > before:
                await site.client.get_me()


async def test_a_session_and_its_calls_go_on_on_a_replica_without_the_link(
    postgresql_url: str, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    told.touch()
    async with (
        open_visit(postgresql_url, tmp_path, told=str(told)) as visit,
        open_other(postgresql_url, visit.talk.site.token) as other,
    ):
        url = f"{other.url}/mcp/chats/{visit.chat_id}"
        async with over_http(url, visit.talk.site.token) as client:
            uris = uris_by_name(await client.list_resources())
            assert await read(client, uris["workspace:AGENTS.md"]) == "Be kind.\n"
            assert '"n": 2' in text_in(await client.call_tool("fake__add", {"n": 2}))
            visit.talk.bench.write(**visit.plan, progress=2, pause_s=0.3, says="under way")
            heard: list[tuple[float, str | None]] = []

            async def take(progress: float, total: float | None, message: str | None) -> None:
                heard.append((progress, message))

            await client.call_tool("fake__add", {"n": 2}, progress_callback=take)
            assert (0, "under way") in heard
            visit.talk.bench.write(**visit.plan, hang="tools/call")
            calling = asyncio.create_task(client.call_tool("fake__add", {"n": 3}))

            async def is_under_way() -> bool:
                return visit.agent.calls.under_way.count == 1

            async def is_taken_back() -> bool:
                return "notifications/cancelled" in told.read_text(encoding="utf-8")

            await visit.talk.until(is_under_way)
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
            await visit.talk.until(is_taken_back)
