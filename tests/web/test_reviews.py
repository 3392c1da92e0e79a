"""Reviews on the page: read, heard of, and harmless whatever was written in them."""

import json
from typing import Any

import pytest
from axe_playwright_python.async_playwright import (  # type: ignore[import-untyped] # it has none
    Axe,
)
from playwright.async_api import Browser

from driftpin.client import Client
from driftpin.wire.reviews import PublishReviewRequest
from review_documents import document_of
from web.browsing import Person, expect, signed_in
from web.house import House

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\u202e'
TEXTS = ("statement", "quote", "evidence", "trigger", "outcome", "fix", "proof", "why", "reply")


def hostile(number: int) -> str:
    """A record whose every text would like to run."""
    written = json.loads(document_of(number, target=f"main..work {EVIL}", good=[EVIL]))
    for finding in written["findings"]:
        finding.update(dict.fromkeys(TEXTS, EVIL))
        finding["place"]["path"] = EVIL
    for dropped in written["dropped"]:
        dropped["reason"] = dropped["claim"]["statement"] = EVIL
    written["coverage"]["files"] = [{"path": EVIL, "roles": ["scout"]}]
    written["reading"] = [
        {
            "reviewer": "panel.structure",
            "calls": 2,
            "refused": 1,
            "files": [EVIL],
            "probes": [EVIL],
            "digest": written["manifest"],
        }
    ]
    for each in written["rounds"]:
        each["failed"] = [EVIL]
    return json.dumps(written)


async def publish(house: House, text: str, **chats: str) -> str:
    """Publish a record as the command does, and return the review's path."""
    async with Client(house.url, house.token) as client:
        workspace = (await client.list_workspaces())[0].id
        request = PublishReviewRequest(document=text, chats=chats)
        return f"/reviews/{(await client.publish_review(workspace, request)).id}"


async def seriously_wrong(page: Any) -> list[Any]:
    found = await Axe().run(page)
    return [
        (each["id"], [node["html"][:120] for node in each["nodes"]])
        for each in found.response["violations"]
        if each["impact"] in ("serious", "critical")
    ]


async def test_a_review_is_read_round_by_round_and_a_new_round_arrives_without_reload(
    person: Person, house: House
) -> None:
    page = person.page
    chat = await person.make_chat("A reviewer")
    path = await publish(house, document_of(1), **{"scout.scout": chat.rpartition("/")[2]})
    await person.go("/reviews")
    await page.get_by_role("link", name="base..work").click()
    await page.wait_for_url(person.url + path)
    await expect(page.locator("table.findings tbody tr")).to_have_count(3)
    await expect(page.locator("table.rounds tbody tr")).to_have_count(1)
    await person.keep("review")
    await publish(house, document_of(2))
    await expect(page.locator("table.rounds tbody tr")).to_have_count(2)
    await page.locator("table.findings").get_by_role("link", name="CRF-3").click()
    await expect(page.locator("main")).to_contain_text("withdrawn")
    await expect(page.locator("main")).to_contain_text("verified this round")
    await page.get_by_role("link", name="Round 1").click()
    await expect(page.locator(".notice")).to_contain_text("the newest is round 2")
    await page.get_by_role("link", name="scout.scout").click()
    await page.wait_for_url(person.url + chat)


async def test_hostile_text_runs_nowhere_and_no_view_keeps_people_out(
    browser: Browser, house: House
) -> None:
    async with signed_in(browser, house, is_phone=True, is_dark=True) as person:
        page = person.page
        path = await publish(house, hostile(2))
        await person.go(path)
        await expect(page.locator("main")).to_contain_text("panel.structure, 2 calls:")
        for view in ("/reviews", path, f"{path}/findings/CRF-2"):
            await person.go(view)
            assert await page.evaluate("window.hacked") is None, view
            assert await page.locator("main img, main script, main [style]").count() == 0, view
            await expect(page.locator("main")).to_contain_text("<img src=x")
            await expect(page.locator("mark.hidden").first).to_have_text("\\u{202E}")
            assert await seriously_wrong(page) == [], view
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await page.evaluate(wide) == 0, view
        assert (person.said, person.foreign) == ([], [])
