"""Turns: many chats at once on whole servers, beside their commits alone; and one chat by itself.

Each turn asks the model twice and reads a pinned skill twice. The model answers at once, so what is
measured is driftpin. Messages go in over HTTP and ends are heard over one stream of events.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.report import Report, median
from bench.turn_server import STEPS
from bench.world import open_store, postgres
from driftpin.chat.messages import Message, Role, TextPart, ToolCallPart, ToolResultPart
from driftpin.chat.messages import user_message as said
from driftpin.chat.receipts import Outcome, RequestRecord
from driftpin.client import Client
from driftpin.client.streams import Streamed
from driftpin.context.manifest import snapshot_of
from driftpin.context.resource import (
    InstructionBody,
    Kind,
    Resource,
    SkillBody,
    SkillFile,
    Status,
)
from driftpin.errors import Unavailable
from driftpin.identity import WORKER, Actor, ChatId, WorkspaceId, agent_actor, digest_of, user_actor
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.begin_request import begin_request
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.commit_answer import commit_answer
from driftpin.operations.commit_tool_results import commit_tool_results
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.say_hello import say_hello
from driftpin.operations.send_message import send_message
from driftpin.operations.start_tool_calls import start_tool_calls
from driftpin.server.bootstrap import ensure_first_user
from driftpin.store.leases import ClaimedTurn
from driftpin.store.store import Store
from driftpin.store.turn_values import StreamedText
from driftpin.wire.api import CreateChatRequest, EventShape
from driftpin.wire.transfer import DeltaShape, TurnEventShape
from driftpin.wire.turns import SendMessageRequest

CHATS = 50
TURNS_PER_CHAT = 4
ALONE_TURNS = 60
WARM_UP_TURNS = 5
RETRY_S = 1
# A machine that needs longer has other things to do.
LONGEST_S = 300
SKILL = b"---\nname: tidy\ndescription: Tidies up.\n---\nSweep first.\n"
RULE = b"Indent with two spaces.\n"
NOTHING = digest_of(b"")


async def run(report: Report) -> None:
    report.section("50 chats at once, two requests and two skill calls per turn (SQLite)")
    with tempfile.TemporaryDirectory(prefix="driftpin-bench-") as name:
        path = Path(name)
        await _many(report, f"sqlite:///{path / 'a.db'}", f"sqlite:///{path / 'b.db'}", 1, 15)
        report.section("one chat by itself (SQLite)")
        await _single(report, f"sqlite:///{path / 'c.db'}")
    report.section("50 chats at once, two servers (PostgreSQL)")
    with postgres() as first, postgres() as second:
        await _many(report, first, second, 2, 25)


async def _many(report: Report, url: str, other_url: str, servers: int, promised: int) -> None:
    turns = CHATS * TURNS_PER_CHAT
    token, workspace_id = await _settle(url)
    with _serving(url, token, servers) as urls:
        took_s = await _through_servers(urls, token, workspace_id)
    alone_s = await _commits_alone(other_url)
    rate = turns / took_s
    report.at_least("turns per second", rate, promised, f"{turns} turns in {took_s:.1f} s", unit="")
    report.at_most("time ÷ time of the same commits alone", took_s / alone_s, 3, "×")


async def _through_servers(urls: list[str], token: str, workspace_id: str) -> float:
    """Return how long it took until every message that was sent to every chat was answered."""
    async with Client(urls[0], token) as client:
        request = CreateChatRequest(workspace_id=workspace_id, model="scripted")
        chats = [(await client.create_chat(request)).id for _ in range(CHATS)]
        async with client.watch_events() as events, asyncio.timeout(LONGEST_S):
            begun = time.perf_counter()
            # A sender that fails ends the wait for its turns too.
            async with asyncio.TaskGroup() as tasks:
                for place, url in enumerate(urls):
                    tasks.create_task(_send_all(url, token, chats[place :: len(urls)]))
                tasks.create_task(_hear_ends(events, CHATS * TURNS_PER_CHAT))
            return time.perf_counter() - begun


async def _hear_ends(events: AsyncIterator[tuple[EventShape, str | None]], turns: int) -> None:
    """Return when so many turns have ended; none may end otherwise than done."""
    async for event, _ in events:
        state = event.payload.get("state") if event.kind == "chat.turn" else None
        assert state not in ("failed", "interrupted"), f"a turn ended as {state}"
        turns -= state == "done"
        if not turns:
            return


async def _send_all(url: str, token: str, chats: list[str]) -> None:
    async with Client(url, token) as client:
        for number in range(TURNS_PER_CHAT):
            request = SendMessageRequest(text=f"Tidy up, {number}.")
            await asyncio.gather(*(_send(client, chat, request) for chat in chats))


async def _send(client: Client, chat: str, request: SendMessageRequest) -> None:
    """Send a message until it is taken: a machine that is busy refuses some, as it says."""
    while True:
        try:
            await client.send_message(chat, request)
        except Unavailable:
            await asyncio.sleep(RETRY_S)
        else:
            return


async def _commits_alone(url: str) -> float:
    """Make the same commits from as many callers, with nothing read, asked or rendered between."""
    _, workspace_id = await _settle(url)
    async with open_store(url) as store:
        user_id, _ = await ensure_first_user(store, None)
        owner = user_actor(user_id, is_administrator=True)
        workspace = WorkspaceId(workspace_id)
        chats = [(await create_chat(store, owner, workspace)).chat.id for _ in range(CHATS)]
        begun = time.perf_counter()
        await asyncio.gather(*(_turns_alone(store, owner, chat) for chat in chats))
        return time.perf_counter() - begun


async def _turns_alone(store: Store, owner: Actor, chat_id: ChatId) -> None:
    for number in range(TURNS_PER_CHAT):
        await send_message(store, owner, chat_id, said(f"Tidy up, {number}."))
        claimed = None
        while claimed is None:
            claimed = await claim_turn(store, WORKER, holder="bench", lease_s=60)
        await _turn_alone(store, claimed)


async def _turn_alone(store: Store, claimed: ClaimedTurn) -> None:
    lease, numbers = claimed.lease, itertools.count(1)
    calls = tuple(
        ToolCallPart(f"{lease.turn}-{place}", call.name, call.arguments)
        for place, call in enumerate(STEPS[0].calls)
    )
    await _request_alone(store, claimed, next(numbers), STEPS[0].text, calls)
    await start_tool_calls(store, WORKER, lease, calls)
    results = tuple(ToolResultPart(call.call_id, call.name, "Sweep first.") for call in calls)
    await commit_tool_results(store, WORKER, lease, results)
    await _request_alone(store, claimed, next(numbers), STEPS[1].text, ())


async def _request_alone(
    store: Store, claimed: ClaimedTurn, number: int, text: str, calls: tuple[ToolCallPart, ...]
) -> None:
    lease = claimed.lease
    record = _record(lease.chat_id, lease.turn, number)
    sent = await begin_request(store, WORKER, lease, record, revision=1, snapshot_id=None)
    await commit_answer(
        store,
        WORKER,
        lease,
        sent,
        snapshot_id=None,
        message=Message(Role.ASSISTANT, (TextPart(text), *calls)),
        outcome=Outcome.ANSWERED,
        unkept=StreamedText(0, text),
        ends_turn=not calls,
    )


async def _single(report: Report, url: str) -> None:
    token, workspace_id = await _settle(url)
    with _serving(url, token, 1) as (server,):
        async with Client(server, token) as client:
            request = CreateChatRequest(workspace_id=workspace_id, model="timed")
            chat = (await client.create_chat(request)).id
            async with client.watch_chat(chat) as events:
                timed = [
                    await _timed_turn(client, chat, events)
                    for _ in range(ALONE_TURNS + WARM_UP_TURNS)
                ]
    shares = [share for share, _ in timed[WARM_UP_TURNS:]]
    tokens = [token_ms for _, token_ms in timed[WARM_UP_TURNS:]]
    report.at_most("driftpin's own share per model request, median", median(shares), 10, " ms")
    report.at_most("first streamed token after the model's, median", median(tokens), 20, " ms")


async def _timed_turn(
    client: Client, chat_id: str, events: AsyncIterator[Streamed]
) -> tuple[float, float]:
    """Return milliseconds per request outside the model, and until its first word was here.

    The share counts from before the message was sent until its end was heard: HTTP, every commit
    and what the stream does included. Whoever reads a chat has its stream open before and keeps it,
    so opening one is no part of a request.
    """
    sent_ns = time.monotonic_ns()
    sent = await client.send_message(chat_id, SendMessageRequest(text="Tidy up."))
    first_ns, times = 0, []
    async for event in events:
        if event.kind == "delta":
            first_ns = first_ns or time.monotonic_ns()
            delta = DeltaShape.model_validate_json(event.text)
            times = json.loads(str(delta.content["text"]))
        elif event.kind == "turn" and _is_end(event, sent.turn.number):
            break
    ended_ns = time.monotonic_ns()
    first_asked, first_ended, second_asked, spoke = times
    inside_ns = (first_ended - first_asked) + (spoke - second_asked)
    return (ended_ns - sent_ns - inside_ns) / 2e6, (first_ns - spoke) / 1e6


def _is_end(event: Streamed, turn: int) -> bool:
    told = TurnEventShape.model_validate_json(event.text)
    assert told.state != "failed", told.error
    return told.turn == turn and told.state == "done"


def _record(chat_id: ChatId, turn: int, number: int) -> RequestRecord:
    return RequestRecord(
        chat_id=chat_id,
        turn=turn,
        number=number,
        snapshot=None,
        prompt_digest=None,
        revision=None,
        policy="pin",
        prefix=NOTHING,
        tools=NOTHING,
        messages=NOTHING,
        volatile=NOTHING,
        model="scripted",
        settings=(),
        budget_tokens=1,
        left_out=(),
        renderer_version=1,
    )


async def _settle(url: str) -> tuple[str, str]:
    """Make a workspace whose agent has pushed a rule and a skill; return a token and its id."""
    async with open_store(url) as store:
        user_id, token = await ensure_first_user(store, None)
        owner = user_actor(user_id, is_administrator=True)
        workspace = await create_workspace(store, owner, "bench")
        enrolled, _ = await enrol_agent(store, owner, workspace.id, "bench")
        agent = agent_actor(enrolled.id, workspace.id)
        hello = await say_hello(store, agent, run_id="r", hostname="", os="", version="", roots={})
        rule = Resource(
            Kind.INSTRUCTION_FILE,
            "workspace:AGENTS.md",
            Status.OK,
            body=InstructionBody(digest_of(RULE)),
        )
        body = SkillBody(
            "tidy",
            "Tidies up.",
            (SkillFile("SKILL.md", executable=False, digest=digest_of(SKILL)),),
        )
        skill = Resource(Kind.SKILL, "workspace:.agents/skills/tidy", Status.OK, body=body)
        await accept_snapshot(
            store,
            agent,
            incarnation=hello.incarnation,
            seq=1,
            snapshot=snapshot_of([rule, skill]),
            observations={},
            blobs=tuple((digest_of(text), text) for text in (RULE, SKILL)),
        )
        return token, workspace.id


@contextmanager
def _serving(url: str, token: str, count: int) -> Iterator[list[str]]:
    """Run so many servers on one database, and give where they answer."""
    with ExitStack() as stack:
        urls = []
        for _ in range(count):
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "bench.turn_server", url, token],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=Path(__file__).parents[1],
                )
            )
            assert process.stdout is not None
            urls.append(json.loads(process.stdout.readline())["url"])
        yield urls
