"""The rules for chats and their pins, and what is asked at the end of a history."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from driftpin.events.event import Position
from driftpin.identity import Digest
from seams import chat_world, expected_chats, expected_holds, expected_pins, expected_policies
from seams.expected import OWNER, Texts
from seams.pin_machine import BY, FILES, MAKERS, PLACE, SEEING, TEXTS, PinMachine
from seams.pin_world import PinWorld
from seams.verbs import only_if, verb

NAMES = st.none() | st.lists(st.sampled_from(sorted(FILES)), max_size=2, unique=True).map(tuple)
POLICY = st.sampled_from(("follow", "auto_add", "follow", "freeze", "pin"))
WHOM = st.sampled_from(("ann", "bob", "ann", "bob", "owner"))


Names = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of chats that somebody took, and where the events stood before it."""

    by: str
    position: Position
    seen: dict[int, tuple[Any, ...]]


class ChatMachine(PinMachine):
    """Everything that changes state."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: Listed | None = None

    # How chats come to be.

    @initialize(
        texts=TEXTS,
        chats=st.sampled_from((1, 2, 3, 0)),
        policy=st.sampled_from(("pin", "follow", "auto_add")),
    )
    def begin_with_chats(self, texts: Texts, chats: int, policy: str) -> None:
        """Begin half-way, so that most steps of a history find something to work on."""
        if policy != "pin":
            self.set_workspace_policy(OWNER, policy)
            self.check()
        if chats:
            self.push(0, texts)
            self.check()
        for _ in range(chats):
            self.create(OWNER)
            self.check()

    @only_if(lambda self: self.has_room)
    @verb(2, by=MAKERS)
    def create(self, by: str) -> None:
        self.agree(
            lambda expected: expected_chats.create(expected, by),
            lambda world: chat_world.create(world, by, None),
            "create",
        )

    @only_if(lambda self: self.has_room)
    @verb(3, by=MAKERS, texts=TEXTS)
    def import_snapshot(self, by: str, texts: Texts) -> None:
        self.agree(
            lambda expected: expected_chats.import_snapshot(expected, by, texts),
            lambda world: chat_world.import_texts(world, by, texts),
            "import",
        )

    @only_if(lambda self: self.has_room)
    @verb(2, by=MAKERS, place=PLACE)
    def create_on_a_snapshot(self, by: str, place: int) -> None:
        other = self.expected.name({"AGENTS": "Nobody pushed this."})
        known = [*self.expected.contents]
        digest = known[place % len(known)] if known else other
        self.agree(
            lambda expected: expected_chats.create(expected, by, snapshot=digest),
            lambda world: chat_world.create(world, by, digest),
            "create_on_snapshot",
        )

    @only_if(lambda self: self.has_room and self.has_chats)
    @verb(2, by=MAKERS, chat=PLACE, names=NAMES)
    def create_sub_chat(self, by: str, chat: int, names: tuple[str, ...] | None) -> None:
        parent = self.chat(chat)
        self.agree(
            lambda expected: expected_chats.create_sub_chat(expected, by, parent, names),
            lambda world: chat_world.create_sub_chat(world, by, parent, names),
            "create_sub_chat",
        )

    @only_if(lambda self: self.has_room and self.has_chats)
    @verb(by=BY, chat=PLACE, turn=st.integers(1, 3))
    def fork(self, by: str, chat: int, turn: int) -> None:
        index = self.chat(chat)
        number = min(turn, max(1, len(self.expected.chats[index].turns)))
        self.agree(
            lambda expected: expected_chats.fork(expected, by, index, number),
            lambda world: chat_world.fork(world, by, index, number),
            "fork",
        )

    # What moves pins.

    @only_if(lambda self: self.has_chats)
    @verb(2, chat=PLACE)
    def settle(self, chat: int) -> None:
        index = self.chat(chat)
        self.agree(
            lambda expected: expected_pins.settle(expected, index),
            lambda world: chat_world.settle(world, index),
            "settle",
        )

    @only_if(lambda self: self.has_chats)
    @verb(
        4,
        by=BY,
        chat=PLACE,
        shown=st.sampled_from(("other", "head", "pin", None)),
        match=st.sampled_from((None, 0, -1)),
        cascade=st.booleans(),
        dry_run=st.sampled_from((False, False, False, True)),
    )
    def refresh(
        self,
        by: str,
        chat: int,
        shown: str | None,
        match: int | None,
        *,
        cascade: bool,
        dry_run: bool,
    ) -> None:
        index = self.chat(chat)
        known = self.expected.chats[index]
        to = self.shown(index, shown)
        if_match = None if match is None else known.revision + match
        asked: dict[str, Any] = {
            "to": to,
            "if_match": if_match,
            "cascade": cascade,
            "dry_run": dry_run,
        }
        self.agree(
            lambda expected: expected_pins.refresh(expected, by, index, **asked),
            lambda world: chat_world.refresh(world, by, index, **asked),
            "refresh",
        )

    @only_if(lambda self: self.has_chats)
    @verb(2, chat=PLACE, cascade=st.booleans())
    def refresh_to_the_head(self, chat: int, *, cascade: bool) -> None:
        self.refresh(OWNER, chat, "head", 0, cascade=cascade, dry_run=False)

    @only_if(lambda self: self.has_chats)
    @verb(2, chat=PLACE, back=PLACE)
    def roll_back_to_what_was(self, chat: int, back: int) -> None:
        known = len(self.expected.chats[self.chat(chat)].history)
        self.roll_back(OWNER, chat, back % (known + 1))

    @only_if(lambda self: self.has_chats and len(self.expected.agents) > 1)
    @verb(2, chat=PLACE, agent=PLACE)
    def rebind_by_the_owner(self, chat: int, agent: int) -> None:
        self.rebind(OWNER, chat, agent)

    @only_if(lambda self: self.has_chats)
    @verb(3, chat=PLACE)
    def take_a_turn_of_the_owner(self, chat: int) -> None:
        self.take_turn(OWNER, chat)

    @only_if(lambda self: self.has_room and self.has_chats)
    @verb(2, chat=PLACE)
    def fork_at_the_last_turn(self, chat: int) -> None:
        self.fork(OWNER, chat, 3)

    @only_if(lambda self: self.has_chats)
    @verb(2, by=BY, chat=PLACE, accept=NAMES, hold=NAMES, dry_run=st.booleans())
    def refresh_a_part(
        self, by: str, chat: int, accept: Names, hold: Names, *, dry_run: bool
    ) -> None:
        index = self.chat(chat)
        if accept is None and hold is None:
            hold = ()
        self.agree(
            lambda expected: expected_holds.refresh_part(
                expected, by, index, accept, hold, dry_run=dry_run
            ),
            lambda world: chat_world.refresh_part(world, by, index, accept, hold, dry_run=dry_run),
            "refresh_part",
        )

    @only_if(lambda self: self.has_chats)
    @verb(4, chat=PLACE, pick=PLACE, accepts=st.sampled_from((None, True, False)))
    def choose_of_what_differs(self, chat: int, pick: int, *, accepts: bool | None) -> None:
        """The owner takes one of the files that differ, or holds one, or holds just that one."""
        known = self.expected.chats[self.chat(chat)]
        head = self.expected.head_of(known)
        differing = sorted(self.expected.differing(known.pin, head)) if known.pin and head else []
        names = (differing[pick % len(differing)],) if differing else ()
        accept, hold = {None: ((), names), True: (names, None), False: (None, names)}[accepts]
        self.refresh_a_part(OWNER, chat, accept, hold, dry_run=False)

    @only_if(lambda self: any(chat.holds for _, chat in self.expected.living()))
    @verb(2, by=BY, pick=PLACE, names=NAMES)
    def release(self, by: str, pick: int, names: Names) -> None:
        holding = [index for index, chat in self.expected.living() if chat.holds]
        index = holding[pick % len(holding)]
        self.agree(
            lambda expected: expected_holds.release(expected, by, index, names),
            lambda world: chat_world.release(world, by, index, names),
            "release",
        )

    def shown(self, index: int, shown: str | None) -> Digest | None:
        chat = self.expected.chats[index]
        choices = {
            "head": self.expected.head_of(chat),
            "pin": chat.pin,
            "other": self.expected.name({"AGENTS": "Nobody pushed this."}),
        }
        return None if shown is None else choices[shown]

    @verb(by=BY)
    def refresh_all(self, by: str) -> None:
        self.agree(
            lambda expected: expected_pins.refresh_all(expected, by),
            lambda world: chat_world.refresh_all(world, by),
            "refresh_all",
        )

    @verb(agent=PLACE)
    def refresh_by_the_agent(self, agent: int) -> None:
        index = self.agent(agent)
        self.agree(
            lambda expected: expected_pins.refresh_by_agent(expected, index, OWNER),
            lambda world: chat_world.refresh_by_agent(world, index),
            "refresh_by_agent",
        )

    @only_if(lambda self: self.has_chats)
    @verb(2, by=BY, chat=PLACE, policy=st.none() | POLICY)
    def set_policy(self, by: str, chat: int, policy: str | None) -> None:
        index = self.chat(chat)
        self.agree(
            lambda expected: expected_policies.set_for_chat(expected, by, index, policy),
            lambda world: chat_world.set_policy(world, by, index, policy),
            "set_policy",
        )

    @verb(by=BY, policy=POLICY)
    def set_workspace_policy(self, by: str, policy: str) -> None:
        self.agree(
            lambda expected: expected_policies.set_for_workspace(expected, by, policy),
            lambda world: chat_world.set_workspace_policy(world, by, policy),
            "set_workspace_policy",
        )

    @only_if(lambda self: self.has_chats)
    @verb(by=BY, chat=PLACE, back=PLACE)
    def roll_back(self, by: str, chat: int, back: int) -> None:
        index = self.chat(chat)
        known = [moved.to for moved in self.expected.chats[index].history if moved.to]
        other = self.expected.name({"AGENTS": "Nobody pushed this."})
        to = [*known, other][back % (len(known) + 1)]
        self.agree(
            lambda expected: expected_pins.roll_back(expected, by, index, to),
            lambda world: chat_world.roll_back(world, by, index, to),
            "roll_back",
        )

    @only_if(lambda self: self.has_chats)
    @verb(by=BY, chat=PLACE, agent=st.none() | PLACE)
    def rebind(self, by: str, chat: int, agent: int | None) -> None:
        index = self.chat(chat)
        to = None if agent is None else self.agent(agent)
        self.agree(
            lambda expected: expected_pins.rebind(expected, by, index, to),
            lambda world: chat_world.rebind(world, by, index, to),
            "rebind",
        )

    @only_if(lambda self: self.has_chats)
    @verb(by=BY, chat=PLACE)
    def take_turn(self, by: str, chat: int) -> None:
        index = self.chat(chat)
        if expected_chats.can_take_turn(self.expected, index):
            self.agree(
                lambda expected: expected_chats.take_turn(expected, by, index),
                lambda world: chat_world.take_turn(world, by, index),
                "turn",
            )

    # What else is done to chats.

    @only_if(lambda self: self.has_chats)
    @verb(2, by=BY, chat=PLACE, is_archived=st.booleans())
    def archive(self, by: str, chat: int, *, is_archived: bool) -> None:
        index = self.chat(chat)
        self.agree(
            lambda expected: expected_chats.archive(expected, by, index, is_archived=is_archived),
            lambda world: chat_world.archive(world, by, index, is_archived=is_archived),
            "archive",
        )

    @only_if(lambda self: self.has_chats)
    @verb(2, by=BY, chat=PLACE, whom=WHOM, access=st.sampled_from(("read", "update")))
    def share(self, by: str, chat: int, whom: str, access: str) -> None:
        index = self.chat(chat)
        self.agree(
            lambda expected: expected_chats.share(expected, by, index, whom, access),
            lambda world: chat_world.share(world, by, index, whom, access),
            "share",
        )

    @only_if(lambda self: self.has_chats)
    @verb(2, by=BY, chat=PLACE, whom=WHOM)
    def unshare(self, by: str, chat: int, whom: str) -> None:
        index = self.chat(chat)
        self.agree(
            lambda expected: expected_chats.unshare(expected, by, index, whom),
            lambda world: chat_world.unshare(world, by, index, whom),
            "unshare",
        )

    @only_if(lambda self: len(self.expected.chats) > 3)
    @verb(by=BY, chat=PLACE)
    def delete(self, by: str, chat: int) -> None:
        index = self.chat(chat)
        self.agree(
            lambda expected: expected_chats.delete(expected, by, index),
            lambda world: chat_world.delete(world, by, index),
            "delete",
        )

    # What is asked now and then, and at the end.

    @only_if(lambda self: self.listed is None)
    @verb(by=st.sampled_from((OWNER, "administrator")))
    def take_a_list(self, by: str) -> None:
        position = self.world.last_position()
        self.listed = Listed(by, position, self.world.list_as(by))

    def look_at_everything(self) -> None:
        for deployment in self.deployments:
            deployment.soundness.look_at_all_bytes()
            # A whole check costs as much as ten steps, so chance says which histories end with it.
            if sum(chat.revision for chat in self.expected.chats) % 3 == 0:
                self.outcome.seen["checked_offline"] += 1
                assert deployment.world.findings() == []
        told = [deployment.world.everything_told() for deployment in self.deployments]
        assert all(other == told[0] for other in told[1:]), told
        by = SEEING[self.steps % len(SEEING)]
        self.check_what_is_readable(by)
        self.check_events_for(by)
        assert self.world.dirty_as(by) == {
            index
            for index, chat in self.expected.living()
            if self.expected.access(by, index) and self.expected.is_dirty(chat)
        }
        for _, chat in self.expected.living():
            for moved in chat.history:
                self.outcome.seen[f"pinned_by_{moved.verb}"] += 1
        if self.listed is not None:
            self.check_list_and_later_events(self.world, self.listed)

    def check_what_is_readable(self, by: str) -> None:
        readable = self.expected.readable_by(by) if by not in ("agent", "nobody") else set()
        for digest in list(self.expected.snapshots)[:4]:
            assert self.world.may_read(by, digest) == (digest in readable)

    def check_events_for(self, by: str) -> None:
        """Nobody hears of a chat that they may not read, but of its end or their own."""
        for event in self.world.events_for(by, self.world.first_position()):
            if event.chat_id is None or by == "administrator":
                continue
            index = self.world.chats.index(event.chat_id)
            is_told_of_its_end = event.kind in ("chat.deleted", "chat.shared")
            assert self.expected.access(by, index) is not None or is_told_of_its_end

    def check_list_and_later_events(self, world: PinWorld, listed: Listed) -> None:
        """Every chat that a list shows otherwise now was named by an event since."""
        if world.has_lost_events(listed.position):
            return
        named: set[int] = set()
        for event in world.events_for(listed.by, listed.position):
            if event.chat_id is not None:
                named.add(world.chats.index(event.chat_id))
            named |= world.moved_by(listed.by, event.position.number)
        now = world.list_as(listed.by)
        differing = {
            index
            for index in now.keys() | listed.seen.keys()
            if now.get(index, ())[:3] != listed.seen.get(index, ())[:3]
        }
        assert differing <= named
        self.outcome.seen["lists_compared"] += 1


__all__ = ["ChatMachine"]
