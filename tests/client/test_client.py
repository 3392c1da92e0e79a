"""The typed client against a real server."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from door import push_body
from driftpin.client import AgentClient, Client
from driftpin.clock import SystemClock
from driftpin.errors import (
    BlobsMissing,
    Forbidden,
    Gone,
    HeadMoved,
    Malformed,
    NotFound,
    PushOutdated,
    Rejected,
    Unauthenticated,
    Unreachable,
)
from driftpin.events.event import EventKind, Position
from driftpin.identity import RandomIds, digest_of
from driftpin.server.app import Server
from driftpin.server.serve import bind, serve
from driftpin.server.services import ServerOptions
from driftpin.store.database import Database
from driftpin.wire.agent import PushRequest
from driftpin.wire.api import (
    CreateChatRequest,
    CreateTokenRequest,
    CreateWorkspaceRequest,
    RefreshRequest,
    RollbackRequest,
    UpdateChatRequest,
)
from driftpin.wire.turns import SendMessageRequest
from served import WAIT_S, Site

MISSING = "01900000-0000-7abc-8000-000000000000"


async def test_every_refusal_comes_back_as_the_server_raised_it(site: Site) -> None:
    with pytest.raises(NotFound):
        await site.client.get_chat(MISSING)
    with pytest.raises(Malformed) as malformed:
        await site.client.get_chat("x")
    assert malformed.value.code == "bad_id"
    with pytest.raises(Rejected) as rejected:
        await site.client.create_workspace(CreateWorkspaceRequest.model_construct(name="a\nb"))
    assert (rejected.value.code, rejected.value.fields["pointer"]) == ("control_char", "/name")
    async with Client(site.url, "dp_u_wrong") as stranger:
        with pytest.raises(Unauthenticated):
            await stranger.get_me()
    async with Client(site.url, site.agent_token) as agent:
        with pytest.raises(Forbidden) as forbidden:
            await agent.get_me()
    assert forbidden.value.code == "wrong_token_type"


async def test_refused_pushes_carry_what_an_agent_repairs_with(site: Site) -> None:
    await site.hello()
    held = (await site.push(AGENTS="x")).head
    body = push_body(seq=2, AGENTS="y")
    without = PushRequest.model_validate({**body, "blobs": ()}, strict=False)
    with pytest.raises(BlobsMissing) as missing:
        await site.agent.push(without)
    assert missing.value.fields["digests"] == [digest_of(b"y")]
    await site.hello("another run")
    with pytest.raises(PushOutdated) as outdated:
        await site.push(AGENTS="z")
    assert outdated.value.code == "fenced"
    assert outdated.value.fields["head"] == held.digest


async def test_a_head_that_moved_on_is_told_with_both_digests(site: Site) -> None:
    await site.hello()
    await site.push(AGENTS="x")
    chat = await site.chat()
    shown = (await site.push(AGENTS="y")).head.digest
    await site.push(AGENTS="z")
    with pytest.raises(HeadMoved) as moved:
        await site.client.refresh_context(chat.id, RefreshRequest(to=shown))
    assert moved.value.fields["shown"] == shown


async def test_no_server_is_unreachable() -> None:
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    async with Client(f"http://127.0.0.1:{port}", "x") as client:
        with pytest.raises(Unreachable):
            await client.get_me()
        with pytest.raises(Unreachable):
            async with client.watch_events():
                pass


async def test_lists_are_read_page_by_page(site: Site) -> None:
    made = [await site.chat() for _ in range(3)]
    page = await site.client.list_chats(limit=2)
    assert len(page.items) == 2
    rest = await site.client.list_chats(limit=2, cursor=page.next)
    assert {chat.id for chat in (*page.items, *rest.items)} == {chat.id for chat in made}
    assert rest.next is None
    assert len(await site.client.list_workspaces()) == 1


async def test_the_story_of_a_pin_through_the_client(site: Site) -> None:
    await site.hello()
    first = (await site.push(AGENTS="be kind")).head.digest
    chat = await site.chat()
    second = (await site.push(AGENTS="be cruel")).head.digest
    drift = await site.client.get_drift(chat.id, has_diff=True, has_cost=True)
    assert (drift.pin, drift.head, drift.severity) == (first, second, "behavioural")
    assert drift.diffs is not None
    assert "+be cruel" in drift.diffs[0].text
    refreshed = await site.client.refresh_context(chat.id, RefreshRequest(to=second))
    assert (refreshed.snapshot, refreshed.dirty) == (second, False)
    back = await site.client.roll_back_context(chat.id, RollbackRequest(to=first))
    assert back.snapshot == first
    moves = await site.client.list_history(chat.id)
    assert [move.verb for move in moves] == ["hydrate", "refresh", "roll_back"]
    assert digest_of(await site.client.get_manifest(first)) == first
    assert await site.client.get_blob(digest_of(b"be kind")) == b"be kind"
    between = await site.client.get_difference(first, second)
    assert [entry.source for entry in between.entries] == ["workspace:AGENTS.md"]
    assert (await site.client.export_pin(chat.id)).snapshot == first


async def test_chats_are_changed_archived_and_deleted(site: Site) -> None:
    chat = await site.chat()
    changed = await site.client.update_chat(chat.id, UpdateChatRequest(title="new", archived=True))
    assert (changed.title, changed.archived) == ("new", True)
    assert (await site.client.list_chats()).items == ()
    assert len((await site.client.list_chats(is_archived=None)).items) == 1
    await site.client.delete_chat(chat.id)
    with pytest.raises(NotFound):
        await site.client.get_chat(chat.id)


async def test_a_key_makes_a_call_safe_to_send_again(site: Site) -> None:
    request = CreateChatRequest(workspace_id=site.workspace_id)
    first = await site.client.create_chat(request, key="k")
    again = await site.client.create_chat(request, key="k")
    assert first == again
    sent = await site.client.send_message(first.id, SendMessageRequest(text="hi"), key="m")
    assert (
        await site.client.send_message(first.id, SendMessageRequest(text="hi"), key="m")
    ) == sent


async def test_a_stream_outlives_its_server(tmp_path: Path) -> None:
    """The server is stopped and started again on its port; nothing is lost or repeated."""
    url = f"sqlite:///{tmp_path / 'driftpin.db'}"
    port = 0
    tokens: list[str] = []

    async def run(ready: asyncio.Event) -> None:
        nonlocal port
        listener = bind("127.0.0.1", port)
        port = listener.getsockname()[1]
        database = Database(url, clock=SystemClock(), ids=RandomIds())
        server = Server(database, options=ServerOptions())
        await serve(server, listener, on_ready=ready.set)

    async def started() -> asyncio.Task[None]:
        ready = asyncio.Event()
        serving = asyncio.create_task(run(ready))
        async with asyncio.timeout(WAIT_S):
            await ready.wait()
        return serving

    async def stopped(serving: asyncio.Task[None]) -> None:
        serving.cancel()
        await asyncio.wait({serving}, timeout=2 * WAIT_S)

    serving = await started()
    tokens.append(await _first_token(url))
    async with Client(f"http://127.0.0.1:{port}", tokens[0]) as client:
        workspace = await client.create_workspace(CreateWorkspaceRequest(name="x"))
        request = CreateChatRequest(workspace_id=workspace.id)
        async with client.watch_events() as events:
            made = [(await client.create_chat(request)).id]
            seen = []
            async with asyncio.timeout(4 * WAIT_S):
                async for event, _ in events:
                    if event.kind != EventKind.CHAT_CREATED:
                        continue
                    seen.append(event.chat_id)
                    if len(seen) == 2:
                        break
                    await stopped(serving)
                    serving = await started()
                    made.append((await client.create_chat(request)).id)
    await stopped(serving)
    assert seen == made


async def _first_token(database_url: str) -> str:
    from driftpin.server.bootstrap import ensure_first_user
    from driftpin.store.store import Store

    database = Database(database_url, clock=SystemClock(), ids=RandomIds())
    try:
        return (await ensure_first_user(Store(database), None)).token
    finally:
        await database.close()


async def test_a_stream_that_cannot_go_on_says_so(site: Site) -> None:
    future = site.server.services.cursors.write_event(Position(2**40, 1))
    with pytest.raises(Gone) as gone:
        async with site.client.watch_events(cursor=future):
            pass
    assert gone.value.code == "resync_required"


async def test_a_new_token_signs_in_as_its_user(site: Site) -> None:
    created = await site.client.create_token(CreateTokenRequest(label="other"))
    async with Client(site.url, created.token) as other:
        assert (await other.get_me()) == (await site.client.get_me())
    await site.client.revoke_token(created.id)
    async with Client(site.url, created.token) as other:
        with pytest.raises(Unauthenticated):
            await other.get_me()


def test_an_agents_client_needs_nothing_of_a_server() -> None:
    heavy = ("fastapi", "sqlalchemy", "starlette", "driftpin.wire.api", "driftpin.store")
    program = (
        "import sys; from driftpin.client import AgentClient; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
    assert AgentClient.__module__ == "driftpin.client.agent"
