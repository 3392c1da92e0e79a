"""Tools of a pinned server on the pages: calls are folded, and drift is told part by part."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator

from mcp_agent.conftest import PROGRAM
from web.browsing import Person, expect
from web.house import House

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATH = {"type": "string", "description": "Where to look."}
BEFORE = {"path": PATH, "limit": {"type": "integer"}}
AFTER = {"path": {**PATH, "type": ["string", "null"]}, "depth": {"type": "integer"}}


def look(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": ["path"]}
    return {"name": "look", "description": description, "inputSchema": schema}


def part(page_part: Locator, what: str) -> Locator:
    return page_part.locator("tbody tr").filter(has_text=what)


async def test_a_call_is_folded_and_what_its_server_changed_is_shown_part_by_part(
    person: Person, house: House, tmp_path: Path
) -> None:
    page, plan = person.page, tmp_path / "plan.json"
    plan.write_text(json.dumps({"tools": [look("Looks.", BEFORE)]}), encoding="utf-8")
    launch = {"command": sys.executable, "args": [str(PROGRAM), str(plan)]}
    await house.publish(json.dumps({"mcpServers": {"fake": launch}}), ".mcp.json")
    await house.allow()
    call = {"calls": [{"name": "fake__look", "arguments": {"path": "deep inside"}}]}
    house.play(call, {"text": "I looked."}, call, {"text": "I could not."})
    path = await person.make_chat("Uses a tool", "scripted")
    await expect(page.locator(".name .badge")).to_have_text("clean")
    await person.say("Look")
    await expect(page.locator("#turn-1 .words").last).to_have_text("I looked.")
    folded = page.locator("#turn-1 details.call")
    await expect(folded).to_contain_text("done")
    await expect(folded.get_by_text("deep inside").first).to_be_hidden()
    await folded.locator("summary").focus()
    await page.keyboard.press("Enter")
    await expect(folded.get_by_text("deep inside").first).to_be_visible()
    await person.keep("tool-call")

    plan.write_text(json.dumps({"tools": [look("Looks far.", AFTER)]}), encoding="utf-8")
    await person.say("Look again")
    await expect(page.locator("#turn-2 details.call")).to_contain_text("tool changed")
    await expect(page.locator(".name .badge")).to_have_text("dirty · behavioural")
    await person.go(path + "/drift")
    tool = page.locator(".tool")
    await expect(tool.locator("h4")).to_contain_text("look")
    await expect(part(tool, "description").first).to_contain_text("Looks far.")
    await expect(part(tool, "parameter added")).to_contain_text("depth")
    await expect(part(tool, "parameter removed")).to_contain_text("limit")
    await expect(part(tool, "parameter type")).to_contain_text("path")
    await expect(page.locator("main")).not_to_contain_text("inputSchema")
    await person.keep("tool-drift")


async def test_a_file_of_a_skill_tells_which_chats_use_it(person: Person, house: House) -> None:
    page = person.page
    path = await person.make_chat("Runs on a skill")
    await person.go(path + "/context")
    skill = page.locator(".resources > li", has_text="skills/tidy")
    await skill.locator("summary").click()
    await skill.get_by_role("link", name="run.sh").click()
    await expect(page.locator(".uses li", has_text="Runs on a skill")).to_contain_text("run.sh")
    await expect(page.locator("pre")).to_contain_text("echo tidy")
