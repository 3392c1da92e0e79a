"""Who may see what: one predicate per table, composed into every statement that returns rows.

Default is deny. Nobody sees nothing; an agent sees itself and its workspace; a user sees what it
owns and the chats shared with it; an administrator and a worker see all. Whoever may read a chat
may read the snapshots that its pin, its history and its receipts name, and the blobs in them.
"""

from dataclasses import replace
from typing import Any, Final, assert_never

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Select,
    bindparam,
    case,
    exists,
    false,
    literal,
    or_,
    select,
    true,
)

from driftpin.errors import Forbidden, NotFound, Unauthenticated
from driftpin.identity import Actor, ActorKind, AgentId, UserId
from driftpin.store.tables import (
    agents,
    blobs,
    chat_pin_history,
    chat_pins,
    chat_shares,
    chats,
    receipts,
    snapshot_entries,
    snapshots,
    tokens,
    users,
    workspaces,
)
from driftpin.store.values import Access

Predicate = ColumnElement[bool]

ACTING_USER: Final = "acting_user_id"
ACTING_AGENT: Final = "acting_agent_id"
ACTING_WORKSPACE: Final = "acting_workspace_id"
# Of those that `alike` tells apart; statements are kept for each.
KINDS_OF_ACTORS: Final = 2 * len(ActorKind)
RANK: Final = {Access.READ: 0, Access.UPDATE: 1, Access.OWNER: 2}


def require_user(actor: Actor) -> UserId:
    """Return the user who acts; refuses every other kind of caller."""
    if actor.kind is ActorKind.NOBODY:
        raise Unauthenticated
    if actor.kind is not ActorKind.USER or actor.user_id is None:
        raise Forbidden("This needs a user's token.", code="wrong_token_type")
    return actor.user_id


def require_agent(actor: Actor) -> AgentId:
    """Return the agent that acts; refuses every other kind of caller."""
    if actor.kind is ActorKind.NOBODY:
        raise Unauthenticated
    if actor.kind is not ActorKind.AGENT or actor.agent_id is None:
        raise Forbidden("This needs an agent's token.", code="wrong_token_type")
    return actor.agent_id


def require_administrator(actor: Actor) -> UserId:
    """Return the administrator who acts; refuses every other caller."""
    user_id = require_user(actor)
    if not actor.is_administrator:
        raise Forbidden("This is for administrators; ask one.")
    return user_id


def require_worker(actor: Actor) -> None:
    """Refuse everybody but a worker of the server, as if there were nothing."""
    if actor.kind is not ActorKind.WORKER:
        raise NotFound


def require_access(has: Access, needed: Access) -> None:
    """Refuse a caller who may see a chat but may not do this with it."""
    if RANK[has] < RANK[needed]:
        raise Forbidden


def alike(actor: Actor) -> Actor:
    """Return an actor that sees by the same rules, without saying who it is.

    A statement that is made for it can be kept, and run with `acting` for everybody like it.
    """
    return replace(actor, user_id=None, agent_id=None, workspace_id=None)


def acting(actor: Actor) -> dict[str, str | None]:
    """Return who acts, as parameters of a statement that was made for its like."""
    return {
        ACTING_USER: actor.user_id,
        ACTING_AGENT: actor.agent_id,
        ACTING_WORKSPACE: actor.workspace_id,
    }


def acting_user(actor: Actor) -> BindParameter[UserId | None]:
    """Return the acting user as a value in a statement; without one it is equal to nothing."""
    return bindparam(ACTING_USER, actor.user_id, type_=users.c.id.type)


def acting_agent(actor: Actor) -> BindParameter[AgentId | None]:
    """Return the acting agent as a value in a statement; without one it is equal to nothing."""
    return bindparam(ACTING_AGENT, actor.agent_id, type_=agents.c.id.type)


def visible_chats(actor: Actor, needed: Access = Access.READ) -> Predicate:
    """Whether a row of `chats` is one on which the actor has at least this access."""
    match actor.kind:
        case ActorKind.WORKER:
            return true()
        case ActorKind.USER:
            if actor.is_administrator:
                return true()
            is_own = chats.c.owner_id == acting_user(actor)
            return is_own if needed is Access.OWNER else or_(is_own, _is_shared(actor, needed))
        case ActorKind.AGENT | ActorKind.NOBODY:
            return false()
        case _:
            assert_never(actor.kind)


def access_to_chat(actor: Actor) -> ColumnElement[str]:
    """What the actor has on a row of `chats` that it may see, as a column."""
    if actor.kind is not ActorKind.USER or actor.is_administrator:
        return literal(Access.OWNER.value)
    shared = (
        select(chat_shares.c.access)
        .where(chat_shares.c.chat_id == chats.c.id, chat_shares.c.user_id == acting_user(actor))
        .correlate(chats)
        .scalar_subquery()
    )
    return case((chats.c.owner_id == acting_user(actor), Access.OWNER.value), else_=shared)


def visible_workspaces(actor: Actor) -> Predicate:
    """Whether the actor may see a row of `workspaces`; deleted ones are for the caller to drop."""
    match actor.kind:
        case ActorKind.WORKER:
            return true()
        case ActorKind.USER:
            return true() if actor.is_administrator else workspaces.c.owner_id == acting_user(actor)
        case ActorKind.AGENT:
            return workspaces.c.id == bindparam(
                ACTING_WORKSPACE, actor.workspace_id, type_=workspaces.c.id.type
            )
        case ActorKind.NOBODY:
            return false()
        case _:
            assert_never(actor.kind)


def visible_agents(actor: Actor) -> Predicate:
    """Whether the actor may see a row of `agents`."""
    if actor.kind is ActorKind.AGENT:
        return agents.c.id == acting_agent(actor)
    return _in_visible_workspace(agents.c.workspace_id, actor)


def visible_users(actor: Actor) -> Predicate:
    """Whether the actor may see a row of `users`."""
    match actor.kind:
        case ActorKind.WORKER:
            return true()
        case ActorKind.USER:
            return true() if actor.is_administrator else users.c.id == acting_user(actor)
        case ActorKind.AGENT | ActorKind.NOBODY:
            return false()
        case _:
            assert_never(actor.kind)


def visible_tokens(actor: Actor) -> Predicate:
    """Whether a row of `tokens` signs in the acting user, or an agent that it owns."""
    if actor.kind is not ActorKind.USER:
        return false()
    own_agents = select(agents.c.id).where(visible_agents(actor)).correlate(None)
    return or_(tokens.c.user_id == acting_user(actor), tokens.c.agent_id.in_(own_agents))


def revocable_tokens(actor: Actor) -> Predicate:
    """Whether the actor may revoke a row of `tokens`."""
    return true() if actor.is_administrator else visible_tokens(actor)


def readable_snapshots(actor: Actor) -> Predicate:
    """Whether the actor may read a row of `snapshots`, through a workspace, chat or receipt."""
    if actor.kind is not ActorKind.USER:
        return true() if actor.kind is ActorKind.WORKER else false()
    return or_(
        _in_visible_workspace(snapshots.c.workspace_id, actor),
        snapshots.c.id.in_(_of_visible_chats(chat_pins.c.snapshot_id, actor)),
        snapshots.c.id.in_(_of_visible_chats(chat_pin_history.c.from_id, actor)),
        snapshots.c.id.in_(_of_visible_chats(chat_pin_history.c.to_id, actor)),
        snapshots.c.id.in_(_of_visible_chats(receipts.c.snapshot_id, actor)),
        snapshots.c.id.in_(_heads_of_visible_chats(actor)),
    )


def readable_blobs(actor: Actor) -> Predicate:
    """Whether the actor may read a row of `blobs`: as one of its snapshots', or its workspace's."""
    if actor.kind is not ActorKind.USER:
        return true() if actor.kind is ActorKind.WORKER else false()
    readable = readable_snapshots(actor)
    named = (
        select(snapshot_entries.c.blob_id)
        .join(snapshots, snapshots.c.id == snapshot_entries.c.snapshot_id)
        .where(snapshot_entries.c.blob_id == blobs.c.id, readable)
    )
    manifest = select(snapshots.c.id).where(snapshots.c.manifest_blob_id == blobs.c.id, readable)
    return or_(
        _in_visible_workspace(blobs.c.workspace_id, actor),
        exists(named.correlate(blobs)),
        exists(manifest.correlate(blobs)),
    )


def _is_shared(actor: Actor, needed: Access) -> Predicate:
    # Not IN: SQLAlchemy would write the text of the statement anew at every run.
    enough = or_(
        *(chat_shares.c.access == each.value for each in Access if RANK[each] >= RANK[needed])
    )
    shared = select(chat_shares.c.chat_id).where(
        chat_shares.c.chat_id == chats.c.id,
        chat_shares.c.user_id == acting_user(actor),
        enough,
    )
    return exists(shared.correlate(chats))


def _in_visible_workspace(workspace_id: ColumnElement[Any], actor: Actor) -> Predicate:
    visible = select(workspaces.c.id).where(visible_workspaces(actor))
    return workspace_id.in_(visible.correlate(None))


def _heads_of_visible_chats(actor: Actor) -> Select[Any]:
    """Choose the heads that visible chats drift from: whoever sees a drift may see its sides."""
    return (
        select(agents.c.head_id)
        .join(chat_pins, chat_pins.c.agent_id == agents.c.id)
        .join(chats, chats.c.id == chat_pins.c.chat_id)
        .where(visible_chats(actor), agents.c.head_id.is_not(None), agents.c.deleted_at.is_(None))
        .correlate(None)
    )


def _of_visible_chats(snapshot_id: Column[Any], actor: Actor) -> Select[Any]:
    table = snapshot_id.table
    return (
        select(snapshot_id)
        .join(chats, chats.c.id == table.c.chat_id)
        .where(visible_chats(actor), snapshot_id.is_not(None))
        .correlate(None)
    )


__all__ = [
    "KINDS_OF_ACTORS",
    "RANK",
    "Predicate",
    "access_to_chat",
    "acting",
    "acting_agent",
    "acting_user",
    "alike",
    "readable_blobs",
    "readable_snapshots",
    "require_access",
    "require_administrator",
    "require_agent",
    "require_user",
    "require_worker",
    "revocable_tokens",
    "visible_agents",
    "visible_chats",
    "visible_tokens",
    "visible_users",
    "visible_workspaces",
]
