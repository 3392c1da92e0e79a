"""What must hold between two moments of a simulated world."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from world.agents import SimulatedAgent
from world.look import Look, SeenEvent, SeenMove

# Which moves of pins each thing that happens may make.
ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "push": frozenset({"hydrate", "rebind"}),
    "create": frozenset({"hydrate", "inherit"}),
    "refresh": frozenset({"refresh"}),
    "roll_back": frozenset({"roll_back"}),
    "rebind": frozenset({"rebind", "hydrate"}),
    "archive": frozenset({"hydrate", "rebind"}),
    "settle": frozenset({"hydrate", "rebind"}),
}


@dataclass(frozen=True, slots=True)
class Change:
    """Two moments, what was done between them, and the events that it left."""

    before: Look
    after: Look
    done: str
    events: Sequence[SeenEvent]

    @property
    def moves(self) -> list[SeenMove]:
        """The rows that history gained."""
        return [move for key, move in self.after.moves.items() if key not in self.before.moves]


Rule = Callable[[Change, Sequence[SimulatedAgent]], Iterator[str]]


def accepted_pairs_rise(change: Change, _: Sequence[SimulatedAgent]) -> Iterator[str]:
    """A head never goes back, and changes only under a higher pair."""
    for agent_id, after in change.after.heads.items():
        before = change.before.heads.get(agent_id)
        if before is None:
            continue
        if after.incarnation < before.incarnation:
            yield f"the incarnation of {agent_id} fell"
        if after.pair < before.pair:
            yield f"the head of {agent_id} went back from {before.pair} to {after.pair}"
        if after.digest != before.digest and after.pair == before.pair:
            yield f"the head of {agent_id} changed under {after.pair}"


def heads_are_what_was_pushed(change: Change, agents: Sequence[SimulatedAgent]) -> Iterator[str]:
    """A head holds what its agent sent under its number."""
    for agent in agents:
        head = change.after.heads[str(agent.actor.agent_id)]
        if head.digest is not None:
            sent = {digest for digest, _ in agent.sent.get(head.pair, ())}
            if head.digest not in sent:
                yield f"the head of {agent.name} under {head.pair} was never sent"


def acknowledged_pushes_stay(change: Change, agents: Sequence[SimulatedAgent]) -> Iterator[str]:
    """What was acknowledged is the head, or something newer is."""
    for agent in agents:
        if not agent.acknowledged:
            continue
        head = change.after.heads[str(agent.actor.agent_id)]
        newest = max(agent.acknowledged)
        is_same = head.pair == newest and head.digest != agent.acknowledged[newest]
        if head.pair < newest or is_same:
            yield f"the acknowledged push {newest} of {agent.name} is lost"


def pins_move_by_verbs(change: Change, _: Sequence[SimulatedAgent]) -> Iterator[str]:
    """A pin and its history move together, by one, and by a verb of what was done."""
    allowed = ALLOWED.get(change.done, frozenset())
    gained = Counter(move.chat_id for move in change.moves)
    for move in change.moves:
        if move.verb not in allowed:
            yield f"{change.done} moved {move.chat_id} by {move.verb}"
        earlier = change.after.moves.get((move.chat_id, move.revision - 1))
        if move.revision > 1 and (earlier is None or earlier.to_digest != move.from_digest):
            yield f"move {move.revision} of {move.chat_id} begins nowhere"
    for chat_id, pin in change.after.pins.items():
        before = change.before.pins.get(chat_id)
        risen = pin.revision - (before.revision if before else 0)
        if risen != gained[chat_id]:
            yield f"{chat_id} rose by {risen} with {gained[chat_id]} rows of history"
        newest = change.after.moves.get((chat_id, pin.revision))
        if newest is not None and newest.to_digest != pin.digest:
            yield f"{chat_id} is pinned to {pin.digest}, its history says {newest.to_digest}"
        if before is not None and before.digest != pin.digest and not risen:
            yield f"the pin of {chat_id} changed without a move"
        was_pinned = before is not None and before.digest and before.agent_id == pin.agent_id
        if change.done == "push" and was_pinned and risen:
            yield f"a push moved {chat_id}, which was pinned"


def events_are_changes(change: Change, _: Sequence[SimulatedAgent]) -> Iterator[str]:
    """There is an event if and only if something changed, and one for each change."""
    told = Counter(event.kind for event in change.events)
    expected: Counter[str] = Counter()
    before, after = change.before, change.after
    for agent_id, head in after.heads.items():
        was = before.heads.get(agent_id)
        has_taken_over = after.current_agent == agent_id != before.current_agent
        if was and (was.digest != head.digest or has_taken_over):
            expected["agent.head"] += 1
        if was and was.incarnation != head.incarnation:
            expected["agent.state"] += 1
    expected["chat.created"] = len(after.pins.keys() - before.pins.keys())
    for kind in ("agent.head", "agent.state", "chat.created"):
        if told[kind] != expected[kind]:
            yield f"{told[kind]} events {kind!r} for {expected[kind]} changes of {change.done}"
    is_own_move = change.done in ("refresh", "roll_back", "rebind") and change.moves
    if is_own_move and told["chat.pinned"] != 1:
        yield f"{told['chat.pinned']} events for a move by {change.done}"
    if (before.shares != after.shares) > told["chat.shared"]:
        yield "a share changed without an event"
    if change.events and before == after and not told["chat.shared"]:
        yield f"events {dict(told)} for nothing"
    numbers = {event.number for event in change.events}
    for move in change.moves:
        if move.event_id not in numbers:
            yield f"move {move.revision} of {move.chat_id} names no event of its own"


RULES: Final[Sequence[Rule]] = (
    accepted_pairs_rise,
    heads_are_what_was_pushed,
    acknowledged_pushes_stay,
    pins_move_by_verbs,
    events_are_changes,
)

__all__ = ["ALLOWED", "RULES", "Change", "Rule"]
