"""A turn on one replica calls tools of an agent whose link another replica holds."""

import json
from pathlib import Path

from sqlalchemy import select

from driftpin.store.tables import agent_calls
from fleet.pair import open_other
from mcp_agent.conftest import NUMBER, Bench, tool
from mcp_agent.story import an_agent
from mcp_agent.talking import Script, Talk
from served import open_site


async def test_a_turn_calls_a_tool_over_the_link_of_another_replica(
    database_url: str, tmp_path: Path
) -> None:
    directory = tmp_path / "w"
    directory.mkdir()
    (directory / "AGENTS.md").write_text("Be kind.\n", encoding="utf-8")
    script = Script()
    async with (
        open_site(database_url) as holder,
        open_other(database_url, holder.token, script.workers()) as asker,
    ):
        talk = Talk(holder, Bench(directory), script)
        talk.bench.write(tools=[tool("add", inputSchema=NUMBER)])
        talk.list_server()
        async with an_agent(holder, talk.bench):
            await talk.until_pinnable()
            results = await talk.ask(("fake__add", {"n": 2}), ("read_file", {"path": "AGENTS.md"}))
            assert len(holder.server.services.links) == 1
            assert len(asker.server.services.links) == 0
        async with asker.server.services.store.database.read() as connection:
            chosen = select(agent_calls).order_by(agent_calls.c.method.desc())
            calls = (await connection.execute(chosen)).all()
    assert json.loads(results[0]["content"])["arguments"] == {"n": 2}
    assert results[1]["content"] == "Be kind.\n"
    asked = [call for call in calls if call.asked_by == "worker"]
    assert [(call.method, call.state) for call in asked] == [
        ("mcp.call", "done"),
        ("files.read", "done"),
    ]
