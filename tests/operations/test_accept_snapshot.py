"""Pushes: fenced, checked, stored once, all or nothing."""

from typing import Any

from driftpin.store.values import PushResult


async def test_first_push_becomes_the_head_and_pins_waiting_chats(stage: Any) -> None:
    chat_id = await stage.chat()
    outcome = await stage.agent.push({"AGENTS.md": "one"})
    assert outcome.result is PushResult.ACCEPTED
    assert outcome.hydrated == 1
    assert await stage.digest(chat_id) == outcome.head.digest
    assert await stage.verbs(chat_id) == ["hydrate"]


async def test_a_later_push_moves_no_pin_and_makes_the_chat_dirty(stage: Any) -> None:
    first = await stage.agent.push({"AGENTS.md": "one"})
    chat_id = await stage.chat()
    second = await stage.agent.push({"AGENTS.md": "two"})
    context = await stage.context(chat_id)
    assert context.snapshot.digest == first.head.digest
    assert context.head.digest == second.head.digest
    assert context.dirty
    assert context.severity == "behavioural"
    assert context.revision == 1
