"""Accepting a part, holding the rest and letting go of it, on the pages, all by keyboard."""

import pytest

from web.browsing import Person, expect
from web.house import House

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_part_is_accepted_the_rest_held_and_released_by_keyboard(
    person: Person, house: House
) -> None:
    page = person.page
    await house.publish("# Rules\n\nOne.\n")
    house.edit("# More\n\nOne.\n", "CLAUDE.md")
    await house.resync()
    path = await person.make_chat("Held back")
    house.edit("# Rules\n\nTwo.\n")
    house.edit("# More\n\nTwo.\n", "CLAUDE.md")
    await house.resync()
    await person.go(path + "/drift")
    await expect(page.locator(".entry")).to_have_count(2)

    await page.get_by_role("button", name="Accept workspace:AGENTS.md").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".entry")).to_have_count(1)
    await expect(page.locator(".entry")).to_contain_text("CLAUDE.md")
    await page.get_by_role("button", name="Hold workspace:CLAUDE.md").focus()
    await page.keyboard.press("Enter")
    held = page.get_by_role("region", name="Held")
    await expect(held).to_contain_text("workspace:CLAUDE.md")
    await expect(page.get_by_text("Nothing differs but what is held.")).to_be_visible()
    await person.keep("held")

    await person.go(path)
    await expect(page.locator(".name")).to_contain_text("clean")
    await expect(page.locator(".name")).to_contain_text("1 held")
    await person.go(path + "/context")
    await expect(page.locator("pre.prompt")).to_contain_text("# More\n\nOne.")
    await held.get_by_role("button", name="Release workspace:CLAUDE.md").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url(person.url + path + "/drift")
    await expect(page.locator(".entry")).to_have_count(1)
    await expect(held).to_have_count(0)
    await person.go(path + "/history")
    await expect(page.locator("table.moves tbody tr")).to_have_count(2)
