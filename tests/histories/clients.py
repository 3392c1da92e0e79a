"""The clients of a concurrent history: each writes down what it calls and what it sees."""

import asyncio
import base64
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from driftpin.client import AgentClient, Client
from driftpin.errors import DriftpinError, Unreachable
from driftpin.identity import digest_of
from driftpin.wire import api
from driftpin.wire.agent import BlobsRequest, HelloRequest, PushReply, PushRequest
from driftpin.wire.push import inline_blob
from histories.record import Call, Ended, Pair, Record, Row, What
from histories.ring import Ring, ring_of_digests, ring_of_sizes

AWAY_TRIES_MAX: Final = 400
Seen = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the servers of a history are."""

    urls: tuple[str, ...]
    draw: random.Random

    def any_url(self) -> str:
        return self.draw.choice(self.urls)


@dataclass(slots=True)
class Clerk:
    """Writes calls down for one client. `done` counts them, `on_call` is told of each."""

    name: str
    user: str
    record: Record
    done: int = 0

    async def note(self, what: What, work: Callable[[], Awaitable[Seen]], **asked: Any) -> Call:
        """Call, and write down how it ended."""
        begin_s = time.monotonic()
        call = Call(self.name, self.user, what, begin_s, **asked)
        try:
            call = replace(call, **await work(), end_s=time.monotonic())
        except Unreachable as lost:
            call = replace(
                call, ended=Ended.UNKNOWN, code=str(lost.fields.get("reason", lost.code))
            )
        except DriftpinError as refusal:
            call = replace(call, ended=Ended.REFUSED, code=refusal.code, end_s=time.monotonic())
        self.record.calls.append(call)
        self.done += 1
        return call


@dataclass(slots=True)
class UserClient:
    """One program of a user; it remembers what it was shown last."""

    clerk: Clerk
    clients: tuple[Client, ...]
    draw: random.Random
    chats: list[str]
    epoch: int
    shown: dict[str, Row] = field(default_factory=dict)
    pinned: dict[str, list[str]] = field(default_factory=dict)

    @property
    def client(self) -> Client:
        """Any server will do."""
        return self.draw.choice(self.clients)

    async def read(self, chat: str) -> Call:
        async def work() -> Seen:
            context = await self.client.get_context(chat)
            self.shown[chat] = Row(context.revision, context.snapshot, context.head)
            if context.snapshot is not None:
                self.pinned.setdefault(chat, []).append(context.snapshot)
            return _seen_context(context)

        return await self.clerk.note(What.CONTEXT, work, chat=chat)

    async def export(self, chat: str) -> Call:
        async def work() -> Seen:
            whole = await self.client.export_pin(chat)
            manifest = base64.b64decode(whole.manifest)
            bodies = {file.source: base64.b64decode(file.data) for file in whole.files}
            listed = {
                entry["source"]: entry["digest"] for entry in json.loads(manifest)["resources"]
            }
            held = {source: digest_of(body) for source, body in bodies.items()}
            rings = (ring_of_digests(listed), ring_of_digests(held))
            return {
                "digest": digest_of(manifest),
                "revision": whole.revision,
                "rings": rings if digest_of(manifest) == whole.snapshot else (),
            }

        return await self.clerk.note(What.EXPORT, work, chat=chat)

    async def drift(self, chat: str) -> Call:
        async def work() -> Seen:
            drift = await self.client.get_drift(chat, has_diff=self.draw.random() < 0.3)
            sources = frozenset(entry.source for entry in drift.entries)
            return {"digest": drift.pin, "head": drift.head, "sources": sources}

        return await self.clerk.note(What.DRIFT, work, chat=chat)

    async def history(self, chat: str) -> Call:
        async def work() -> Seen:
            moves = await self.client.list_history(chat)
            return {"revision": moves[-1].revision, "digest": moves[-1].to} if moves else {}

        return await self.clerk.note(What.HISTORY, work, chat=chat)

    async def list(self) -> Call:
        async def work() -> Seen:
            page = await self.client.list_chats(is_archived=None, limit=200)
            return {"chats": frozenset(chat.id for chat in page.items)}

        return await self.clerk.note(What.LIST, work)

    async def refresh(self, chat: str, *, is_stale: bool = False) -> Call:
        """Refresh to what was shown, if it is still so."""
        row = self.shown.get(chat)
        if row is None or row.head is None:
            return await self.read(chat)
        shown = row.revision - 1 if is_stale and row.revision > 1 else row.revision
        tag = "none" if row.digest is None else row.digest[7:19]
        asked = api.RefreshRequest(to=row.head)

        async def work() -> Seen:
            client = self.client
            context = await client.refresh_context(
                chat, asked, if_match=f'"{self.epoch}-{shown}-{tag}"'
            )
            self.shown[chat] = Row(context.revision, context.snapshot, context.head)
            return _seen_context(context)

        return await self.clerk.note(What.REFRESH, work, chat=chat, shown=shown, to=row.head)

    async def roll_back(self, chat: str) -> Call:
        targets = self.pinned.get(chat)
        if not targets:
            return await self.read(chat)
        to = self.draw.choice(targets)

        async def work() -> Seen:
            return _seen_context(
                await self.client.roll_back_context(chat, api.RollbackRequest(to=to))
            )

        return await self.clerk.note(What.ROLL_BACK, work, chat=chat, to=to)

    async def create(self, workspace: str, title: str) -> Call:
        """Create a chat, as often as it takes to hear of it, under one key."""

        async def work() -> Seen:
            asked = api.CreateChatRequest(workspace_id=workspace, title=title)
            chat = await self.client.create_chat(asked, key=title)
            if self.draw.random() < 0.3:
                again = await self.client.create_chat(asked, key=title)
                assert again.id == chat.id, "one key makes one chat"
            return {"chat": chat.id}

        call = await self.clerk.note(What.CREATE, work, title=title)
        if call.is_ok:
            self.chats.append(call.chat)
        return call

    async def fork(self, chat: str, title: str) -> Call:
        async def work() -> Seen:
            turns = await self.client.list_turns(chat)
            turn = turns[-1].number if turns else 0
            fork = await self.client.fork_chat(chat, api.ForkRequest(turn=turn, title=title))
            return {"chat": fork.id}

        call = await self.clerk.note(What.FORK, work, title=title)
        if call.is_ok:
            self.chats.append(call.chat)
        return call

    async def archive(self, chat: str, *, archived: bool) -> Call:
        async def work() -> Seen:
            await self.client.update_chat(chat, api.UpdateChatRequest(archived=archived))
            return {}

        return await self.clerk.note(What.ARCHIVE, work, chat=chat, flag=archived)

    async def share(self, chat: str, user: str) -> Call:
        async def work() -> Seen:
            await self.client.share_chat(chat, api.ShareRequest(user_id=user, access="update"))
            return {}

        return await self.clerk.note(What.SHARE, work, chat=chat, other=user, flag=True)

    async def unshare(self, chat: str, user: str) -> Call:
        async def work() -> Seen:
            await self.client.unshare_chat(chat, user)
            return {}

        return await self.clerk.note(What.UNSHARE, work, chat=chat, other=user)

    async def head(self, agent: str) -> Call:
        async def work() -> Seen:
            head = (await self.client.get_agent(agent)).head
            return {"digest": None if head is None else head.digest}

        return await self.clerk.note(What.HEAD, work, agent=agent)


def _seen_context(context: api.FullContextShape) -> Seen:
    digests = {resource.source: resource.digest for resource in context.resources}
    sizes = {resource.source: resource.size_bytes for resource in context.resources}
    is_pinned = context.snapshot is not None
    return {
        "revision": context.revision,
        "digest": context.snapshot,
        "rings": (ring_of_digests(digests), ring_of_sizes(sizes)) if is_pinned else (),
    }


@dataclass(slots=True)
class AgentRun:
    """One run of an agent, which numbers its own pushes."""

    clerk: Clerk
    clients: tuple[AgentClient, ...]
    draw: random.Random
    agent: str
    run_id: str
    ring: Ring = field(default_factory=Ring)
    incarnation: int = 0
    seq: int = 0
    _sent: list[PushRequest] = field(default_factory=list)

    @property
    def client(self) -> AgentClient:
        return self.draw.choice(self.clients)

    async def hello(self) -> Call:
        """Begin, as often as it takes."""

        async def work() -> Seen:
            reply = await self.client.hello(HelloRequest(run_id=self.run_id))
            self.incarnation = reply.incarnation
            return {}

        for _ in range(AWAY_TRIES_MAX):
            call = await self.clerk.note(What.HELLO, work, agent=self.agent)
            if call.is_ok:
                return call
        raise AssertionError("no server answers a hello")

    async def push(self, *, has_uploads: bool = False) -> Call:
        """Push the ring with two of its nodes swapped, under the next number."""
        self.ring = self.ring.swapped(self.draw)
        self.seq += 1
        serial = f"{self.run_id}/{self.seq}"
        snapshot, blobs = self.ring.snapshot(serial)
        self.clerk.record.contents[snapshot.digest] = self.ring
        inline = tuple(inline_blob(digest, content) for digest, content in blobs.items())
        request = PushRequest(
            incarnation=max(self.incarnation, 1),
            seq=self.seq,
            manifest=json.loads(snapshot.manifest),
            digest=snapshot.digest,
            blobs=() if has_uploads else inline,
        )
        if has_uploads:
            await self._upload(BlobsRequest(blobs=inline))
        self._sent.append(request)
        call = await self._send(request)
        if call.code == "need_blobs":
            # Collected in between: the bytes go along this time.
            call = await self._send(request.model_copy(update={"blobs": inline}))
        while call.ended is Ended.UNKNOWN:
            call = await self._send(request.model_copy(update={"blobs": inline}))
        return call

    async def push_again(self) -> Call:
        """Send what was sent last once more: its answer may have been lost."""
        return await (self._send(self._sent[-1]) if self._sent else self.push())

    async def push_stale(self) -> Call:
        """Send something that was overtaken, as a slow connection would deliver it."""
        return await (self._send(self.draw.choice(self._sent)) if self._sent else self.push())

    async def _send(self, request: PushRequest) -> Call:
        async def work() -> Seen:
            reply: PushReply = await self.client.push(request)
            return {"result": reply.result}

        pair: Pair = (request.incarnation, request.seq)
        return await self.clerk.note(
            What.PUSH, work, agent=self.agent, pair=pair, digest=request.digest
        )

    async def _upload(self, request: BlobsRequest) -> Call:
        async def work() -> Seen:
            await self.client.upload_blobs(request)
            return {}

        return await self.clerk.note(What.UPLOAD, work, agent=self.agent)


@asynccontextmanager
async def user_clients(place: Place, token: str) -> AsyncIterator[tuple[Client, ...]]:
    """Give a client for each server."""
    clients = tuple(Client(url, token) for url in place.urls)
    try:
        yield clients
    finally:
        await asyncio.gather(*(client.__aexit__(None, None, None) for client in clients))


@asynccontextmanager
async def agent_clients(place: Place, token: str) -> AsyncIterator[tuple[AgentClient, ...]]:
    """Give an agent's client for each server."""
    clients = tuple(AgentClient(url, token) for url in place.urls)
    try:
        yield clients
    finally:
        await asyncio.gather(*(client.__aexit__(None, None, None) for client in clients))


__all__ = [
    "AgentRun",
    "Clerk",
    "Place",
    "UserClient",
    "agent_clients",
    "user_clients",
]
