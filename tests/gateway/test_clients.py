"""The protocol's own client on a real server, agent and MCP server: both carriers, both eras."""

import asyncio
import json
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError

from driftpin.wire.api import RollbackRequest
from gateway.visiting import (
    CARRIERS,
    ERAS,
    EVERY_LIST,
    MODERN,
    PICTURE,
    SKILL,
    WAIT_S,
    Heard,
    code_of,
    failure_of,
    open_visit,
    read,
    text_in,
    uris_by_name,
    visiting,
)
from mcp_agent.conftest import NUMBER, tool

EVERY_WAY = [(carrier, mode) for carrier in CARRIERS for mode in ERAS]
RULES = "workspace:AGENTS.md"
TIDY = "workspace:.agents/skills/tidy"


@pytest.mark.parametrize(("carrier", "mode"), EVERY_WAY)
async def test_a_client_finds_files_skills_and_tools_of_the_pin(
    carrier: str, mode: str, sqlite_url: str, tmp_path: Path
) -> None:
    async with (
        open_visit(sqlite_url, tmp_path) as visit,
        visiting(visit, carrier, mode) as client,
    ):
        listed = await client.list_resources()
        assert {each.name: (each.mime_type, each.size) for each in listed.resources} == {
            RULES: ("text/markdown", 9),
            f"{TIDY}/SKILL.md": ("text/markdown", len(SKILL)),
            f"{TIDY}/logo.png": ("image/png", 256),
            f"{TIDY}/run.sh": ("application/x-sh", 20),
        }
        uris = uris_by_name(listed)
        assert await read(client, uris[RULES]) == "Be kind.\n"
        assert await read(client, uris[f"{TIDY}/logo.png"]) == PICTURE
        (prompt,) = (await client.list_prompts()).prompts
        assert (prompt.name, prompt.description) == ("tidy", "Tidies up.")
        said = (await client.get_prompt("tidy")).model_dump_json()
        assert "- run.sh" in said
        assert "Run `run.sh`." in said
        names = [each.name for each in (await client.list_tools()).tools]
        assert names == ["context_diff", "context_refresh", "context_status", "fake__add"]
        called = json.loads(text_in(await client.call_tool("fake__add", {"n": 2})))
        assert (called["name"], called["arguments"]) == ("add", {"n": 2})
        with pytest.raises(MCPError) as unknown:
            await client.read_resource(f"driftpin://chats/{visit.chat_id}/workspace%3Aother.md")
        assert code_of(unknown.value) == "file_not_found"


async def test_a_pin_in_postgresql_is_served_alike(postgresql_url: str, tmp_path: Path) -> None:
    async with open_visit(postgresql_url, tmp_path) as visit, visit.client() as client:
        uris = uris_by_name(await client.list_resources())
        assert await read(client, uris[RULES]) == "Be kind.\n"
        assert not (await client.call_tool("fake__add", {"n": 2})).is_error


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_move_is_told_to_clients_that_are_connected(
    carrier: str, sqlite_url: str, tmp_path: Path
) -> None:
    heard = Heard()
    async with (
        open_visit(sqlite_url, tmp_path) as visit,
        visiting(visit, carrier, message_handler=heard.take) as client,
    ):
        uris = uris_by_name(await client.list_resources())
        pinned = str((await visit.context()).snapshot)
        await visit.edit("Be brief.\n")
        assert await read(client, uris[RULES]) == "Be kind.\n"
        assert heard.methods == []
        async with asyncio.timeout(WAIT_S):
            # Whoever is not listening yet hears of no move before it does.
            while not heard.methods:
                await visit.refresh()
                await heard.wait_a_moment()
                back = RollbackRequest(to=pinned)
                await visit.talk.client.roll_back_context(visit.chat_id, back)
        await heard.wait_for(*EVERY_LIST)
        await visit.refresh()
        assert await read(client, uris[RULES]) == "Be brief.\n"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_subscription_of_the_newer_era_tells_of_a_move(
    carrier: str, sqlite_url: str, tmp_path: Path
) -> None:
    async with (
        open_visit(sqlite_url, tmp_path) as visit,
        visiting(visit, carrier, MODERN) as client,
    ):
        await visit.edit("Be brief.\n")
        uri = uris_by_name(await client.list_resources())[RULES]
        async with client.listen(tools_list_changed=True, resource_subscriptions=[uri]) as told:
            await visit.refresh()
            async with asyncio.timeout(WAIT_S):
                found = {type(await anext(told)).__name__ for _ in range(2)}
        assert found == {"ToolsListChanged", "ResourceUpdated"}


async def test_without_the_workspace_only_calls_of_tools_fail(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with open_visit(sqlite_url, tmp_path) as visit, visit.client() as client:
        await visit.end_agent()
        uris = uris_by_name(await client.list_resources())
        assert await read(client, uris[f"{TIDY}/run.sh"]) == "#!/bin/sh\necho tidy\n"
        assert (await client.get_prompt("tidy")).messages
        assert failure_of(await client.call_tool("fake__add", {"n": 2})) == "agent_offline"


async def test_d34_d35_calls_are_checked_like_those_of_a_turn(
    sqlite_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with open_visit(sqlite_url, tmp_path, log=str(log)) as visit, visit.client() as client:
        broken = await client.call_tool("fake__add", {"n": "two"})
        assert failure_of(broken) == "invalid_arguments"
        with pytest.raises(MCPError) as unknown:
            await client.call_tool("fake__other", {})
        assert code_of(unknown.value) == "no_tool"
        other = tool("add", inputSchema=NUMBER, description="Adds more.")
        visit.talk.bench.write(tools=[other], log=str(log))
        assert failure_of(await client.call_tool("fake__add", {"n": 2})) == "tool_changed"
    assert not log.exists(), "nothing was called"


async def test_the_context_is_shown_and_moved_to_what_was_shown(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with open_visit(sqlite_url, tmp_path) as visit, visit.client() as client:
        head = await visit.edit("Be brief.\n")
        status = json.loads(text_in(await client.call_tool("context_status")))
        assert (status["dirty"], status["head"]) == (True, head)
        shown = json.loads(text_in(await client.call_tool("context_diff")))
        assert (shown["head"], [each["source"] for each in shown["entries"]]) == (head, [RULES])
        assert "+Be brief." in shown["diffs"][0]["text"]
        newer = await visit.edit("Be quiet.\n")
        old = await client.call_tool("context_refresh", {"to": head})
        assert failure_of(old) == "head_moved"
        assert json.loads(text_in(old))["head"] == newer
        dry = await client.call_tool("context_refresh", {"to": newer, "dry_run": True})
        looked = json.loads(text_in(dry))
        assert (looked["moved"], looked["dirty"]) == (True, True)
        moved = await client.call_tool("context_refresh", {"to": newer})
        assert json.loads(text_in(moved))["snapshot"] == newer
        bad = await client.call_tool("context_refresh", {"to": "newest"})
        assert failure_of(bad) == "invalid_arguments"
