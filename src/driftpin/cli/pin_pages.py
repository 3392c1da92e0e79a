"""What a chat runs on, shown: its pin, its drift, its history, its receipts."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from driftpin.cli import output
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.options import Reach
from driftpin.cli.resource_rows import PIN_COLUMNS, pin_row
from driftpin.cli.session import Session, in_session
from driftpin.errors import NotFound
from driftpin.wire.api import (
    ChatShape,
    ContextShape,
    FullContextShape,
)
from driftpin.wire.drift import (
    CostShape,
    DriftEntryShape,
    DriftShape,
    HistoryEntryShape,
)
from driftpin.wire.moves import ForeseenShape
from driftpin.wire.receipts import ReceiptShape

SHORT_ID_CHARACTERS: Final = 8
PROMPT_MISSING: Final = {
    "snapshot_expired": "the bytes of its snapshot are past their retention",
    "renderer_changed": "another release rendered it",
    "digest_mismatch": "what is rendered now is not what was sent",
}
ENTRY_COLUMNS: Final = ("change", "source", "severity", "status", "note")
CLEAN: Final = "clean: the pin is what the workspace is."
CHAT_COLUMNS: Final = ("chat", "title", "state", "context", "pin", "revision", "since")


def status(reach: Reach, directory: Path, *, as_json: bool) -> None:
    """Show the chats of a directory; findings where one is dirty and not frozen."""

    async def read(session: Session) -> tuple[str, tuple[ChatShape, ...]]:
        known = session.get_directory(directory)
        return known.workspace_id, await session.list_chats(known.workspace_id)

    workspace_id, chats = in_session(reach, read)
    dirty = [chat for chat in chats if chat.context.badge]
    if as_json:
        output.write_json({"workspace_id": workspace_id, "dirty": len(dirty), "chats": chats})
    else:
        output.write_table(CHAT_COLUMNS, map(chat_row, chats))
        say(f"{output.counted(len(chats), 'chat')}, {len(dirty)} dirty")
    if dirty:
        raise Finished(ExitCode.FINDINGS)


def show(reach: Reach, name: str, *, as_json: bool) -> None:
    """Show everything that a chat's pin lists."""

    async def read(session: Session) -> tuple[ChatShape, FullContextShape]:
        chat = await session.get_chat(name)
        return chat, await session.client.get_context(chat.id)

    chat, context = in_session(reach, read)
    if as_json:
        output.write_json({"chat_id": chat.id, **context.model_dump(mode="json")})
        return
    output.write_table(PIN_COLUMNS, map(pin_row, context.resources))
    say(f"chat {chat.id} {chat.title!r}: {context_text(context)}")
    say(f"pin {context.snapshot or 'none'}, revision {context.revision}")
    if context.error:
        say(f"warning: {context.error}")


def diff(reach: Reach, name: str, *, as_json: bool) -> None:
    """Show what changed since the pin; findings where something did."""

    async def read(session: Session) -> DriftShape:
        chat = await session.get_chat(name)
        return await session.client.get_drift(chat.id, has_diff=True, has_cost=True)

    drift = in_session(reach, read)
    if as_json:
        output.write_json(drift)
    else:
        write_drift(drift)
    if drift.entries:
        raise Finished(ExitCode.FINDINGS)


def history(reach: Reach, name: str, *, as_json: bool) -> None:
    """Show every move of a chat's pin, the newest last."""

    async def read(session: Session) -> tuple[HistoryEntryShape, ...]:
        chat = await session.get_chat(name)
        return await session.client.list_history(chat.id)

    entries = in_session(reach, read)
    if as_json:
        output.write_json(entries)
        return
    columns = ("revision", "verb", "from", "to", "severity", "actor", "at")
    output.write_table(columns, map(_history_row, entries))


def receipt(reach: Reach, name: str, turn: int | None, *, has_prompt: bool, as_json: bool) -> None:
    """Show the receipt of a turn; without its number, of the last one."""

    async def read(session: Session) -> ReceiptShape:
        chat = await session.get_chat(name)
        number = turn
        if number is None:
            turns = await session.client.list_turns(chat.id)
            if not turns:
                raise NotFound(f"Chat {chat.id} has had no turn yet.", code="no_turn")
            number = max(each.number for each in turns)
        return await session.client.get_receipt(chat.id, number, has_prompt=has_prompt)

    found = in_session(reach, read)
    if as_json:
        output.write_json(found)
        return
    rows = (
        (entry.number, output.short_digest(entry.digest), key, value)
        for entry in found.entries
        for key, value in entry.content.items()
    )
    output.write_table(("entry", "digest", "what", "value"), rows)
    say(f"turn {found.turn}: the chain of entries is {_whole(found.is_chain_whole)}")
    if found.prompt is not None:
        output.write_text(found.prompt)
    elif found.prompt_missing is not None:
        say(f"the prompt cannot be shown: {PROMPT_MISSING[found.prompt_missing]}")


def write_drift(drift: DriftShape) -> None:
    """Write a drift for people: what changed, the text of it, and what a refresh costs."""
    for entry in drift.held:
        say(f"held: {_source_of(entry)} ({entry.change}, {entry.severity})")
    if not drift.entries:
        say("clean: the pin is what the workspace is, less what is held." if drift.held else CLEAN)
        return
    output.write_table(ENTRY_COLUMNS, map(_entry_row, drift.entries))
    for shown in drift.diffs or ():
        output.write_text("")
        output.write_text(shown.text.rstrip("\n"))
        for note in (*shown.notes, *(["cut: too long to show whole"] if shown.truncated else [])):
            say(f"note: {shown.source} {shown.path}: {note}")
    say(f"severity {drift.severity}; head {drift.head}")
    if drift.cost is not None:
        say(_cost_text(drift.cost))


def write_foreseen(foreseen: ForeseenShape) -> None:
    """Write what a refresh would do: what it takes, holds and leaves, and what it costs."""
    output.write_table(ENTRY_COLUMNS, map(_entry_row, foreseen.entries))
    for word, entries in (("held", foreseen.held), ("still drift", foreseen.left)):
        for entry in entries:
            say(f"{word}: {_source_of(entry)}")
    would = "would be pinned" if foreseen.moves else "stays pinned"
    say(f"{output.short_digest(foreseen.snapshot)} {would}, revision {foreseen.revision}")
    say(_cost_text(foreseen.cost))


def chat_row(chat: ChatShape) -> Sequence[object]:
    """Return the row of a chat in a list."""
    return (
        chat.id[-SHORT_ID_CHARACTERS:],
        chat.title,
        "archived" if chat.archived else chat.state,
        context_text(chat.context),
        output.short_digest(chat.context.snapshot),
        chat.context.revision,
        instant_text(chat.context.dirty_since or chat.context.pinned_at),
    )


def context_text(context: ContextShape) -> str:
    """Return in words how a chat stands to its workspace."""
    if context.snapshot is None:
        return "not pinned yet"
    if context.dirty and not context.badge:
        return "frozen"
    if context.dirty:
        blocked = ", its policy is blocked" if context.policy_blocked else ""
        return f"dirty, {context.severity}{blocked}"
    held = f", {context.held} held" if context.held else ""
    return f"clean{held}" if context.complete else f"clean{held}, waiting for tools"


def instant_text(instant: datetime | None) -> str | None:
    """Return an instant in the reader's own time zone, to the second."""
    return None if instant is None else instant.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _entry_row(entry: DriftEntryShape) -> Sequence[object]:
    was, now = entry.status_before, entry.status_after
    files = ", ".join(f"{file.get('change')} {file.get('path')}" for file in entry.files)
    findings = ", ".join(str(finding.get("code")) for finding in entry.findings)
    flapping = "flapping" if entry.flapping else ""
    note = "; ".join(part for part in (files, findings, flapping) if part)
    return (
        entry.change,
        _source_of(entry),
        entry.severity,
        now if was == now else f"{was} → {now}",
        note,
    )


def _source_of(entry: DriftEntryShape) -> str:
    return f"{entry.previous_source} → {entry.source}" if entry.previous_source else entry.source


def _cost_text(cost: CostShape) -> str:
    return (
        f"a refresh adds {cost.tokens_gained} and drops {cost.tokens_lost} tokens"
        f" ({cost.tokens_before} → {cost.tokens_after});"
        f" {cost.cache_tokens_forfeited} cached tokens are lost"
    )


def _history_row(entry: HistoryEntryShape) -> Sequence[object]:
    return (
        entry.revision,
        entry.verb,
        output.short_digest(entry.from_),
        output.short_digest(entry.to),
        entry.severity,
        entry.actor,
        instant_text(entry.at),
    )


def _whole(is_whole: bool) -> str:
    return "whole" if is_whole else "BROKEN"


__all__ = [
    "CHAT_COLUMNS",
    "chat_row",
    "context_text",
    "diff",
    "history",
    "instant_text",
    "receipt",
    "show",
    "status",
    "write_drift",
    "write_foreseen",
]
