"""Hostile content, decisions, lost connections, and what keeps people out, in a real browser."""

import json
import re
import sys
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import (  # type: ignore[import-untyped] # it has none
    Axe,
)
from playwright.async_api import Browser, Route

from mcp_agent.conftest import PROGRAM
from tcp_proxy import proxied, target_of
from web.browsing import Person, expect, signed_in
from web.house import House
from web.speaking import MODEL, Speaker

pytestmark = pytest.mark.asyncio(loop_scope="session")
# And what it put off to the next moment came to pass too.
FIRST_SCRIPT_RAN = """async () => {
  const moment = () => new Promise((pass) => setTimeout(pass, 10));
  while (!window.htmx) await moment();
  await moment();
  await moment();
}"""

EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
MARKDOWN = f"""{EVIL}

[here](javascript:window.hacked=1) <a href="javascript:window.hacked=1">x</a>
![far](http://evil.test/pixel.png) [data](data:text/html,<script>window.hacked=1</script>)

<div hx-get="/workspaces" hx-trigger="load" style="position:fixed">over all</div>

```html
{EVIL}
```
"""
PLANTED = "main img, main script, main [style], main [hx-get='/workspaces']"
VIEWS = ("", "/context", "/drift", "/drift?form=unified", "/history", "/turns/1")


async def test_t26_b18_b19_f17_nothing_that_was_written_runs_or_asks_anybody(
    person: Person, house: House, speaker: Speaker
) -> None:
    page = person.page
    await house.publish("# Rules\n")
    path = await person.make_chat(f"Title {EVIL}", MODEL)
    await person.say(MARKDOWN)
    speaker.say(MARKDOWN)
    speaker.end()
    await expect(page.get_by_role("link", name="Receipt")).to_be_visible()
    named = house.workspace / ".agents" / "skills" / "evil" / "x<img src=x onerror=hacked=1>.md"
    named.parent.mkdir()
    (named.parent / "SKILL.md").write_text(
        f"---\nname: evil\ndescription: '{EVIL}'\n---\n{EVIL}\n", encoding="utf-8"
    )
    named.write_text(EVIL, encoding="utf-8")
    await house.publish(f"# Rules\n{MARKDOWN}\n</pre></td>{EVIL}\n")
    for view in VIEWS:
        await person.go(path + view)
        assert await page.evaluate("window.hacked") is None, view
        assert await page.locator(PLANTED).count() == 0, view
        links = await page.locator("main a").evaluate_all("all => all.map(a => a.protocol)")
        assert set(links) <= {"http:"}, view
    await person.go("/")
    await person.go("/workspaces")
    await page.locator("a.title").click()
    await expect(page.locator(".resources")).to_contain_text("<img src=x")
    assert await page.evaluate("window.hacked") is None


async def test_a_server_is_decided_about_by_exactly_what_is_shown(
    person: Person, house: House, tmp_path: Path
) -> None:
    page = person.page
    plan = tmp_path / "plan.json"
    tool = {"name": "look", "description": "Looks.", "inputSchema": {"type": "object"}}
    plan.write_text(json.dumps({"tools": [tool]}), encoding="utf-8")
    launch = {"command": sys.executable, "args": [str(PROGRAM), str(plan)]}
    await house.publish(json.dumps({"mcpServers": {"fake": launch}}), ".mcp.json")
    path = await person.make_chat("With a server")
    await expect(page.locator(".name .badge")).to_have_text("waiting for a server")
    await person.go("/workspaces")
    await page.locator("a.title").click()
    server = page.locator("article.server")
    await expect(server).to_contain_text("pending")
    await expect(server.locator("pre").first).to_contain_text(str(plan))
    await page.get_by_text("To the byte").click()
    exact = json.loads(await server.locator("pre.exact").inner_text())
    assert (exact["command"], exact["args"]) == (launch["command"], launch["args"])
    await person.keep("approvals")
    await page.get_by_role("button", name="Allow").click()
    await expect(server.locator(".badge").first).to_have_text("allowed")
    await person.go(path)
    await expect(page.locator(".name .badge")).to_have_text("clean")
    await page.get_by_text("2 tools").click()
    await page.get_by_role("link", name="tools/look").click()
    await expect(page.locator("pre")).to_contain_text("Looks.")
    await expect(page.locator(".uses")).to_contain_text("With a server")
    (house.workspace / ".mcp.json").unlink()
    await house.resync()
    await person.go(path + "/drift")
    await expect(page.locator(".entry", has_text="mcp:fake")).to_contain_text("removed")


async def test_a_lost_connection_is_said_and_repaired(browser: Browser, house: House) -> None:
    async with (
        proxied(target_of(house.url)) as proxy,
        signed_in(browser, house, port=proxy.port) as person,
    ):
        page = person.page
        await house.publish("# Rules\n\nBefore.\n")
        await person.make_chat("Cut off")
        await expect(page.locator(".name .badge")).to_have_text("clean")
        await expect(page.locator("html")).to_have_attribute("data-link", "live")
        proxy.is_refusing = True
        proxy.cut_all()
        await expect(page.get_by_text("Connection lost")).to_be_visible()
        await house.publish("# Rules\n\nMeanwhile.\n")
        await expect(page.locator(".name .badge")).to_have_text("clean")
        proxy.is_refusing = False
        await expect(page.locator(".name .badge")).to_have_text(re.compile("dirty"))
        await expect(page.get_by_text("Connection lost")).to_be_hidden()


async def test_an_answer_is_whole_after_a_connection_was_lost_in_the_middle(
    browser: Browser, house: House, speaker: Speaker
) -> None:
    async with (
        proxied(target_of(house.url)) as proxy,
        signed_in(browser, house, port=proxy.port) as person,
    ):
        page = person.page
        await person.make_chat("Cut in the middle", MODEL)
        await person.say("Speak")
        speaker.say("Before ")
        await expect(page.locator(".speaking .words")).to_contain_text("Before")
        proxy.is_refusing = True
        proxy.cut_all()
        await expect(page.get_by_text("Connection lost")).to_be_visible()
        speaker.say("and meanwhile ")
        proxy.is_refusing = False
        await expect(page.get_by_text("Connection lost")).to_be_hidden()
        speaker.say("and after.")
        speaker.end()
        words = page.locator(".said.model .words")
        await expect(words).to_have_text("Before and meanwhile and after.")
        await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()


async def test_scripts_that_come_late_still_listen(browser: Browser, house: House) -> None:
    async with signed_in(browser, house) as person:
        page = person.page
        await house.publish("# Rules\n\nOne.\n")
        path = await person.make_chat("Late")

        async def come_late(route: Route) -> None:
            await page.evaluate(FIRST_SCRIPT_RAN)
            await route.continue_()

        await page.route("**/hx-sse.js", come_late)
        await person.go(path)
        await expect(page.locator("html")).to_have_attribute("data-link", "live")
        await house.publish("# Rules\n\nTwo.\n")
        await expect(page.locator(".name .badge")).to_have_text(re.compile("dirty"))


@pytest.mark.parametrize("failing", [503, 429, None], ids=["busy", "too-often", "cut"])
async def test_a_page_that_could_not_be_drawn_anew_stays_and_is_asked_for_again(
    browser: Browser, house: House, failing: int | None
) -> None:
    async with signed_in(browser, house) as person:
        page = person.page
        await house.publish("# Rules\n\nOne.\n")
        await person.make_chat("Busy")
        await expect(page.locator("html")).to_have_attribute("data-link", "live")
        failed: list[str] = []

        async def fail(route: Route) -> None:
            if "hx-request" not in route.request.headers:
                await route.continue_()
                return
            failed.append(route.request.url)
            if failing is None:
                await route.abort()
            else:
                await route.fulfill(status=failing, body="<main id='page'>busy</main>")

        await page.route("**/chats/*", fail)
        await house.publish("# Rules\n\nTwo.\n")
        await expect(page.get_by_text("Connection lost")).to_be_visible()
        await expect(page.locator(".name .badge")).to_have_text("clean")
        assert failed
        await page.unroute("**/chats/*")
        await expect(page.locator(".name .badge")).to_have_text(re.compile("dirty"))
        await expect(page.get_by_text("Connection lost")).to_be_hidden()


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
async def test_no_view_keeps_people_out_on_a_phone_or_at_a_desk(
    browser: Browser, house: House, *, is_dark: bool
) -> None:
    async with signed_in(browser, house, is_dark=is_dark, is_phone=is_dark) as person:
        page = person.page
        await house.publish("# Rules\n\nUse tabs.\n")
        path = await person.make_chat("Read by everybody")
        await person.say("Which `rules`?\n\n```python\ndef f(): return 1\n```")
        await expect(page.get_by_role("link", name="Receipt")).to_be_visible()
        await house.publish("# Rules\n\nUse\u200b spaces.\n")
        await expect(page.locator(".name .badge")).to_have_text(re.compile("dirty"))
        for view in ("/", "/workspaces", *(path + view for view in VIEWS)):
            await person.go(view)
            found = await Axe().run(page)
            serious = [
                (each["id"], [node["html"][:120] for node in each["nodes"]])
                for each in found.response["violations"]
                if each["impact"] in ("serious", "critical")
            ]
            assert serious == [], view
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await page.evaluate(wide) == 0, view
        await person.go(path)
        await person.keep("phone" if is_dark else "desk", shown=is_dark)
