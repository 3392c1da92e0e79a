"""The store's reading door: every method takes the actor first and shows only what it may see.

What an actor may not see raises NotFound, word for word as for what does not exist. Methods for
lists return empty pages instead. Writing is not here: operations do it.
"""

from collections.abc import Collection, Sequence

from driftpin.events.event import Event, Position
from driftpin.identity import (
    Actor,
    AgentId,
    CallId,
    ChatId,
    Digest,
    UserId,
    WorkspaceId,
)
from driftpin.store.account_values import UserPassword
from driftpin.store.approval_values import DecidedServer, Decision
from driftpin.store.call_values import CallRow, LinkStanding
from driftpin.store.database import Database
from driftpin.store.hold_values import HoldRow
from driftpin.store.reading import (
    accounts,
    agent_calls,
    approvals,
    chats,
    drift,
    events,
    heads,
    holds,
    messages,
    pins,
    pulse,
    snapshots,
    stock,
    uses,
)
from driftpin.store.review_reads import ReviewReads
from driftpin.store.turn_reads import TurnReads
from driftpin.store.use_values import DigestUse
from driftpin.store.values import (
    AgentRow,
    ChatView,
    DriftRead,
    DriftState,
    HistoryRow,
    MessageRow,
    Page,
    PinMove,
    PinnedLines,
    PinnedRead,
    ShareRow,
    TokenRow,
    UserRow,
    WorkspaceHead,
    WorkspaceRow,
)


class Store(ReviewReads, TurnReads):
    """Reads for routes, runner and streams; each call is one consistent look."""

    def __init__(self, database: Database) -> None:
        """Read from `database`; operations write through the same one."""
        self.database = database

    async def resolve_token(self, actor: Actor, secret_digest: Digest) -> Actor:
        """Return whom the token with this digest signs in.

        Raises Unauthenticated, in the same words, for an unknown, expired or revoked token, and
        Gone (`agent_gone`) for a token of an agent that was deleted.
        """
        now = self.database.clock.now()
        async with self.database.read() as connection:
            return await accounts.resolve_token(connection, actor, secret_digest, now)

    async def resolve_tokens(self, actor: Actor, them: Collection[Digest]) -> dict[Digest, Actor]:
        """Return whom those of the tokens with these digests sign in that are good."""
        now = self.database.clock.now()
        async with self.database.read() as connection:
            return await accounts.resolve_tokens(connection, actor, them, now)

    async def get_user(self, actor: Actor, user_id: UserId) -> UserRow:
        """Return a user: oneself, or anybody for an administrator."""
        async with self.database.read() as connection:
            return await accounts.get_user(connection, actor, user_id)

    async def find_password(self, actor: Actor, name: str) -> UserPassword | None:
        """Return the user of a name with what is kept of its password; for workers only."""
        async with self.database.read() as connection:
            return await accounts.find_password(connection, actor, name)

    async def list_users(
        self, actor: Actor, *, after: str | None = None, limit: int
    ) -> Page[UserRow]:
        """Return the users that the actor may see, oldest first."""
        async with self.database.read() as connection:
            return await accounts.list_users(connection, actor, after=after, limit=limit)

    async def list_tokens(self, actor: Actor) -> tuple[TokenRow, ...]:
        """Return the actor's own tokens and those of the agents in its workspaces."""
        async with self.database.read() as connection:
            return await accounts.list_tokens(connection, actor)

    async def get_workspace(self, actor: Actor, workspace_id: WorkspaceId) -> WorkspaceRow:
        """Return a workspace."""
        async with self.database.read() as connection:
            return await accounts.get_workspace(connection, actor, workspace_id)

    async def list_workspaces(
        self, actor: Actor, *, after: str | None = None, limit: int
    ) -> Page[WorkspaceRow]:
        """Return the workspaces that the actor may see, oldest first, without deleted ones."""
        async with self.database.read() as connection:
            return await accounts.list_workspaces(connection, actor, after=after, limit=limit)

    async def list_agents(self, actor: Actor, workspace_id: WorkspaceId) -> tuple[AgentRow, ...]:
        """Return a workspace's agents, oldest first, without deleted ones."""
        async with self.database.read() as connection:
            return await accounts.list_agents(connection, actor, workspace_id)

    async def get_agent(self, actor: Actor, agent_id: AgentId) -> AgentRow:
        """Return an agent, deleted ones included."""
        async with self.database.read() as connection:
            return await accounts.get_agent(connection, actor, agent_id)

    async def get_workspace_head(self, actor: Actor, workspace_id: WorkspaceId) -> WorkspaceHead:
        """Return the current agent with its head; both are None before the first push."""
        async with self.database.read() as connection:
            return await snapshots.get_workspace_head(connection, actor, workspace_id)

    async def get_chat(self, actor: Actor, chat_id: ChatId) -> ChatView:
        """Return a chat as the actor sees it."""
        async with self.database.read() as connection:
            return await chats.get_chat(connection, actor, chat_id)

    async def list_chats(
        self,
        actor: Actor,
        *,
        workspace_id: WorkspaceId | None = None,
        is_dirty: bool | None = None,
        is_archived: bool | None = False,
        text: str | None = None,
        sort: str = chats.NEWEST_FIRST,
        after: str | None = None,
        limit: int,
    ) -> Page[ChatView]:
        """Return the chats that the actor may read and that pass every filter that is not None.

        `text` is searched for in titles, as it stands. Raises Malformed (`bad_sort`, `bad_cursor`).
        """
        asked = chats.ChatFilter(workspace_id, is_dirty, is_archived, text)
        async with self.database.read() as connection:
            return await chats.list_chats(
                connection, actor, asked, sort=sort, after=after, limit=limit
            )

    async def read_pin(self, actor: Actor, chat_id: ChatId) -> PinnedRead:
        """Return pin and manifest of one instant, out of one statement."""
        async with self.database.read() as connection:
            return await pins.read_pin(connection, actor, chat_id)

    async def list_pinned_entries(self, actor: Actor, chat_id: ChatId) -> PinnedLines:
        """Return every line of the chat's pin with its revision; no lines if it has no pin."""
        async with self.database.read() as connection:
            return await pins.list_pinned_entries(connection, actor, chat_id)

    async def read_drift(self, actor: Actor, chat_id: ChatId) -> DriftRead:
        """Return the chat's pin, its head, and what lies between them."""
        async with self.database.read() as connection:
            return await drift.read_drift(connection, actor, chat_id)

    async def list_holds(self, actor: Actor, chat_id: ChatId) -> tuple[HoldRow, ...]:
        """Return what the chat holds, by source, with who held it when."""
        async with self.database.read() as connection:
            return await holds.list_holds(connection, actor, chat_id)

    async def list_head_manifests(
        self, actor: Actor, chat_id: ChatId, *, limit: int
    ) -> tuple[bytes, ...]:
        """Return the manifests of the newest heads of the chat's agent, oldest first."""
        async with self.database.read() as connection:
            return await heads.list_head_manifests(connection, actor, chat_id, limit=limit)

    async def list_history(
        self, actor: Actor, chat_id: ChatId, after: str | None, limit: int
    ) -> Page[HistoryRow]:
        """Return the moves of the chat's pin, newest first."""
        async with self.database.read() as connection:
            return await pins.list_history(connection, actor, chat_id, after, limit)

    async def list_shares(self, actor: Actor, chat_id: ChatId) -> tuple[ShareRow, ...]:
        """Return with whom the chat is shared; for its owner and administrators."""
        async with self.database.read() as connection:
            return await chats.list_shares(connection, actor, chat_id)

    async def list_messages(
        self,
        actor: Actor,
        chat_id: ChatId,
        after: str | None,
        limit: int,
        *,
        turn: int | None = None,
        first_turn: int = 0,
        with_replaced: bool = False,
    ) -> Page[MessageRow]:
        """Return the chat's conversation in order, with what has left it, or some turns of it."""
        async with self.database.read() as connection:
            return await messages.list_messages(
                connection,
                actor,
                chat_id,
                after,
                limit,
                turn=turn,
                first_turn=first_turn,
                with_replaced=with_replaced,
            )

    async def get_snapshot_manifest(self, actor: Actor, digest: Digest) -> bytes:
        """Return the manifest of a snapshot that the actor may read somewhere."""
        async with self.database.read() as connection:
            return await snapshots.get_snapshot_manifest(connection, actor, digest)

    async def read_blob(self, actor: Actor, digest: Digest) -> bytes:
        """Return the bytes of a blob that the actor may read somewhere."""
        async with self.database.read() as connection:
            return await snapshots.read_blob(connection, actor, digest)

    async def read_blobs(
        self, actor: Actor, workspace_id: WorkspaceId, digests: Collection[Digest]
    ) -> dict[Digest, bytes]:
        """Return those of the blobs that the actor may read in this workspace."""
        async with self.database.read() as connection:
            return await snapshots.read_blobs(connection, actor, workspace_id, digests)

    async def list_uses(
        self, actor: Actor, digest: Digest, after: str | None, limit: int
    ) -> Page[DigestUse]:
        """Return the places in pins of visible chats that name these bytes, newest chats first."""
        async with self.database.read() as connection:
            return await uses.list_uses(connection, actor, digest, after, limit)

    async def list_events(
        self,
        actor: Actor,
        *,
        after: Position,
        limit: int,
        workspace_id: WorkspaceId | None = None,
        chat_id: ChatId | None = None,
    ) -> tuple[tuple[Event, ...], Position]:
        """Return the stored events behind `after` that the actor may see.

        The position to go on from may lie behind the last event that is returned. Raises Gone
        (`resync_required`) when events behind `after` were removed.
        """
        async with self.database.read() as connection:
            return await events.list_events(
                connection,
                actor,
                after=after,
                limit=limit,
                workspace_id=workspace_id,
                chat_id=chat_id,
            )

    async def first_and_last_position(self, actor: Actor) -> tuple[Position, Position]:
        """Return where the stored events begin and where they end at this moment."""
        async with self.database.read() as connection:
            return await events.first_and_last_position(connection, actor)

    async def list_drift_states(
        self,
        actor: Actor,
        agent_id: AgentId,
        chat_ids: Sequence[ChatId] | None,
        limit: int,
        after: ChatId | None,
    ) -> tuple[DriftState, ...]:
        """Return the present drift of visible chats bound to the agent, ordered by chat."""
        async with self.database.read() as connection:
            found = await drift.list_drift_states(
                connection, actor, agent_id, chat_ids, limit=limit, after=after
            )
        return found.states

    async def list_pin_moves(
        self, actor: Actor, event_id: int, *, after: ChatId | None = None, limit: int
    ) -> tuple[PinMove, ...]:
        """Return the moves of visible pins that one event stands for, ordered by chat."""
        async with self.database.read() as connection:
            return await pins.list_pin_moves(connection, actor, event_id, after, limit)

    async def get_call(self, actor: Actor, call_id: CallId) -> CallRow:
        """Return a call to an agent."""
        async with self.database.read() as connection:
            return await agent_calls.get_call(connection, actor, call_id)

    async def list_link_standings(
        self, actor: Actor, secret_digests: Collection[Digest]
    ) -> tuple[LinkStanding, ...]:
        """Return how the links stand that these tokens opened; for workers only."""
        now = self.database.clock.now()
        async with self.database.read() as connection:
            return await agent_calls.list_link_standings(connection, actor, secret_digests, now)

    async def read_beat(self, actor: Actor) -> pulse.Beat:
        """Return what a serving process must notice; for workers only."""
        async with self.database.read_heartbeat() as connection:
            return await pulse.read_beat(connection, actor)

    async def count_stock(self, actor: Actor) -> stock.Stock:
        """Return how much there is; for workers only."""
        async with self.database.read() as connection:
            return await stock.count_stock(connection, actor)

    async def list_approvals(
        self, actor: Actor, workspace_id: WorkspaceId
    ) -> tuple[DecidedServer, ...]:
        """Return what was decided about the MCP servers of a workspace."""
        async with self.database.read() as connection:
            return await approvals.list_approvals(connection, actor, workspace_id)

    async def list_allowed_servers(self, actor: Actor) -> tuple[Decision, ...]:
        """Return the MCP servers that the acting agent may run."""
        async with self.database.read() as connection:
            return await approvals.list_allowed_servers(connection, actor)

    async def get_deployment(self, actor: Actor, name: str) -> str | None:
        """Return a fact about the deployment; for workers only."""
        async with self.database.read() as connection:
            return await accounts.get_deployment(connection, actor, name)


__all__ = ["Store"]
