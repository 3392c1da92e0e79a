"""What must hold of chats, their pins and histories, turns, receipts and events, asked of rows."""

import json
from collections import defaultdict
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from driftpin.context.manifest import entry_digest
from driftpin.identity import ChatId
from pushing import snapshot_with
from seams.expected import Expected, ExpectedChat
from seams.pin_world import PinWorld
from seams.raw_rows import Rows

ByChat = dict[str, list[SimpleNamespace]]


def check_chats(world: PinWorld, expected: Expected, rows: Rows) -> None:
    """Every chat is what it should be, and its history gives its pin."""
    digests = {row.id: row.digest for row in rows["snapshots"]}
    pins = {row.chat_id: row for row in rows["chat_pins"]}
    histories = _by_chat(rows["chat_pin_history"])
    turns, receipts = _by_chat(rows["turns"]), _by_chat(rows["receipts"])
    assert set(pins) == {world.chats[index] for index, _ in expected.living()}
    assert pins.keys() == {row.id for row in rows["chats"]}
    for index, chat in expected.living():
        chat_id = world.chats[index]
        _check_pin(world, chat, pins[chat_id], digests)
        _check_history(chat, histories.get(chat_id, []), digests)
        _replay(pins[chat_id], histories.get(chat_id, []), digests, rows)
        _check_parts(expected, histories.get(chat_id, []))
        _check_turns(chat, turns.get(chat_id, []), digests)
        _check_receipts(chat, receipts.get(chat_id, []), digests)
    _check_shares(world, expected, rows)
    _check_holds(world, expected, rows)


def _by_chat(rows: Iterable[SimpleNamespace]) -> ByChat:
    found: defaultdict[str, list[SimpleNamespace]] = defaultdict(list)
    for row in rows:
        found[row.chat_id].append(row)
    return found


def _check_pin(
    world: PinWorld, chat: ExpectedChat, row: SimpleNamespace, digests: dict[int, str]
) -> None:
    assert digests.get(row.snapshot_id) == chat.pin
    assert row.revision == chat.revision
    assert row.pinned_at == chat.pinned_at
    assert world.place_of_agent(row.agent_id) == chat.agent
    assert row.is_archived == chat.is_archived
    assert row.error is None


def _check_history(
    chat: ExpectedChat, history: list[SimpleNamespace], digests: dict[int, str]
) -> None:
    found = [
        (row.verb, row.from_digest, row.to_digest, row.at, _kept(row, digests)) for row in history
    ]
    assert found == [
        (
            moved.verb,
            moved.before,
            moved.to,
            moved.at,
            _named(moved.is_kept, moved.before, moved.to),
        )
        for moved in chat.history
    ]


def _kept(row: SimpleNamespace, digests: dict[int, str]) -> tuple[str | None, str | None]:
    return (digests.get(row.from_id), digests.get(row.to_id))


def _named(is_kept: bool, *named: Any) -> tuple[Any, ...]:
    return named if is_kept else tuple(None for _ in named)


def _replay(
    pin: SimpleNamespace,
    history: list[SimpleNamespace],
    digests: dict[int, str],
    rows: Rows,
) -> None:
    """Go through the history by its verbs and inputs, and arrive at the pin."""
    stands: str | None = None
    for revision, row in enumerate(history, 1):
        inputs = json.loads(row.inputs)
        assert row.revision == revision
        assert row.from_digest == stands
        match row.verb:
            case "hydrate" | "rebind":
                heads = {
                    head.digest for head in rows["agent_heads"] if head.agent_id == row.agent_id
                }
                assert inputs["agent_id"] == row.agent_id
                assert inputs.get("head", row.to_digest) in heads | {None}
            case "refresh" if inputs.get("to") and "taken" not in inputs:
                assert row.to_digest == inputs["to"]
            case "roll_back":
                assert row.to_digest == inputs["to"]
                assert row.to_digest in {earlier.to_digest for earlier in history[:revision]} | {
                    earlier.from_digest for earlier in history[:revision]
                }
        stands = row.to_digest
    assert stands == digests.get(pin.snapshot_id)
    assert pin.revision == len(history)


def _check_parts(expected: Expected, history: list[SimpleNamespace]) -> None:
    """What was taken of a head, done again with the texts, gives what was pinned."""
    for row in history:
        inputs = json.loads(row.inputs)
        if "taken" in inputs:
            taken = {source.removeprefix("workspace:")[:-3] for source in inputs["taken"]}
            assert expected.blend(row.from_digest, inputs["head"], taken) == row.to_digest


def _check_holds(world: PinWorld, expected: Expected, rows: Rows) -> None:
    found = {(row.chat_id, row.source): row.digest for row in rows["chat_holds"]}
    assert found == {
        (world.chats[index], f"workspace:{name}.md"): _entry(name, text)
        for index, chat in expected.living()
        for name, text in chat.holds.items()
    }


def _entry(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    (resource,) = snapshot_with(**{name: text})[0].resources
    return entry_digest(resource)


def _check_turns(chat: ExpectedChat, turns: list[SimpleNamespace], digests: dict[int, str]) -> None:
    assert [(row.number, row.state, digests.get(row.snapshot_id)) for row in turns] == [
        (number, "done", turn.snapshot if turn.is_kept else None)
        for number, turn in enumerate(chat.turns, 1)
    ]


def _check_receipts(
    chat: ExpectedChat, receipts: list[SimpleNamespace], digests: dict[int, str]
) -> None:
    previous = None
    for row in receipts:
        assert row.previous_digest == previous
        previous = row.digest
    assert [(row.snapshot_digest, digests.get(row.snapshot_id)) for row in receipts] == [
        (receipt.snapshot, receipt.snapshot if receipt.is_kept else None)
        for receipt in chat.receipts
    ]


def _check_shares(world: PinWorld, expected: Expected, rows: Rows) -> None:
    names = {user_id: name for name, user_id in world.inhabitants.user_ids.items()}
    found = {(row.chat_id, names[row.user_id], row.access) for row in rows["chat_shares"]}
    assert found == {
        (world.chats[index], name, access)
        for index, chat in expected.living()
        for name, access in chat.shares.items()
    }


def new_events(world: PinWorld, rows: Rows) -> list[tuple[str, int | None]]:
    """Return the events since the last look; each move of a pin names one of its own step."""
    known = {row.id for row in rows["events"]}
    for row in rows["chat_pin_history"]:
        is_new = known and row.event_id >= min(known)
        assert not is_new or row.event_id in known
    return [(row.kind, _place(world, row.chat_id)) for row in rows["events"]]


def _place(world: PinWorld, chat_id: ChatId | None) -> int | None:
    return None if chat_id is None else world.chats.index(chat_id)


__all__ = ["check_chats", "new_events"]
