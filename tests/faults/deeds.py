"""What clients of the fault tests do, each time in a way that can be sent again.

A deed is data, so that a process that is about to die can say what it is doing, and whoever comes
after it can do the very same thing once more.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol, Self

from driftpin import limits
from driftpin.chat.messages import user_message
from driftpin.context.manifest import Snapshot
from driftpin.identity import (
    WORKER,
    Actor,
    AgentId,
    ChatId,
    Digest,
    WorkspaceId,
    agent_actor,
    digest_of,
)
from driftpin.models.port import Model
from driftpin.models.scripted import ScriptedCall, ScriptedModel, Step
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.collect_garbage import Retention, collect_garbage
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.forget_holders import forget_holders
from driftpin.operations.idempotency import run_once
from driftpin.operations.keep_drift import keep_drift
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.operations.say_hello import say_hello
from driftpin.operations.send_message import send_message
from driftpin.runner.pins import PinReader
from driftpin.runner.turn import Turn
from driftpin.store.store import Store
from driftpin.store.values import MessageRow, PinMove, TurnRow
from pushing import snapshot_with


class Verb(StrEnum):
    """What a client may do to the store. A first push pins a chat that waited for it."""

    PUSH = "push"
    FIRST_PUSH = "first_push"
    CREATE = "create"
    REFRESH = "refresh"
    ROLL_BACK = "roll_back"
    REBIND = "rebind"
    SAY = "say"
    LISTEN = "listen"
    COLLECT = "collect"
    KEEP_DRIFT = "keep_drift"


TURNS_MAX = 500
MOVES = (Verb.REFRESH, Verb.ROLL_BACK, Verb.REBIND)


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing to do; a resend is the same deed."""

    verb: Verb
    workspace_id: str = ""
    agent_id: str = ""
    chat_id: str = ""
    seq: int = 0
    text: str = ""
    to: str = ""
    key: str = ""

    def written(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def read(cls, written: dict[str, Any]) -> Self:
        return cls(**{**written, "verb": Verb(written["verb"])})

    @property
    def snapshot(self) -> tuple[Snapshot, dict[Digest, bytes]]:
        """What a push brings."""
        return snapshot_with(AGENTS=self.text)


@dataclass(frozen=True, slots=True)
class Done:
    """How a deed was answered: what was said of it, and where a pin stands behind it."""

    result: str
    chat_id: str = ""
    revision: int = 0
    digest: str | None = None

    def written(self) -> dict[str, Any]:
        return asdict(self)


class Hands(Protocol):
    """Whoever carries deeds out: on the store itself, or over HTTP."""

    async def perform(self, deed: Deed) -> Done: ...

    async def found(self) -> tuple[str, str]:
        """Return a new workspace and its agent, with a chat that waits for the first push."""
        ...


@dataclass(frozen=True, slots=True)
class StoreHands:
    """Carries deeds out by operations."""

    store: Store
    owner: Actor

    async def perform(self, deed: Deed) -> Done:
        match deed.verb:
            case Verb.PUSH | Verb.FIRST_PUSH:
                return await self._push(deed)
            case Verb.CREATE:
                return await self._create(deed)
            case Verb.SAY:
                return await self._say(deed)
            case Verb.KEEP_DRIFT:
                kept = await keep_drift(self.store, WORKER, AgentId(deed.agent_id))
                return Done("kept", revision=kept)
            case Verb.COLLECT:
                await collect_all(self.store)
                return Done("collected")
            case _:
                return _moved(await self._move(deed))

    async def found(self) -> tuple[str, str]:
        workspace = await create_workspace(self.store, self.owner, "another")
        agent, _ = await enrol_agent(self.store, self.owner, workspace.id, "its agent")
        await create_chat(self.store, self.owner, workspace.id)
        await hello(self.store, agent.id, workspace.id)
        return workspace.id, agent.id

    async def _push(self, deed: Deed) -> Done:
        snapshot, blobs = deed.snapshot
        outcome = await accept_snapshot(
            self.store,
            agent_actor(AgentId(deed.agent_id), WorkspaceId(deed.workspace_id)),
            incarnation=1,
            seq=deed.seq,
            snapshot=snapshot,
            observations={},
            blobs=blobs.items(),
        )
        return Done(outcome.result.value, digest=outcome.head.digest)

    async def _create(self, deed: Deed) -> Done:
        answer = await run_once(
            self.store,
            self.owner,
            key=deed.key,
            request_digest=digest_of(deed.key.encode()),
            perform=lambda store: create_chat(
                store, self.owner, WorkspaceId(deed.workspace_id), model="scripted"
            ),
            respond=lambda view: view.chat.id,
        )
        view = await self.store.get_chat(self.owner, ChatId(answer.response))
        pin = view.context
        digest = None if pin.snapshot is None else pin.snapshot.digest
        result = "replayed" if answer.is_replay else "created"
        return Done(result, answer.response, pin.revision, digest)

    async def _say(self, deed: Deed) -> Done:
        async def send(store: Store) -> tuple[MessageRow, TurnRow]:
            content = user_message(deed.text)
            return await send_message(store, self.owner, ChatId(deed.chat_id), content)

        answer = await run_once(
            self.store,
            self.owner,
            key=deed.key,
            request_digest=digest_of(deed.key.encode()),
            perform=send,
            respond=lambda sent: f"{sent[0].id} {sent[1].number}",
        )
        message_id, turn = answer.response.split()
        await carry_out_turns(self.store)
        return Done("said", deed.chat_id, int(turn), message_id)

    async def _move(self, deed: Deed) -> PinMove:
        chat_id = ChatId(deed.chat_id)
        if deed.verb is Verb.REFRESH:
            return await refresh_context(self.store, self.owner, chat_id)
        if deed.verb is Verb.ROLL_BACK:
            return await roll_back_context(self.store, self.owner, chat_id, Digest(deed.to))
        assert deed.verb is Verb.REBIND
        return await rebind_chat(self.store, self.owner, chat_id, AgentId(deed.agent_id))


async def collect_all(store: Store) -> None:
    """Collect whatever nothing names, however young it is."""
    nothing_kept = Retention(grace=timedelta(0), heads=timedelta(0))
    while not (await collect_garbage(store, WORKER, nothing_kept)).is_empty:
        pass


async def carry_out_turns(store: Store, model: Model | None = None) -> None:
    """Carry out every turn that waits or was left; without a model each asks for one tool."""
    call = Step("I will look.", (ScriptedCall("read_skill", '{"name":"tidy"}'),))
    model = model or ScriptedModel((call, Step("That is all.")) * TURNS_MAX)
    clock = store.database.clock
    await forget_holders(store, WORKER)
    while claimed := await claim_turn(store, WORKER, holder="here", lease_s=limits.TURN_LEASE_S):
        await Turn(store, PinReader(store, WORKER), model, clock, claimed).run()


async def hello(store: Store, agent_id: AgentId, workspace_id: WorkspaceId) -> None:
    """Begin the one run of an agent."""
    actor = agent_actor(agent_id, workspace_id)
    await say_hello(store, actor, run_id="run", hostname="", os="", version="", roots={})


def _moved(move: PinMove) -> Done:
    digest = None if move.snapshot is None else move.snapshot.digest
    return Done("moved" if move.moved else "unmoved", move.chat_id, move.revision, digest)


__all__ = [
    "MOVES",
    "Deed",
    "Done",
    "Hands",
    "StoreHands",
    "Verb",
    "carry_out_turns",
    "collect_all",
    "hello",
]
