"""The part of the store's reading door that is about turns."""

from driftpin.identity import Actor, ChatId
from driftpin.store.database import Database
from driftpin.store.leases import TurnLease
from driftpin.store.reading import messages, outside_calls, turn_pins, turn_starts
from driftpin.store.receipt_values import ReceiptRow
from driftpin.store.turn_values import ChunkRow, Spawning, ToolCallRow, TurnStart
from driftpin.store.values import PinnedRead, TurnRow


class TurnReads:
    """Reads of turns; each call is one consistent look."""

    database: Database

    async def read_turn_start(
        self, actor: Actor, lease: TurnLease, *, is_settled: bool = False
    ) -> TurnStart:
        """Return where a turn stands that a worker has claimed; for workers only."""
        async with self.database.read() as connection:
            return await turn_starts.read_turn_start(
                connection, actor, lease, is_settled=is_settled
            )

    async def read_turn_pin(self, actor: Actor, chat_id: ChatId, turn: int) -> PinnedRead:
        """Return the pin that the turn's next request is built from, out of one statement."""
        async with self.database.read() as connection:
            return await turn_pins.read_turn_pin(connection, actor, chat_id, turn)

    async def read_request_pin(self, actor: Actor, chat_id: ChatId, turn: int) -> PinnedRead:
        """Return the pin that the turn's newest request was built from."""
        async with self.database.read() as connection:
            return await turn_pins.read_request_pin(connection, actor, chat_id, turn)

    async def list_turns(
        self, actor: Actor, chat_id: ChatId, *, first: int = 0
    ) -> tuple[TurnRow, ...]:
        """Return the chat's turns in order, from number `first` on."""
        async with self.database.read() as connection:
            return await messages.list_turns(connection, actor, chat_id, first)

    async def list_receipts(
        self, actor: Actor, chat_id: ChatId, turn: int | None
    ) -> tuple[ReceiptRow, ...]:
        """Return the chat's receipts in order, of one turn or of all."""
        async with self.database.read() as connection:
            return await messages.list_receipts(connection, actor, chat_id, turn)

    async def list_tool_calls(
        self, actor: Actor, chat_id: ChatId, turn: int
    ) -> tuple[ToolCallRow, ...]:
        """Return the calls of a turn, and how far each is."""
        async with self.database.read() as connection:
            return await outside_calls.list_tool_calls(connection, actor, chat_id, turn)

    async def read_spawning(self, actor: Actor, chat_id: ChatId) -> Spawning:
        """Return how deep the chat stands, and how many sub-chats its model has started."""
        async with self.database.read() as connection:
            return await outside_calls.read_spawning(connection, actor, chat_id)

    async def get_stream_chunks(
        self, actor: Actor, chat_id: ChatId, turn: int, after: tuple[int, int]
    ) -> tuple[ChunkRow, ...]:
        """Return the turn's chunks behind (attempt, offset), in order."""
        async with self.database.read() as connection:
            return await messages.get_stream_chunks(connection, actor, chat_id, turn, after)


__all__ = ["TurnReads"]
