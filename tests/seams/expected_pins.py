"""What should come of the verbs that move a pin."""

from driftpin.identity import Digest
from seams.expected import Answer, Expected, ExpectedChat, Refused, Weight
from seams.expected_policies import apply_policy, in_force


def bind_and_pin(expected: Expected, index: int, agent: int) -> str | None:
    """Bind a chat and do what is due for its pin; return the verb that moved it."""
    chat, head = expected.chats[index], expected.agents[agent].head
    verb, target = _due_verb(expected, chat, head), head
    chat.agent = agent
    if verb == "rebind" and head is not None:
        assert chat.pin is not None
        target = expected.blend(chat.pin, head, expected.unheld(chat, head))
        if target == chat.pin:
            return None
        expected.keep(target)
    if verb is not None:
        holds = expected.in_force(chat, head) if verb == "rebind" and head is not None else {}
        expected.move(index, target, verb, agent)
        chat.holds = holds
    return verb


def _due_verb(expected: Expected, chat: ExpectedChat, head: Digest | None) -> str | None:
    if chat.is_archived:
        return None
    if chat.pin is None:
        return "hydrate" if head else None
    if chat.agent is None or chat.parent is not None or chat.pin == head:
        return None
    if head is not None and expected.weigh(chat, head) is Weight.RISKY:
        return None
    return "rebind"


def settle(expected: Expected, index: int) -> Answer:
    """Do what a turn does at its start."""
    is_bound = bind_if_due(expected, index)
    is_applied = apply_policy(expected, index)
    return expected.stands(index, moved=is_bound or is_applied)


def bind_if_due(expected: Expected, index: int) -> bool:
    """Do what is due for a chat that comes back: the same, but for its policy."""
    chat, current = expected.chats[index], expected.current
    if chat.is_deleted:
        raise Refused("not_found")
    if current is None or not expected.agents[current].is_alive:
        return False
    if not _is_due(expected, chat, current):
        return False
    was_bound_to = chat.agent
    verb = bind_and_pin(expected, index, current)
    if verb is not None:
        expected.tell("chat.pinned", index)
    elif was_bound_to != current:
        expected.tell("chat.changed", index)
    return verb is not None


def _is_due(expected: Expected, chat: ExpectedChat, current: int) -> bool:
    if chat.is_archived:
        return False
    if chat.agent is None or chat.agent == current:
        return chat.agent is None or chat.pin is None
    return not expected.agents[chat.agent].is_alive


def rebind(expected: Expected, by: str, index: int, agent: int | None) -> Answer:
    """Bind a chat to an agent that a person chose, or to the current one."""
    chat = expected.require(by, index, "update")
    target = expected.current if agent is None else agent
    if target is None:
        raise Refused("no_agent")
    if not expected.agents[target].is_alive:
        raise Refused("not_found")
    if chat.is_archived:
        raise Refused("chat_archived")
    if chat.agent == target and chat.pin is not None:
        return expected.stands(index, moved=False)
    head_before = None if chat.agent is None else expected.agents[chat.agent].head
    verb = bind_and_pin(expected, index, target)
    if verb is not None:
        expected.tell("chat.pinned", index)
    elif not chat.pin == expected.agents[target].head == head_before:
        expected.tell("chat.changed", index)
    return expected.stands(index, moved=verb is not None)


def refresh(
    expected: Expected,
    by: str,
    index: int,
    *,
    to: Digest | None,
    if_match: int | None,
    cascade: bool,
    dry_run: bool,
) -> Answer:
    """Pin the head that was shown."""
    chat = expected.require(by, index, "update")
    refuse_unmovable(chat)
    if if_match not in (None, chat.revision):
        raise Refused("precondition_failed")
    head = expected.head_of(chat)
    if head is None:
        raise Refused("no_snapshot")
    if to not in (None, head):
        raise Refused("head_moved")
    moves = chat.pin != head
    if dry_run:
        return (chat.revision + moves, moves, head)
    if moves:
        expected.move(index, head, "refresh", chat.agent)
        chat.holds.clear()
    followed = _cascade(expected, by, index, head) if cascade else False
    if moves or followed:
        expected.tell("chat.pinned", None if cascade else index)
    return expected.stands(index, moved=moves)


def _cascade(expected: Expected, by: str, index: int, head: Digest) -> bool:
    """Move what is below; return whether anything moved."""
    moved = False
    for place in _below(expected, index):
        chat = expected.chats[place]
        if chat.is_archived or expected.access(by, place) not in ("update", "owner"):
            continue
        target = head
        if chat.born_with is not None:
            texts = expected.contents[head]
            target = expected.name({n: t for n, t in texts.items() if n in chat.born_with})
            expected.keep(target)
        if chat.pin != target:
            expected.move(place, target, "refresh", expected.chats[index].agent)
            moved = True
    return moved


def _below(expected: Expected, index: int) -> list[int]:
    children = [place for place, chat in expected.living() if chat.parent == index]
    return children + [deeper for child in children for deeper in _below(expected, child)]


def refresh_all(expected: Expected, by: str) -> Answer:
    """Refresh every dirty chat of the caller's, in one event."""
    expected.require_workspace(by)
    due = [
        place
        for place, chat in expected.living()
        if chat.owner == by
        and chat.pin is not None
        and chat.parent is None
        and not chat.is_archived
        and expected.is_dirty(chat)
    ]
    moving = [place for place in due if in_force(expected, expected.chats[place]) != "freeze"]
    for place in moving:
        chat = expected.chats[place]
        expected.move(place, expected.head_of(chat), "refresh", chat.agent)
        chat.holds.clear()
    if moving:
        expected.tell("chat.pinned")
    return [(place, place in moving, expected.chats[place].revision) for place in due]


def refresh_by_agent(expected: Expected, agent: int, owner: str) -> Answer:
    """Refresh those of the owner's dirty chats whose drift steers no model."""
    if not expected.agents[agent].is_alive:
        raise Refused("not_found")
    dirty = [
        place
        for place, chat in expected.living()
        if chat.owner == owner
        and chat.agent == agent
        and chat.parent is None
        and not chat.is_archived
        and expected.is_dirty(chat)
    ]
    answers = []
    for place in dirty:
        chat, head = expected.chats[place], expected.agents[agent].head
        assert chat.pin is not None
        assert head is not None
        is_light = expected.weigh_with_held(chat, head) is Weight.COSMETIC
        is_light &= in_force(expected, chat) != "freeze"
        if is_light:
            expected.move(place, head, "refresh", agent)
            chat.holds.clear()
        answers.append((place, is_light, chat.revision))
    if any(is_light for _, is_light, _ in answers):
        expected.tell("chat.pinned")
    return answers


def roll_back(expected: Expected, by: str, index: int, to: Digest) -> Answer:
    """Pin what the chat was pinned to once."""
    chat = expected.require(by, index, "update")
    refuse_unmovable(chat)
    if chat.pin == to:
        return expected.stands(index, moved=False)
    rows = [moved for moved in chat.history if to in (moved.before, moved.to)]
    if not rows:
        raise Refused("not_in_history")
    if not any(moved.is_kept for moved in rows):
        raise Refused("snapshot_expired")
    expected.move(index, to, "roll_back", chat.agent)
    expected.tell("chat.pinned", index)
    return expected.stands(index, moved=True)


def refuse_unmovable(chat: ExpectedChat) -> None:
    """Refuse to move the pins of chats that are put away, and of sub-chats."""
    if chat.is_archived:
        raise Refused("chat_archived")
    if chat.parent is not None:
        raise Refused("sub_chat")


__all__ = [
    "bind_and_pin",
    "bind_if_due",
    "rebind",
    "refresh",
    "refresh_all",
    "refresh_by_agent",
    "refuse_unmovable",
    "roll_back",
    "settle",
]
