"""The verbs on chats and their pins, as a model test calls them on a deployment."""

from collections.abc import Iterable

from driftpin.chat.messages import user_message
from driftpin.context.holds import Selection
from driftpin.context.policies import Policy, PolicySet
from driftpin.context.resource import Kind
from driftpin.identity import WORKER, Actor, ChatId, Digest
from driftpin.models.offline import OfflineModel
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.create_chat import create_chat
from driftpin.operations.delete_chat import delete_chat
from driftpin.operations.foresee_refresh import foresee_refresh
from driftpin.operations.fork_chat import fork_chat
from driftpin.operations.import_snapshot import import_snapshot
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.refresh_agent_chats import refresh_agent_chats
from driftpin.operations.refresh_context import Refresh, refresh_context
from driftpin.operations.refresh_workspace_chats import refresh_workspace_chats
from driftpin.operations.release_holds import release_holds
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.operations.send_message import send_message
from driftpin.operations.set_chat_policies import set_chat_policies
from driftpin.operations.set_workspace_policies import set_workspace_policies
from driftpin.operations.settle_pin import settle_pin
from driftpin.operations.share_chat import share_chat
from driftpin.operations.unshare_chat import unshare_chat
from driftpin.operations.update_chat import update_chat
from driftpin.runner.pins import PinReader
from driftpin.runner.turn import Turn
from driftpin.store.policy_values import PolicyOutcome
from driftpin.store.values import Access, ChatView
from pushing import snapshot_with
from seams.pin_world import Answer, PinWorld

LEASE_S = 15.0
Names = tuple[str, ...] | None


def _state_of(view: ChatView) -> Answer:
    snapshot = view.context.snapshot
    return (view.context.revision, False, snapshot.digest if snapshot else None)


def _create(world: PinWorld, by: str, **wishes: Answer) -> Answer:
    async def create() -> Answer:
        view = await create_chat(
            world.store, world.actor(by), world.inhabitants.workspace_id, **wishes
        )
        world.chats.append(view.chat.id)
        return _state_of(view)

    return world.ask(create())


def create(world: PinWorld, by: str, snapshot: Digest | None) -> Answer:
    return _create(world, by, snapshot=snapshot)


def create_sub_chat(world: PinWorld, by: str, parent: int, names: tuple[str, ...] | None) -> Answer:
    sources = None if names is None else [f"workspace:{name}.md" for name in names]
    return _create(world, by, parent_id=world.chats[parent], sources=sources)


def import_texts(world: PinWorld, by: str, texts: dict[str, str]) -> Answer:
    async def keep() -> Answer:
        snapshot, blobs = snapshot_with(**texts)
        workspace_id = world.inhabitants.workspace_id
        stored = await import_snapshot(
            world.store, world.actor(by), workspace_id, snapshot, blobs.items()
        )
        return stored.digest

    return world.ask(keep())


def refresh(
    world: PinWorld,
    by: str,
    index: int,
    *,
    to: Digest | None,
    if_match: int | None,
    cascade: bool,
    dry_run: bool,
) -> Answer:
    actor, chat_id = world.actor(by), world.chats[index]
    if dry_run:
        return world.ask(_foresee(world, actor, chat_id, Refresh(to, if_match, cascade=cascade)))
    return world.move(
        refresh_context(
            world.store, actor, chat_id, to=to, if_match_revision=if_match, cascade=cascade
        )
    )


async def _foresee(world: PinWorld, actor: Actor, chat_id: ChatId, asked: Refresh) -> Answer:
    found = await foresee_refresh(world.store, actor, chat_id, asked)
    return found.revision + found.moves, found.moves, found.after.digest


def refresh_part(
    world: PinWorld, by: str, index: int, accept: Names, hold: Names, *, dry_run: bool
) -> Answer:
    actor, chat_id = world.actor(by), world.chats[index]
    selection = Selection(_sources(accept), _sources(hold))
    if dry_run:
        return world.ask(_foresee(world, actor, chat_id, Refresh(selection=selection)))
    return world.move(refresh_context(world.store, actor, chat_id, selection=selection))


def release(world: PinWorld, by: str, index: int, names: Names) -> Answer:
    return world.ask(
        release_holds(world.store, world.actor(by), world.chats[index], _sources(names))
    )


def _sources(names: Names) -> frozenset[str] | None:
    return None if names is None else frozenset(f"workspace:{name}.md" for name in names)


def refresh_all(world: PinWorld, by: str) -> Answer:
    async def refresh() -> Answer:
        moves = await refresh_workspace_chats(
            world.store, world.actor(by), world.inhabitants.workspace_id
        )
        return sorted(
            (world.chats.index(move.chat_id), move.moved, move.revision) for move in moves
        )

    return world.ask(refresh())


def refresh_by_agent(world: PinWorld, agent: int) -> Answer:
    async def refresh() -> Answer:
        moves = await refresh_agent_chats(world.store, world.inhabitants.agents[agent])
        return sorted(
            (world.chats.index(move.chat_id), move.moved, move.revision) for move in moves
        )

    return world.ask(refresh())


def set_policy(world: PinWorld, by: str, index: int, policy: str | None) -> Answer:
    async def set_it() -> Answer:
        # For the only kind that there is, or for everything: it comes to the same.
        wish = PolicySet(None, {} if policy is None else {Kind.INSTRUCTION_FILE: Policy(policy)})
        outcomes = await set_chat_policies(world.store, world.actor(by), world.chats[index], wish)
        return _told(world, outcomes)

    return world.ask(set_it())


def set_workspace_policy(world: PinWorld, by: str, policy: str) -> Answer:
    async def set_it() -> Answer:
        workspace_id = world.inhabitants.workspace_id
        wish = PolicySet(Policy(policy))
        outcomes = await set_workspace_policies(world.store, world.actor(by), workspace_id, wish)
        return _told(world, outcomes)

    return world.ask(set_it())


def _told(world: PinWorld, outcomes: Iterable[PolicyOutcome]) -> Answer:
    return sorted((world.chats.index(each.chat_id), each.next_turn.value) for each in outcomes)


def roll_back(world: PinWorld, by: str, index: int, to: Digest) -> Answer:
    return world.move(roll_back_context(world.store, world.actor(by), world.chats[index], to))


def rebind(world: PinWorld, by: str, index: int, agent: int | None) -> Answer:
    agent_id = None if agent is None else world.agent_id(agent)
    return world.move(rebind_chat(world.store, world.actor(by), world.chats[index], agent_id))


def settle(world: PinWorld, index: int) -> Answer:
    return world.move(settle_pin(world.store, WORKER, world.chats[index]))


def archive(world: PinWorld, by: str, index: int, *, is_archived: bool) -> Answer:
    async def turn() -> Answer:
        view = await update_chat(
            world.store, world.actor(by), world.chats[index], is_archived=is_archived
        )
        return _state_of(view)

    return world.ask(turn())


def share(world: PinWorld, by: str, index: int, whom: str, access: str) -> Answer:
    user_id = world.inhabitants.user_ids[whom]
    return world.ask(
        share_chat(world.store, world.actor(by), world.chats[index], user_id, Access(access))
    )


def unshare(world: PinWorld, by: str, index: int, whom: str) -> Answer:
    user_id = world.inhabitants.user_ids[whom]
    return world.ask(unshare_chat(world.store, world.actor(by), world.chats[index], user_id))


def delete(world: PinWorld, by: str, index: int) -> Answer:
    return world.ask(delete_chat(world.store, world.actor(by), world.chats[index]))


def fork(world: PinWorld, by: str, index: int, turn: int) -> Answer:
    async def make() -> Answer:
        view = await fork_chat(world.store, world.actor(by), world.chats[index], turn)
        world.chats.append(view.chat.id)
        return _state_of(view)

    return world.ask(make())


def take_turn(world: PinWorld, by: str, index: int) -> Answer:
    """Send a message and carry the turn out, as a worker of the server does."""

    async def turn() -> Answer:
        chat_id = world.chats[index]
        await send_message(world.store, world.actor(by), chat_id, user_message("What holds?"))
        claimed = await claim_turn(world.store, WORKER, holder="worker", lease_s=LEASE_S)
        assert claimed is not None
        pins = PinReader(world.store, WORKER)
        await Turn(world.store, pins, OfflineModel(), world.clock, claimed).run()
        row = (await world.store.list_turns(WORKER, chat_id))[-1]
        return (row.state.value, row.snapshot_digest, row.pin_revision)

    return world.ask(turn())


__all__ = [
    "archive",
    "create",
    "create_sub_chat",
    "delete",
    "fork",
    "import_texts",
    "rebind",
    "refresh",
    "refresh_all",
    "refresh_by_agent",
    "roll_back",
    "settle",
    "share",
    "take_turn",
    "unshare",
]
