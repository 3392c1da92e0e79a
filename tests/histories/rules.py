"""The rules that a record of concurrent calls is judged by; each is linear in the record.

A rule gives what breaks it, in words. Rules of order compare what ended before something else
began; what overlapped may have happened in either order.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from histories.order import Floor, Sight, below_floor
from histories.record import (
    MOVES,
    READS,
    Call,
    Ended,
    HistoryMove,
    Pair,
    Record,
    What,
)
from histories.ring import SERIAL, differing, source_of

Rule = Callable[[Record], Iterator[str]]
OWN_VERBS: Final = frozenset({"refresh", "roll_back"})
ACCEPTED: Final = frozenset({"accepted", "unchanged"})


def one_pin_for_all(record: Record) -> Iterator[str]:
    """Whoever sees a chat at a revision sees the same snapshot."""
    known: dict[tuple[str, int], str | None] = {}
    for chat, revision, digest in _seen_pins(record):
        if known.setdefault((chat, revision), digest) != digest:
            yield f"{chat} at {revision} is {known[chat, revision]} and {digest}"


def _seen_pins(record: Record) -> Iterator[tuple[str, int, str | None]]:
    for chat, final in record.chats.items():
        for move in final.moves:
            yield chat, move.revision, move.to
        yield chat, final.row.revision, final.row.digest
    for call in record.calls:
        if call.is_ok and call.chat and call.revision is not None:
            yield call.chat, call.revision, call.digest
    for told in record.told:
        if told.chat and told.revision is not None:
            yield told.chat, told.revision, told.digest


def nothing_is_torn(record: Record) -> Iterator[str]:
    """What is read is one snapshot: its ring is whole, and a drift lies between two of them."""
    for call in record.calls:
        if not call.is_ok or call.digest is None:
            continue
        ring = record.contents.get(call.digest)
        if ring is None:
            yield f"{call.what} by {call.client} gave {call.digest}, which nobody pushed"
            continue
        for read in call.rings:
            if not read.is_whole or read != ring:
                yield f"{call.what} by {call.client} is torn: {read} of {ring}"
        if call.what is What.DRIFT and call.head is not None:
            expected = differing(ring, record.contents[call.head])
            expected |= {source_of(SERIAL)} if call.head != call.digest else frozenset()
            if call.sources != expected:
                yield f"the drift of {call.chat} names {sorted(call.sources)}"


def histories_are_chains(record: Record) -> Iterator[str]:
    """Revisions rise by one, each move begins where the last one ended, and the pin is the end."""
    for chat, final in record.chats.items():
        at: str | None = None
        for number, move in enumerate(final.moves, 1):
            if move.revision != number:
                yield f"{chat} has revision {move.revision} in place {number}"
            if move.before != at:
                yield f"move {move.revision} of {chat} begins at {move.before}, not {at}"
            at = move.to
        if (final.row.revision, final.row.digest) != (len(final.moves), at):
            yield f"the pin of {chat} is not the end of its history"


def reads_see_what_was_acknowledged(record: Record) -> Iterator[str]:
    """A read that began after an answer had come sees at least what that answer said."""
    floors, sights = [], []
    for call in record.calls:
        if call.is_ok and call.chat and call.revision is not None:
            floors.append(Floor(call.chat, call.end_s, call.revision))
            what = f"{call.what} by {call.client}"
            sights.append(Sight(call.chat, call.begin_s, call.revision, what))
    yield from below_floor(floors, sights)


def heads_never_go_back(record: Record) -> Iterator[str]:
    """A head that is read is no older than any push that was acknowledged before."""
    floors, sights = [], []
    newest = _newest_pairs(record)
    for call in record.of(What.PUSH, What.HEAD):
        if not call.is_ok or call.digest is None:
            continue
        if call.what is What.PUSH:
            floors.append(Floor(call.agent, call.end_s, call.pair))
        elif (call.agent, call.digest) in newest:
            pair = newest[call.agent, call.digest]
            sights.append(Sight(call.agent, call.begin_s, pair, f"head by {call.client}"))
        else:
            yield f"{call.client} saw the head {call.digest}, which {call.agent} never pushed"
    yield from below_floor(floors, sights)


def _newest_pairs(record: Record) -> dict[tuple[str, str], Pair]:
    """Return under which newest pair each content may have been accepted."""
    newest: dict[tuple[str, str], Pair] = {}
    for call in record.of(What.PUSH):
        if call.ended is not Ended.REFUSED and call.digest and call.pair:
            key = (call.agent, call.digest)
            newest[key] = max(newest.get(key, call.pair), call.pair)
    return newest


def accepted_pairs_rise(record: Record) -> Iterator[str]:
    """A push that is accepted is newer than all that were acknowledged before it was sent."""
    floors, sights = [], []
    held: dict[tuple[str, Pair], str | None] = {}
    for call in record.of(What.PUSH):
        if not call.is_ok or call.pair is None:
            continue
        if held.setdefault((call.agent, call.pair), call.digest) != call.digest:
            yield f"{call.agent} has two contents under {call.pair}"
        floors.append(Floor(call.agent, call.end_s, (*call.pair, 1)))
        if call.result in ACCEPTED:
            what = f"a push of {call.agent}"
            sights.append(Sight(call.agent, call.begin_s, (*call.pair, 1), what))
    yield from below_floor(floors, sights)
    accepted = Counter(
        (call.agent, call.pair) for call in record.of(What.PUSH) if call.result in ACCEPTED
    )
    for (agent, pair), times in accepted.items():
        if times > 1:
            yield f"{agent} had {pair} accepted {times} times"


def nothing_acknowledged_is_lost(record: Record) -> Iterator[str]:
    """Every acknowledged change is there at the end, or a newer one of the same thing."""
    yield from _lost_pushes(record)
    for call in record.of(What.CREATE, What.FORK):
        if call.is_ok and call.chat not in record.chats:
            yield f"the chat {call.chat} is lost"
    for call in record.of(*MOVES):
        moves = record.chats[call.chat].moves if call.chat in record.chats else ()
        if call.is_ok and not any(move.to == call.to for move in moves):
            yield f"the {call.what} of {call.chat} to {call.to} is lost"


def _lost_pushes(record: Record) -> Iterator[str]:
    newest = _newest_pairs(record)
    for agent, digest in record.heads.items():
        acknowledged = [
            call.pair
            for call in record.of(What.PUSH)
            if call.is_ok and call.agent == agent and call.pair
        ]
        if acknowledged and newest.get((agent, digest or ""), (0, 0)) < max(acknowledged):
            yield f"the push {max(acknowledged)} of {agent} is lost; its head is {digest}"


def last_words_hold(record: Record) -> Iterator[str]:
    """Whether a chat is archived or shared is what was said last, if its answer came."""
    last: dict[tuple[str, str], Call] = {}
    for call in record.of(What.ARCHIVE, What.SHARE, What.UNSHARE):
        if call.ended is not Ended.REFUSED:
            subject = "archived" if call.what is What.ARCHIVE else call.other
            last[call.chat, subject] = call
    for (chat, subject), call in last.items():
        final = record.chats.get(chat)
        if final is None or not call.is_ok:
            continue
        is_so = final.archived if subject == "archived" else subject in final.shares
        if is_so != call.flag:
            yield f"{call.what} of {chat} ({subject}) did not last"


def every_change_is_explained(record: Record) -> Iterator[str]:
    """What is there at the end was asked for, once for each time that it was asked for."""
    titles = Counter(final.title for final in record.chats.values())
    asked = {
        call.title for call in record.of(What.CREATE, What.FORK) if call.ended is not Ended.REFUSED
    }
    for title, times in titles.items():
        if times > 1 or title not in asked:
            yield f"there are {times} chats {title!r}"
    tries = Counter(
        (call.chat, call.what.value, call.to)
        for call in record.of(*MOVES)
        if call.ended is not Ended.REFUSED
    )
    for chat, final in record.chats.items():
        moved = Counter(move.to for move in final.moves if move.verb in OWN_VERBS)
        for move in final.moves:
            if move.verb in OWN_VERBS and not tries[chat, move.verb, move.to]:
                yield f"nobody asked for move {move.revision} of {chat}"
        for to, times in moved.items():
            if times > tries[chat, "refresh", to] + tries[chat, "roll_back", to]:
                yield f"{chat} moved {times} times to {to}"


def one_of_two_that_compare_moves(record: Record) -> Iterator[str]:
    """Of the refreshes that ask for the same revision to be still so, at most one moves the pin."""
    moved: Counter[tuple[str, int]] = Counter()
    for call in record.of(What.REFRESH):
        final = record.chats.get(call.chat)
        if not call.is_ok or call.shown is None or final is None:
            continue
        if _pinned_at(final.moves, call.shown) == call.to:
            continue
        moved[call.chat, call.shown] += 1
        if _pinned_at(final.moves, call.shown + 1) != call.to:
            yield f"a refresh of {call.chat} at {call.shown} moved something else"
    for (chat, shown), times in moved.items():
        if times > 1:
            yield f"{times} refreshes of {chat} moved it from {shown}"


def _pinned_at(moves: Sequence[HistoryMove], revision: int) -> str | None:
    return moves[revision - 1].to if 0 < revision <= len(moves) else None


def events_are_changes(record: Record) -> Iterator[str]:
    """There is one event for each change, and none for anything else."""
    stored = [event for event in record.stored if event.workspace == record.workspace]
    heads = Counter(event.digest for event in stored if event.kind == "agent.head")
    pushed = {call.digest: call for call in record.of(What.PUSH) if call.ended is Ended.UNKNOWN}
    for call in record.of(What.PUSH):
        if call.is_ok:
            pushed[call.digest] = call
            if heads[call.digest] != 1:
                yield f"{heads[call.digest]} events for the push {call.pair} of {call.agent}"
    yield from (
        f"an event for {digest}, which was not accepted" for digest in heads.keys() - pushed
    )
    created = Counter(event.chat for event in stored if event.kind == "chat.created")
    pinned = Counter(event.chat for event in stored if event.verb in OWN_VERBS)
    for chat, final in record.chats.items():
        own = sum(move.verb in OWN_VERBS for move in final.moves)
        if (created[chat], pinned[chat]) != (1, own):
            yield f"{chat}: {created[chat]} events of its making, {pinned[chat]} of {own} moves"


def readers_miss_nothing(record: Record) -> Iterator[str]:
    """What a stream of the owner gave are the stored events from its beginning on, in order."""
    truth = [event.position for event in record.stored if event.workspace == record.workspace]
    place = {position: number for number, position in enumerate(truth)}
    following: dict[tuple[str, int], int] = {}
    for told in record.told:
        if told.user != record.owner or told.position is None:
            continue
        session = (told.reader, told.session)
        if not told.kind:
            following[session] = bisect_right(truth, told.position)
        elif place.get(told.position) != following[session]:
            yield (
                f"{told.reader} got {told.kind} at {told.position} as number "
                f"{place.get(told.position)}, not {following[session]}"
            )
            following[session] = place.get(told.position, following[session]) + 1
        else:
            following[session] += 1


def lists_and_events_agree(record: Record) -> Iterator[str]:
    """A list with all that was told since is what a later list says."""
    for reader, rows in record.rows.items():
        expected = {
            chat: final.row
            for chat, final in record.chats.items()
            if reader == record.owner or reader in final.shares
        }
        for chat in expected.keys() | rows.keys():
            final_row, row = expected.get(chat), rows.get(chat)
            if final_row is None or row is None:
                yield f"{reader} was told {row} of {chat}, a list says {final_row}"
            elif record.chats[chat].archived:
                if (row.revision, row.digest) != (final_row.revision, final_row.digest):
                    yield f"{reader} was told {row} of the archived {chat}, not {final_row}"
            elif row != final_row:
                yield f"{reader} was told {row} of {chat}, a list says {final_row}"


def unshared_is_unseen(record: Record) -> Iterator[str]:
    """After an unshare was acknowledged its reader sees nothing that came later."""
    sharing: defaultdict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in record.of(What.SHARE, What.UNSHARE):
        sharing[call.chat, call.other].append(call)
    made = _made_at(record)
    for call in record.of(*READS):
        if (
            call.is_ok
            and call.user != record.owner
            and _is_taken_back(sharing[call.chat, call.user], call.begin_s, call.end_s)
        ):
            yield f"{call.client} read {call.chat} after it was unshared"
    for told in record.told:
        if told.user == record.owner:
            continue
        since_s = made.get((told.chat, told.revision or 0))
        taken = sharing[told.chat, told.user]
        if since_s is not None and _is_taken_back(taken, since_s, told.at_s):
            yield f"{told.reader} was told of revision {told.revision} of {told.chat}"


def _is_taken_back(sharing: Sequence[Call], begin_s: float, end_s: float) -> bool:
    """Whether no share can have held from `begin_s` to `end_s`: taken back, or never given."""
    taken_s = max(
        (
            call.end_s
            for call in sharing
            if call.what is What.UNSHARE and call.is_ok and call.end_s < begin_s
        ),
        default=0.0,
    )
    return not any(
        call.what is What.SHARE
        and call.ended is not Ended.REFUSED
        and call.end_s > taken_s
        and call.begin_s < end_s
        for call in sharing
    )


def _made_at(record: Record) -> dict[tuple[str, int], float]:
    """Return when the call began that made a revision, where only one can have."""
    tries: defaultdict[tuple[str, str | None], list[float]] = defaultdict(list)
    for call in record.of(*MOVES):
        if call.ended is not Ended.REFUSED:
            tries[call.chat, call.to].append(call.begin_s)
    return {
        (chat, move.revision): min(tries[chat, move.to])
        for chat, final in record.chats.items()
        for move in final.moves
        if move.verb in OWN_VERBS and tries[chat, move.to]
    }


def strangers_see_nothing(record: Record) -> Iterator[str]:
    """Who has no share reads nothing, lists nothing and hears nothing; it looks like nothing."""
    for call in record.calls:
        if call.user not in record.strangers:
            continue
        is_read = call.what in READS | MOVES and call.ended is not Ended.UNKNOWN
        if is_read and call.code != "not_found":
            yield f"{call.client} got {call.code or 'an answer'} for {call.what}"
        if call.chats:
            yield f"{call.client} has {sorted(call.chats)} in its list"
    for told in record.told:
        if told.user in record.strangers and told.kind:
            yield f"{told.reader} was told {told.kind}"


def every_call_is_answered(record: Record) -> Iterator[str]:
    """No call meets a fault of the server, or no answer while every server runs."""
    for call in record.calls:
        is_lost = call.ended is Ended.UNKNOWN and not record.has_crashes
        if call.code == "internal_error" or is_lost:
            yield f"{call.what} by {call.client} met a fault: {call.code}"


RULES: Final[tuple[Rule, ...]] = (
    one_pin_for_all,
    nothing_is_torn,
    histories_are_chains,
    reads_see_what_was_acknowledged,
    heads_never_go_back,
    accepted_pairs_rise,
    nothing_acknowledged_is_lost,
    last_words_hold,
    every_change_is_explained,
    one_of_two_that_compare_moves,
    events_are_changes,
    readers_miss_nothing,
    lists_and_events_agree,
    unshared_is_unseen,
    strangers_see_nothing,
    every_call_is_answered,
)


def broken_rules(record: Record) -> list[str]:
    """Return everything that breaks a rule."""
    return [f"{rule.__name__}: {what}" for rule in RULES for what in rule(record)]


__all__ = ["RULES", "Rule", "broken_rules"]
