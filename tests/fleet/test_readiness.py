"""When a balancer should look elsewhere, and what becomes of open streams then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import pytest
from sqlalchemy import update
from sqlalchemy.sql import column, table

from driftpin import limits
from driftpin.events.event import EventKind
from driftpin.server.pulse import SCHEMA_CHANGED
from driftpin.store.database import Transaction
from driftpin.store.reading.pulse import VERSION_TABLE
from driftpin.store.schema import HEAD
from driftpin.store.tables import events
from driftpin.store.writing.events import record_event
from driftpin.wire.api import UpdateChatRequest
from driftpin.wire.transfer import ClosingShape
from fleet.notifying import socket_of, url_through
from fleet.pair import WAIT_S, Pair, open_pair, until
from tcp_proxy import Plan, TcpProxy, proxied

RECOVERY_S = 10.0
VERSION = table(VERSION_TABLE, column("version_num"))


async def status_of(url: str, path: str) -> tuple[int, str]:
    """Return status and code that a probe gets."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        response = await http.get(f"{url}{path}")
    return response.status_code, str(response.json().get("code", response.json().get("status")))


@asynccontextmanager
async def raw_stream(pair: Pair, url: str) -> AsyncIterator[AsyncIterator[str]]:
    """Give the lines of a stream of events as a reader without our client gets them."""
    headers = {"Authorization": f"Bearer {pair.first.token}"}
    async with (
        httpx2.AsyncClient(trust_env=False) as http,
        http.stream("GET", f"{url}/api/v1/events", headers=headers, timeout=60) as response,
    ):
        lines = response.aiter_lines()
        assert (await anext(lines)).startswith((":", "id:"))
        yield lines


async def closing_of(lines: AsyncIterator[str]) -> ClosingShape:
    """Return why a stream ended, which is the last thing that it says."""
    async with asyncio.timeout(RECOVERY_S):
        said = [line async for line in lines if line]
    assert said[-2:-1] == ["event: closing"]
    return ClosingShape.model_validate_json(said[-1].removeprefix("data: "))


@dataclass(slots=True)
class Silence:
    """A way on which nothing comes through any more, without an end."""

    is_silent: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def plan(self) -> Plan:
        """Return the plan of one connection."""
        return _SilentPlan(self)


@dataclass(slots=True)
class _SilentPlan(Plan):
    silence: Silence

    async def to_server(self, chunk: bytes) -> bytes:
        if self.silence.is_silent:
            await self.silence.over.wait()
        return chunk


async def serves_again(pair: Pair) -> bool:
    return await status_of(pair.second.url, "/readyz") == (200, "ok")


@pytest.mark.parametrize("how", ["refused", "silent"])
async def test_x20_a_replica_without_its_database_is_not_ready_and_recovers(
    database_url: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two looks that get no answer are waited for here.
    monkeypatch.setattr(limits, "PULSE_TIMEOUT_S", 0.5)
    silence = Silence()
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(proxied(socket_of(database_url), silence.plan))
        pair = await stack.enter_async_context(
            open_pair(database_url, url_through(proxy, database_url))
        )
        lines = await stack.enter_async_context(raw_stream(pair, pair.second.url))
        _part(proxy, silence, how)
        closing = await closing_of(lines)
        assert closing.reason == "storage_unavailable"
        assert closing.cursor is not None
        assert await status_of(pair.second.url, "/readyz") == (503, "storage_unavailable")
        assert await status_of(pair.second.url, "/healthz") == (200, "ok")
        assert await status_of(pair.first.url, "/readyz") == (200, "ok")
        chat = await pair.first.chat()
        _heal(proxy, silence)
        await until(lambda: serves_again(pair), RECOVERY_S)
        async with pair.second.client.watch_events(cursor=closing.cursor) as told:
            async with asyncio.timeout(WAIT_S):
                event, _ = await anext(told)
        assert (event.kind, event.chat_id) == ("chat.created", chat.id)


def _part(proxy: TcpProxy, silence: Silence, how: str) -> None:
    if how == "silent":
        silence.is_silent = True
    else:
        proxy.is_refusing = True
        proxy.cut_all()


def _heal(proxy: TcpProxy, silence: Silence) -> None:
    proxy.is_refusing = silence.is_silent = False
    silence.over.set()


async def test_x20_a_client_goes_on_by_itself_when_its_replica_recovers(
    database_url: str,
) -> None:
    silence = Silence()
    async with (
        proxied(socket_of(database_url), silence.plan) as proxy,
        open_pair(database_url, url_through(proxy, database_url)) as pair,
        pair.second.client.watch_events() as told,
    ):
        _part(proxy, silence, "refused")
        chat = await pair.first.chat()
        _heal(proxy, silence)
        async with asyncio.timeout(RECOVERY_S):
            event, _ = await anext(told)
        assert (event.kind, event.chat_id) == ("chat.created", chat.id)


async def test_x23_an_older_server_notices_a_newer_schema_and_takes_itself_out(
    pair: Pair,
) -> None:
    async def migrate(transaction: Transaction) -> None:
        await transaction.connection.execute(update(VERSION).values(version_num="9999"))

    async def go_back(transaction: Transaction) -> None:
        await transaction.connection.execute(update(VERSION).values(version_num=HEAD))

    database = pair.first.server.services.store.database
    async with raw_stream(pair, pair.second.url) as lines:
        await database.write(migrate)
        assert (await closing_of(lines)).reason == SCHEMA_CHANGED
    assert await status_of(pair.second.url, "/readyz") == (503, SCHEMA_CHANGED)
    assert await status_of(pair.second.url, "/healthz") == (200, "ok")
    await database.write(go_back)
    await until(lambda: serves_again(pair))


async def test_x23_events_of_a_newer_release_are_passed_over(pair: Pair) -> None:
    chat = await pair.first.chat()

    async def record_unknown(transaction: Transaction) -> None:
        number = await record_event(transaction, EventKind.CHAT_CHANGED)
        await transaction.connection.execute(
            update(events).where(events.c.id == number).values(kind="chat.of_tomorrow")
        )

    async with pair.second.client.watch_events() as told:
        await pair.first.server.services.store.database.write(record_unknown)
        await pair.first.client.update_chat(chat.id, UpdateChatRequest(title="new"))
        async with asyncio.timeout(WAIT_S):
            event, _ = await anext(told)
    assert event.kind == "chat.changed"
    assert event.chat_id == chat.id


async def test_a_server_that_stops_is_not_ready_before_it_ends_anything(pair: Pair) -> None:
    services = pair.second.server.services
    services.pulse.stop()
    assert await status_of(pair.second.url, "/readyz") == (503, "stopping")
    assert await status_of(pair.second.url, "/healthz") == (200, "ok")
    async with pair.second.client.watch_events() as told:
        chat = await pair.first.chat()
        async with asyncio.timeout(WAIT_S):
            event, _ = await anext(told)
        assert event.chat_id == chat.id
