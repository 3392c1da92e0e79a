"""The verbs of a person that move a pin: refresh, roll back, rebind."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from driftpin.cli import output
from driftpin.cli.asking import confirm
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.options import Reach
from driftpin.cli.pin_pages import context_text, write_drift, write_foreseen
from driftpin.cli.session import Session, in_session
from driftpin.errors import UsageError
from driftpin.identity import is_digest
from driftpin.wire.api import (
    ChatShape,
    RebindRequest,
    RefreshRequest,
    RollbackRequest,
)
from driftpin.wire.drift import DriftShape
from driftpin.wire.moves import (
    ForeseenShape,
    MovedContextShape,
    MoveShape,
    RefreshManyRequest,
    RefreshOutcomeShape,
)

OUTCOME_COLUMNS: Final = ("chat", "result", "code", "to")


@dataclass(frozen=True, slots=True)
class RefreshWish:
    """How to refresh: to the head that was seen, without asking, without moving, or with all.

    With `is_now` a turn that runs has the new pin from its next request. `accept` and `hold` name
    sources, None for a list that was not given.
    """

    to: str | None
    is_sure: bool
    is_dry: bool
    has_cascade: bool
    is_now: bool
    accept: tuple[str, ...] | None
    hold: tuple[str, ...] | None

    @property
    def is_part(self) -> bool:
        """Whether something is chosen."""
        return self.accept is not None or self.hold is not None


Moved = MovedContextShape | ForeseenShape


def refresh(reach: Reach, name: str, wish: RefreshWish, *, as_json: bool) -> None:
    """Show the drift, ask, and move the pin to exactly the head whose drift was shown."""

    async def act(session: Session) -> tuple[ChatShape, DriftShape, Moved | None]:
        chat = await session.get_chat(name)
        drift = await session.client.get_drift(chat.id, has_diff=True, has_cost=True)
        if not as_json:
            write_drift(drift)
        head = _target(wish.to, [drift.head]) if wish.to else drift.head
        if head is None or not _is_wanted(drift, wish, as_json=as_json):
            return chat, drift, None
        request = RefreshRequest(
            to=head, cascade=wish.has_cascade, now=wish.is_now, accept=wish.accept, hold=wish.hold
        )
        if wish.is_dry:
            return chat, drift, await session.client.foresee_refresh(chat.id, request)
        return chat, drift, await session.client.refresh_context(chat.id, request)

    chat, drift, moved = in_session(reach, act)
    if as_json:
        name_of_it = "foreseen" if wish.is_dry else "context"
        output.write_json({"chat_id": chat.id, "drift": drift, name_of_it: moved})
    elif isinstance(moved, ForeseenShape):
        write_foreseen(moved)
        for move in moved.below:
            say(f"chat {move.chat_id}: {_would_be(move)}.")
    elif moved is not None:
        _say_moved(chat, moved)
    if drift.entries and (moved is None or wish.is_dry):
        raise Finished(ExitCode.FINDINGS)


def refresh_all(reach: Reach, *, is_sure: bool, is_dry: bool, as_json: bool) -> None:
    """Refresh every dirty chat of this directory, and show what became of each."""
    if not (is_sure or is_dry) and as_json:
        raise UsageError("With --json nobody is asked; say --yes or --dry-run.")

    async def act(session: Session) -> tuple[RefreshOutcomeShape, ...]:
        if not (is_sure or is_dry or confirm("Move every dirty chat of this directory?")):
            return ()
        workspace_id = session.get_directory(Path()).workspace_id
        request = RefreshManyRequest(dry_run=is_dry)
        return await session.client.refresh_workspace(workspace_id, request)

    outcomes = in_session(reach, act)
    if as_json:
        output.write_json(outcomes)
        return
    output.write_table(OUTCOME_COLUMNS, map(_outcome_row, outcomes))
    count = output.counted(sum(each.result == "refreshed" for each in outcomes), "chat")
    say(f"{count} would move; nothing did." if is_dry else f"{count} moved.")


def roll_back(reach: Reach, name: str, to: str | None, *, is_dry: bool, as_json: bool) -> None:
    """Move the pin to an earlier snapshot of the chat's history."""

    async def act(session: Session) -> tuple[ChatShape, MovedContextShape]:
        chat = await session.get_chat(name)
        history = await session.client.list_history(chat.id)
        earlier = [entry.to for entry in reversed(history) if entry.to != chat.context.snapshot]
        request = RollbackRequest(to=_target(to, earlier), dry_run=is_dry)
        return chat, await session.client.roll_back_context(chat.id, request)

    _show_move(*in_session(reach, act), as_json=as_json)


def rebind(reach: Reach, name: str, agent_id: str | None, *, is_dry: bool, as_json: bool) -> None:
    """Bind the chat to an agent of its workspace."""

    async def act(session: Session) -> tuple[ChatShape, MovedContextShape]:
        chat = await session.get_chat(name)
        request = RebindRequest(agent_id=agent_id, dry_run=is_dry)
        return chat, await session.client.rebind_chat(chat.id, request)

    _show_move(*in_session(reach, act), as_json=as_json)


def _is_wanted(drift: DriftShape, wish: RefreshWish, *, as_json: bool) -> bool:
    if wish.is_sure or wish.is_dry:
        return True
    if not drift.entries and not wish.is_part:
        return False
    if as_json:
        raise UsageError("With --json nobody is asked; say --yes or --dry-run.")
    return confirm("Take this part of it?" if wish.is_part else "Move the pin to this head?")


def _target(wanted: str | None, known: list[str | None]) -> str:
    """Return the digest that was meant: a whole one, the beginning of one, or the first."""
    digests = list(dict.fromkeys(digest for digest in known if digest is not None))
    if wanted is not None and is_digest(wanted):
        return wanted
    part = (wanted or "").removeprefix("sha256:")
    found = [digest for digest in digests if digest.removeprefix("sha256:").startswith(part)]
    if not found or (wanted is not None and len(found) > 1):
        raise UsageError(
            f"{wanted!r} fits {output.counted(len(found), 'snapshot')}; see `driftpin history`."
            if wanted
            else "The pin was never on another snapshot; there is nothing to go back to.",
            code="no_such_snapshot",
        )
    return found[0]


def _show_move(chat: ChatShape, context: MovedContextShape, *, as_json: bool) -> None:
    if as_json:
        output.write_json({"chat_id": chat.id, "context": context})
    else:
        _say_moved(chat, context)


def _say_moved(before: ChatShape, now: MovedContextShape) -> None:
    """Say what moved, or would: the chat, and sub-chats with it."""
    moves = [move for move in now.moves if move.moved]
    if not moves:
        say(f"chat {before.id}: nothing to move; it is {context_text(now)}.")
    for move in moves:
        say(f"chat {move.chat_id}: {_would_be(move) if now.dry_run else _went(before, move, now)}.")


def _went(before: ChatShape, move: MoveShape, now: MovedContextShape) -> str:
    went = f"→ {output.short_digest(move.to) or 'nothing'}, revision {move.revision}"
    if move.chat_id != before.id:
        return went
    was = output.short_digest(before.context.snapshot) or "nothing"
    return f"{was} {went}, {context_text(now)}"


def _would_be(move: MoveShape) -> str:
    to = output.short_digest(move.to) or "nothing"
    return f"would be pinned to {to}, revision {move.revision}"


def _outcome_row(outcome: RefreshOutcomeShape) -> tuple[object, ...]:
    to = output.short_digest(outcome.to)
    return outcome.chat_id, outcome.result, outcome.code, to


__all__ = ["RefreshWish", "rebind", "refresh", "refresh_all", "roll_back"]
