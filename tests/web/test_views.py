"""Views that steer chats or tell of reviews: for everybody, at a desk and on a phone."""

from collections.abc import Mapping
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from driftpin.client import Client
from driftpin.wire.api import CreateChatRequest, RefreshRequest
from driftpin.wire.policies import PoliciesRequest
from review_documents import document_of
from web.browsing import Person, signed_in
from web.house import House
from web.test_reviews import publish, seriously_wrong

pytestmark = pytest.mark.asyncio(loop_scope="session")

RULES: Final = "# Rules\n\nUse tabs.\nBe kind to those who come after you.\n"
# Those that the documents show.
SHOWN: Final = ("held", "compare", "workspace", "refresh", "review")
WIDE: Final = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth === width) return [];
  const all = [...document.querySelectorAll("main *")];
  const wide = all.filter((each) => each.getBoundingClientRect().right > width);
  return wide.map((each) => each.outerHTML.slice(0, 120));
}"""
# Of radio buttons with one name the keyboard reaches one, and then the others by arrows.
REACHABLE: Final = """() => {
  const all = document.querySelectorAll("a[href], button, input, select, textarea, summary");
  const seen = [...all].filter((each) => each.checkVisibility({ contentVisibilityAuto: true }));
  const radios = new Set();
  return seen.filter((each) => {
    if (each.type === "hidden" || each.disabled) return false;
    if (each.type !== "radio") return true;
    return radios.has(each.name) ? false : radios.add(each.name);
  }).length;
}"""
FOCUS_NEXT: Final = """() => {
  const at = document.activeElement;
  if (at === document.body || at.dataset.reached) return null;
  at.dataset.reached = "1";
  // Where a message is written the frame around it takes another colour instead.
  const isMarked = getComputedStyle(at).outlineStyle !== "none" || at.matches("#composer textarea");
  return [at.matches("a, button, input, select, textarea, summary"), isMarked];
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def views(house: House) -> Mapping[str, str]:
    """The paths of views of a workspace in which a chat holds one change and took another."""
    await house.publish(RULES)
    await house.publish("# More\n\nAsk before you delete.\n", "CLAUDE.md")
    async with Client(house.url, house.token) as client:
        workspace_id = (await client.list_workspaces())[0].id
        wish = CreateChatRequest(workspace_id=workspace_id, title="Holds a change back")
        chat = await client.create_chat(wish)
        await client.create_chat(CreateChatRequest(workspace_id=workspace_id, title="Lags behind"))
        await house.publish(RULES.replace("tabs", "spaces"))
        await house.publish("# More\n\nDelete what you like.\n", "CLAUDE.md")
        selection = RefreshRequest(accept=("workspace:AGENTS.md",), hold=("workspace:CLAUDE.md",))
        await client.refresh_context(chat.id, selection)
        policies = PoliciesRequest(policy="auto_add", kinds={"skill": "follow"})
        await client.set_chat_policies(chat.id, policies)
        await client.set_workspace_policies(workspace_id, policies)
        first, second = [entry.to for entry in await client.list_history(chat.id)]
    await publish(house, document_of(1))
    review = await publish(house, document_of(2))
    path, workspace = f"/chats/{chat.id}", f"/workspaces/{workspace_id}"
    return {
        "held": f"{path}/drift",
        "policies": path,
        "history": f"{path}/history",
        "compare": f"{path}/compare?before={first}&after={second}",
        "workspace": workspace,
        "refresh": f"{workspace}/refresh",
        "reviews": "/reviews",
        "review": review,
        "finding": f"{review}/findings/CRF-2",
    }


async def look(person: Person, view: str, path: str) -> None:
    """Go to a view; what is folded there is unfolded."""
    await person.go(path)
    if view == "policies":
        await person.page.locator("#policies summary").click()
        await person.page.locator("#policies").scroll_into_view_if_needed()


@pytest.mark.parametrize(
    ("is_phone", "is_dark"),
    [(False, False), (False, True), (True, False), (True, True)],
    ids=["desk-light", "desk-dark", "phone-light", "phone-dark"],
)
async def test_no_view_of_holds_policies_and_reviews_keeps_people_out(
    browser: Browser, house: House, views: Mapping[str, str], *, is_phone: bool, is_dark: bool
) -> None:
    suffix = f"{'-phone' if is_phone else ''}{'-dark' if is_dark else ''}"
    async with signed_in(browser, house, is_phone=is_phone, is_dark=is_dark) as person:
        for view, path in views.items():
            await look(person, view, path)
            assert await seriously_wrong(person.page) == [], view
            assert await person.page.evaluate(WIDE) == [], view
            await person.keep(f"{view}{suffix}", shown=view in SHOWN and not is_phone)
        assert (person.said, person.foreign) == ([], [])


async def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    person: Person, views: Mapping[str, str]
) -> None:
    for view, path in views.items():
        await look(person, view, path)
        assert await _reached(person.page) >= await person.page.evaluate(REACHABLE), view


async def _reached(page: Page) -> int:
    """Return how many controls Tab comes to, each of them marked as the one that has the focus."""
    # The link that skips is the first of all, and is counted here.
    count = 1
    await page.locator("a.skip").focus()
    await page.keyboard.press("Tab")
    while (found := await page.evaluate(FOCUS_NEXT)) is not None:
        is_control, is_marked = found
        assert is_marked, await page.evaluate("document.activeElement.outerHTML")
        count += is_control
        await page.keyboard.press("Tab")
    return count
