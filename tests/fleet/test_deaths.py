"""A replica dies at any moment, or is told to stop in the middle of all; the others go on."""

import asyncio
import json
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from driftpin import limits
from driftpin.chat.states import ChatState
from driftpin.client import AgentClient, Client
from driftpin.clock import SystemClock
from driftpin.errors import DriftpinError, Unavailable
from driftpin.identity import WORKER, ChatId, RandomIds
from driftpin.models.registry import SCRIPT_VARIABLE
from driftpin.store.database import Database
from driftpin.store.store import Store
from driftpin.store.values import TurnRow
from driftpin.wire.agent import HelloRequest
from driftpin.wire.api import CreateAgentRequest, CreateChatRequest, CreateWorkspaceRequest
from driftpin.wire.turns import SendMessageRequest
from fleet.pair import WAIT_S, answer, is_connected, linked, receive_call, until
from fleet.pushing_on import has_grown, push_on
from replicas import Replica, replica
from tcp_proxy import proxied, target_of

# The lease of a turn runs out, then the turn is carried out anew.
TAKE_OVER_S = 45.0
STEPS = {"steps": [{"wait_ms": 4_000, "text": "slowly but surely"}]}


@pytest.fixture
def slow_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model that takes its time, for the replicas that are started afterwards."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps(STEPS), encoding="utf-8")
    monkeypatch.setenv(SCRIPT_VARIABLE, str(script))
    return "scripted"


async def running_turn(store: Store, chat_id: str) -> TurnRow:
    """Return the chat's first turn once somebody carries it out."""
    async with asyncio.timeout(2 * WAIT_S):
        while True:
            turn = (await store.list_turns(WORKER, ChatId(chat_id)))[0]
            if turn.holder is not None:
                return turn


async def test_a_killed_replica_leaves_its_turn_link_stream_and_call_to_the_others(
    database_url: str, slow_model: str
) -> None:
    database = Database(database_url, clock=SystemClock(), ids=RandomIds())
    store = Store(database)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        one = await stack.enter_async_context(replica(database_url))
        other = await stack.enter_async_context(replica(database_url, token=one.token))
        client = await stack.enter_async_context(Client(one.url, one.token))
        workspace = await client.create_workspace(CreateWorkspaceRequest(name="x"))
        enrolled = await client.enrol_agent(workspace.id, CreateAgentRequest())
        chat = await client.create_chat(
            CreateChatRequest(workspace_id=workspace.id, model=slow_model)
        )
        await client.send_message(chat.id, SendMessageRequest(text="go on"))
        holder = (await running_turn(store, chat.id)).holder
        dying, living = (one, other) if holder == f"replica-{one.pid}" else (other, one)
        balancer = await stack.enter_async_context(proxied(target_of(dying.url)))
        reader = await stack.enter_async_context(Client(balancer.url, one.token))
        asker = await stack.enter_async_context(Client(living.url, one.token))
        told = await stack.enter_async_context(reader.watch_events())
        async with linked(balancer.url, enrolled.token) as socket:
            await until(lambda: is_connected(asker, enrolled.id))
            asking = asyncio.create_task(asker.resync_agent(enrolled.id))
            await receive_call(socket)
            balancer.target = target_of(living.url)
            await dying.kill()
            balancer.cut_all()
            async with asyncio.timeout(WAIT_S):
                await socket.wait_closed()
        async with linked(balancer.url, enrolled.token) as socket:
            with pytest.raises(Unavailable) as caught:
                async with asyncio.timeout(2 * WAIT_S):
                    await asking
            assert caught.value.code == "call_unknown"
            await until(lambda: is_connected(asker, enrolled.id))
            asking = asyncio.create_task(asker.resync_agent(enrolled.id))
            await answer(socket, await receive_call(socket), {})
            await asking
        async with asyncio.timeout(TAKE_OVER_S):
            async for event, _ in told:
                if event.kind == "chat.turn" and event.payload.get("state") == "done":
                    break
        (turn,) = await reader.list_turns(chat.id)
        assert (turn.state, turn.attempt) == ("done", 2)
        said = [each for each in await reader.list_messages(chat.id) if each.role == "assistant"]
        assert len(said) == 1
        assert (await reader.get_chat(chat.id)).state == ChatState.IDLE


async def test_a_stopped_replica_leaves_its_turn_to_the_others_at_once(
    database_url: str, slow_model: str
) -> None:
    database = Database(database_url, clock=SystemClock(), ids=RandomIds())
    store = Store(database)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        one = await stack.enter_async_context(replica(database_url))
        other = await stack.enter_async_context(replica(database_url, token=one.token))
        client = await stack.enter_async_context(Client(one.url, one.token))
        workspace = await client.create_workspace(CreateWorkspaceRequest(name="x"))
        chat = await client.create_chat(
            CreateChatRequest(workspace_id=workspace.id, model=slow_model)
        )
        await client.send_message(chat.id, SendMessageRequest(text="go on"))
        holder = (await running_turn(store, chat.id)).holder
        going, staying = (one, other) if holder == f"replica-{one.pid}" else (other, one)
        await going.stop()

        async def is_taken_over() -> bool:
            turn = (await store.list_turns(WORKER, ChatId(chat.id)))[0]
            return turn.holder == f"replica-{staying.pid}"

        # Sooner than the lease would have run out.
        await until(is_taken_over, limits.TURN_LEASE_S / 3)


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGTERM, signal.SIGINT) * 5])
async def test_x53_a_stop_in_the_middle_of_all_takes_little_time_and_loses_nothing(
    database_url: str, slow_model: str, signals: tuple[signal.Signals, ...]
) -> None:
    acknowledged: list[int] = []
    async with AsyncExitStack() as stack:
        going = await stack.enter_async_context(replica(database_url))
        client = await stack.enter_async_context(Client(going.url, going.token))
        workspace = await client.create_workspace(CreateWorkspaceRequest(name="x"))
        enrolled = await client.enrol_agent(workspace.id, CreateAgentRequest())
        agent = await stack.enter_async_context(AgentClient(going.url, enrolled.token))
        incarnation = (await agent.hello(HelloRequest(run_id="r"))).incarnation
        chat = await client.create_chat(
            CreateChatRequest(workspace_id=workspace.id, model=slow_model)
        )
        socket = await stack.enter_async_context(linked(going.url, enrolled.token))
        await until(lambda: is_connected(client, enrolled.id))
        asking = asyncio.create_task(client.resync_agent(enrolled.id))
        await receive_call(socket)
        await client.send_message(chat.id, SendMessageRequest(text="go on"))
        for _ in range(3):
            await stack.enter_async_context(client.watch_events())
            await stack.enter_async_context(client.watch_chat(chat.id))
        pushing = asyncio.create_task(push_on(agent, incarnation, acknowledged))
        await until(lambda: has_grown(acknowledged))
        await stop(going, signals)
        await pushing
        with pytest.raises(DriftpinError):
            await asking
    async with (
        replica(database_url) as next_one,
        AgentClient(next_one.url, enrolled.token) as agent,
    ):
        head = (await agent.hello(HelloRequest(run_id="r"))).head
        assert head is not None
        assert head.seq >= acknowledged[-1] >= 5


async def stop(going: Replica, signals: tuple[signal.Signals, ...]) -> None:
    for number in signals[:-1]:
        going.process.send_signal(number)
    assert await going.stop(signals[-1]) == "stopped"
    assert going.process.returncode == 0
