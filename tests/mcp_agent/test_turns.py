"""A whole turn that calls pinned MCP tools and workspace tools: real agent, server, processes."""

import json
from pathlib import Path

from mcp_agent.conftest import NUMBER, tool
from mcp_agent.story import an_agent
from mcp_agent.talking import open_talk


async def test_a_turn_calls_a_pinned_tool_and_reads_the_workspace(
    database_url: str, tmp_path: Path
) -> None:
    async with open_talk(database_url, tmp_path) as talk:
        talk.bench.write(tools=[tool("add", inputSchema=NUMBER, description="Adds.")])
        talk.list_server()
        async with an_agent(talk.site, talk.bench):
            await talk.until_pinnable()
            results = await talk.ask(
                ("fake__add", {"n": 2}),
                ("read_file", {"path": "AGENTS.md"}),
                ("list_files", {}),
                ("search_files", {"text": "kind"}),
            )
    called = json.loads(results[0]["content"])
    assert (called["name"], called["arguments"]) == ("add", {"n": 2})
    assert [part["code"] for part in results] == ["", "", "", ""]
    assert [part["content"] for part in results[1:]] == [
        "Be kind.\n",
        "AGENTS.md\nplan.json",
        "AGENTS.md:1: Be kind.",
    ]
