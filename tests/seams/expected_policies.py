"""What should come of policies: set for the workspace and for chats, and acting as turns start."""

from driftpin.identity import Digest
from seams.expected import Answer, Expected, ExpectedChat, Refused, Weight

BY_PERSONS = ("refresh", "roll_back")


def in_force(expected: Expected, chat: ExpectedChat) -> str:
    """Return the policy of a chat; every resource is of one kind."""
    if chat.parent is not None:
        return "freeze"
    verbs = [moved.verb for moved in chat.history if moved.verb in BY_PERSONS]
    if verbs[-1:] == ["roll_back"]:
        return "pin"
    return chat.policy or expected.policy


def apply_policy(expected: Expected, index: int) -> bool:
    """Move a pin as its policy says; return whether it moved."""
    chat, head = expected.chats[index], expected.head_of(expected.chats[index])
    if chat.is_archived or chat.pin is None or head is None:
        return False
    if _next_turn(expected, chat) != "moves":
        return False
    target = expected.blend(chat.pin, head, _taken(expected, chat, head))
    expected.keep(target)
    expected.move(index, target, "apply_policy", chat.agent)
    expected.tell("chat.pinned", index)
    return True


def set_for_chat(expected: Expected, by: str, index: int, policy: str | None) -> Answer:
    """Set a chat's policy, and tell what its next turn does."""
    chat = expected.require(by, index, "update")
    if chat.parent is not None:
        raise Refused("sub_chat")
    if chat.policy != policy:
        chat.policy = policy
        expected.tell("chat.changed", index)
    return _outlook(expected, by, [index])


def set_for_workspace(expected: Expected, by: str, policy: str) -> Answer:
    """Set the workspace's policy, and tell what the next turns there do."""
    expected.require_workspace(by)
    if expected.policy != policy:
        expected.policy = policy
        expected.tell("workspace.changed")
    return _outlook(expected, by, [index for index, _ in expected.living()])


def _outlook(expected: Expected, by: str, places: list[int]) -> Answer:
    seen = [(place, expected.chats[place]) for place in places if expected.access(by, place)]
    return [
        (place, _next_turn(expected, chat))
        for place, chat in seen
        if not chat.is_archived and _differs(expected, chat)
    ]


def _differs(expected: Expected, chat: ExpectedChat) -> bool:
    """Whether the head is another, whatever is held of it."""
    head = expected.head_of(chat)
    return chat.pin is not None and head is not None and chat.pin != head


def _next_turn(expected: Expected, chat: ExpectedChat) -> str:
    head = expected.head_of(chat)
    if chat.pin is None or head is None or not _taken(expected, chat, head):
        return "stays"
    return "blocked" if expected.weigh(chat, head) is Weight.RISKY else "moves"


def _taken(expected: Expected, chat: ExpectedChat, head: Digest) -> set[str]:
    assert chat.pin is not None
    left = expected.unheld(chat, head)
    match in_force(expected, chat):
        case "follow":
            return left
        case "auto_add":
            return left & (expected.contents[head].keys() - expected.contents[chat.pin].keys())
        case _:
            return set()


__all__ = ["apply_policy", "in_force", "set_for_chat", "set_for_workspace"]
