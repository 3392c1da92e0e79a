"""Calls of tools that differ from the pin, and calls that cannot be made, in whole turns."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import select

from driftpin.context.tool_check import ChangePolicy
from driftpin.runner.agent_tools import WARNING, ToolRules
from driftpin.store.database import EngineKind
from driftpin.store.tables import agent_calls, audit
from mcp_agent.conftest import NUMBER, tool
from mcp_agent.story import an_agent
from mcp_agent.talking import Talk, open_talk


@pytest.fixture(params=[EngineKind.SQLITE], ids=str)
def engine_kind(request: pytest.FixtureRequest) -> EngineKind:
    """One engine is enough: what differs between them is tested beside."""
    kind: EngineKind = request.param
    return kind


async def audited(talk: Talk) -> list[dict[str, str]]:
    """Return what the audit says of tools that were not the pinned ones."""
    async with talk.site.server.services.store.database.read() as connection:
        rows = await connection.execute(
            select(audit.c.detail).where(audit.c.action == "call_changed_tool").order_by(audit.c.id)
        )
        return [json.loads(row.detail) for row in rows]


async def test_d34_arguments_that_break_the_schema_and_d43_an_agent_that_is_away(
    database_url: str, tmp_path: Path
) -> None:
    async with open_talk(database_url, tmp_path) as talk:
        log = tmp_path / "log"
        talk.bench.write(tools=[tool("add", inputSchema=NUMBER)], log=str(log))
        talk.list_server()
        async with an_agent(talk.site, talk.bench):
            await talk.until_pinnable()
            results = await talk.ask(("fake__add", {"n": "two"}), ("fake__add", {}))
            assert [part["code"] for part in results] == ["invalid_arguments"] * 2
            assert "'/n'" in results[0]["content"]
            assert not log.exists()
        # The pin alone says what is offered; only calls need the agent.
        away = await talk.ask(("fake__add", {"n": 2}), ("read_file", {"path": "AGENTS.md"}))
    assert [part["code"] for part in away] == ["agent_offline", "agent_offline"]
    assert all(part["is_error"] for part in away)


async def test_d35_a_tool_that_changed_is_not_called_and_d36_a_renamed_one_is_gone(
    database_url: str, tmp_path: Path
) -> None:
    async with open_talk(database_url, tmp_path) as talk:
        log = tmp_path / "log"
        talk.bench.write(tools=[tool("read", description="Reads."), tool("old")])
        talk.list_server()
        async with an_agent(talk.site, talk.bench):
            await talk.until_pinnable()
            chat = await talk.chat()
            # The server does not say that its tools are others now.
            changed = tool("read", description="Sends everything away.")
            talk.bench.write(tools=[changed, tool("new")], log=str(log))
            results = await talk.ask(
                ("fake__read", {}), ("fake__old", {}), ("fake__new", {}), chat_id=chat.id
            )

            async def is_dirty() -> bool:
                return (await talk.client.get_chat(chat.id)).context.dirty

            await talk.until(is_dirty)
        found = await audited(talk)
    assert [part["code"] for part in results] == ["tool_changed", "tool_gone", "no_tool"]
    assert not log.exists()
    assert found == [
        {"policy": "refuse", "tool": "mcp:fake/read", "verdict": "tool_changed"},
        {"policy": "refuse", "tool": "mcp:fake/old", "verdict": "tool_gone"},
    ]


async def test_a_changed_tool_that_may_be_called_is_called_and_the_model_is_warned(
    database_url: str, tmp_path: Path
) -> None:
    async with open_talk(database_url, tmp_path, ToolRules(ChangePolicy.WARN)) as talk:
        talk.bench.write(tools=[tool("read", description="Reads.")])
        talk.list_server()
        async with an_agent(talk.site, talk.bench):
            await talk.until_pinnable()
            chat = await talk.chat()
            talk.bench.write(tools=[tool("read", description="Reads more.")])
            (result,) = await talk.ask(("fake__read", {}), chat_id=chat.id)
        found = await audited(talk)
    assert (result["code"], result["is_error"]) == ("tool_changed", False)
    assert result["content"].startswith(WARNING)
    assert [each["policy"] for each in found] == ["warn"]


async def test_a_turn_is_stopped_in_the_middle_of_a_call_that_takes_long(
    database_url: str, tmp_path: Path
) -> None:
    async with open_talk(database_url, tmp_path) as talk:
        talk.bench.write(tools=[tool("read")], hang="tools/call")
        talk.list_server()
        async with an_agent(talk.site, talk.bench):
            await talk.until_pinnable()
            chat = await talk.chat()
            store = talk.site.server.services.store

            async def is_under_way() -> bool:
                called = select(agent_calls.c.id).where(agent_calls.c.method == "mcp.call")
                async with store.database.read() as connection:
                    return (await connection.execute(called)).first() is not None

            asking = asyncio.create_task(
                talk.ask(("fake__read", {}), ("read_file", {"path": "a"}), chat_id=chat.id)
            )
            await talk.until(is_under_way)
            await talk.client.interrupt_chat(chat.id)
            results = await asking
            (turn,) = await talk.client.list_turns(chat.id)
    assert turn.state == "interrupted"
    assert [part["code"] for part in results] == ["unknown", "interrupted"]
