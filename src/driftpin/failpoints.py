"""Named places in the code at which a test may stop, delay or kill the process.

Each name stands where a crash would matter: just before or just after something becomes durable.
Whoever composes a server or an agent may give it a `Reach`; without one, a failpoint does nothing.
There is no setting and no variable for it: a product in use has no way to be stopped by name.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum


class Failpoint(StrEnum):
    """Every place, in the order in which an operation passes them (spec/faults.md)."""

    PUSH_RECV = "push.recv"
    PUSH_VALIDATED = "push.validated"
    PUSH_TX_BEGUN = "push.tx_begun"
    PUSH_BLOBS = "push.blobs"
    PUSH_SNAPSHOT = "push.snapshot"
    PUSH_HEAD = "push.head"
    PUSH_OUTBOX = "push.outbox"
    PUSH_HYDRATE = "push.hydrate"
    PUSH_PRE_COMMIT = "push.pre_commit"
    PUSH_POST_COMMIT = "push.post_commit"
    PUSH_ACKED = "push.acked"
    PUSH_DIRTY = "push.dirty"
    CHAT_CREATE_TX = "chat.create_tx"
    CHAT_CREATE_OUTBOX = "chat.create_outbox"
    CHAT_CREATE_HYDRATE = "chat.create_hydrate"
    MOVE_READ_HEAD = "move.read_head"
    MOVE_MOVE_PIN = "move.move_pin"
    MOVE_OUTBOX = "move.outbox"
    MOVE_POST_COMMIT = "move.post_commit"
    TOOL_ID_SAVED = "tool.id_saved"
    TOOL_SENT = "tool.sent"
    TOOL_RESULT_IN = "tool.result_in"
    TOOL_RESULT_SAVED = "tool.result_saved"
    STREAM_LIST_DONE = "stream.list_done"
    STREAM_ATTACHED = "stream.attached"
    STREAM_BEFORE_SEND = "stream.before_send"
    GC_MARK = "gc.mark"
    GC_SWEEP = "gc.sweep"
    MIGRATE_STEP = "migrate.step"
    AGENT_SCAN = "agent.scan"
    AGENT_HASH = "agent.hash"
    AGENT_SEND = "agent.send"
    AGENT_ACK = "agent.ack"
    AGENT_STATE_SAVED = "agent.state_saved"


Reach = Callable[[Failpoint], Awaitable[None]]


async def pass_by(_: Failpoint) -> None:
    """Reach a failpoint that nobody waits at."""


__all__ = ["Failpoint", "Reach", "pass_by"]
