"""The checker itself: it passes a good record, and every rule fails on a record that breaks it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from driftpin.events.event import Position
from histories import rules
from histories.record import (
    Call,
    Ended,
    FinalChat,
    HistoryMove,
    Record,
    Row,
    Stored,
    Told,
    What,
)
from histories.ring import SERIAL, SOURCES, Ring, ring_of_sizes, source_of, text_of

OLD, NEW = "sha256:old", "sha256:new"
RING: Final = Ring()
SWAPPED: Final = Ring((2, 3, 1, 4, 5, 0))
CHAT, AGENT, WORKSPACE = "chat", "agent", "workspace"
OWNER, FRIEND, STRANGER = "owner", "friend", "stranger"


def call(what: What, begin_s: float, **told: Any) -> Call:
    """Return an answered call that took a second."""
    asked: dict[str, Any] = {"client": "a client", "user": OWNER, "end_s": begin_s + 1} | told
    return Call(what=what, begin_s=begin_s, **asked)


def push(begin_s: float, seq: int, digest: str, **told: Any) -> Call:
    asked = {"agent": AGENT, "pair": (1, seq), "digest": digest, "result": "accepted"} | told
    return call(What.PUSH, begin_s, **asked)


def told(number: int, kind: str, **more: Any) -> Told:
    asked: dict[str, Any] = {"reader": "a page", "user": OWNER, "at_s": 50.0, "session": 1} | more
    return Told(kind=kind, position=Position(number, number), **asked)


def good_record() -> Record:
    """Two pushes; a chat that is read, refreshed, shared and unshared; a page that listens."""
    whole = (RING, RING)
    return Record(
        workspace=WORKSPACE,
        owner=OWNER,
        strangers=frozenset({STRANGER}),
        contents={OLD: RING, NEW: SWAPPED},
        calls=[
            push(0, 1, OLD),
            call(What.CREATE, 2, chat=CHAT, title="t"),
            call(What.CONTEXT, 4, chat=CHAT, revision=1, digest=OLD, rings=whole),
            push(6, 2, NEW),
            call(What.HEAD, 8, agent=AGENT, digest=NEW),
            call(
                What.DRIFT,
                10,
                chat=CHAT,
                digest=OLD,
                head=NEW,
                sources=frozenset({*SOURCES[:3], source_of(SERIAL)}),
            ),
            call(
                What.REFRESH,
                12,
                chat=CHAT,
                shown=1,
                to=NEW,
                revision=2,
                digest=NEW,
                rings=(SWAPPED, SWAPPED),
            ),
            call(What.REFRESH, 14, chat=CHAT, shown=1, to=NEW, ended=Ended.REFUSED, code="x"),
            call(What.SHARE, 16, chat=CHAT, other=FRIEND, flag=True),
            call(
                What.CONTEXT,
                18,
                user=FRIEND,
                chat=CHAT,
                revision=2,
                digest=NEW,
                rings=(SWAPPED, SWAPPED),
            ),
            call(What.UNSHARE, 20, chat=CHAT, other=FRIEND),
            call(What.CONTEXT, 22, user=STRANGER, chat=CHAT, ended=Ended.REFUSED, code="not_found"),
        ],
        stored=[
            Stored(Position(1, 1), "agent.head", WORKSPACE, agent=AGENT, digest=OLD),
            Stored(Position(2, 2), "chat.created", WORKSPACE, CHAT),
            Stored(Position(3, 3), "agent.head", WORKSPACE, agent=AGENT, digest=NEW),
            Stored(Position(4, 4), "chat.pinned", WORKSPACE, CHAT, digest=NEW, verb="refresh"),
        ],
        told=[
            told(1, ""),
            told(2, "chat.created", chat=CHAT),
            told(3, "agent.head"),
            replace(told(3, "chat.dirty", chat=CHAT, revision=1, digest=OLD), position=None),
            told(4, "chat.pinned", chat=CHAT),
        ],
        heads={AGENT: NEW},
        chats={
            CHAT: FinalChat(
                "t",
                Row(2, NEW, NEW),
                archived=False,
                shares={},
                moves=(
                    HistoryMove(1, "hydrate", None, OLD, "agent:agent"),
                    HistoryMove(2, "refresh", OLD, NEW, "user:owner"),
                ),
            )
        },
        rows={OWNER: {CHAT: Row(2, NEW, NEW)}},
    )


def with_calls(*more: Call) -> Callable[[Record], None]:
    return lambda record: record.calls.extend(more)


def with_final(**changes: Any) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        record.chats[CHAT] = replace(record.chats[CHAT], **changes)

    return change


def with_told(*more: Told) -> Callable[[Record], None]:
    return lambda record: record.told.extend(more)


def without_stored(place: int) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        del record.stored[place]

    return change


def without_told(place: int) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        del record.told[place]

    return change


def changed(place: int, **changes: Any) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        record.calls[place] = replace(record.calls[place], **changes)

    return change


def told_after_the_unshare(record: Record) -> None:
    record.calls[6] = replace(record.calls[6], begin_s=30, end_s=31)
    record.told.append(told(5, "chat.clean", user=FRIEND, chat=CHAT, revision=2, digest=NEW))


TORN = Ring((2, 2, 1, 4, 5, 0))
BAD: Final[list[tuple[str, str, Callable[[Record], None]]]] = [
    (
        "two readers see two snapshots at one revision",
        "one_pin_for_all",
        with_calls(call(What.CONTEXT, 30, chat=CHAT, revision=1, digest=NEW)),
    ),
    (
        "a reader is told of another snapshot than history has",
        "one_pin_for_all",
        with_told(told(5, "chat.dirty", chat=CHAT, revision=2, digest=OLD)),
    ),
    ("a read mixes two snapshots", "nothing_is_torn", changed(2, rings=(RING, TORN))),
    ("a read is of something else", "nothing_is_torn", changed(2, rings=(SWAPPED,))),
    ("a drift names what did not change", "nothing_is_torn", changed(5, sources=frozenset())),
    ("a read gives what nobody pushed", "nothing_is_torn", changed(2, digest="sha256:other")),
    (
        "a revision is passed over",
        "histories_are_chains",
        with_final(moves=(HistoryMove(2, "refresh", None, NEW, ""),)),
    ),
    (
        "the pin is not the end of its history",
        "histories_are_chains",
        with_final(row=Row(1, OLD, NEW)),
    ),
    (
        "a read goes back behind an answer",
        "reads_see_what_was_acknowledged",
        with_calls(call(What.CONTEXT, 30, chat=CHAT, revision=1, digest=OLD)),
    ),
    (
        "a head goes back",
        "heads_never_go_back",
        with_calls(call(What.HEAD, 30, agent=AGENT, digest=OLD)),
    ),
    ("an older push is accepted", "accepted_pairs_rise", with_calls(push(30, 1, OLD))),
    ("one number has two contents", "accepted_pairs_rise", with_calls(push(30, 2, OLD))),
    (
        "one push is accepted twice",
        "accepted_pairs_rise",
        with_calls(push(6.5, 2, NEW)),
    ),
    (
        "an acknowledged push is lost",
        "nothing_acknowledged_is_lost",
        lambda r: r.heads.update({AGENT: OLD}),
    ),
    ("an acknowledged chat is lost", "nothing_acknowledged_is_lost", lambda r: r.chats.clear()),
    (
        "an acknowledged refresh is lost",
        "nothing_acknowledged_is_lost",
        with_final(moves=(HistoryMove(1, "hydrate", None, OLD, ""),)),
    ),
    ("an unshare does not last", "last_words_hold", with_final(shares={FRIEND: "read"})),
    (
        "a chat was never archived",
        "last_words_hold",
        with_calls(call(What.ARCHIVE, 30, chat=CHAT, flag=True)),
    ),
    (
        "a chat was made twice",
        "every_change_is_explained",
        lambda r: r.chats.update(again=r.chats[CHAT]),
    ),
    ("nobody asked for a move", "every_change_is_explained", changed(6, to=OLD)),
    (
        "a refresh happened twice",
        "every_change_is_explained",
        with_final(
            moves=(
                *good_record().chats[CHAT].moves,
                HistoryMove(3, "roll_back", NEW, OLD, ""),
                HistoryMove(4, "refresh", OLD, NEW, ""),
                HistoryMove(5, "refresh", OLD, NEW, ""),
            )
        ),
    ),
    (
        "two refreshes compare with the same revision and both move",
        "one_of_two_that_compare_moves",
        changed(7, ended=Ended.OK, code=""),
    ),
    ("a push has no event", "events_are_changes", without_stored(2)),
    ("a move has no event", "events_are_changes", without_stored(3)),
    ("a chat has no event", "events_are_changes", without_stored(1)),
    (
        "an event has no push",
        "events_are_changes",
        lambda r: r.stored.append(Stored(Position(5, 5), "agent.head", WORKSPACE, digest="x")),
    ),
    ("a reader misses an event", "readers_miss_nothing", without_told(2)),
    (
        "a reader gets an event twice",
        "readers_miss_nothing",
        with_told(told(4, "chat.pinned", chat=CHAT)),
    ),
    (
        "a reader gets a lower one later",
        "readers_miss_nothing",
        with_told(told(2, "chat.created", chat=CHAT)),
    ),
    (
        "a page is not what a list says",
        "lists_and_events_agree",
        lambda r: r.rows.update({OWNER: {CHAT: Row(1, OLD, NEW)}}),
    ),
    ("a page lacks a chat", "lists_and_events_agree", lambda r: r.rows.update({OWNER: {}})),
    (
        "a friend reads after the unshare",
        "unshared_is_unseen",
        with_calls(call(What.CONTEXT, 30, user=FRIEND, chat=CHAT, revision=2, digest=NEW)),
    ),
    (
        "a friend is told of what came after the unshare",
        "unshared_is_unseen",
        told_after_the_unshare,
    ),
    ("a stranger reads", "strangers_see_nothing", changed(11, ended=Ended.OK, code="")),
    (
        "what a stranger may not read looks otherwise",
        "strangers_see_nothing",
        changed(11, code="forbidden"),
    ),
    ("a stranger hears", "strangers_see_nothing", with_told(told(4, "agent.head", user=STRANGER))),
    (
        "a stranger lists",
        "strangers_see_nothing",
        with_calls(call(What.LIST, 30, user=STRANGER, chats=frozenset({CHAT}))),
    ),
    ("a server fails", "every_call_is_answered", changed(7, code="internal_error")),
    (
        "an answer is lost without a crash",
        "every_call_is_answered",
        changed(7, ended=Ended.UNKNOWN),
    ),
]


def test_a_good_record_breaks_no_rule() -> None:
    assert rules.broken_rules(good_record()) == []


@pytest.mark.parametrize(("rule", "spoil"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_bad_record_breaks_its_rule(rule: str, spoil: Callable[[Record], None]) -> None:
    record = good_record()
    spoil(record)
    broken = list(getattr(rules, rule)(record))
    assert broken, f"{rule} sees nothing"


def test_every_rule_has_a_bad_record() -> None:
    assert {rule.__name__ for rule in rules.RULES} == {bad[1] for bad in BAD}


def test_what_is_not_known_may_have_happened_or_not() -> None:
    for has_happened in (True, False):
        record = good_record()
        record.has_crashes = True
        record.calls[6] = replace(
            record.calls[6],
            ended=Ended.UNKNOWN,
            end_s=float("inf"),
            revision=None,
            digest=None,
            rings=(),
        )
        if not has_happened:
            final = record.chats[CHAT]
            record.chats[CHAT] = replace(final, row=Row(1, OLD, NEW), moves=final.moves[:1])
            record.rows[OWNER] = {CHAT: Row(1, OLD, NEW)}
            del record.stored[3], record.told[4], record.calls[9]
        assert rules.broken_rules(record) == []


def test_a_ring_stays_whole_and_its_sizes_say_the_same() -> None:
    sizes: dict[str, int | None] = {
        source: len(text_of(node, SWAPPED.following[node])) for node, source in enumerate(SOURCES)
    }
    assert ring_of_sizes(sizes) == SWAPPED
    assert SWAPPED.is_whole
    assert not TORN.is_whole
