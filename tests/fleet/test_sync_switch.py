"""The operator's switch: in force everywhere, pins stay readable, agents wait and catch up."""

import asyncio
from pathlib import Path

import pytest

from driftpin import limits
from driftpin.agent.agent import AgentSettings, WorkspaceAgent
from driftpin.agent.dial import websocket_dialer
from driftpin.client import AgentClient, Client
from driftpin.errors import Forbidden, RateLimited, Unavailable
from driftpin.identity import digest_of
from driftpin.wire.agent import BlobsRequest
from driftpin.wire.api import CreateTokenRequest, CreateUserRequest, RefreshRequest
from driftpin.wire.push import inline_blob
from fleet.pair import Pair, is_connected, until


async def test_a_pause_refuses_pushes_on_every_replica_while_pins_move(pair: Pair) -> None:
    here, there = pair.first.client, pair.second.client
    await pair.first.hello()
    await pair.first.push(AGENTS="be kind")
    chat = await pair.first.chat()
    await pair.first.push(AGENTS="be very kind")
    assert (await there.set_sync(is_paused=True)).since is not None

    refusals: list[tuple[str, object]] = []

    async def is_refused_here() -> bool:
        try:
            await pair.first.push(AGENTS="be very kind")
        except Unavailable as refusal:
            refusals.append((refusal.code, refusal.fields["retry_after_s"]))
        except RateLimited:
            # The other replica has not looked yet, and pushes went faster than an agent's may.
            return False
        return bool(refusals)

    assert limits.EVENT_POLL_INTERVAL_S < 2
    await until(is_refused_here)
    assert refusals == [("sync_paused", limits.SYNC_PAUSED_RETRY_S)]
    blob = inline_blob(digest_of(b"x"), b"x")
    for call in (
        pair.first.agent.upload_blobs(BlobsRequest(blobs=(blob,))),
        here.resync_agent(pair.first.agent_id),
    ):
        with pytest.raises(Unavailable) as refused:
            await call
        assert refused.value.code == "sync_paused"
    for client in (here, there):
        assert (await client.get_sync()).paused
        assert (await client.get_context(chat.id)).dirty
        assert (await client.export_pin(chat.id)).revision == 1
    moved = await here.refresh_context(chat.id, RefreshRequest())
    assert (moved.revision, moved.dirty) == (2, False)
    await here.set_sync(is_paused=False)
    await pair.first.push(AGENTS="be cruel")
    assert (await there.get_context(chat.id)).dirty


async def test_only_administrators_throw_the_switch(pair: Pair) -> None:
    user = await pair.first.client.create_user(CreateUserRequest(name="somebody"))
    token = await pair.first.client.create_token(CreateTokenRequest(user_id=user.id))
    async with Client(pair.second.url, token.token) as client:
        assert not (await client.get_sync()).paused
        with pytest.raises(Forbidden):
            await client.set_sync(is_paused=True)
        assert not (await client.get_sync()).paused


async def test_an_agent_says_that_it_waits_and_pushes_its_newest_state_afterwards(
    pair: Pair, tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "AGENTS.md").write_text("first", encoding="utf-8")
    settings = AgentSettings(workspace, tmp_path / "sources.json")
    async with AgentClient(pair.second.url, pair.first.agent_token) as control_plane:
        dial = websocket_dialer(pair.second.url, pair.first.agent_token)
        agent = WorkspaceAgent(
            settings, control_plane, dial, environment={"XDG_RUNTIME_DIR": str(tmp_path)}
        )
        running = asyncio.create_task(agent.run())
        try:
            await until(lambda: is_connected(pair.first.client, pair.first.agent_id))
            await agent.calls.resync({})
            await pair.first.client.set_sync(is_paused=True)
            await pair.second.client.get_sync()
            for text in ("second", "third"):
                (workspace / "AGENTS.md").write_text(text, encoding="utf-8")
                waiting = asyncio.create_task(agent.calls.resync({}))
            await until(lambda: says_that_it_waits(agent))
            await pair.first.client.set_sync(is_paused=False)
            async with asyncio.timeout(limits.SYNC_PAUSED_RETRY_S / 2):
                await waiting
            status = await agent.calls.status({})
            assert isinstance(status, dict)
            assert (status["is_sync_paused"], status["failure"]) == (False, "")
            head = (
                await pair.first.client.get_workspace_context(pair.first.workspace_id)
            ).resources
            assert [each.digest for each in head] == [digest_of(b"third")]
        finally:
            agent.stop()
            await asyncio.gather(running, return_exceptions=True)


async def says_that_it_waits(agent: WorkspaceAgent) -> bool:
    await asyncio.wait({asyncio.ensure_future(agent.calls.ping({}))})
    status = await agent.calls.status({})
    assert isinstance(status, dict)
    return status["is_sync_paused"] is True
