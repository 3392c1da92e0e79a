"""What should come of making chats, sharing them, putting them away, and talking in them."""

from driftpin.identity import Digest
from seams.expected import (
    ADMINISTRATOR,
    OWNER,
    Answer,
    Expected,
    ExpectedChat,
    Receipt,
    Refused,
    Texts,
    Turned,
)
from seams.expected_pins import bind_and_pin, bind_if_due, settle


def create(expected: Expected, by: str, *, snapshot: Digest | None = None) -> Answer:
    """Make a chat on the head, or on a snapshot that is stored."""
    expected.require_workspace(by)
    if snapshot is not None and snapshot not in expected.snapshots:
        raise Refused("not_found")
    index = _add(expected, ExpectedChat(by))
    current = expected.current
    if snapshot is not None:
        expected.move(index, snapshot, "inherit", current)
    elif current is not None and expected.agents[current].is_alive:
        bind_and_pin(expected, index, current)
    return expected.stands(index, moved=False)


def create_sub_chat(
    expected: Expected, by: str, parent: int, names: tuple[str, ...] | None
) -> Answer:
    """Make a chat with the parent's exact snapshot, or a part of it."""
    expected.require_workspace(by)
    above = expected.require(by, parent, "update")
    target = above.pin
    if above.pin is not None and names is not None:
        texts = expected.contents[above.pin]
        if not set(names) <= texts.keys():
            raise Refused("unknown_source")
        target = expected.name({name: texts[name] for name in names})
        expected.keep(target)
    index = _add(expected, ExpectedChat(by, parent=parent, policy="freeze"))
    if target is not None:
        expected.chats[index].born_with = names
        expected.move(index, target, "inherit", above.agent)
    return expected.stands(index, moved=False)


def import_snapshot(expected: Expected, by: str, texts: Texts) -> Answer:
    """Store a snapshot that is nobody's head."""
    expected.require_workspace(by)
    digest = expected.name(texts)
    expected.keep(digest)
    return digest


def share(expected: Expected, by: str, index: int, whom: str, access: str) -> Answer:
    """Let another user read or update a chat."""
    chat = expected.require(by, index, "owner")
    if whom == chat.owner:
        raise Refused("bad_access")
    chat.shares[whom] = access
    expected.tell("chat.shared", index)
    return None


def unshare(expected: Expected, by: str, index: int, whom: str) -> Answer:
    """Take it back."""
    chat = expected.require(by, index, "owner")
    if chat.shares.pop(whom, None) is None:
        raise Refused("not_found")
    expected.tell("chat.shared", index)
    return None


def archive(expected: Expected, by: str, index: int, *, is_archived: bool) -> Answer:
    """Put a chat away, or bring it back and do what is due."""
    chat = expected.require(by, index, "update")
    if chat.is_archived != is_archived:
        chat.is_archived = is_archived
        expected.tell("chat.changed", index)
        if not is_archived:
            bind_if_due(expected, index)
    return expected.stands(index, moved=False)


def delete(expected: Expected, by: str, index: int) -> Answer:
    """Sub-chats stay, and follow nobody any more."""
    expected.require(by, index, "owner")
    expected.chats[index].is_deleted = True
    for _, chat in expected.living():
        if chat.parent == index:
            chat.parent = None
    expected.tell("chat.deleted", index)
    return None


def fork(expected: Expected, by: str, index: int, number: int) -> Answer:
    """Make a chat with the pin of a turn."""
    origin = expected.require(by, index, "update")
    if by not in (OWNER, ADMINISTRATOR):
        raise Refused("forbidden")
    if number > len(origin.turns):
        raise Refused("not_found")
    turn = origin.turns[number - 1]
    if turn.snapshot is not None and not turn.is_kept:
        raise Refused("snapshot_expired")
    copied = [Turned(row.snapshot, row.at, row.is_kept) for row in origin.turns[:number]]
    fork_index = _add(expected, ExpectedChat(by, policy=origin.policy, turns=copied))
    if turn.snapshot is not None:
        expected.move(fork_index, turn.snapshot, "inherit", origin.agent)
        expected.chats[fork_index].holds = dict(origin.holds)
    return expected.stands(fork_index, moved=False)


def can_take_turn(expected: Expected, index: int) -> bool:
    """Whether a turn would run at once: it waits for a first pin while an agent may bring one."""
    chat = expected.chats[index]
    if chat.pin is not None or chat.is_archived:
        return True
    current = expected.current
    if current is not None and expected.agents[current].is_alive:
        is_theirs = chat.agent in (None, current)
        return is_theirs or not expected.agents[chat.agent or 0].is_alive
    return not any(agent.is_alive for agent in expected.agents)


def take_turn(expected: Expected, by: str, index: int) -> Answer:
    """Say something and let the offline model answer it from the pin."""
    chat = expected.require(by, index, "update")
    if chat.is_archived:
        raise Refused("chat_archived")
    expected.tell("chat.message", index)
    expected.tell("chat.turn", index)
    settle(expected, index)
    chat.turns.append(Turned(chat.pin, expected.now))
    chat.receipts += [Receipt(chat.pin, expected.now), Receipt(chat.pin, expected.now)]
    expected.tell("chat.message", index)
    expected.tell("chat.turn", index)
    return ("done", chat.pin, None if chat.pin is None else chat.revision)


def _add(expected: Expected, chat: ExpectedChat) -> int:
    expected.chats.append(chat)
    index = len(expected.chats) - 1
    expected.tell("chat.created", index)
    return index


__all__ = [
    "archive",
    "can_take_turn",
    "create",
    "create_sub_chat",
    "delete",
    "fork",
    "import_snapshot",
    "share",
    "take_turn",
    "unshare",
]
