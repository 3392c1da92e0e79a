"""A person steers what chats run on, in a real browser, on both databases, mostly by keyboard."""

import re

import pytest

from driftpin.client import Client
from driftpin.wire.policies import PoliciesRequest
from web.browsing import Person, expect
from web.house import House

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_change_is_seen_read_accepted_and_undone(
    steerer: Person, either_house: House
) -> None:
    await either_house.publish("# Rules\n\nUse tabs.\n")
    page, badge = steerer.page, steerer.page.locator(".name .badge")
    path = await steerer.make_chat("On either")
    await steerer.say("Which rules do you follow?")
    await expect(page.get_by_role("link", name="Receipt")).to_be_visible()
    either_house.edit("# Rules\n\nUse spaces.\n")
    await expect(badge).to_have_text("dirty · behavioural")
    await steerer.go(path + "/drift")
    await expect(page.locator(".diff ins")).to_have_text("spaces")
    await page.get_by_role("button", name=re.compile("Refresh to")).click()
    await expect(badge).to_have_text("clean")
    await page.get_by_role("button", name="Undo the last refresh").click()
    await expect(badge).to_have_text("dirty · behavioural")
    await page.get_by_role("link", name="workspace:AGENTS.md").click()
    await expect(page.locator(".uses")).to_contain_text("On either")


async def test_a_part_is_accepted_the_rest_held_and_released_by_keyboard(
    steerer: Person, either_house: House
) -> None:
    page = steerer.page
    await either_house.publish("# Rules\n\nOne.\n")
    either_house.edit("# More\n\nOne.\n", "CLAUDE.md")
    await either_house.resync()
    path = await steerer.make_chat("Held back")
    either_house.edit("# Rules\n\nTwo.\n")
    either_house.edit("# More\n\nTwo.\n", "CLAUDE.md")
    await either_house.resync()
    await steerer.go(path + "/drift")
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
    await steerer.keep("held")

    await steerer.go(path)
    await expect(page.locator(".name")).to_contain_text("clean")
    await expect(page.locator(".name")).to_contain_text("1 held")
    await steerer.go(path + "/context")
    await expect(page.locator("pre.prompt")).to_contain_text("# More\n\nOne.")
    await held.get_by_role("button", name="Release workspace:CLAUDE.md").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url(steerer.url + path + "/drift")
    await expect(page.locator(".entry")).to_have_count(1)
    await expect(held).to_have_count(0)
    await steerer.go(path + "/history")
    await expect(page.locator("table.moves tbody tr")).to_have_count(2)


async def test_policies_are_set_by_keyboard_and_the_next_turn_follows(
    steerer: Person, either_house: House
) -> None:
    page = steerer.page
    await either_house.publish("# Rules\n\nFirst.\n")
    path = await steerer.make_chat("Policies")
    await expect(page.locator("#policy")).to_have_text("pin")
    await page.locator("#policies summary").focus()
    await page.keyboard.press("Enter")
    everything = page.locator("#policies").get_by_label("Everything", exact=True)
    await everything.focus()
    await page.keyboard.type("follow")
    await page.locator("#policies button").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#policy")).to_have_text("follow")
    await either_house.publish("# Rules\n\nSecond.\n")
    await expect(page.locator(".name .badge")).to_have_text("dirty · behavioural")
    await steerer.say("Which rules do you follow?")
    await expect(page.locator(".name .badge")).to_have_text("clean")
    await steerer.go(path + "/history")
    await expect(page.locator("table.moves tbody tr").first).to_contain_text("apply policy")
    await page.get_by_role("button", name="Roll back to it").click()
    await expect(page.locator("#policy")).to_have_text("pin")
    await expect(page.locator("#policies")).to_contain_text("was rolled back")

    await _set_policy_of_workspace(steerer, "freeze")
    frozen = await steerer.make_chat("Frozen")
    await either_house.publish("# Rules\n\nThird.\n")
    await steerer.go(frozen)
    await expect(page.locator(".name .badge")).to_have_text("frozen")
    await _set_policy_of_workspace(steerer, "pin")


async def _set_policy_of_workspace(steerer: Person, policy: str) -> None:
    page = steerer.page
    await steerer.go("/workspaces")
    await page.locator("a.title").click()
    everything = page.locator("#policies").get_by_label("Everything", exact=True)
    await everything.select_option(policy)
    await page.get_by_role("button", name="Set policy").click()
    await expect(everything).to_have_value(policy)


async def test_a_refresh_of_many_shows_what_each_gets_before_it_is_done(
    steerer: Person, either_house: House
) -> None:
    page = steerer.page
    await either_house.publish("# Rules\n\nOld.\n")
    moving, frozen = [await steerer.make_chat(title) for title in ("One of many", "Stays behind")]
    async with Client(either_house.url, either_house.token) as client:
        chat_id = frozen.rpartition("/")[2]
        await client.set_chat_policies(chat_id, PoliciesRequest(policy="freeze"))
    await either_house.publish("# Rules\n\nNew.\n")
    await steerer.go("/workspaces")
    await page.locator("a.title").click()
    await page.get_by_role("link", name="Refresh every dirty chat").click()
    alike = page.locator(".alike", has_text="One of many")
    await expect(alike).to_contain_text("workspace:AGENTS.md")
    await expect(alike).to_contain_text("behavioural")
    left = page.get_by_role("region", name="Left as they are")
    await expect(left.locator("li", has_text="Stays behind")).to_contain_text("frozen")
    await steerer.keep("refresh-many")

    # It moves to what was shown: another head than that is refused.
    await page.locator("input[name=shown]").evaluate(
        "each => { each.value = 'sha256:' + '0'.repeat(64); }"
    )
    await page.get_by_role("button", name=re.compile("Refresh .* chat")).click()
    await expect(page.locator("#problem")).to_contain_text("head_moved")
    assert all("412" in said for said in steerer.said)
    steerer.said.clear()
    await page.get_by_role("link", name="Look at what changed now").click()
    await expect(page.locator(".alike", has_text="One of many")).to_be_visible()
    await page.get_by_role("button", name=re.compile("Refresh .* chat")).focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status").filter(has_text="moved.")).to_be_visible()
    await expect(alike.locator("li", has_text="One of many")).to_contain_text("refreshed")
    await expect(left).to_contain_text("Stays behind")
    await steerer.go(moving)
    await expect(page.locator(".name .badge")).to_have_text("clean")
    await expect(page.get_by_role("button", name="Undo the last refresh")).to_be_visible()
    await steerer.go(frozen)
    await expect(page.locator(".name .badge")).to_have_text("frozen")
