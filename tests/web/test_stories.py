"""What a person does with a chat, in a real browser, on a real server with a real agent."""

import re

import pytest

from web.browsing import Person, expect
from web.house import House
from web.speaking import MODEL, Speaker

pytestmark = pytest.mark.asyncio(loop_scope="session")

HIDDEN = "# Rules\n\nUse tabs, and never\u200b spaces.\nBe kind.\n"


async def test_a_change_is_seen_without_reload_read_accepted_and_undone(
    person: Person, house: House
) -> None:
    page = person.page
    await house.publish("# Rules\n\nUse tabs.\n")
    path = await person.make_chat("Which rules hold")
    await person.say("Which rules do you follow?")
    await expect(page.get_by_role("link", name="Receipt")).to_be_visible()
    pin = await page.locator(".panel .digest code").first.inner_text()
    listed = await person.tab()
    await listed.goto(person.url)
    line = listed.locator("li", has_text="Which rules hold")
    await expect(line).to_contain_text("clean")

    house.edit(HIDDEN)
    await expect(page.locator(".name .badge")).to_have_text("dirty · risky")
    await expect(line).to_contain_text("dirty · risky")
    await person.keep("chat", shown=True)

    await page.get_by_role("link", name="See what changed").click()
    diff = page.locator(".diff")
    await expect(diff.locator("ins").first).to_have_text(re.compile("and never"))
    await expect(diff.locator("mark.hidden")).to_have_text("\\u{200B}")
    await expect(page.get_by_text("tokens of the provider's cache")).to_be_visible()
    await person.keep("drift", shown=True)
    await page.get_by_role("link", name="Unified").click()
    await expect(page.locator("table.unified tr.new")).to_have_count(2)
    await expect(page.locator("table.unified tr.old")).to_have_count(1)

    await page.get_by_role("button", name=re.compile("Refresh to")).click()
    await page.wait_for_url(person.url + path)
    await expect(page.locator(".name .badge")).to_have_text("clean")
    await expect(line).to_contain_text("clean")
    await page.get_by_role("button", name="Undo the last refresh").click()
    await expect(page.locator(".name .badge")).to_have_text("dirty · risky")
    assert await page.locator(".panel .digest code").first.inner_text() == pin


async def test_a_head_that_moved_meanwhile_is_told_and_changes_nothing(
    person: Person, house: House
) -> None:
    page = person.page
    await house.publish("# Rules\n\nOne.\n")
    path = await person.make_chat("Moved")
    await house.publish("# Rules\n\nTwo.\n")
    await person.go(path + "/drift")
    shown = page.locator("input[name=to]").first
    to = await shown.get_attribute("value")
    await expect(page.locator("#stale")).to_be_hidden()
    await house.publish("# Rules\n\nThree.\n")
    await expect(page.locator("#stale")).to_be_visible()
    assert await shown.get_attribute("value") == to
    await page.get_by_role("button", name=re.compile("Refresh to")).click()
    await expect(page.locator("#problem")).to_contain_text("head_moved")
    await page.get_by_role("link", name="Look at what changed now").click()
    await expect(page.locator(".diff")).to_contain_text("Three.")
    assert await shown.get_attribute("value") != to
    await person.go(path + "/history")
    await expect(page.locator("table.moves tbody tr")).to_have_count(1)
    # That a request was refused is what the browser itself says.
    assert all("412" in said for said in person.said)
    person.said.clear()


async def test_an_answer_streams_as_markdown_and_two_tabs_agree(
    person: Person, speaker: Speaker
) -> None:
    path = await person.make_chat("Streams", MODEL)
    other = await person.tab()
    await other.goto(person.url + path)
    await person.say("Speak")
    speaker.say("It is **bold")
    for page in (person.page, other):
        await expect(page.locator(".speaking .words")).to_contain_text("bold")
        await expect(page.get_by_role("button", name="Interrupt and send")).to_be_visible()
    speaker.say("** indeed", ".")
    for page in (person.page, other):
        await expect(page.locator(".speaking strong")).to_have_text("bold")
    speaker.end()
    for page in (person.page, other):
        await expect(page.locator(".speaking")).to_have_count(0)
        await expect(page.locator(".said.model .words")).to_have_text("It is bold indeed.")
        await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()


async def test_a_message_waits_behind_a_turn_or_interrupts_it(
    person: Person, speaker: Speaker
) -> None:
    page = person.page
    await person.make_chat("Queue", MODEL)
    await person.say("First")
    speaker.say("one ")
    await expect(page.locator(".speaking .words").first).to_contain_text("one")
    await person.say("Second", "Queue")
    await expect(page.locator(".turn")).to_have_count(2)
    await expect(page.locator("#turn-2")).to_contain_text("waits behind")
    assert await page.get_by_label("Message", exact=True).input_value() == ""
    await person.say("Third", "Interrupt and send")
    await expect(page.locator("#turn-1")).to_contain_text("Interrupted")
    await expect(page.locator("#turn-1 .said.model:not(.speaking) .words")).to_contain_text("one")
    speaker.say("two")
    speaker.end()
    await expect(page.locator("#turn-2 .said.model:not(.speaking) .words")).to_have_text("two")
    speaker.say("three")
    speaker.end()
    await expect(page.locator("#turn-3 .said.model:not(.speaking) .words")).to_have_text("three")


async def test_a_message_that_is_refused_is_still_there(person: Person) -> None:
    page = person.page
    await person.make_chat("Too long")
    await page.get_by_label("Message", exact=True).evaluate(
        "each => { each.value = 'x'.repeat(600000); }"
    )
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("#notice")).to_contain_text("too_long")
    assert len(await page.get_by_label("Message", exact=True).input_value()) == 600_000
    assert all("422" in said for said in person.said)
    person.said.clear()


async def test_history_is_compared_rolled_back_and_forked(person: Person, house: House) -> None:
    page = person.page
    await house.publish("# Rules\n\nAlpha.\n")
    path = await person.make_chat("Histories")
    await person.say("Go on")
    await expect(page.get_by_role("link", name="Receipt")).to_be_visible()
    await house.publish("# Rules\n\nBeta.\n")
    await person.go(path + "/drift")
    await page.get_by_role("button", name=re.compile("Refresh to")).click()
    await page.wait_for_url(person.url + path)
    await person.go(path + "/history")
    rows = page.locator("table.moves tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("refresh")
    await expect(rows.first).to_contain_text("you")
    await page.get_by_role("button", name="Compare the two").click()
    await expect(page.locator(".diff .old ins, .diff del")).to_contain_text("Alpha")
    await expect(page.locator(".diff ins")).to_contain_text("Beta")
    await person.go(path + "/history")
    await page.get_by_role("button", name="Roll back to it").click()
    await expect(page.locator(".name .badge")).to_have_text(re.compile("dirty"))
    await page.get_by_role("link", name="Receipt").click()
    await expect(page.get_by_text("chain is whole")).to_be_visible()
    await expect(page.locator("pre.prompt")).to_contain_text("Alpha.")
    await person.keep("receipt")
    await person.go(path)
    await page.get_by_role("button", name="Fork from here").click()
    await page.wait_for_url(lambda url: "/chats/" in url and not url.endswith(path))
    await expect(page.locator(".said.user")).to_contain_text("Go on")


async def test_any_two_pins_of_the_history_are_compared(person: Person, house: House) -> None:
    page = person.page
    await house.publish("# Rules\n\nFirst.\n")
    path = await person.make_chat("Three pins")
    for text in ("Second", "Third"):
        await house.publish(f"# Rules\n\n{text}.\n")
        await person.go(path + "/drift")
        await page.get_by_role("button", name=re.compile("Refresh to")).click()
        await page.wait_for_url(person.url + path)
    await person.go(path + "/history")
    await page.get_by_label("Compare from revision 3").check()
    await page.get_by_label("Compare to revision 1").check()
    await page.get_by_role("button", name="Compare the two").click()
    await expect(page.locator(".diff del")).to_have_text("Third")
    await expect(page.locator(".diff ins")).to_have_text("First")
    await expect(page.locator("main")).not_to_contain_text("Second")


async def test_the_panel_shows_everything_and_which_chats_use_it(
    person: Person, house: House
) -> None:
    page = person.page
    broken = house.workspace / ".agents" / "skills" / "broken"
    broken.mkdir()
    (broken / "SKILL.md").write_text("no header", encoding="utf-8")
    await house.publish("# Rules\n\nPanel.\n")
    path = await person.make_chat("Panels")
    await person.go(path + "/context")
    listed = page.locator(".resources > li")
    await expect(listed).to_have_count(3)
    await expect(listed.first).to_contain_text("invalid")
    await expect(page.locator("pre.prompt")).to_contain_text("Panel.")
    await expect(page.locator("table")).to_contain_text("instruction file")
    copied = page.get_by_role("button", name=re.compile("Copy digest")).first
    digest = await copied.get_attribute("data-copy")
    await person.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await copied.click()
    await expect(copied).to_have_text("copied")
    assert await page.evaluate("navigator.clipboard.readText()") == digest
    await person.keep("context")
    await page.get_by_role("link", name="workspace:AGENTS.md").click()
    await expect(page.locator(".uses")).to_contain_text("Panels")
    await expect(page.locator("pre")).to_contain_text("Panel.")


async def test_a_workspace_shows_its_agent_and_its_head(person: Person) -> None:
    page = person.page
    await person.go("/workspaces")
    await page.locator("a.title").click()
    await expect(page.locator(".agents")).to_contain_text("connected")
    await expect(page.locator(".agents")).to_contain_text("present one")
    await expect(page.locator(".resources")).to_contain_text("workspace:AGENTS.md")
    await person.keep("workspace")


async def test_all_is_done_by_keyboard(person: Person) -> None:
    page = person.page
    await person.make_chat("By keyboard")
    await page.keyboard.press("Tab")
    await page.locator("body").press("/")
    await expect(page.get_by_label("Message", exact=True)).to_be_focused()
    await page.keyboard.type("Said by keys")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".said.user")).to_contain_text("Said by keys")
    await expect(page.get_by_role("link", name="Receipt")).to_be_visible()
    await page.get_by_role("link", name="Receipt").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("chain is whole")).to_be_visible()


async def test_whoever_is_not_signed_in_is_told_how_and_signing_out_ends_it(
    person: Person, house: House
) -> None:
    page = person.page
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_text("driftpin login-link")).to_be_visible()
    await person.go("/workspaces")
    await expect(page.get_by_text("driftpin login-link")).to_be_visible()
    assert house.machine.run("password", said="\ncorrect horse\n").code == 0
    await page.get_by_label("Name").fill("local")
    await page.get_by_label("Password").fill("a guess")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert").filter(has_text="wrong")).to_be_visible()
    await page.get_by_label("Name").fill("local")
    await page.get_by_label("Password").fill("correct horse")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Chats")).to_be_visible()
    assert all("401" in said for said in person.said)
    person.said.clear()
