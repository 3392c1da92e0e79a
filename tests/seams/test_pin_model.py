"""Random sequences of everything that changes a pin, on both databases at once.

Both must give the same answers, and after every step the store must be sound: every pin explained,
every byte what its name says, and a chat dirty exactly when its pin is not its agent's head.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pristine import empty_database
from seams.pin_world import PinWorld

EXAMPLES = 15
STEPS = 25
TEXTS = st.dictionaries(
    st.sampled_from(["AGENTS", "CLAUDE", "GEMINI"]),
    st.sampled_from(["be kind", "be quick", "be  kind\r\n", "be kind\u200b"]),
    max_size=3,
)
PLACE = st.integers(min_value=0, max_value=30)


class PinMachine(RuleBasedStateMachine):
    """Drives two deployments side by side; `databases` is set by the test."""

    databases: Callable[[], tuple[str, str]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.worlds: tuple[PinWorld, ...] = ()

    @initialize()
    def begin(self) -> None:
        self.worlds = tuple(PinWorld(url, self.runner) for url in type(self).databases())

    @rule(agent=PLACE, texts=TEXTS, jump=st.sampled_from([1, 1, 1, 0, -1]))
    def push(self, agent: int, texts: dict[str, str], jump: int) -> None:
        index = agent % len(self.worlds[0].agents)
        self.agree(lambda world: world.push(index, texts, jump))

    @rule()
    def enrol(self) -> None:
        if len(self.worlds[0].agents) < 3:
            self.agree(lambda world: world.enrol())

    @rule(agent=PLACE, run=st.sampled_from(["a", "b"]))
    def greet(self, agent: int, run: str) -> None:
        index = agent % len(self.worlds[0].agents)
        self.agree(lambda world: world.greet(index, run))

    @rule(parent=st.none() | PLACE)
    def create(self, parent: int | None) -> None:
        chats = len(self.worlds[0].chats)
        index = parent % chats if parent is not None and chats else None
        if chats < 6:
            self.agree(lambda world: world.create_chat(index))

    @precondition(lambda self: self.has_chats)
    @rule(chat=PLACE, cascade=st.booleans())
    def refresh(self, chat: int, *, cascade: bool) -> None:
        index = self.chosen(chat)
        self.agree(lambda world: world.refresh(index, None, cascade=cascade))

    @precondition(lambda self: self.has_chats)
    @rule(chat=PLACE, shown=PLACE)
    def refresh_to_what_was_shown(self, chat: int, shown: int) -> None:
        index, seen = self.chosen(chat), self.worlds[0].look()
        to = seen[shown % len(seen)][3]
        self.agree(lambda world: world.refresh(index, to, cascade=False))

    @precondition(lambda self: self.has_chats)
    @rule(chat=PLACE, back=PLACE)
    def roll_back(self, chat: int, back: int) -> None:
        index = self.chosen(chat)
        targets = [row.to_digest for row in self.worlds[0].history(index) if row.to_digest]
        if targets:
            to = targets[back % len(targets)]
            self.agree(lambda world: world.roll_back(index, to))

    @precondition(lambda self: self.has_chats)
    @rule(chat=PLACE)
    def settle(self, chat: int) -> None:
        index = self.chosen(chat)
        self.agree(lambda world: world.settle(index))

    @precondition(lambda self: self.has_chats)
    @rule(chat=PLACE, is_archived=st.booleans())
    def archive(self, chat: int, *, is_archived: bool) -> None:
        index = self.chosen(chat)
        self.agree(lambda world: world.archive(index, is_archived=is_archived))

    @rule(days=st.sampled_from([0, 1, 40, 500]))
    def let_time_pass_and_collect(self, days: int) -> None:
        for world in self.worlds:
            world.clock.step(days * 86_400.0)
        self.agree(lambda world: world.collect())

    @invariant()
    def both_databases_show_the_same(self) -> None:
        if self.worlds:
            self.agree(lambda world: world.look())

    @invariant()
    def a_chat_is_dirty_exactly_when_its_pin_is_not_the_head(self) -> None:
        for world in self.worlds[:1]:
            for _, _, pin, head, is_dirty, severity in world.look():
                assert is_dirty == (pin is not None and head is not None and pin != head)
                assert (severity is not None) == is_dirty

    @invariant()
    def every_revision_has_one_row_of_history(self) -> None:
        for world in self.worlds[:1]:
            for index, (_, revision, *_) in enumerate(world.look()):
                numbers = [row.revision for row in reversed(world.history(index))]
                assert numbers == list(range(1, revision + 1))

    @invariant()
    def the_store_is_sound(self) -> None:
        for world in self.worlds:
            assert world.findings() == ()

    def teardown(self) -> None:
        for world in self.worlds:
            world.close()
        self.runner.close()

    @property
    def has_chats(self) -> bool:
        return bool(self.worlds and self.worlds[0].chats)

    def chosen(self, place: int) -> int:
        return place % len(self.worlds[0].chats)

    def agree(self, ask: Callable[[PinWorld], Any]) -> None:
        """Ask both, and expect one answer."""
        first, second = (ask(world) for world in self.worlds)
        assert first == second


def test_any_sequence_gives_the_same_answers_on_both_databases_and_stays_sound(
    sqlite_template: Path, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def fresh_databases() -> tuple[str, str]:
        path = tmp_path_factory.mktemp("model") / "driftpin.db"
        shutil.copyfile(sqlite_template, path)
        asyncio.run(empty_database(postgres_url))
        return f"sqlite:///{path}", postgres_url

    class Bound(PinMachine):
        databases = staticmethod(fresh_databases)

    run_state_machine_as_test(
        Bound,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )
