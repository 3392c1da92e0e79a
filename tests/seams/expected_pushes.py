"""What should come of an agent's calls, and of collecting garbage."""

from dataclasses import dataclass
from datetime import timedelta

from driftpin import limits
from driftpin.identity import Digest
from seams.expected import (
    AcceptedHead,
    Answer,
    Expected,
    ExpectedAgent,
    Moved,
    Receipt,
    Refused,
    Texts,
    Turned,
)
from seams.expected_pins import bind_and_pin

Kept = Moved | Receipt | Turned


@dataclass(frozen=True, slots=True)
class Lie:
    """What is wrong with a push: nothing, or one of these."""

    digest: bool = False
    prompt_digest: bool = False
    body: bool = False
    withheld: bool = False


HONEST = Lie()


def hello(expected: Expected, index: int, run: str) -> Answer:
    """A new run gets the next incarnation; one that was overtaken stays so."""
    agent = expected.agents[index]
    if not agent.is_alive:
        raise Refused("not_found")
    known = agent.runs.get(run)
    if known is not None and known < agent.incarnation:
        raise Refused("fenced")
    if known is None:
        agent.incarnation += 1
        agent.runs[run] = agent.incarnation
        expected.tell("agent.state")
    return (agent.incarnation, agent.head, agent.accepted_seq)


def push(
    expected: Expected,
    index: int,
    place: tuple[int, int],
    texts: Texts,
    lie: Lie,
    *,
    lacks_blobs: bool,
) -> Answer:
    """`lacks_blobs`: something is named that is neither stored nor sent."""
    agent = expected.agents[index]
    if lie.digest:
        raise Refused("hash_mismatch")
    if not agent.is_alive:
        raise Refused("agent_gone")
    digest = expected.name(texts)
    _fence(agent, place, digest)
    takes_over = _takes_over(expected, index)
    if place[1] == agent.accepted_seq:
        return ("duplicate", agent.head, 0)
    if digest != agent.head:
        _refuse_lies(expected, digest, lie, lacks_blobs=lacks_blobs)
    is_unchanged = digest == agent.head and not takes_over
    _accept(expected, agent, place, digest)
    if is_unchanged:
        return ("unchanged", digest, 0)
    expected.tell("agent.head")
    return ("accepted", digest, _settle_chats(expected, index, takes_over=takes_over))


def _fence(agent: ExpectedAgent, place: tuple[int, int], digest: Digest) -> None:
    incarnation, seq = place
    if agent.incarnation == 0 or incarnation > agent.incarnation:
        raise Refused("hello_required")
    if incarnation < agent.incarnation:
        raise Refused("fenced")
    if seq < agent.accepted_seq:
        raise Refused("stale")
    if seq == agent.accepted_seq and digest != agent.head:
        raise Refused("seq_conflict")
    if seq > agent.accepted_seq + limits.SEQ_JUMP_MAX:
        raise Refused("seq_jump")


def _refuse_lies(expected: Expected, digest: Digest, lie: Lie, *, lacks_blobs: bool) -> None:
    if digest in expected.snapshots:
        # Every byte of it is here already, so nothing that was sent is looked at.
        return
    if lie.prompt_digest or lie.body:
        raise Refused("hash_mismatch")
    if lacks_blobs:
        raise Refused("need_blobs")


def _takes_over(expected: Expected, index: int) -> bool:
    if expected.current == index:
        return False
    if expected.current is None or expected.agents[index].head is None:
        return True
    return not expected.agents[expected.current].is_alive


def _accept(
    expected: Expected, agent: ExpectedAgent, place: tuple[int, int], digest: Digest
) -> None:
    if digest != agent.head:
        expected.keep(digest)
        agent.head = digest
        agent.heads.append(AcceptedHead(*place, digest, expected.now))
    agent.head_incarnation, agent.head_seq = place


def _settle_chats(expected: Expected, index: int, *, takes_over: bool) -> int:
    if expected.current != index and not takes_over:
        return 0
    due = [
        place
        for place, chat in expected.living()
        if not chat.is_archived
        and (chat.agent is None or (chat.agent == index and chat.pin is None))
    ]
    if takes_over:
        previous, expected.current = expected.current, index
        if previous is not None:
            due += [place for place, chat in expected.living() if chat.agent == previous]
    verbs = [bind_and_pin(expected, place, index) for place in due]
    return verbs.count("hydrate")


def upload(expected: Expected, index: int, *, is_lying: bool) -> Answer:
    """Bytes are taken from a living agent, if they are what they are called."""
    if is_lying:
        raise Refused("hash_mismatch")
    if not expected.agents[index].is_alive:
        raise Refused("agent_gone")
    return None


def delete_agent(expected: Expected, by: str, index: int) -> Answer:
    """Pins from it stay."""
    expected.require_workspace(by)
    if not expected.agents[index].is_alive:
        raise Refused("not_found")
    expected.agents[index].deleted_at = expected.now
    expected.tell("agent.state")
    return None


def collect(expected: Expected) -> None:
    """Let go of what is past its retention, then of what nothing names after its grace."""
    _release_heads(expected, timedelta(days=limits.HEADS_KEPT_DAYS))
    oldest = expected.now - timedelta(days=limits.HISTORY_KEPT_DAYS)
    for _, chat in expected.living():
        rows: tuple[Kept, ...] = (*chat.history, *chat.receipts, *chat.turns)
        for row in rows:
            if row.at < oldest:
                row.is_kept = False
    named = expected.named()
    young = expected.now - timedelta(seconds=limits.GRACE_S)
    for digest, since in list(expected.snapshots.items()):
        if since < young and digest not in named:
            del expected.snapshots[digest]


def _release_heads(expected: Expected, age: timedelta) -> None:
    for agent in expected.agents:
        for head in agent.heads:
            is_present = agent.is_alive and head.digest == agent.head
            if head.at < expected.now - age and not is_present:
                head.is_kept = False
        if agent.deleted_at is not None and agent.deleted_at < expected.now - age:
            agent.head = None


__all__ = ["HONEST", "Lie", "collect", "delete_agent", "hello", "push", "upload"]
