"""What should come of taking a part and holding the rest, and of letting go of what is held."""

from seams.expected import Answer, Expected, ExpectedChat, Refused
from seams.expected_pins import refuse_unmovable

Names = tuple[str, ...] | None


def refresh_part(
    expected: Expected, by: str, index: int, accept: Names, hold: Names, *, dry_run: bool
) -> Answer:
    """Take what is accepted, or all but what is held."""
    chat = expected.require(by, index, "update")
    refuse_unmovable(chat)
    head = expected.head_of(chat)
    if head is None or chat.pin is None:
        raise Refused("no_snapshot")
    old, new = expected.contents[chat.pin], expected.contents[head]
    _refuse_impossible(set(accept or ()), set(hold or ()), old.keys() | new.keys())
    taken, held = _choose(expected, chat, accept, hold)
    target = expected.blend(chat.pin, head, taken)
    kept = {n: t for n, t in expected.in_force(chat, head).items() if n not in taken}
    holds = {**kept, **{name: new.get(name) for name in held}}
    moves = target != chat.pin
    if dry_run:
        return (chat.revision + moves, moves, target)
    if moves:
        expected.keep(target)
        expected.move(index, target, "refresh", chat.agent)
        expected.tell("chat.pinned", index)
    elif holds != chat.holds:
        expected.tell("chat.changed", index)
    chat.holds = holds
    return expected.stands(index, moved=moves)


def _refuse_impossible(accept: set[str], hold: set[str], known: set[str]) -> None:
    if accept & hold:
        raise Refused("selection_conflict")
    if not accept | hold <= known:
        raise Refused("unknown_source")


def _choose(
    expected: Expected, chat: ExpectedChat, accept: Names, hold: Names
) -> tuple[set[str], set[str]]:
    head = expected.head_of(chat)
    assert chat.pin is not None
    assert head is not None
    left, differing = expected.unheld(chat, head), expected.differing(chat.pin, head)
    named = set(accept or ()) | set(hold or ())
    taken, held = differing & set(accept or ()), differing & set(hold or ())
    if accept is None:
        taken |= left - named
    if hold is None:
        held |= left - named
    return taken, held


def release(expected: Expected, by: str, index: int, names: Names) -> Answer:
    """Let go of some holds, or of all."""
    chat = expected.require(by, index, "update")
    if chat.is_archived:
        raise Refused("chat_archived")
    gone = [name for name in chat.holds if names is None or name in names]
    for name in gone:
        del chat.holds[name]
    if gone:
        expected.tell("chat.changed", index)
    return len(gone)


__all__ = ["refresh_part", "release"]
