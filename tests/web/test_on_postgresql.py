"""The first story again, on PostgreSQL."""

import re

import pytest
from playwright.async_api import Browser

from web.browsing import expect, signed_in
from web.house import House

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_change_is_seen_read_accepted_and_undone_on_postgresql(
    browser: Browser, house_on_postgresql: House
) -> None:
    async with signed_in(browser, house_on_postgresql) as person:
        page, badge = person.page, person.page.locator(".name .badge")
        path = await person.make_chat("On PostgreSQL")
        await person.say("Which rules do you follow?")
        await expect(page.get_by_role("link", name="Receipt")).to_be_visible()
        house_on_postgresql.edit("# Rules\n\nUse spaces.\n")
        await expect(badge).to_have_text("dirty · behavioural")
        await person.go(path + "/drift")
        await expect(page.locator(".diff ins")).to_have_text("spaces")
        await page.get_by_role("button", name=re.compile("Refresh to")).click()
        await expect(badge).to_have_text("clean")
        await page.get_by_role("button", name="Undo the last refresh").click()
        await expect(badge).to_have_text("dirty · behavioural")
        await page.get_by_role("link", name="workspace:AGENTS.md").click()
        await expect(page.locator(".uses")).to_contain_text("On PostgreSQL")
        assert (person.said, person.foreign) == ([], [])
