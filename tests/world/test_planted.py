"""A world in which something is wrong must be found: faults are planted here and nowhere else."""

from typing import Any

import pytest
from sqlalchemy import delete

from driftpin.agent.numbering import Content, Numbering
from driftpin.identity import AgentId
from driftpin.operations import accept_snapshot, refresh_context
from driftpin.operations.single_moves import try_move as moved_by
from driftpin.server.event_stream import EventStream
from driftpin.store.database import Transaction
from driftpin.store.tables import events
from driftpin.store.values import SnapshotRef
from driftpin.store.writing.heads import LockedAgent, append_head
from world.runs import histories

SEEDS = range(50)


def is_found(*words: str) -> bool:
    """Whether one of these is said of some world; not all of them need to meet the fault."""
    return any(
        word in what for history in histories(SEEDS) for what in history.broken for word in words
    )


def plant_outdated(monkeypatch: pytest.MonkeyPatch, forgiven: str) -> None:
    """Have the server accept what it should refuse with this code."""
    why_outdated = accept_snapshot._why_outdated

    def forgiving(
        push: accept_snapshot.Push, agent: LockedAgent, head: SnapshotRef | None
    ) -> str | None:
        code = why_outdated(push, agent, head)
        return None if code == forgiven else code

    def is_repeated(pushed: accept_snapshot._Pushed) -> bool:
        is_same = pushed.head is not None and pushed.head.digest == pushed.push.snapshot.digest
        return is_same and pushed.push.seq == accept_snapshot._accepted_seq(pushed.agent)

    monkeypatch.setattr(accept_snapshot, "_why_outdated", forgiving)
    monkeypatch.setattr(accept_snapshot, "_is_repeated", is_repeated)


def test_a_server_that_accepts_other_content_under_a_number_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant_outdated(monkeypatch, "seq_conflict")
    assert is_found("UNIQUE", "changed under")


def test_a_server_whose_head_goes_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plant_outdated(monkeypatch, "stale")
    assert is_found("went back")


def test_a_server_that_does_not_fence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plant_outdated(monkeypatch, "fenced")
    assert is_found("went back")


def test_an_agent_that_reuses_a_number_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def seq_for(numbering: Numbering, content: Content) -> int:
        if numbering._in_doubt is None:
            numbering._last_seq += 1
        numbering._in_doubt = content
        return numbering._last_seq

    monkeypatch.setattr(Numbering, "seq_for", seq_for)
    assert is_found("for two contents")


def test_an_agent_that_forgets_its_numbers_at_a_hello_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    after_hello = Numbering.after_hello
    monkeypatch.setattr(Numbering, "after_hello", lambda reply, _: after_hello(reply, None))
    assert is_found("for two contents")


def test_an_event_that_is_not_recorded_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def record_some(
        transaction: Transaction, agent_id: AgentId, head: SnapshotRef, **told: Any
    ) -> int:
        event_id = await append_head(transaction, agent_id, head, **told)
        if "7" not in head.digest[-2:]:
            return event_id
        await transaction.connection.execute(delete(events).where(events.c.id == event_id))
        return 0

    monkeypatch.setattr(accept_snapshot, "append_head", record_some)
    assert is_found("0 events 'agent.head' for 1 changes")


def test_a_stream_that_passes_over_an_event_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    read = EventStream._read

    async def read_some(stream: EventStream) -> Any:
        batch, position = await read(stream)
        return batch[1:] if len(batch) > 1 else batch, position

    monkeypatch.setattr(EventStream, "_read", read_some)
    assert is_found("never got")


def test_a_refresh_that_says_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def try_move(transaction: Transaction, seen: Any, head: Any, intent: Any) -> Any:
        moved = await moved_by(transaction, seen, head, intent)
        await transaction.connection.exec_driver_sql(
            "UPDATE chat_pins SET revision = revision + 1 WHERE chat_id = ?", (seen.chat.id,)
        )
        return moved

    monkeypatch.setattr(refresh_context, "try_move", try_move)
    assert is_found("rose by 2 with 1 rows of history")
